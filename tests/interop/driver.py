"""How a client program of these tests talks to the test that started it: one JSON object per line each way.

A line on standard input names a deed (`do`) and its arguments; a driver's method of that name does it. What
happens goes to standard output, in its order: events as they come, and for each command `{"ok": true, ...}`
with what the method returned, or `{"ok": false, ...}` with what went wrong.
"""

import asyncio
import json
import sys


def tell(line):
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Driver:
    """Obeys the commands, one at a time; a class of this kind has the deeds."""

    FAULTS = (OSError, RuntimeError, TypeError, asyncio.TimeoutError)

    def describe(self, fault):
        """What the test is told of one of the `FAULTS`."""
        return {"error": f"{type(fault).__name__}: {fault}"}

    async def obey(self, line):
        command = json.loads(line)
        deed = getattr(self, command.pop("do"))
        try:
            tell({"ok": True, **(await deed(**command) or {})})
        except self.FAULTS as fault:
            tell({"ok": False, **self.describe(fault)})

    async def run(self):
        """Until the test closes the pipe."""
        reader = asyncio.StreamReader(limit=1 << 24)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            await self.obey(line)

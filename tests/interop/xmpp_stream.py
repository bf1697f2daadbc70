"""A slixmpp client that writes without end and tells what the server acknowledged (XEP-0198).

    xmpp_stream.py JID PASSWORD HOST PORT TO [TO ...]

Each message has a text of its own, "JID-NUMBER". {"event": "acked", "body": ...} is printed when the
server acknowledged it; with {"event": "over"} the connection is gone and nothing more will come.
"""

import asyncio
import itertools
import ssl
import sys

import slixmpp

from driver import tell

IN_FLIGHT = 40


class Writer(slixmpp.ClientXMPP):
    def __init__(self, jid, password, receivers):
        super().__init__(jid, password)
        self.receivers = receivers
        self.waiting = 0
        self.over = asyncio.get_running_loop().create_future()
        self.ssl_context.check_hostname = False
        self.ssl_context.verify_mode = ssl.CERT_NONE
        self.register_plugin("xep_0198", {"allow_resume": False, "window": 1})
        self.add_event_handler("session_start", self.on_start)
        self.add_event_handler("stanza_acked", self.on_acked)
        for end in ("disconnected", "connection_failed", "failed_all_auth"):
            self.add_event_handler(end, self.on_end)

    def on_start(self, _):
        tell({"event": "writing"})
        self.writing = asyncio.ensure_future(self.write())

    def on_acked(self, stanza):
        if isinstance(stanza, slixmpp.Message):
            self.waiting -= 1
            tell({"event": "acked", "body": stanza["body"]})

    def on_end(self, why):
        if not self.over.done():
            self.over.set_result(str(why))

    async def write(self):
        for number in itertools.count():
            while self.waiting >= IN_FLIGHT:
                await asyncio.sleep(0.002)
            if self.over.done():
                return
            to = self.receivers[number % len(self.receivers)]
            self.waiting += 1
            self.send_message(mto=to, mbody=f"{self.boundjid.bare}-{number}", mtype="chat")
            await asyncio.sleep(0)


async def main():
    jid, password, host, port, *receivers = sys.argv[1:]
    writer = Writer(jid, password, receivers)
    writer.enable_direct_tls = False
    writer.enable_starttls = True
    writer.enable_plaintext = False
    writer.connect(host, int(port))
    why = await writer.over
    tell({"event": "over", "why": why})


asyncio.run(main())

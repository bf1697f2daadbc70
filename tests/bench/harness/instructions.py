"""Counts instructions under callgrind, where they repeat, and compares them with the committed ones."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from . import process
from .paths import BENCH, DATA, LOAD, LOAD_CORE, PROJECT
from .runner import say
from .servers import Rollcall

BASELINE = BENCH / 'instructions' / 'baseline.json'
BUILD = PROJECT / 'target' / 'count'
# Worse by more than this is a regression. Whole servers vary a little: how much waits when they wake up
# depends on the moment.
ALLOWED = {'case': 0.02, 'server': 0.03}

# One operation at a time, so that every run takes the same path.
SERVER_SCENARIOS = {
    'server: xmpp chat': ('xmpp-chat --pairs 1 --window 1 --ops 300 --store no', 'xmpp', 600),
    'server: xmpp chat archived': ('xmpp-chat --pairs 1 --window 1 --ops 300', 'xmpp', 600),
    'server: xmpp ping': ('xmpp-ping --users 1 --ops 500', 'xmpp', 500),
    'server: sip register': ('sip-register --users 1 --conc 1 --ops 300', 'sip', 301.5),
    'server: sip message': ('sip-message --pairs 1 --window 1 --ops 300', 'sip', 600),
    'server: sip options': ('sip-options --users 1 --ops 500', 'sip', 500),
    'server: sip call': ('sip-call --pairs 1 --ops 100', 'sip', 100),
    'server: publish': ('sip-publish --watchers 50 --ops 100', 'sip', 5000),
    'server: xmpp to sip': ('xmpp-to-sip --pairs 1 --window 1 --ops 300', 'xmpp', 300),
    'server: web chat': ('web-chat --pairs 1 --window 1 --ops 300', 'web', 600),
}


def binary(name):
    """Cargo puts benches into deps/, under a name with a hash; the newest is ours."""
    found = [path for path in (BUILD / 'deps').glob(f'{name}-*') if path.suffix == '' and os.access(path, os.X_OK)]
    return max(found, key=lambda path: path.stat().st_mtime)


def count_cases(wanted):
    """Instructions of each case, per operation."""
    program = binary('instructions')
    listed = subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    counts = {}
    for rounds, name in (line.split(' ', 1) for line in listed):
        if wanted(name):
            counts[name] = count_case(program, name) / int(rounds)
            say(f'{name:32} {counts[name]:12,.0f}')
    return counts


def count_case(program, name):
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / 'out'
        command = ['valgrind', '--tool=callgrind', '--collect-atstart=no', '--toggle-collect=instructions::counted*',
                   f'--callgrind-out-file={out}', program, name]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise process.Failed(f'{name}:\n{done.stdout}')
        return total(out)


def total(out):
    """Of all parts: callgrind may write one for every dump. (Its "summary" is zero where it stopped counting.)"""
    return sum(int(match) for file in out.parent.glob(f'{out.name}*')
               for match in re.findall(r'^totals: (\d+)', file.read_text(), re.M))


class Counted(Rollcall):
    """Rollcall under callgrind, which counts only when it is told to."""

    def __init__(self, out):
        super().__init__(BUILD / 'rollcall')
        self.out, self.is_counting = out, False

    def command(self):
        plain = super().command()
        if not self.is_counting:
            return plain
        return ['valgrind', '--tool=callgrind', '--instr-atstart=no', f'--callgrind-out-file={self.out}', *plain]


def count_servers(wanted):
    """Instructions of the whole server for each operation of some scenarios."""
    counts = {}
    for name, (load, port, operations) in SERVER_SCENARIOS.items():
        if wanted(name):
            counts[name] = count_server(name.removeprefix('server: '), load, port) / operations
            say(f'{name:32} {counts[name]:12,.0f}')
    return counts


def count_server(name, load, port):
    """Plays the scenario twice: what happens only once is not counted. Logging in and registering is, and
    belongs to the operations."""
    folder = Path(tempfile.mkdtemp())
    server = Counted(folder / 'out')
    server.prepare(100)
    server.is_counting = True
    try:
        pid = server.start(100)
        server.ready_for(name)
        play(server, load, port)
        switch('on', pid)
        play(server, load, port)
        switch('off', pid)
        server.stop()
        return total(server.out)
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def switch(state, pid):
    done = subprocess.run(['callgrind_control', f'--instr={state}', str(pid)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode or 'OK' not in done.stdout:
        raise process.Failed(f'callgrind_control: {done.stdout}')
    time.sleep(0.3)


def play(server, load, port):
    command = ['taskset', '-c', str(LOAD_CORE), LOAD, *load.split(), '--port', getattr(server, port), '--sip-port', server.sip]
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=180)
    if done.returncode:
        raise process.Failed(f'{load}: {done.stderr}')


def compiler():
    return subprocess.run(['rustc', '--version'], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def known():
    return json.loads(BASELINE.read_text()) if BASELINE.exists() else {'rustc': compiler(), 'counts': {}}


def accept(counts, baseline):
    merged = baseline['counts'] | {name: round(count) for name, count in counts.items()}
    BASELINE.write_text(json.dumps({'rustc': compiler(), 'counts': merged}, indent=2) + '\n')


def compare(counts, baseline):
    """A table, and the names of what is worse than allowed."""
    lines, worse = ['| | instructions | accepted | |', '|---|--:|--:|--:|'], []
    for name, count in counts.items():
        before = baseline['counts'].get(name)
        change = count / before - 1 if before else 0
        allowed = ALLOWED['server' if name.startswith('server:') else 'case']
        if before and change > allowed:
            worse.append(name)
        lines.append(f'| {name} | {count:,.0f} | {format(before, ",") if before else "new"} | {change:+.1%} |')
    return '\n'.join(lines), worse

"""Runs scenarios: scenario by scenario, server after server, so that the machine's moods hit all alike."""
import datetime
import fnmatch
import json
import os
import platform
import resource
import shlex
import subprocess
import time

from . import process
from .paths import CORES, DATA, LOAD, LOAD_CORE, RESULTS, SERVER_CORE
from .servers import LIMITS, PEER_SERVERS
from .scenarios import SCENARIOS


def chosen(only, peers):
    """Scenarios with the servers that each is to be run against. `only` has names, or patterns with *,
    separated by commas; `peers` has names separated by spaces."""
    patterns = [part.strip() for part in only.split(',') if part.strip()] or ['*']
    wanted = set(peers.split() or PEER_SERVERS) | set(LIMITS)
    unknown = wanted - set(PEER_SERVERS) - set(LIMITS)
    if unknown:
        raise process.Failed(f'unknown peers: {", ".join(sorted(unknown))}; there are {", ".join(PEER_SERVERS)}')
    plan = [(scenario, [name for name in scenario.servers if name in wanted]) for scenario in SCENARIOS
            if any(fnmatch.fnmatchcase(scenario.name, pattern) for pattern in patterns)]
    if not plan:
        raise process.Failed(f'no scenario {only!r}; there are {", ".join(s.name for s in SCENARIOS)}')
    return [(scenario, servers) for scenario, servers in plan if servers]


def machine(versions):
    """What a reader needs to know about the figures."""
    model = [line.split(':')[1].strip() for line in open('/proc/cpuinfo') if line.startswith('model name')]
    memory = next(int(line.split()[1]) for line in open('/proc/meminfo') if line.startswith('MemTotal'))
    return {
        'date': datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d %H:%M UTC'),
        'kernel': platform.release().split('-')[0], 'cores': len(CORES), 'cpu': (model or ['unknown'])[0],
        'memory_mb': memory // 1024, 'system': platform.freedesktop_os_release().get('PRETTY_NAME', ''),
        'rustc': subprocess.run(['rustc', '--version'], stdout=subprocess.PIPE, text=True).stdout.strip(),
        'versions': versions,
    }


def allow_many_files():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Run:
    """Everything that one call of `make bench` measures, appended line by line to a file."""

    def __init__(self, name, divide=1):
        RESULTS.mkdir(exist_ok=True)
        DATA.mkdir(exist_ok=True)
        self.file = RESULTS / f'{name}.jsonl'
        self.file.write_text('')
        self.divide = divide
        self.failures = []
        self.started = time.monotonic()

    def write(self, line):
        with open(self.file, 'a') as out:
            out.write(json.dumps(line) + '\n')

    def all(self, plan, servers, runs):
        for server in {name for _, names in plan for name in names} - set(LIMITS):
            for accounts in {scenario.accounts for scenario, names in plan if server in names}:
                say(f'{server}: making {accounts} accounts')
                servers[server].prepare(accounts)
        self.started = time.monotonic()
        for scenario, names in plan:
            for run in range(min(runs, scenario.most_runs)):
                for name in names:
                    self.one(scenario, name, servers.get(name), run)
        self.write({'finished': True, 'failures': self.failures})
        say(f'{len(self.failures)} of the runs failed; {time.monotonic() - self.started:.0f} s in all')

    def one(self, scenario, name, server, run):
        """One scenario with one server, once; what fails is said and left out."""
        try:
            if name == 'relay':
                lines = self.with_relay(scenario)
            elif name == 'file':
                lines = self.load(scenario, name, ['--file', DATA / 'append.tmp'])
            else:
                lines = self.with_server(scenario, name, server)
        except (process.Failed, subprocess.TimeoutExpired) as error:
            self.failures.append((scenario.name, name))
            say(f'{scenario.name:20} {name:16} FAILED: {error}')
            self.write({'failed': str(error), 'name': scenario.name, 'server': name, 'run': run})
            return
        for line in lines:
            line = {'name': scenario.name, 'server': name, 'run': run} | line
            self.write(line)
            say(describe(line))

    def with_server(self, scenario, name, server):
        try:
            pid = server.start(scenario.accounts)
            server.ready_for(scenario.name)
            if scenario.warm_up:
                generate([*scenario.warm_up.split(), '--port', port_of(server, scenario.warm_up)])
            if scenario.name == 'process':
                time.sleep(2)
            options = ['--port', port_of(server, scenario.load), '--server-pid', pid]
            if server.sip:
                options += ['--sip-port', server.sip]
            if name == 'nginx':
                options += ['--style', 'files']
            try:
                return self.load(scenario, type(server).name, options)
            except process.Failed as error:
                raise process.Failed(f'{error}\nThe log of {name} ends with:\n{process.tail(server.data / "log", 5)}')
        finally:
            server.stop()

    def with_relay(self, scenario):
        mode = shlex.split(scenario.load)[2]
        log = DATA / 'relay.log'
        relay = process.start([LOAD, 'relay', '--mode', mode], SERVER_CORE, log)
        try:
            time.sleep(0.5)
            return self.load(scenario, 'relay', ['--server-pid', relay.pid])
        finally:
            process.stop(relay)

    def load(self, scenario, name, options):
        ops = scenario.ops.get(name, scenario.ops.get('else'))
        if ops:
            options = [*options, '--ops', max(20, ops // self.divide)]
        return generate([*shlex.split(scenario.load), *options])


def generate(arguments):
    """Runs the load generator; the lines that it printed."""
    command = ['taskset', '-c', str(LOAD_CORE), str(LOAD), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=180)
    if done.returncode:
        raise process.Failed(done.stderr.strip()[:1000])
    return [json.loads(line) for line in done.stdout.splitlines()]


def port_of(server, arguments):
    kind = arguments.split()[0]
    if kind.startswith('sip-'):
        return server.sip
    if kind.startswith('web-'):
        return server.web
    return server.xmpp_tls if '--tls direct' in arguments else server.xmpp


def describe(line):
    name = f"{line['name']} {line.get('phase', '')}".strip()
    if 'pss_kb_per_session' in line:
        what = f"{line['pss_kb_per_session']:8.1f} kB each"
    elif line['scenario'] == 'process':
        what = f"{line['pss_after_kb'] / 1024:8.1f} MB"
    else:
        cost = line.get('server_us_per_op', line['generator_us_per_op'])
        what = f"{cost:8.1f} µs  {line['ops_per_s']:9.0f}/s  {line['seconds']:5.1f} s"
    return f"{name:20} {line['server']:16} {what}"


def say(text):
    print(text, flush=True)


def settings():
    """Of the environment, as `make` hands them over."""
    return (os.environ.get('ONLY', ''), os.environ.get('PEERS', ''), int(os.environ.get('RUNS') or 3),
            int(os.environ.get('DIVIDE') or 1))

"""Medians of a run, as a Markdown table, with the machine they were taken on."""
import json
import statistics
from collections import defaultdict

from . import chart
from .paths import RESULTS
from .scenarios import SCENARIOS
from .servers import LIMITS, PEER_SERVERS


class Results:
    """The lines of one run: the machine, and the measurements by scenario, phase and server."""

    def __init__(self, file):
        self.lines = defaultdict(list)
        self.machine, self.runs, self.partial, self.whole = {}, 0, True, False
        for line in map(json.loads, open(file)):
            if 'machine' in line:
                self.machine, self.runs, self.partial = line['machine'], line['runs'], line['partial']
            elif 'finished' in line:
                self.whole = not line['failures']
            elif 'failed' not in line:
                self.lines[line['name'], line.get('phase', ''), line['server']].append(line)
        self.servers = [name for name in PEER_SERVERS if any(server == name for *_, server in self.lines)]

    def phases(self, scenario):
        found = {phase for name, phase, _ in self.lines if name == scenario.name}
        return [phase for phase in ('', 'store', 'collect') if phase in found]

    def values(self, name, phase, server, key):
        return [line[key] for line in self.lines.get((name, phase, server), []) if key in line]

    def median(self, name, phase, server, key):
        values = self.values(name, phase, server, key)
        return statistics.median(values) if values else None

    def costs(self, scenario, phase, server):
        """What a scenario is about: µs of the server's CPU time, kB of a session, MB of the process."""
        if scenario.unit == 'MB':
            return [size / 1024 for size in self.values(scenario.name, phase, server, 'pss_after_kb')]
        key = 'pss_kb_per_session' if scenario.unit == 'kB' else 'server_us_per_op'
        return self.values(scenario.name, phase, server, 'generator_us_per_op' if server == 'file' else key)

    def cost(self, scenario, phase, server):
        costs = self.costs(scenario, phase, server)
        return statistics.median(costs) if costs else None

    def limit(self, scenario, phase):
        """What moving and storing the same bytes costs at the least, in µs; None where that was not measured."""
        parts = scenario.limit.get(phase)
        by_name = {each.name: each for each in SCENARIOS}
        costs = [self.cost(by_name[name], '', by_name[name].servers[0]) for name in parts or ()]
        if not parts or None in costs:
            return None
        return sum(share * cost for share, cost in zip(parts.values(), costs))

    def kernel(self, scenario, phase, server):
        """The share of the server's time that it spent in the kernel."""
        system, total = (self.median(scenario.name, phase, server, key) for key in ('server_system_s', 'server_cpu_s'))
        return system / total if total else None


def number(value):
    if value is None:
        return ''
    if value >= 100:
        return f'{value:,.0f}'
    return f'{value:.1f}' if value >= 10 else f'{value:.2g}'


def table(results):
    titles = [PEER_SERVERS[name].title for name in results.servers]
    lines = [
        f'| scenario | what one operation is | unit | {" | ".join(titles)} | to reach | best peer ÷ Rollcall | limit | Rollcall ÷ limit | of it in the kernel | p50 / p99 ms |',
        f'|---|---|---|{"--:|" * len(titles)}--:|--:|--:|--:|--:|--:|',
    ]
    for scenario in SCENARIOS:
        if scenario.servers[0] in LIMITS:
            continue
        for phase in results.phases(scenario):
            lines.append(row(results, scenario, phase))
    return '\n'.join(lines)


def short_table(results):
    """The figures alone, for the README."""
    titles = [PEER_SERVERS[name].title for name in results.servers]
    lines = [f'| | {" | ".join(titles)} | limit |', f'|---|{"--:|" * len(titles)}--:|']
    for scenario in SCENARIOS:
        if scenario.servers[0] in LIMITS:
            continue
        for phase in results.phases(scenario):
            costs = [with_unit(results.cost(scenario, phase, name), scenario.unit) for name in results.servers]
            limit = with_unit(results.limit(scenario, phase), scenario.unit)
            lines.append(f'| {scenario.name} {phase} | {" | ".join(costs)} | {limit} |')
    return '\n'.join(lines)


def with_unit(value, unit):
    return f'{number(value)} {unit}' if value is not None else ''


def row(results, scenario, phase):
    costs = {name: results.cost(scenario, phase, name) for name in results.servers}
    ours, limit = costs.get('rollcall'), results.limit(scenario, phase)
    peers = [cost for name, cost in costs.items() if name != 'rollcall' and cost]
    target = scenario.target.get(phase)
    kernel = results.kernel(scenario, phase, 'rollcall') if scenario.unit == 'µs' else None
    p50, p99 = (results.median(scenario.name, phase, 'rollcall', key) for key in ('p50_ms', 'p99_ms'))
    cells = [
        f'{scenario.name} {phase}'.strip(), scenario.about, scenario.unit, *map(number, costs.values()),
        f'≤ {number(target)}' if target else '', f'{number(min(peers) / ours)} ×' if ours and peers else '',
        number(limit), f'{number(ours / limit)} ×' if ours and limit else '',
        f'{kernel:.0%}' if kernel is not None else '', f'{p50:.2f} / {p99:.2f}' if p50 is not None else '',
    ]
    return '| ' + ' | '.join(cells) + ' |'


def limits(results):
    lines = ['| limit | µs |', '|---|--:|']
    for scenario in SCENARIOS:
        if scenario.servers[0] in LIMITS and results.phases(scenario):
            lines.append(f'| {scenario.about.removeprefix("the limit: ")} | {number(results.cost(scenario, "", scenario.servers[0]))} |')
    return '\n'.join(lines)


def heading(results):
    machine = results.machine
    versions = ', '.join(f'{name} {version}' for name, version in machine['versions'].items())
    return (f"`make bench` on {machine['date']}: medians of {results.runs} runs; {versions}; {machine['system']}, "
            f"Linux {machine['kernel']}, {machine['cores']} cores of {machine['cpu']}, {machine['memory_mb']:,} MB; {machine['rustc']}. "
            'Figures are CPU time of the server per operation (user and system), memory per session, or memory of the '
            'whole process (both PSS).')


def write(file):
    """Writes table and chart beside the raw lines; the text to print."""
    results = Results(file)
    text = f'{heading(results)}\n\n{table(results)}\n\n{limits(results)}\n'
    (RESULTS / 'latest.md').write_text(text)
    (RESULTS / 'latest.svg').write_text(chart.draw(results))
    return f'\n{text}\nTable, chart and raw lines: {RESULTS}/latest.md, .svg and .jsonl'

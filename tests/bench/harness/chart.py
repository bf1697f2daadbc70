"""The figures as a picture: one row per scenario, one dot per server, a logarithmic scale. SVG by hand, as a
plotting library would be a larger thing to install than all that it draws here."""
import math
from html import escape

from .scenarios import SCENARIOS
from .servers import PEER_SERVERS

COLORS = {'rollcall': '#0b6e4f', 'prosody': '#3a6ea5', 'ejabberd': '#c8553d', 'ejabberd-sqlite': '#e0a458', 'kamailio': '#7a4b94',
          'nginx': '#6b6b6b'}
LEFT, WIDTH, ROW, TOP = 210, 560, 22, 78
UNITS = (('µs', 'CPU time of the server per operation, µs'), ('kB', 'memory of a session, kB'))


def draw(results):
    panels, y = [], TOP
    for unit, title in UNITS:
        rows = [(scenario, phase) for scenario in SCENARIOS if scenario.unit == unit and scenario.servers[0] == 'rollcall'
                for phase in results.phases(scenario)]
        if rows:
            panels.append(panel(results, rows, title, y))
            y += ROW * len(rows) + 64
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 40} {y}" font-family="sans-serif" '
            f'font-size="12" fill="#222">\n<rect width="100%" height="100%" fill="#fff"/>\n{legend(results)}\n'
            + '\n'.join(panels) + '\n</svg>\n')


def legend(results):
    parts, x = [], 20
    for name in results.servers:
        parts.append(f'<circle cx="{x}" cy="22" r="5" fill="{COLORS[name]}"/><text x="{x + 10}" y="26">{escape(PEER_SERVERS[name].title)}</text>')
        x += 34 + 7 * len(PEER_SERVERS[name].title)
    parts.append(f'<path d="M{x} 15v14" stroke="#999" stroke-width="2"/><text x="{x + 10}" y="26">limit: only moving and storing the bytes</text>')
    return ''.join(parts)


def panel(results, rows, title, top):
    dots = {(scenario.name, phase): {name: results.cost(scenario, phase, name) for name in results.servers} for scenario, phase in rows}
    limits = {(scenario.name, phase): results.limit(scenario, phase) for scenario, phase in rows}
    values = [value for row in dots.values() for value in row.values() if value and value > 0]
    values += [value for value in limits.values() if value]
    if not values:
        return ''
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)

    def x(value):
        return LEFT + WIDTH * (math.log10(value) - low) / (high - low)

    bottom = top + ROW * len(rows)
    parts = [f'<text x="{LEFT}" y="{top - 26}" font-weight="bold">{escape(title)}</text>']
    for power in range(low, high + 1):
        at = x(10.0 ** power)
        parts.append(f'<path d="M{at:.1f} {top - 4}V{bottom}" stroke="#ddd"/><text x="{at:.1f}" y="{top - 8}" text-anchor="middle" fill="#666">{10.0 ** power:,g}</text>')
    for number, ((name, phase), row) in enumerate(dots.items()):
        parts.append(draw_row(f'{name} {phase}'.strip(), row, limits[name, phase], x, top + ROW * number + ROW / 2))
    return '\n'.join(parts)


def draw_row(label, row, limit, x, y):
    parts = [f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(label)}</text>',
             f'<path d="M{LEFT} {y}h{WIDTH}" stroke="#f0f0f0"/>']
    if limit:
        parts.append(f'<path d="M{x(limit):.1f} {y - 7}v14" stroke="#999" stroke-width="2"/>')
    for name, value in reversed(row.items()):
        if value and value > 0:
            parts.append(f'<circle cx="{x(value):.1f}" cy="{y}" r="5" fill="{COLORS[name]}"><title>{escape(PEER_SERVERS[name].title)}: {value:,.1f}</title></circle>')
    return ''.join(parts)

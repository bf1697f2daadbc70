"""Where a server's time goes: samples of perf, summed by what the code belongs to.

A sample belongs to the function that ran, not to who called it: what is inlined counts for its caller, and what
the kernel did counts by the system call. perf samples CPU time by the clock, which needs no counter of the processor."""
import re
import signal
import subprocess
import time
from collections import Counter

from . import process
from .paths import DATA
from .runner import generate, port_of

# Samples per second of CPU time; not a round number, so that it does not march with a timer.
RATE = 1999

# The first that is found in a kernel stack, from the function that ran outwards.
KERNEL = [
    ('disk', re.compile(r'fsync|ext4|jbd2|xfs|btrfs|blk_|iomap|overlay|_pwrite|generic_file|filemap|block_')),
    ('network', re.compile(r'tcp_|udp_|inet|sock|ip_|skb|net_rx|unix_|_(send|recv)|loopback')),
    ('waiting', re.compile(r'futex|epoll|nanosleep|schedul|eventfd')),
]
CRATES = {
    'runtime': {'tokio', 'mio', 'tokio_util', 'futures_util', 'futures_core', 'parking_lot', 'parking_lot_core'},
    'cryptography': {'rustls', 'tokio_rustls', 'ring', 'aws_lc_rs', 'sha1', 'sha2', 'md5', 'md_5', 'hmac', 'digest', 'pbkdf2', 'argon2',
                     'blake2', 'aes_gcm', 'base64', 'subtle', 'block_buffer'},
    'http': {'hyper', 'hyper_util', 'axum', 'axum_core', 'tower', 'tower_http', 'tungstenite', 'tokio_tungstenite', 'http', 'httparse',
             'matchit', 'serde_json'},
    'database': {'rusqlite', 'libsqlite3_sys', 'postcard'},
}
CRATE_OF = {crate: part for part, crates in CRATES.items() for crate in crates}
CIPHERS = re.compile(r'aws_lc|ring_core|aes|gcm|ghash|x25519|p256|ecp|sha\d|sha1|chacha|poly1305|bn_mul|fiat|curve25519|ecdsa', re.I)
ROOM = re.compile(r'rollcall::(\w+)')
PATH = re.compile(r'([A-Za-z_]\w*)::')

# What the table shows, in this order.
PARTS = {
    'network': 'kernel: network', 'waiting': 'kernel: threads', 'disk': 'kernel: disk', 'kernel': 'kernel: other',
    'runtime': 'Tokio', 'memory': 'allocating, copying', 'library': 'std and small crates', 'cryptography': 'TLS, hashes',
    'http': 'HTTP, JSON', 'database': 'SQLite', 'net': 'net', 'xmpp': 'xmpp', 'sip': 'sip', 'api': 'api', 'auth': 'auth',
    'signal': 'signal', 'account': 'account', 'storage': 'storage',
}


def part_of(frames):
    """`frames` are (function, object) pairs, the one that ran first."""
    function, where = frames[0]
    if where.startswith('[') or where.endswith('.ko'):
        for frame, _ in frames:
            for part, pattern in KERNEL:
                if pattern.search(frame):
                    return part
        return 'kernel'
    if 'libc' in where or 'ld-linux' in where or '[vdso]' in where:
        return 'memory'
    return part_of_function(function)


def part_of_function(function):
    # `<T as Trait>::method` belongs to T, and so does `crate::function`, whatever its parameters are.
    crate = PATH.search(function.lstrip('<&'))
    if not crate:
        return 'cryptography' if CIPHERS.search(function) else 'database'
    if crate[1] == 'rollcall':
        room = ROOM.search(function)[1]
        return room if room in PARTS else 'library'
    return CRATE_OF.get(crate[1], 'library')


def stacks(text):
    """The stacks of `perf script -F ip,sym,dso`."""
    frames = []
    for line in text.splitlines():
        match = re.match(r'\s+[0-9a-f]+ (.*) \(([^()]*(?:\([^()]*\))?[^()]*)\)$', line)
        if match:
            frames.append((match[1], match[2]))
        elif frames:
            yield frames
            frames = []
    if frames:
        yield frames


def shares(recorded):
    command = ['perf', 'script', '-i', recorded, '-F', 'ip,sym,dso', '--no-inline']
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    counts = Counter(map(part_of, stacks(done.stdout)))
    total = sum(counts.values())
    if not total:
        raise process.Failed('perf took no samples (is kernel.perf_event_paranoid above 1, and this not root?)')
    return {part: counts[part] / total for part in PARTS if counts[part]}


def profile(scenario, server, ops):
    """The shares of the server's CPU time while a scenario plays, its warm-up left out."""
    recorded = DATA / 'perf.data'
    try:
        pid = server.start(scenario.accounts)
        server.ready_for(scenario.name)
        if scenario.warm_up:
            generate([*scenario.warm_up.split(), '--port', port_of(server, scenario.warm_up)])
        perf = subprocess.Popen(['perf', 'record', '-q', '-e', 'cpu-clock', '-F', str(RATE), '-g', '-o', recorded, '-p', str(pid)],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        process.running.append(perf)
        time.sleep(0.3)
        options = ['--port', port_of(server, scenario.load), '--server-pid', pid, '--sip-port', server.sip]
        generate([*scenario.load.split(), *options, *(['--ops', ops] if ops else [])])
        perf.send_signal(signal.SIGINT)
        perf.wait(30)
        process.running.remove(perf)
        return shares(recorded)
    finally:
        server.stop()


def table(profiles):
    """Per scenario the parts that matter, largest first, those below two of a hundred together."""
    lines = ['| scenario | where the time goes |', '|---|---|']
    for name, parts in profiles.items():
        large = sorted((item for item in parts.items() if item[1] >= 0.02), key=lambda item: -item[1])
        rest = 1 - sum(share for _, share in large)
        cells = [f'{PARTS[part]} {share:.0%}' for part, share in large] + ([f'the rest {rest:.0%}'] if rest >= 0.005 else [])
        lines.append(f'| {name} | {", ".join(cells)} |')
    return '\n'.join(lines)

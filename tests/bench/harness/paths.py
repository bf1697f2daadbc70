"""Where things are. Everything that is made lies under tests/bench and is ignored by git."""
import os
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
PROJECT = BENCH.parent.parent
PEERS = BENCH / 'peers'
DATA = BENCH / 'data'
RESULTS = BENCH / 'results'
LOAD = BENCH / 'target' / 'release' / 'load'
ROLLCALL = Path(os.environ.get('ROLLCALL') or PROJECT / 'target' / 'release' / 'rollcall').resolve()

# Server on one core, generator on the other; on a machine with one core both share it.
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = CORES[0]
LOAD_CORE = CORES[1] if len(CORES) > 1 else CORES[0]

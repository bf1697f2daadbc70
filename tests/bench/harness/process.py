"""Processes that surely end: started in a group of their own, pinned to a core, killed with us."""
import atexit
import os
import signal
import socket
import subprocess
import sys
import time

running = []


class Failed(Exception):
    """What went wrong, in words for the reader of the terminal."""


def start(command, core, log, cwd=None, env=None):
    """A server, pinned to `core`; the kernel ends it should this process be killed."""
    pinned = ['setpriv', '--pdeathsig', 'KILL', 'taskset', '-c', str(core), *map(str, command)]
    with open(log, 'wb') as out:
        process = subprocess.Popen(pinned, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd,
                                   env=os.environ | (env or {}), start_new_session=True)
    running.append(process)
    return process


def stop(process, patience=15):
    """Asks the group to end, and makes it end where it does not."""
    for wish in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, wish)
            process.wait(patience)
            break
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            break
    process.wait()
    try:
        os.killpg(process.pid, signal.SIGKILL)  # children that outlived it
    except ProcessLookupError:
        pass
    if process in running:
        running.remove(process)


def is_open(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(('127.0.0.1', port)) == 0


def wait_for_ports(name, process, ports, log, patience=90):
    """Returns when all ports answer; shows the log where the server ends or takes too long."""
    deadline = time.monotonic() + patience
    for port in ports:
        while not is_open(port):
            if process.poll() is not None:
                raise Failed(f'{name} ended with status {process.returncode}:\n{tail(log)}')
            if time.monotonic() > deadline:
                raise Failed(f'{name} does not answer on port {port}:\n{tail(log)}')
            time.sleep(0.05)


def wait_until_free(name, ports, patience=20):
    """A port that another process holds would make us measure that one."""
    deadline = time.monotonic() + patience
    while any(map(is_open, ports)):
        if time.monotonic() > deadline:
            taken = [port for port in ports if is_open(port)]
            raise Failed(f'{name} cannot start: something else listens on {taken}')
        time.sleep(0.1)


def tail(log, lines=20):
    with open(log, errors='replace') as text:
        return ''.join(text.readlines()[-lines:]) or '(it said nothing)'


def stop_all(*_):
    for process in list(running):
        stop(process, patience=3)


def end_on_signals():
    """However this process ends, its servers end before."""
    atexit.register(stop_all)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))

"""What the runs with crowds share: where things are, the data folder, the server, the lines they print."""
import datetime, json, os, platform, resource, shutil, signal, subprocess, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(HERE + '/../../..')
PROFILE = os.environ.get('PROFILE', 'release')
SERVER = os.environ.get('ROLLCALL_BIN', f'{ROOT}/target/{PROFILE}/rollcall')
FILL = f'{ROOT}/target/{PROFILE}/examples/fill'
CROWD = os.environ.get('CROWD_BIN', f'{ROOT}/tests/bench/target/release/crowd')
# Everything that a run makes is below this folder, and is removed at the end.
WORK = os.environ.get('CROWD_DIR', f'{ROOT}/target/crowd')
PORTS = dict(xmpp=36222, tls=36223, sip=36060, http=36280)


class Folder:
    """A data folder with its configuration."""

    def __init__(self, name):
        self.path = f'{WORK}/{name}'
        shutil.rmtree(self.path, ignore_errors=True)
        os.makedirs(self.path)
        self.config = configure(self.path)

    def fill(self, *words):
        subprocess.run([FILL, self.config, *map(str, words)], check=True)

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


def configure(path):
    """Writes the configuration of a server that keeps its data below `path`."""
    with open(f'{HERE}/rollcall.toml') as file:
        text = file.read().replace('@DATA@', f'{path}/data')
    with open(f'{path}/rollcall.toml', 'w') as file:
        file.write(text)
    return f'{path}/rollcall.toml'


class Server:
    """A running server; `with Server(folder) as server:`."""

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        self.log = open(f'{self.folder.path}/log', 'w')
        self.process = subprocess.Popen([SERVER, 'serve', '--config', self.folder.config],
                                        stdout=self.log, stderr=self.log)
        deadline = time.time() + 60
        while 'is ready' not in open(self.log.name).read():
            if self.process.poll() is not None or time.time() > deadline:
                raise SystemExit(f'the server does not start: {open(self.log.name).read()}')
            time.sleep(0.05)
        return self

    def crowd(self, command, save, **options):
        """Runs one command of the generator; gives each line that it prints to `save`."""
        tls = options.get('tls') == 'yes'
        words = dict(options, server_pid=self.process.pid, xmpp=f"127.0.0.1:{PORTS['tls' if tls else 'xmpp']}",
                     sip=f"127.0.0.1:{PORTS['sip']}", http=f"127.0.0.1:{PORTS['http']}")
        args = [word for name, value in words.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        generator = subprocess.Popen([CROWD, command, *args], stdout=subprocess.PIPE, text=True)
        for line in generator.stdout:
            save(json.loads(line))
        if generator.wait():
            raise SystemExit(f'crowd {command} {options}: see above')

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def open_files():
    """The most files that a process may have open here; takes as many as are allowed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def version():
    """What was measured."""
    commit = subprocess.run(['git', '-C', ROOT, 'describe', '--always', '--dirty'], capture_output=True, text=True)
    return commit.stdout.strip() or 'unknown'


def machine():
    """On what and when it was measured."""
    model = [line.split(':')[1].strip() for line in open('/proc/cpuinfo') if line.startswith('model name')]
    total = next(int(line.split()[1]) for line in open('/proc/meminfo') if line.startswith('MemTotal'))
    today = datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%d')
    return (f'{today}, profile `{PROFILE}`, {os.cpu_count()} cores of {(model or ["unknown"])[0]}, '
            f'{total / 1024 / 1024:.0f} GB, Linux {platform.release().split("-")[0]}')

"""Rollcall and its peers: how each is given accounts, started and stopped.

Accounts are u0@localhost, u1@localhost and so on, their password is "secret". A server's folder is made once
(`prepare`) and copied anew for every run (`start`), so that no run sees what another left."""
import hashlib
import hmac
import http.client
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from . import process
from .paths import DATA, PEERS, PROJECT, ROLLCALL, SERVER_CORE

PASSWORD = 'secret'


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        raise process.Failed(f'{" ".join(map(str, command))}:\n{done.stdout}')
    return done.stdout


class Server:
    """What all have in common. Ports are below 32768, where the kernel picks none for clients."""
    name = ''
    ports = []
    xmpp = xmpp_tls = sip = web = None

    def __init__(self):
        self.process = None

    def folder(self, accounts):
        return DATA / f'{self.key()}-{accounts}'

    def key(self):
        return self.name

    def prepare(self, accounts):
        """Makes the folder with so many accounts, unless it is there."""
        made = self.folder(accounts)
        if made.exists():
            return
        self.data = DATA / self.name
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True)
        make_certificate()
        self.configure()
        self.add_accounts(accounts)
        self.data.rename(made)

    def start(self, accounts):
        """A fresh copy, running; the process id of the server."""
        self.prepare(accounts)
        self.data = DATA / self.name
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.copytree(self.folder(accounts), self.data, symlinks=True)
        return self.launch()

    def launch(self):
        process.wait_until_free(self.name, self.ports)
        log = self.data / 'log'
        self.process = process.start(self.command(), SERVER_CORE, log, cwd=self.data, env=self.environment())
        process.wait_for_ports(self.name, self.process, self.ports, log)
        return self.process.pid

    def stop(self):
        if self.process:
            process.stop(self.process)
            self.process = None

    def configure(self):
        for source in (PEERS / self.family()).iterdir():
            text = source.read_text().replace('@DATA@', str(self.data)).replace('@CERT@', str(DATA / 'cert'))
            (self.data / source.name).write_text(text)

    def family(self):
        return self.name

    def environment(self):
        return {}

    def ready_for(self, scenario):
        """What a scenario needs from the running server besides accounts."""


class Rollcall(Server):
    name = 'rollcall'
    title = 'Rollcall'
    ports = [14224, 14222, 14223, 14060, 14280]
    xmpp, xmpp_tls, sip, web = 14224, 14223, 14060, 14280

    def __init__(self, binary=ROLLCALL, name='rollcall'):
        super().__init__()
        self.binary, self.name = binary, name

    def family(self):
        return 'rollcall'

    def key(self):
        """Another binary may keep its data in another form."""
        return f'rollcall-{hashlib.sha256(self.binary.read_bytes()).hexdigest()[:8]}'

    def command(self):
        return [self.binary, 'serve', '--config', self.data / 'rollcall.toml']

    def add_accounts(self, accounts):
        """Through the control socket, as the command line does it, but several at a time."""
        self.launch()
        try:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(self.add_some, [range(start, accounts, 4) for start in range(4)]))
        finally:
            self.stop()

    def add_some(self, numbers):
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.data / 'state' / 'control.sock'))
            answers = control.makefile()
            for i in numbers:
                command = {'do': 'add', 'address': f'u{i}@localhost', 'password': PASSWORD, 'admin': False}
                control.sendall(json.dumps(command).encode() + b'\n')
                answer = answers.readline()
                if 'ok' not in json.loads(answer or '{}'):
                    raise process.Failed(f'no account u{i}: {answer}')

    def ready_for(self, scenario):
        if scenario.startswith('publish'):
            watchers = 1000 if '1000' in scenario else 50
            self.let_watch('u0@localhost', [f'u{i}@localhost' for i in range(1, watchers + 1)])

    def let_watch(self, owner, watchers):
        """The owner's consent, without which nobody sees her presence."""
        connection = http.client.HTTPConnection('127.0.0.1', self.web)
        headers = {'Origin': f'http://127.0.0.1:{self.web}', 'Content-Type': 'application/json'}
        login = json.dumps({'address': owner, 'password': PASSWORD})
        answer = ask(connection, '/api/login', login, headers)
        headers['Cookie'] = answer.getheader('set-cookie').split(';')[0]
        for watcher in watchers:
            ask(connection, f'/api/roster/{watcher}/grant', '{}', headers)

    def version(self):
        number = run(self.binary, '--version').split()[-1]
        if not (PROJECT / '.git').exists():
            return number
        return f'{number} ({run("git", "-C", PROJECT, "describe", "--always", "--dirty").strip()})'


class Prosody(Server):
    name, title = 'prosody', 'Prosody'
    ports = [15222, 15223]
    xmpp, xmpp_tls = 15222, 15223

    def command(self):
        return ['prosody', '-F', '--config', self.data / 'prosody.cfg.lua']

    def add_accounts(self, accounts):
        """Writes what Prosody would: SCRAM-SHA-1 with 10000 iterations. One salt for all, which spares the
        client, not the server."""
        folder = self.data / 'data' / 'localhost' / 'accounts'
        folder.mkdir(parents=True)
        salt, rounds = '5f1b2a54-6b7d-4c0e-9a3f-0123456789ab', 10000
        key = hashlib.pbkdf2_hmac('sha1', PASSWORD.encode(), salt.encode(), rounds)
        stored = hashlib.sha1(hmac.digest(key, b'Client Key', 'sha1')).hexdigest()
        server = hmac.digest(key, b'Server Key', 'sha1').hex()
        text = (f'return {{\n\t["iteration_count"] = {rounds};\n\t["salt"] = "{salt}";\n'
                f'\t["stored_key"] = "{stored}";\n\t["server_key"] = "{server}";\n}};\n')
        for i in range(accounts):
            (folder / f'u{i}.dat').write_text(text)

    def version(self):
        return package_version('prosody')


class Ejabberd(Server):
    """Started as `erl`, without distribution: no name service is left behind, no user is changed."""
    name, title = 'ejabberd', 'ejabberd'
    ports = [25222, 25223, 25280]
    xmpp, xmpp_tls = 25222, 25223

    def family(self):
        return 'ejabberd'

    def command(self):
        # As ejabberdctl does; `+sbwt none` keeps idle schedulers from spinning, so that CPU time is work done.
        return ['erl', '+K', 'true', '+P', '250000', '+sbwt', 'none', '+sbwtdcpu', 'none', '+sbwtdio', 'none',
                '-noinput', '-mnesia', 'dir', f'"{self.data / "spool"}"', '-ejabberd', 'log_rotate_count', '0',
                '-s', 'ejabberd']

    def environment(self):
        library = next(part for part in run('dpkg', '-L', 'ejabberd').split() if part.endswith('/ebin'))
        return {
            'EJABBERD_CONFIG_PATH': str(self.data / 'ejabberd.yml'),
            'EJABBERD_LOG_PATH': str(self.data / 'ejabberd.log'),
            'ERL_CRASH_DUMP_BYTES': '0', 'ERL_INETRC': str(self.data / 'inetrc'), 'HOME': str(self.data),
            'ERL_LIBS': os.path.dirname(os.path.dirname(library)), 'ERL_MAX_ETS_TABLES': '1400',
            'ERL_MAX_PORTS': '32000',
        }

    def add_accounts(self, accounts):
        (self.data / 'spool').mkdir()
        self.launch()
        try:
            connection = http.client.HTTPConnection('127.0.0.1', 25280)
            for i in range(accounts):
                ask(connection, '/api/register', json.dumps({'user': f'u{i}', 'host': 'localhost', 'password': PASSWORD}))
            time.sleep(2)  # mnesia writes its log
        finally:
            self.stop()

    def version(self):
        return package_version('ejabberd')


class EjabberdSqlite(Ejabberd):
    """The same with message archive and offline messages in SQLite, as ejabberd advises for more than trying."""
    name, title = 'ejabberd-sqlite', 'ejabberd, SQLite'

    def configure(self):
        super().configure()
        file, base = self.data / 'ejabberd.yml', self.data / 'ejabberd.db'
        text = file.read_text().replace('db_type: mnesia', 'db_type: sql')
        text = text.replace('mod_offline: {', 'mod_offline: {db_type: sql, ')
        file.write_text(f'{text}sql_type: sqlite\nsql_database: {base}\n')
        schema = run('dpkg', '-L', 'ejabberd').split()
        schema = next(path for path in schema if path.endswith('/sql/lite.sql'))
        with open(schema) as text, sqlite3.connect(base) as database:
            database.executescript(text.read())


class Kamailio(Server):
    name, title = 'kamailio', 'Kamailio'
    ports = [15060]
    sip = 15060

    def command(self):
        return ['kamailio', '-DD', '-E', '-f', self.data / 'kamailio.cfg', '-Y', self.data, '-w', self.data,
                '-m', '1024', '-M', '16']

    def add_accounts(self, accounts):
        folder = next(path for path in run('dpkg', '-L', 'kamailio-sqlite-modules').split() if path.endswith('/db_sqlite'))
        with sqlite3.connect(self.data / 'kamailio.db') as database:
            for tables in ('standard', 'presence', 'msilo', 'htable'):
                database.executescript(open(f'{folder}/{tables}-create.sql').read())
            for i in range(accounts):
                secret = hashlib.md5(f'u{i}:localhost:{PASSWORD}'.encode()).hexdigest()
                database.execute('insert into htable(key_name,key_type,value_type,key_value,expires) values(?,0,0,?,0)',
                                 (f'u{i}', secret))

    def version(self):
        return package_version('kamailio')


class Nginx(Server):
    """Serves files, and nothing but files: what a document costs that nobody looks into."""
    name, title = 'nginx', 'nginx'
    ports = [16080]
    web = 16080

    def command(self):
        return ['/usr/sbin/nginx', '-p', self.data, '-c', self.data / 'nginx.conf']

    def add_accounts(self, accounts):
        (self.data / 'files').mkdir()

    def version(self):
        return package_version('nginx')


def ask(connection, path, body, headers={}):
    connection.request('POST', path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= 300:
        raise process.Failed(f'{path} was answered {answer.status} {text[:200]}')
    return answer


def package_version(package):
    return run('dpkg-query', '--show', '--showformat', '${Version}', package).strip()


def make_certificate():
    folder = DATA / 'cert'
    if (folder / 'both.pem').exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    key, certificate = folder / 'key.pem', folder / 'cert.pem'
    run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', 3650,
        '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate)
    (folder / 'both.pem').write_text(certificate.read_text() + key.read_text())


PEER_SERVERS = {server.name: server for server in (Rollcall, Prosody, Ejabberd, EjabberdSqlite, Kamailio, Nginx)}

# Servers that are none: what a bare relay and a file take.
LIMITS = ('relay', 'file')

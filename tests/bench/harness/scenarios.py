"""The scenarios: what each does, against whom, how often, and what it is to reach.

Operations are chosen so that one run takes a few seconds with each server."""
from dataclasses import dataclass, field

XMPP = ('rollcall', 'prosody', 'ejabberd')
STORING = ('rollcall', 'prosody', 'ejabberd', 'ejabberd-sqlite')
SIP = ('rollcall', 'kamailio')
OURS = ('rollcall',)
DOCUMENTS = ('rollcall', 'nginx')


@dataclass
class Scenario:
    name: str
    about: str  # one line: what one operation is
    load: str  # arguments of the load generator
    servers: tuple
    ops: dict = field(default_factory=dict)  # by server; 'else' for the others; a --ops of the generator
    target: dict = field(default_factory=dict)  # by phase; µs, or kB for idle, or MB for process
    # How many messages a bare relay would have to move instead, by the relay's scenario; by phase.
    limit: dict = field(default_factory=dict)
    unit: str = 'µs'
    accounts: int = 2000
    warm_up: str = ''

    @property
    def most_runs(self):
        """Memory hardly varies, and filling it takes long."""
        return 1000 if self.unit == 'µs' else 2


LOGIN = 'xmpp-login --ops 100 --users 100'
REGISTER = 'sip-register --ops 500 --users 100'


def xmpp(name, about, load, servers=XMPP, **more):
    return Scenario(name, about, load, servers, warm_up='' if 'idle' in load else LOGIN, **more)


def sip(name, about, load, servers=SIP, **more):
    return Scenario(name, about, load, servers, warm_up='' if 'idle' in load or 'offline' in load else REGISTER, **more)


ARCHIVED = {'relay tcp w4': 1, 'append 32': 1}
SCENARIOS = [
    xmpp('chat w4', 'a message of 300 bytes to a contact, not archived; 20 sessions in pairs, 4 on their way each',
         'xmpp-chat --pairs 10 --window 4 --store no', ops={'rollcall': 20000, 'else': 2500}, target={'': 10},
         limit={'': {'relay tcp w4': 1}}),
    xmpp('chat w4 archived', 'the same, archived; Rollcall alone has it on disk (fsync) before it is acknowledged',
         'xmpp-chat --pairs 10 --window 4', STORING, target={'': 30}, limit={'': ARCHIVED},
         ops={'rollcall': 8000, 'prosody': 600, 'ejabberd': 120, 'ejabberd-sqlite': 120}),
    xmpp('chat w4 tls', 'as chat w4, over TLS 1.3', 'xmpp-chat --pairs 10 --window 4 --store no --tls direct',
         ops={'rollcall': 15000, 'else': 2000}, target={'': 15}, limit={'': {'relay tcp w4': 1}}),
    xmpp('fan-out', 'one presence delivered to one of 100 contacts, 2 changes on their way', 'xmpp-fanout --buddies 100 --window 2',
         ops={'rollcall': 4000, 'else': 500}, target={'': 4}, limit={'': {'relay tcp w1': 0.5}}),
    xmpp('ping', 'a question to the server (XEP-0199) and its answer; 10 sessions, 1 on its way each',
         'xmpp-ping --users 10 --window 1', ops={'rollcall': 30000, 'else': 4000}, target={'': 9}, limit={'': {'relay tcp w1': 1}}),
    xmpp('login', 'connect, SCRAM-SHA-1, bind, presence, close; 10 at a time', 'xmpp-login --mech scram',
         ops={'rollcall': 8000, 'prosody': 600, 'ejabberd': 2000}, target={'': 300}, limit={'': {'relay tcp w1': 6}}),
    xmpp('login tls', 'the same over direct TLS 1.3, every handshake a full one', 'xmpp-login --mech scram --tls direct',
         ops={'rollcall': 4000, 'prosody': 600, 'ejabberd': 1500}, target={'': 700}, limit={'': {'relay tcp w1': 6}}),
    xmpp('login tls resumed', 'the same, with TLS sessions resumed', 'xmpp-login --mech scram --tls direct --resume yes',
         OURS, ops={'else': 4000}, limit={'': {'relay tcp w1': 6}}),
    xmpp('offline', 'a message of 300 bytes for somebody who is away, archived too; then her login, which collects them',
         'xmpp-offline --users 50 --first 1000', STORING, target={'store': 40, 'collect': 12},
         ops={'rollcall': 1500, 'prosody': 100, 'ejabberd': 60, 'ejabberd-sqlite': 20},
         limit={'store': {'relay tcp w4': 0.5, 'append 32': 1}, 'collect': {'relay tcp w4': 0.5}}),
    xmpp('idle', 'a session that is logged in and silent, of 2,000', 'xmpp-idle --users 2000', target={'': 6}, unit='kB'),
    xmpp('idle tls', 'the same over TLS', 'xmpp-idle --users 2000 --tls direct', target={'': 16}, unit='kB'),
    sip('register udp', 'REGISTER, 401, REGISTER, 200; 1,000 phones', 'sip-register --users 1000 --conc 50 --transport udp',
        ops={'else': 40000}, target={'': 45}, limit={'': {'relay udp w1': 2}}),
    sip('register tcp', 'the same over TCP', 'sip-register --users 1000 --conc 50 --transport tcp',
        ops={'else': 40000}, target={'': 55}, limit={'': {'relay tcp w1': 2}}),
    sip('register reuse udp', 'REGISTER with a nonce that is known, 200', 'sip-register --users 1000 --conc 50 --reuse-nonce yes --transport udp',
        ops={'else': 50000}, target={'': 25}, limit={'': {'relay udp w1': 1}}),
    sip('message udp', 'MESSAGE of 200 bytes from phone to phone, and its 200; Rollcall alone archives it (fsync); 4 on their way each',
        'sip-message --pairs 10 --window 4 --transport udp', ops={'else': 2500}, target={'': 45},
        limit={'': {'relay udp w4': 2, 'append 32': 1}}),
    sip('message tcp', 'the same over TCP', 'sip-message --pairs 10 --window 4 --transport tcp', ops={'else': 2500},
        target={'': 50}, limit={'': {'relay tcp w4': 2, 'append 32': 1}}),
    sip('publish udp', 'PUBLISH to 50 watchers: one NOTIFY and its 200', 'sip-publish --watchers 50 --transport udp', ops={'rollcall': 2400, 'else': 800},
        target={'': 6}, limit={'': {'relay udp w1': 1}}),
    sip('publish tcp', 'the same over TCP', 'sip-publish --watchers 50 --transport tcp', ops={'rollcall': 2400, 'else': 800}, target={'': 6},
        limit={'': {'relay tcp w1': 1}}),
    *[sip(f'publish 1000 {mode}', f'PUBLISH to 1,000 watchers over {mode.upper()}: one NOTIFY and its 200; the last one within a second',
          f'sip-publish --watchers 1000 --within-ms 1000 --transport {mode}', ops={'rollcall': 60, 'else': 20}, target={'': 6},
          limit={'': {f'relay {mode} w1': 1}}) for mode in ('udp', 'tcp')],
    sip('call udp', 'INVITE, 180, 200, ACK, BYE, 200 through the proxy', 'sip-call --pairs 20 --transport udp', ops={'rollcall': 600, 'else': 400},
        target={'': 180}, limit={'': {'relay udp w1': 6.5}}),
    sip('call tcp', 'the same over TCP', 'sip-call --pairs 20 --transport tcp', ops={'rollcall': 600, 'else': 400}, target={'': 200},
        limit={'': {'relay tcp w1': 6.5}}),
    sip('options udp', 'OPTIONS to the server, 200', 'sip-options --users 20 --window 1 --transport udp', ops={'else': 8000},
        target={'': 9}, limit={'': {'relay udp w1': 1}}),
    sip('sip offline udp', 'MESSAGE for somebody without a phone (fsync in Rollcall, SQLite in Kamailio); then her REGISTER, which brings them',
        'sip-offline --users 50 --transport udp', ops={'rollcall': 300, 'else': 100}, target={'store': 45, 'collect': 45},
        limit={'store': {'relay udp w1': 1, 'append 32': 1}, 'collect': {'relay udp w1': 1}}),
    sip('held udp', 'a registration that is kept, of 2,000', 'sip-idle --users 2000 --transport udp', target={'': 2}, unit='kB'),
    sip('held tcp', 'the same over TCP, with its connection', 'sip-idle --users 2000 --transport tcp', target={'': 6}, unit='kB'),
    Scenario('process', 'the whole process with 1,000 accounts and nobody connected', 'process', XMPP, target={'': 12}, unit='MB',
             accounts=1000),
    Scenario('web chat', 'a message of 200 bytes from browser to browser over WebSockets, archived (fsync), acknowledged; 4 on their way each',
             'web-chat --pairs 10 --window 4', OURS, ops={'else': 3000}, limit={'': {'relay tcp w4': 2, 'append 32': 1}}),
    Scenario('xmpp to sip', 'a message of 300 bytes from an XMPP client to a phone (UDP), archived (fsync), and its 200; 4 on their way each',
             'xmpp-to-sip --pairs 10 --window 4', OURS, ops={'else': 4000}, warm_up=LOGIN,
             limit={'': {'relay tcp w4': 0.5, 'relay udp w1': 1, 'append 32': 1}}),
    Scenario('document known', 'whether a document of 100 KB has changed (If-None-Match, 304), by Digest at Rollcall; 10 connections',
             'web-document --mode known', DOCUMENTS, ops={'else': 30000}, limit={'': {'relay tcp w1': 1}}),
    Scenario('document change', 'one element of a document of 100 KB put, checked, on disk (fsync), by Digest; nginx gets the whole file, '
             'without fsync', 'web-document --mode change', DOCUMENTS, ops={'else': 2000}, limit={'': {'relay tcp w1': 1, 'append 1': 1}}),
    *[Scenario(f'relay {mode} w{window}', f'the limit: 300 bytes through a bare relay, {mode.upper()}, {window} on their way',
               f'relay-limit --mode {mode} --pairs 10 --window {window}', ('relay',), ops={'else': {'tcp': 50000, 'udp': 25000}[mode]})
      for mode in ('tcp', 'udp') for window in (1, 4)],
    *[Scenario(f'append {batch}', f'the limit: 300 bytes appended to a file, fdatasync after every {batch}',
               f'fsync-limit --batch {batch}', ('file',), ops={'else': {1: 1000, 32: 32000}[batch]}) for batch in (1, 32)],
]

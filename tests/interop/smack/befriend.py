"""Makes the accounts one, two and three of localhost contacts of each other: befriend.py HOST PASSWORD."""

import base64
import socket
import sys

NAMES = ("one", "two", "three")


class Client:
    """A session in the clear that says no more than it must."""

    OPEN = ("<stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
            "xmlns:stream='http://etherx.jabber.org/streams'>")

    def __init__(self, host, name, password):
        self.socket = socket.create_connection((host, 5222), timeout=30)
        secret = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        self.say(self.OPEN, "</stream:features>")
        self.say(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>", "<success")
        self.say(self.OPEN, "</stream:features>")
        self.say("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "id='b'")

    def say(self, text, until):
        self.socket.sendall(text.encode())
        heard = ""
        while until not in heard:
            more = self.socket.recv(65536)
            if not more:
                sys.exit(f"the stream ended after {heard}")
            heard += more.decode()
        return heard

    def roster(self):
        return self.say("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>", "</iq>")


def main(host, password):
    clients = {name: Client(host, name, password) for name in NAMES}
    for kind in ("subscribed", "subscribe"):
        for name, client in clients.items():
            for other in NAMES:
                if other != name:
                    client.socket.sendall(f"<presence to='{other}@localhost' type='{kind}'/>".encode())
    while not all(client.roster().count("subscription='both'") == 2 for client in clients.values()):
        pass


main(*sys.argv[1:])

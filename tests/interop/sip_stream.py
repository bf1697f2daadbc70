"""A SIP user agent that writes without end and tells what the server acknowledged (RFC 3428).

    sip_stream.py USER DOMAIN PASSWORD HOST PORT TO [TO ...]

Each MESSAGE has a text of its own, "USER-NUMBER". {"event": "acked", "body": ..., "status": ...} is printed
for a 2xx; with {"event": "over"} the server is gone. UDP, one request at a time, digest MD5.
"""

import hashlib
import itertools
import re
import secrets
import socket
import sys

from driver import tell


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


class Gone(Exception):
    pass


class Writer:
    def __init__(self, user, domain, password, host, port):
        self.user, self.domain, self.password = user, domain, password
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((host, int(port)))
        self.local = "%s:%d" % self.socket.getsockname()
        self.challenge = None
        self.count = 0

    def write(self, to, text):
        """Sends one message, logging in when asked to; returns the status."""
        for _ in range(3):
            status, headers = self.request(to, text)
            if status not in (401, 407):
                return status
            lines = [value for name, value in headers if name.lower() in ("www-authenticate", "proxy-authenticate")]
            chosen = next(line for line in lines if "MD5" in line or "algorithm" not in line)
            self.challenge = dict(re.findall(r'(\w+)="?([^",]*)"?', chosen)) | {"status": status}
            self.count = 0
        return status

    def request(self, to, text):
        uri, branch, call = f"sip:{to}", "z9hG4bK" + secrets.token_hex(8), secrets.token_hex(8)
        lines = [
            f"MESSAGE {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.local};branch={branch};rport",
            "Max-Forwards: 70",
            f"From: <sip:{self.user}@{self.domain}>;tag={secrets.token_hex(4)}",
            f"To: <{uri}>",
            f"Call-ID: {call}",
            "CSeq: 1 MESSAGE",
            "Content-Type: text/plain",
            f"Content-Length: {len(text)}",
        ]
        if self.challenge:
            lines.append(self.authorization(uri))
        data = ("\r\n".join(lines) + "\r\n\r\n" + text).encode()
        return self.exchange(data, call)

    def authorization(self, uri):
        self.count += 1
        known = self.challenge
        nc, cnonce = f"{self.count:08x}", secrets.token_hex(4)
        ha1 = md5(f"{self.user}:{known['realm']}:{self.password}")
        response = md5(f"{ha1}:{known['nonce']}:{nc}:{cnonce}:auth:" + md5(f"MESSAGE:{uri}"))
        name = "Authorization" if known["status"] == 401 else "Proxy-Authorization"
        return (f'{name}: Digest username="{self.user}", realm="{known["realm"]}", nonce="{known["nonce"]}", uri="{uri}", '
                f'response="{response}", algorithm=MD5, qop=auth, nc={nc}, cnonce="{cnonce}"')

    def exchange(self, data, call):
        """Sends until a final response comes (RFC 3261 §17.1.2)."""
        for wait in (0.5, 1, 2, 4, 4):
            try:
                self.socket.send(data)
                self.socket.settimeout(wait)
                while True:
                    head = self.socket.recv(65536).decode(errors="replace").split("\r\n\r\n")[0].split("\r\n")
                    headers = [tuple(line.split(": ", 1)) for line in head[1:] if ": " in line]
                    status = int(head[0].split(" ")[1])
                    if status >= 200 and ("Call-ID", call) in headers:
                        return status, headers
            except TimeoutError:
                continue
            except ConnectionRefusedError:
                raise Gone("refused") from None
        raise Gone("no answer")


def main():
    user, domain, password, host, port, *receivers = sys.argv[1:]
    writer = Writer(user, domain, password, host, port)
    tell({"event": "writing"})
    try:
        for number in itertools.count():
            text = f"{user}@{domain}-{number}"
            status = writer.write(receivers[number % len(receivers)], text)
            tell({"event": "acked" if status // 100 == 2 else "refused", "body": text, "status": status})
    except Gone as why:
        tell({"event": "over", "why": str(why)})


main()

"""OpenSSL, by way of Python's ssl: connects twice to each listener, the second time with the ticket of
the first, and once more with that ticket under another name.

Arguments: any number of KIND=PORT; KIND is direct, starttls, https or sips. Prints one line per handshake:
KIND VERSION first|again|other new|reused."""

import socket
import ssl
import sys

HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' to='localhost' version='1.0'"
    b" xmlns:stream='http://etherx.jabber.org/streams'>"
)
# What each protocol is asked after the handshake: the ticket of TLS 1.3 comes before the answer.
QUESTIONS = {
    "direct": HEADER,
    "starttls": HEADER,
    "https": b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "sips": b"\r\n\r\n",
}
ALPN = {"direct": ["xmpp-client"], "https": ["http/1.1"]}


def connect(kind, port):
    plain = socket.create_connection(("127.0.0.1", port), timeout=20)
    if kind == "starttls":
        plain.sendall(HEADER)
        read_until(plain, b"</stream:features>")
        plain.sendall(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        read_until(plain, b"<proceed")
    return plain


def read_until(sock, end):
    seen = b""
    while end not in seen:
        got = sock.recv(4096)
        if not got:
            raise SystemExit(f"closed after {seen!r}")
        seen += got


def handshake(context, kind, port, name, session):
    plain = connect(kind, port)
    with context.wrap_socket(plain, server_hostname=name, session=session) as secure:
        secure.sendall(QUESTIONS[kind])
        if not secure.recv(4096):
            raise SystemExit(f"{kind}: no answer")
        return secure.session_reused, secure.session


def main():
    for argument in sys.argv[1:]:
        kind, port = argument.split("=")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.minimum_version = context.maximum_version = version
            if kind in ALPN:
                context.set_alpn_protocols(ALPN[kind])
            session = None
            for turn, name in (("first", "localhost"), ("again", "localhost"), ("other", "example.net")):
                reused, given = handshake(context, kind, int(port), name, session)
                session = given if turn == "first" else session
                print(kind, version.name, turn, "reused" if reused else "new", flush=True)


main()

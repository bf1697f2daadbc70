"""A small SIP stack over one TCP or TLS connection, for a user agent that keeps dialogs (RFC 3261, RFC 6665).

It is strict about what arrives: whatever a careful peer would stumble over is a complaint. It answers
challenges with digest MD5 as pjsip does (the first one that it knows), and connects again when the
connection is lost. What the requests mean is the caller's business.
"""

import asyncio
import hashlib
import re
import secrets
import ssl

FINAL_SECONDS = 32
NAMES = {"i": "call-id", "m": "contact", "e": "content-encoding", "l": "content-length", "c": "content-type", "f": "from",
         "s": "subject", "k": "supported", "t": "to", "v": "via", "o": "event", "u": "allow-events", "x": "session-expires"}
NEEDED = ("via", "from", "to", "call-id", "cseq", "content-length")


class Message:
    """A request or response; header names are in lower case and long."""

    def __init__(self, start, headers, body):
        self.start, self.headers, self.body = start, headers, body

    @property
    def status(self):
        return int(self.start.split(" ", 2)[1]) if self.start.startswith("SIP/2.0 ") else None

    @property
    def method(self):
        return self.start.split(" ", 1)[0]

    @property
    def uri(self):
        return self.start.split(" ")[1]

    def all(self, name):
        return [value for known, value in self.headers if known == name]

    def first(self, name, default=None):
        return next(iter(self.all(name)), default)

    def list(self, name):
        """The members of a list, which may be spread over headers; commas in quotes and brackets do not count."""
        return [item.strip() for value in self.all(name)
                for item in re.findall(r'(?:[^,"<]|"(?:[^"\\]|\\.)*"|<[^>]*>)+', value) if item.strip()]

    @property
    def branch(self):
        return parameters(self.list("via")[0]).get("branch")

    @property
    def cseq(self):
        number, method = self.first("cseq").split()
        return int(number), method


def parse_head(data):
    start, *lines = data.decode().split("\r\n")
    headers = []
    for line in lines:
        if line[:1] in (" ", "\t") and headers:
            headers[-1] = (headers[-1][0], headers[-1][1] + " " + line.strip())
        else:
            name, value = line.split(":", 1)
            name = name.strip().lower()
            headers.append((NAMES.get(name, name), value.strip()))
    return start, headers


def parameters(value):
    """The parameters behind a header's value, names in lower case, quotes undone."""
    outside = re.sub(r'^\s*(?:"(?:[^"\\]|\\.)*"|[^<";]*)<[^>]*>', "", value)
    found = re.findall(r';\s*([^=;\s]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^;\s]+))?', outside)
    return {name.lower(): unquote(text) for name, text in found}


def unquote(text):
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def uri_of(value):
    """The URI of a From, To or Contact."""
    within = re.match(r'^\s*(?:"(?:[^"\\]|\\.)*"|[^<"]*)<([^>]*)>', value)
    return within.group(1) if within else value.split(";")[0].strip()


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


class Challenge:
    """A challenge that was answered once and can be answered again with the next number."""

    def __init__(self, response):
        self.status = response.status
        name = "www-authenticate" if self.status == 401 else "proxy-authenticate"
        known = [line for line in response.all(name) if re.search(r"algorithm\s*=\s*\"?MD5\b", line, re.I)
                 or "algorithm" not in line.lower()]
        self.known = dict(re.findall(r'(\w+)\s*=\s*"?([^",]*)"?', known[0])) if known else None
        self.count = 0

    def answer(self, user, password, method, uri):
        self.count += 1
        known, nc, cnonce = self.known, f"{self.count:08x}", secrets.token_hex(8)
        secret = md5(f"{user}:{known['realm']}:{password}")
        response = md5(f"{secret}:{known['nonce']}:{nc}:{cnonce}:auth:" + md5(f"{method}:{uri}"))
        name = "Authorization" if self.status == 401 else "Proxy-Authorization"
        text = (f'Digest username="{user}", realm="{known["realm"]}", nonce="{known["nonce"]}", uri="{uri}", '
                f'response="{response}", algorithm=MD5, cnonce="{cnonce}", qop=auth, nc={nc}')
        if "opaque" in known:
            text += f', opaque="{known["opaque"]}"'
        return name, text


class Stack:
    """One user agent's connection to its server.

    `on_request(message)` gives (status, reason, headers) for what the server asks; `complain(text)` is told
    what is wrong with what it sends; `on_lost` and `on_back` hear of the connection.
    """

    def __init__(self, login, server, on_request, complain, on_lost, on_back):
        self.user, self.domain, self.password = login
        self.host, self.port, self.transport = server
        self.on_request, self.complain, self.on_lost, self.on_back = on_request, complain, on_lost, on_back
        self.writer = None
        self.waiting = {}
        self.is_stopped = False
        self.is_open = asyncio.Event()
        self.task = None

    async def connect(self):
        await self.open()
        self.task = asyncio.create_task(self.read_all())

    async def open(self):
        context = None
        if self.transport == "tls":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port, ssl=context)
        self.local = "%s:%d" % self.writer.get_extra_info("sockname")[:2]
        self.is_open.set()

    def stop(self):
        """Closes the connection without a word; nothing is received or sent after that."""
        self.is_stopped = True
        if self.task:
            self.task.cancel()
        if self.writer:
            self.writer.transport.abort()

    def route(self):
        return f"<sip:{self.host}:{self.port};lr;transport={self.transport}>"

    async def read_all(self):
        while not self.is_stopped:
            try:
                await self.read()
            except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
                pass
            self.is_open.clear()
            self.writer.close()
            for future in self.waiting.values():
                if not future.done():
                    future.set_result(None)
            self.on_lost()
            await self.connect_again()
            self.on_back()

    async def connect_again(self):
        """Until it succeeds: whoever started the server again did not ask us when."""
        while True:
            try:
                return await self.open()
            except (OSError, ssl.SSLError):
                await asyncio.sleep(0.05)

    async def read(self):
        while True:
            line = await self.reader.readuntil(b"\r\n")
            if line == b"\r\n":
                continue
            head = line + await self.reader.readuntil(b"\r\n\r\n")
            try:
                start, headers = parse_head(head[:-4])
                message = Message(start, headers, b"")
                missing = [name for name in NEEDED if not message.all(name)]
                length = int(message.first("content-length"))
            except (ValueError, UnicodeDecodeError, TypeError) as error:
                self.complain(f"not SIP: {error}: {head!r}")
                raise ConnectionError("not SIP") from error
            if missing:
                self.complain(f"headers are missing: {missing}: {start}")
            message.body = await self.reader.readexactly(length)
            self.handle(message)

    def handle(self, message):
        if message.status is None:
            status, reason, headers = self.on_request(message)
            self.respond(message, status, reason, headers)
            return
        future = self.waiting.get((message.branch, message.cseq[1]))
        if future is None:
            self.complain(f"a response that nobody waits for: {message.start} {message.first('cseq')}")
        elif message.status >= 200 and not future.done():
            future.set_result(message)

    def respond(self, request, status, reason, headers):
        lines = [f"SIP/2.0 {status} {reason}"]
        lines += [f"Via: {value}" for value in request.all("via")]
        lines += [f"Record-Route: {value}" for value in request.all("record-route")]
        lines += [f"{name.title()}: {request.first(name)}" for name in ("from", "to")]
        lines += [f"Call-ID: {request.first('call-id')}", f"CSeq: {request.first('cseq')}", *headers, "Content-Length: 0"]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())

    async def send(self, method, uri, headers, body=b""):
        """One transaction; the final response, or nothing when none came."""
        await self.is_open.wait()
        branch = "z9hG4bKPj" + secrets.token_hex(12)
        via = f"Via: SIP/2.0/{self.transport.upper()} {self.local};rport;branch={branch};alias"
        lines = [f"{method} {uri} SIP/2.0", via, "Max-Forwards: 70", *headers, f"Content-Length: {len(body)}"]
        future = asyncio.get_running_loop().create_future()
        key = (branch, method)
        self.waiting[key] = future
        try:
            self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
            return await asyncio.wait_for(future, FINAL_SECONDS)
        except asyncio.TimeoutError:
            return None
        finally:
            # A late response is told from one to nothing: it is no fault.
            asyncio.get_running_loop().call_later(FINAL_SECONDS, self.waiting.pop, key, None)

    async def ask(self, method, uri, numbered, body=b"", challenge=None):
        """A request, and the answer to its challenge. `numbered(cseq offset)` gives the headers.

        Returns the final response (None: nothing came), the challenge that was answered, and how many
        requests were sent."""
        sent = 0
        for _ in range(3):
            headers = numbered(sent)
            if challenge:
                name, text = challenge.answer(self.user, self.password, method, uri)
                headers = [*headers, f"{name}: {text}"]
            response = await self.send(method, uri, headers, body)
            sent += 1
            if response is None or response.status not in (401, 407):
                break
            fresh = Challenge(response)
            if fresh.known is None:
                break
            if challenge and challenge.count > 0 and not re.search(r"stale\s*=\s*\"?true", " ".join(
                    response.all("www-authenticate") + response.all("proxy-authenticate")), re.I) \
                    and challenge.known["nonce"] == fresh.known["nonce"]:
                break
            challenge = fresh
        return response, challenge, sent


class Dialog:
    """A subscription's dialog, from the subscriber's side (RFC 6665 §4.1)."""

    def __init__(self, stack, aor, uri, contact):
        self.stack, self.aor, self.uri, self.contact = stack, aor, uri, contact
        self.call_id, self.local_tag = secrets.token_hex(16), secrets.token_hex(8)
        self.number, self.remote_number = 0, None
        self.remote_tag = self.target = None
        self.routes = []
        self.challenge = None

    def headers(self, extra):
        to = f"To: <{self.uri}>" + (f";tag={self.remote_tag}" if self.remote_tag else "")
        routes = self.routes if self.remote_tag else [self.stack.route()]

        def numbered(offset):
            return [f'From: <{self.aor}>;tag={self.local_tag}', to, f"Contact: {self.contact}", f"Call-ID: {self.call_id}",
                    f"CSeq: {self.number + 1 + offset} SUBSCRIBE", *[f"Route: {route}" for route in routes], *extra]
        return numbered

    async def subscribe(self, extra, body=b""):
        uri = self.target if self.remote_tag else self.uri
        response, self.challenge, sent = await self.stack.ask("SUBSCRIBE", uri, self.headers(extra), body, self.challenge)
        self.number += sent
        return response

    def accept(self, response):
        """What a 2xx tells of the dialog; a NOTIFY may have told it before. Returns what is wrong."""
        wrong = []
        tag = parameters(response.first("to")).get("tag")
        if not tag:
            wrong.append("a 2xx to SUBSCRIBE without To tag")
        elif self.remote_tag not in (None, tag):
            wrong.append(f"the 2xx has To tag {tag}, the NOTIFY From tag {self.remote_tag}")
        contact = response.first("contact")
        if not contact:
            wrong.append("a 2xx to SUBSCRIBE without Contact (an internal 1400 and an hour of silence)")
        else:
            self.target = uri_of(contact)
        if self.remote_tag is None:
            self.routes = list(reversed(response.list("record-route")))
        self.remote_tag = self.remote_tag or tag
        return wrong

    def owns(self, request):
        return (request.first("call-id") == self.call_id
                and parameters(request.first("to")).get("tag") == self.local_tag
                and self.remote_tag in (None, parameters(request.first("from")).get("tag")))

    def take(self, request):
        """What a request within the dialog tells of it; returns what is wrong."""
        wrong = []
        number, _ = request.cseq
        if self.remote_number is not None and number <= self.remote_number:
            wrong.append(f"CSeq {number} after {self.remote_number}")
        self.remote_number = number
        if self.remote_tag is None:
            self.remote_tag = parameters(request.first("from")).get("tag")
            self.routes = request.list("record-route")
        if request.uri != uri_of(self.contact):
            wrong.append(f"the NOTIFY goes to {request.uri}, the Contact is {self.contact}")
        if not request.first("contact"):
            wrong.append("a NOTIFY without Contact (RFC 6665 §8.2)")
        else:
            self.target = uri_of(request.first("contact"))
        if not request.first("max-forwards"):
            wrong.append("a NOTIFY without Max-Forwards")
        return wrong

"""One device of a client that behaves as Blink does, whole: telephony, presence, messages and the address book in one
program, in Blink's order.

A JSON command per line in, a JSON line per answer or event out. What `blink_client.py` and `blink_book.py` know is
known here too; besides:

  start      what both halves take, and folder: what one has to know after a restart is kept in it. REGISTER and
             PUBLISH go out at once. Presence, its watchers, the contacts and the documents are subscribed to when the
             server's capabilities were seen: at a later start that was before, and they go out with the first two.
             The answer comes when the documents are fetched and in order; it tells what was fetched and put.
  message    to, text   asks for receipts; the answer has the status
  settle     waits until nothing is to be fetched or put any more
  documents  tells every document, as it is known here

Events besides: documents (something was told of them), synced (and they were fetched), message (with its text),
receipt, icon (of a contact, fetched without credentials).
"""

import asyncio
import base64
import datetime
import hashlib
import json
import pathlib
import re
import secrets
from urllib.parse import quote, urlsplit

from lxml import etree

from blink_book import DOCUMENTS, BookDriver, Conflict
from blink_client import AGENT, Agent, BlinkDriver, complain, spawn
from blink_sip import uri_of
from driver import tell
from xcap_client import Opener

LISTS = "application/resource-lists+xml"


class Device(Agent):
    """The SIP half; `session` has the other one."""

    def __init__(self, command, session):
        super().__init__(command)
        self.session = session
        self.icons = {}

    async def start(self):
        await self.stack.connect()
        spawn(self.register())
        spawn(self.publish())
        if not self.is_first:
            self.follow()

    def follow(self):
        """In four dialogs, none of which waits for another."""
        for kind in ("watchers", "contacts", "self", "documents"):
            uri = f"sip:{self.user}+presence@{self.domain}" if kind == "contacts" else self.aor
            spawn(self.subscribe(kind, uri))

    async def publish(self):
        contact = self.registration.public_gruu or self.aor
        icon = self.session.icon_url()
        await self.publication.publish(self.publisher.print(self.extended, self.note, contact, icon))

    @property
    def known(self):
        """Those who are in the address book: nobody has to be asked about them."""
        return {f"sip:{address}" for address in self.session.addresses()}

    @known.setter
    def known(self, _):
        """The book says it."""

    def wish(self, kind):
        if kind != "documents":
            return super().wish(kind)
        user = quote(self.aor, safe="/")
        paths = [f"{application}/users/{user}/{file}" for application, file, *_ in DOCUMENTS.values()]
        entries = "".join(f'<rl:entry uri="{path}"/>' for path in paths)
        text = ("<?xml version='1.0' encoding='UTF-8'?>\n<rl:resource-lists xmlns:rl=\"urn:ietf:params:xml:ns:resource-lists\">"
                f"<rl:list>{entries}</rl:list></rl:resource-lists>")
        return LISTS, text.encode()

    def handle_changes(self, changes, is_first):
        spawn(self.session.handle_changes(changes, is_first))

    def read_icons(self, resources):
        """Contacts whose picture is another one than before."""
        for uri, resource in resources.items():
            found = next((service["icon"] for service in resource["services"] if service["icon"]), None)
            if found and self.icons.get(uri) != found:
                self.icons[uri] = found
                spawn(self.session.fetch_picture(uri, found))

    # Messages.

    async def message(self, to, text):
        identity = secrets.token_hex(8)
        stamp = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        body = (f"From: \"{self.name}\" <{self.aor}>\r\nTo: <sip:{to}>\r\nDateTime: {stamp}\r\n"
                "NS: imdn <urn:ietf:params:imdn>\r\n"
                f"imdn.Message-ID: {identity}\r\nimdn.Disposition-Notification: positive-delivery, display\r\n\r\n"
                f"Content-Type: text/plain; charset=utf-8\r\n\r\n{text}")
        return {"status": await self.send_message(to, "message/cpim", body), "id": identity}

    async def send_message(self, to, kind, body):
        call_id, tag = secrets.token_hex(16), secrets.token_hex(8)

        def numbered(offset):
            return [f"From: <{self.aor}>;tag={tag}", f"To: <sip:{to}>", f"Call-ID: {call_id}", f"CSeq: {1 + offset} MESSAGE",
                    AGENT, f"Route: {self.stack.route()}", f"Content-Type: {kind}"]
        response, *_ = await self.stack.ask("MESSAGE", f"sip:{to}", numbered, body.encode())
        return response.status if response else 408

    def handle_message(self, request):
        kind = request.first("content-type", "").split(";")[0].strip().lower()
        sender = uri_of(request.first("from")).removeprefix("sip:").split(";")[0]
        body = request.body.decode()
        headers = {}
        if kind == "message/cpim":
            head, _, body = body.partition("\r\n\r\n")
            headers = dict((name.lower(), value.strip()) for name, value in
                           (line.split(":", 1) for line in head.split("\r\n") if ":" in line))
            inner, _, body = body.partition("\r\n\r\n")
            found = re.search(r"^content-type:\s*([^;\s]+)", inner, re.I | re.M)
            kind = found.group(1).lower() if found else "text/plain"
        if kind == "message/imdn+xml":
            found = re.search(r"<message-id>([^<]*)</message-id>", body)
            status = re.search(r"<status>\s*<(\w+)", body)
            if not found or not status:
                complain(f"a receipt that cannot be read: {body}")
            else:
                tell({"event": "receipt", "from": sender, "id": found.group(1), "status": status.group(1)})
        elif kind in ("text/plain", "text/html"):
            tell({"event": "message", "from": sender, "text": body})
            asked = headers.get("imdn.disposition-notification", "")
            identity = headers.get("imdn.message-id")
            if identity and "positive-delivery" in asked:
                spawn(self.confirm(sender, identity))
        elif kind != "application/im-iscomposing+xml":
            return 415, "Unsupported Media Type"
        return 200, "OK"

    async def confirm(self, to, identity):
        stamp = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        receipt = ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<imdn xmlns=\"urn:ietf:params:xml:ns:imdn\">"
                   f"<message-id>{identity}</message-id><datetime>{stamp}</datetime><recipient-uri>{self.aor}</recipient-uri>"
                   "<delivery-notification><status><delivered/></status></delivery-notification></imdn>")
        body = (f"From: <{self.aor}>\r\nTo: <sip:{to}>\r\nDateTime: {stamp}\r\nNS: imdn <urn:ietf:params:imdn>\r\n"
                f"imdn.Message-ID: {secrets.token_hex(8)}\r\n\r\nContent-Type: message/imdn+xml\r\n\r\n{receipt}")
        status = await self.send_message(to, "message/cpim", body)
        if status // 100 != 2:
            complain(f"the receipt for {to} is refused: {status}")


class Session(BlinkDriver):
    """Both halves, and what the test can have done with them."""

    FAULTS = BlinkDriver.FAULTS + (Conflict, ValueError, KeyError)

    def __init__(self):
        super().__init__()
        self.book_half = BookDriver()
        self.turn = asyncio.Lock()
        self.is_behind = False

    async def start(self, root, folder, **command):
        self.file = pathlib.Path(folder) / f"{command['user']}-{command.get('instance', 'first')}.json"
        kept = json.loads(self.file.read_text()) if self.file.exists() else {}
        book = self.book_half
        book.root = root
        book.prepare(command["user"], command["domain"], command["password"])
        self.agent = Device(command | {"first": not kept}, self)
        for kind, document in book.documents.items():
            document.recall(kept.get("documents", {}).get(kind))
        await self.agent.start()
        async with self.turn:
            answer = await book.again(root)
            self.save()
        if not kept:
            self.agent.follow()
        return answer | {"first": not kept}

    def save(self):
        documents = {kind: document.keep() for kind, document in self.book_half.documents.items()}
        self.file.write_text(json.dumps({"documents": documents}))

    def addresses(self):
        lists = self.book_half.documents["lists"].root
        if lists is None or self.book_half.list("sipsimple_addressbook") is None:
            return set()
        return {address.removeprefix("sip:") for address, *_ in self.book_half.people()}

    def icon_url(self):
        document = self.book_half.documents["icon"]
        if document.root is None:
            return None
        data = document.root.findtext("{urn:oma:xml:prs:pres-content}data") or ""
        mark = hashlib.sha1(base64.b64decode(data)).hexdigest()
        return f"{self.book_half.root}{document.path}#blink-icon{mark}"

    # What comes by SIP.

    async def handle_changes(self, changes, is_first):
        """At first all is fetched; later what is not known to be so."""
        known = {document.path.removeprefix("/"): document.tag for document in self.book_half.documents.values()}
        is_new = lambda change: known.get(place_of(change["sel"])) != (change["new"] and f'"{change["new"]}"')
        if not is_first and not any(is_new(change) for change in changes):
            return
        self.is_behind = True
        async with self.turn:
            await self.sync()

    async def sync(self):
        """Fetches, puts in order, and puts what is another thing then."""
        if not self.is_behind:
            return
        self.is_behind = False
        before = self.icon_url()
        fetched = await self.book_half.fetch()
        put, conflicts = await self.book_half.change(lambda: None)
        self.save()
        tell({"event": "synced", "fetched": fetched, "put": put, "conflicts": conflicts})
        if self.icon_url() != before:
            spawn(self.agent.publish())

    async def fetch_picture(self, uri, url):
        """At the path of the URL: the host is one that only a resolver would find."""
        address = urlsplit(url)
        base = self.book_half.root[:self.book_half.root.index("/", self.book_half.root.index("://") + 3)]
        opener = Opener(self.book_half.root, "", "", "", "none")
        reply = await asyncio.to_thread(opener.send, "GET", base + address.path, {}, None)
        if reply["status"] != 200 or reply["headers"]["content-type"] != ["application/vnd.oma.pres-content+xml"]:
            complain(f"the picture of {uri} at {url}: {reply}")
            return
        data = etree.fromstring(reply["body"].encode()).findtext("{urn:oma:xml:prs:pres-content}data")
        mark = hashlib.sha1(base64.b64decode(data)).hexdigest()
        tell({"event": "icon", "of": uri, "data": data, "fits": address.fragment == f"blink-icon{mark}"})

    # What the test can have done.

    async def edit(self, deed, *arguments):
        async with self.turn:
            answer = await deed(*arguments)
            self.save()
        return answer

    async def add(self, contacts):
        return await self.edit(self.book_half.add, contacts)

    async def remove(self, address):
        return await self.edit(self.book_half.remove, address)

    async def policy(self, address, policy):
        return await self.edit(self.book_half.policy, address, policy)

    async def offline(self, note):
        return await self.edit(self.book_half.offline, note)

    async def icon(self, type, data):
        answer = await self.edit(self.book_half.icon, type, data)
        await self.agent.publish()
        return answer

    async def book(self):
        return await self.book_half.book()

    async def message(self, to, text):
        return await self.agent.message(to, text)

    async def settle(self):
        """As at a later start: nothing is left to be put."""
        async with self.turn:
            self.is_behind = True
            await self.sync()

    async def documents(self):
        return {"documents": {kind: document.keep() for kind, document in self.book_half.documents.items()}}


def place_of(selector):
    """Below the root, whether a selector begins with it or not."""
    return re.sub(r"^.*?([^/]+/users/)", r"\1", selector)


if __name__ == "__main__":
    asyncio.run(Session().run())

"""A presence client that behaves as Blink does (python3-sipsimple), driven by a test.

A JSON command per line in, a JSON line per answer or event out. Commands have a "do" and its arguments;
each gets one answer, {"ok": true, ...} or {"ok": false, "error": ...}.

  start      user, domain, password, host, port; optional: transport ("tls"), instance (a UUID), name, note,
             state ("available"), expires (600), publish_expires, mwi (false), known (addresses that the
             contact list has), first (false: a first start subscribes to nothing before it found XCAP)
  state      extended ("available", "away", "busy" or null for invisible); optional: note
  refresh    what: registration, publication, self, watchers, contacts, messages      now, not when it is due
  unpublish  takes the publication back
  subscribe  to, kind ("self"): one more subscription; mostly for watching somebody without a list
  end        kind: gives a subscription up
  stop       unsubscribes, unpublishes and unregisters, as on quitting
  cut        closes the connection without a word

Events: registered, published, subscribed, terminated, self, contacts, watchers, request (somebody wants to see us),
adopted (another device's state became ours), messages, lost, back, and complaint: what Blink would drop
silently or stumble over. A test fails when there is any.

It speaks over one connection and takes requests there only: nobody listens at its Contact.
"""

import asyncio
import secrets
import socket

from blink_documents import Invalid, Publisher, newest, parse_changes, parse_list, parse_pidf, parse_winfo
from blink_sip import Dialog, Stack, parameters, uri_of
from driver import Driver, tell

AGENT = "User-Agent: Blink Qt 5.9.0"
ALLOW_EVENTS = "Allow-Events: conference, message-summary, presence, presence.winfo, refer, xcap-diff"
LIST_TYPES = ("multipart/related", "application/rlmi+xml", "application/pidf+xml")
# Event and Accept of each subscription, and whether it is one to a list.
PACKAGES = {
    "watchers": ("presence.winfo", ("application/watcherinfo+xml",)),
    "contacts": ("presence", LIST_TYPES),
    "self": ("presence", LIST_TYPES),
    "messages": ("message-summary", ("application/simple-message-summary",)),
    "documents": ("xcap-diff", ("application/xcap-diff+xml",)),
}
HOUR = 3600


def complain(text):
    tell({"event": "complaint", "text": text})


TASKS = set()


def spawn(work):
    """Does something beside; what goes wrong in it is told."""
    task = asyncio.ensure_future(work)
    TASKS.add(task)
    task.add_done_callback(handle_end)


def handle_end(task):
    TASKS.discard(task)
    if not task.cancelled() and task.exception():
        complain(f"the client itself: {task.exception()!r}")


def due(seconds):
    """When something that lasts so long is refreshed."""
    return seconds - 30 if seconds > 60 else seconds / 2


class Timer:
    """At most one thing that is to happen later."""

    def __init__(self):
        self.handle = None

    def set(self, seconds, deed):
        self.clear()
        self.handle = asyncio.get_running_loop().call_later(seconds, lambda: spawn(deed()))

    def clear(self):
        if self.handle:
            self.handle.cancel()
        self.handle = None


class Registration:
    """REGISTER with an instance and without reg-id; GRUUs are taken from the answer."""

    def __init__(self, agent, expires):
        self.agent, self.expires = agent, expires
        self.call_id, self.tag, self.number = secrets.token_hex(16), secrets.token_hex(8), 0
        self.timer, self.lock = Timer(), asyncio.Lock()
        self.public_gruu = None

    async def register(self, seconds=None):
        async with self.lock:
            seconds = self.expires if seconds is None else seconds
            agent = self.agent
            contact = f'{agent.contact};+sip.instance="<urn:uuid:{agent.instance}>"'

            def numbered(offset):
                return [f"From: <{agent.aor}>;tag={self.tag}", f"To: <{agent.aor}>", f"Contact: {contact};expires={seconds}",
                        f"Call-ID: {self.call_id}", f"CSeq: {self.number + 1 + offset} REGISTER", f"Expires: {seconds}",
                        "Supported: gruu", AGENT, f"Route: {agent.stack.route()}"]
            response, _, sent = await agent.stack.ask("REGISTER", f"sip:{agent.domain}", numbered)
            self.number += sent
            await self.handle(response, seconds)

    async def handle(self, response, seconds):
        status = response.status if response else 408
        if status // 100 == 2 and seconds:
            own = [item for item in response.list("contact") if uri_of(item) == uri_of(self.agent.contact)]
            if len(own) != 1 or "+sip.instance" not in parameters(own[0]):
                complain(f"the 200 to REGISTER has not our Contact with +sip.instance: {response.all('contact')}")
            found = parameters(own[0]) if own else {}
            self.public_gruu = found.get("pub-gruu")
            # An Expires header wins over the contact's parameter.
            granted = int(response.first("expires") or found.get("expires") or seconds)
            self.timer.set(due(granted), self.register)
            tell({"event": "registered", "status": status, "expires": granted, "gruu": self.public_gruu,
                  "temporary": found.get("temp-gruu")})
            return
        self.timer.clear()
        if status == 423 and response.first("min-expires"):
            self.expires = int(response.first("min-expires"))
            spawn(self.register())
        elif seconds and status // 100 != 2:
            self.timer.set(60, self.register)
        tell({"event": "registered", "status": status, "expires": 0, "gruu": None, "temporary": None})


class Publication:
    """PUBLISH: a Call-ID of its own for every request, the entity tag is all that ties them together."""

    def __init__(self, agent, expires):
        self.agent, self.expires = agent, expires
        self.tag, self.body = None, None
        self.timer, self.lock = Timer(), asyncio.Lock()

    async def publish(self, body):
        """An initial publication, or a modification of the one that lives."""
        async with self.lock:
            self.body = body
            await self.send("modify" if self.tag else "initial", body, self.expires)

    async def refresh(self):
        async with self.lock:
            await self.send(*(("refresh", None) if self.tag else ("initial", self.body)), self.expires)

    async def remove(self):
        async with self.lock:
            self.timer.clear()
            if self.tag:
                await self.send("remove", None, 0)

    async def send(self, kind, body, seconds):
        agent, call_id, tag = self.agent, secrets.token_hex(16), secrets.token_hex(8)
        extra = ["Event: presence", f"Expires: {seconds}", AGENT, f"Route: {agent.stack.route()}"]
        extra += [f"SIP-If-Match: {self.tag}"] if kind != "initial" else []
        extra += ["Content-Type: application/pidf+xml"] if body else []

        def numbered(offset):
            return [f"From: <{agent.aor}>;tag={tag}", f"To: <{agent.aor}>", f"Call-ID: {call_id}",
                    f"CSeq: {1 + offset} PUBLISH", *extra]
        response, _, _ = await agent.stack.ask("PUBLISH", agent.aor, numbered, (body or "").encode())
        await self.handle(kind, response, seconds)

    async def handle(self, kind, response, seconds):
        status = response.status if response else 408
        told = {"event": "published", "kind": kind, "status": status, "etag": None, "expires": None}
        if status // 100 == 2:
            before, self.tag = self.tag, response.first("sip-etag")
            granted = int(response.first("expires") or 0)
            tell(told | {"etag": self.tag, "expires": granted})
            self.check(kind, before, granted, seconds)
            self.tag = None if kind == "remove" else self.tag
            if self.tag:
                self.timer.set(due(granted or seconds), self.refresh)
            return
        self.timer.clear()
        tell(told)
        again = not (kind == "remove" or self.agent.is_stopping)
        if status == 412:
            self.tag = None
            if again:
                await self.send("initial", self.body, self.expires)
        elif status == 423 and response.first("min-expires") and again:
            self.expires = int(response.first("min-expires"))
            await self.send(kind, self.body, self.expires)
        elif again:
            self.tag = None
            self.timer.set(HOUR if status in (405, 406, 489) else 60, self.refresh)

    def check(self, kind, before, granted, asked):
        if self.tag is None:
            complain(f"a 200 to PUBLISH ({kind}) without SIP-ETag: its state becomes a ghost")
        elif self.tag == before:
            complain(f"the SIP-ETag of a PUBLISH ({kind}) is the old one (RFC 3903 §6)")
        if kind != "remove" and not 0 < granted <= asked:
            complain(f"the 200 to PUBLISH ({kind}) grants {granted} of {asked} seconds")


class Subscription:
    """SUBSCRIBE in a dialog of its own, and what it brings."""

    def __init__(self, agent, kind, uri, expires):
        self.agent, self.kind, self.uri, self.expires = agent, kind, uri, expires
        self.event, self.accept = PACKAGES[kind]
        self.is_list = kind == "contacts"
        self.timer, self.lock = Timer(), asyncio.Lock()
        self.dialog = None
        self.begin()

    def begin(self):
        """What is known belongs to a dialog and goes with it."""
        agent = self.agent
        self.dialog = Dialog(agent.stack, agent.aor, self.uri, agent.contact)
        self.granted = self.version = None
        self.wants_full = True
        self.resources, self.watchers = {}, {}
        self.notified = False

    def headers(self, seconds):
        supported = "Supported: norefersub, gruu" + (", eventlist" if self.is_list else "")
        return [f"Event: {self.event}", f"Expires: {seconds}", f"Accept: {', '.join(self.accept)}", supported, ALLOW_EVENTS, AGENT]

    async def subscribe(self, seconds=None):
        async with self.lock:
            seconds = self.expires if seconds is None else seconds
            dialog, is_refresh = self.dialog, self.dialog.remote_tag is not None
            self.wants_full = True
            kind, body = self.agent.wish(self.kind)
            headers = self.headers(seconds) + ([f"Content-Type: {kind}"] if kind else [])
            response = await dialog.subscribe(headers, body)
            if dialog is self.dialog:
                await self.handle(response, seconds, is_refresh)

    async def handle(self, response, seconds, is_refresh):
        status = response.status if response else 408
        told = {"event": "subscribed", "kind": self.kind, "uri": self.uri, "status": status, "refresh": is_refresh, "expires": None}
        if status // 100 == 2:
            for wrong in self.dialog.accept(response):
                complain(f"{self.kind}: {wrong}")
            granted = int(response.first("expires") or -1)
            if not 0 <= granted <= seconds:
                complain(f"{self.kind}: the 200 grants {granted} of {seconds} seconds")
            if self.is_list and "eventlist" not in response.list("require"):
                complain("a list without Require: eventlist in the 200 (RFC 4662 §4.2)")
            self.granted = granted
            tell(told | {"expires": granted})
            if granted:
                self.timer.set(due(granted), self.subscribe)
            return
        tell(told)
        self.timer.clear()
        if status == 423 and response.first("min-expires"):
            self.expires = int(response.first("min-expires"))
            spawn(self.subscribe())
        elif self.agent.is_stopping:
            pass
        elif is_refresh:
            self.again(0)
        else:
            self.again(HOUR if status in (405, 406, 489) else 60)

    def again(self, seconds):
        """A new dialog, then."""
        self.begin()
        self.timer.set(seconds, self.subscribe)

    def handle_notify(self, request):
        """Everything that Blink would drop is a complaint, but the dialog goes on as its own does."""
        wrong = self.dialog.take(request)
        if request.first("event", "").split(";")[0].strip() != self.event:
            wrong.append(f"Event {request.first('event')!r}")
        state, _, _ = request.first("subscription-state", "").partition(";")
        about = parameters(request.first("subscription-state", ""))
        if state not in ("active", "pending", "terminated"):
            wrong.append(f"Subscription-State {request.first('subscription-state')!r}")
        if state == "terminated" and "expires" in about:
            wrong.append("a terminated NOTIFY with expires")
        if "expires" in about and self.granted and int(about["expires"]) > self.granted:
            wrong.append(f"a NOTIFY prolongs the subscription: {about['expires']} > {self.granted}")
        if self.is_list and "eventlist" not in request.list("require"):
            wrong.append("a NOTIFY of a list without Require: eventlist (RFC 4662 §4.2)")
        kind = request.first("content-type", "").split(";")[0].strip().lower()
        if request.body and kind not in self.accept:
            wrong.append(f"Content-Type {kind!r}")
        if self.is_list and request.body and kind != "multipart/related":
            wrong.append(f"a list notification of {kind!r} (RFC 4662 §5.1)")
        for text in wrong:
            complain(f"{self.kind}: {text}")
        told = {"kind": self.kind, "uri": self.uri, "state": state, "reason": about.get("reason"), "first": not self.notified}
        self.notified = True
        if request.body and kind in self.accept:
            self.read(request, told)
        else:
            tell({"event": self.kind, "body": None} | told)
        if state == "terminated" and self is self.agent.subscriptions.get(self.kind + self.uri):
            tell({"event": "terminated"} | told)
            self.timer.clear()
            if not self.agent.is_stopping:
                # Whatever the reason.
                self.again(0)

    def read(self, request, told):
        try:
            getattr(self, "read_" + self.kind)(request, told)
        except Invalid as error:
            complain(f"{self.kind}: {error}")

    def is_next(self, version, full):
        """A gap, or a beginning with a part: Blink tears the dialog down and subscribes again."""
        fits = full if self.version is None else version == self.version + 1
        if not fits:
            complain(f"{self.kind}: version {version} (full: {full}) after {self.version}")
        if self.version is None and version != 0:
            complain(f"{self.kind}: the first version is {version}, not 0")
        if self.wants_full and not full:
            complain(f"{self.kind}: the first NOTIFY after a SUBSCRIBE is not full")
        self.version, self.wants_full = version, False
        return fits

    def read_self(self, request, told):
        document = parse_pidf(request.body)
        expected = self.uri
        if document["entity"] != expected:
            complain(f"{self.kind}: the entity is {document['entity']}, not {expected}")
        tell({"event": "self", "body": request.body.decode(), "services": document["services"],
              "persons": document["persons"], "devices": document["devices"]} | told)
        if self.uri == self.agent.aor:
            self.agent.handle_own(document["services"])

    def read_contacts(self, request, told):
        found = parse_list(request.first("content-type"), request.body, self.uri)
        if not self.is_next(found["version"], found["full"]):
            return
        self.resources = found["resources"] if found["full"] else self.resources | found["resources"]
        self.agent.read_icons(found["resources"])
        tell({"event": "contacts", "version": found["version"], "full": found["full"],
              "changed": list(found["resources"].values()), "all": list(self.resources.values())} | told)

    def read_watchers(self, request, told):
        found = parse_winfo(request.body, self.agent.aor)
        if not self.is_next(found["version"], found["full"]):
            return
        changed = {watcher["id"]: watcher for watcher in found["watchers"]}
        self.watchers = changed if found["full"] else self.watchers | changed
        self.watchers = {key: watcher for key, watcher in self.watchers.items() if watcher["status"] != "terminated"}
        tell({"event": "watchers", "version": found["version"], "full": found["full"],
              "changed": found["watchers"], "all": list(self.watchers.values())} | told)
        for watcher in found["watchers"]:
            if watcher["status"] in ("pending", "waiting") and watcher["uri"] not in self.agent.known:
                tell({"event": "request", "from": watcher["uri"], "status": watcher["status"]})

    def read_messages(self, request, told):
        tell({"event": "messages", "body": request.body.decode()} | told)

    def read_documents(self, request, told):
        changes = parse_changes(request.body)
        tell({"event": "documents", "changes": changes} | told)
        self.agent.handle_changes(changes, told["first"])


class Agent:
    """The account of one device."""

    def __init__(self, command):
        self.user, self.domain = command["user"], command["domain"]
        self.aor = f"sip:{self.user}@{self.domain}"
        self.instance = command.get("instance") or "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
        self.name = command.get("name") or self.user.title()
        self.extended, self.note = command.get("state", "available"), command.get("note")
        self.known = {address if address.startswith("sip:") else "sip:" + address for address in command.get("known", ())}
        transport = command.get("transport", "tls")
        login = (self.user, self.domain, command["password"])
        self.stack = Stack(login, (command["host"], command["port"], transport), self.on_request, complain, self.on_lost, self.on_back)
        # Nobody listens there: notifications have to come by the connection that the SUBSCRIBE came by.
        self.deaf = socket.socket()
        self.deaf.bind(("127.0.0.1", 0))
        number = "".join(secrets.choice("0123456789") for _ in range(8))
        self.contact = f"<sip:{number}@127.0.0.1:{self.deaf.getsockname()[1]};transport={transport}>"
        expires = command.get("expires", 600)
        self.expires = expires
        self.registration = Registration(self, expires)
        self.publication = Publication(self, command.get("publish_expires", expires))
        self.publisher = Publisher(self.aor, self.instance, self.name)
        self.subscriptions, self.old = {}, []
        self.has_mwi, self.is_first = command.get("mwi", False), command.get("first", False)
        self.is_stopping = False

    async def start(self):
        """REGISTER, PUBLISH, SUBSCRIBE go out in this order, and none waits for the answer to another."""
        await self.stack.connect()
        spawn(self.register())
        spawn(self.publish())
        kinds = ["messages"] if self.has_mwi else []
        # Until XCAP was discovered once, nothing else is subscribed to.
        kinds += [] if self.is_first else ["watchers", "contacts", "self"]
        for kind in kinds:
            uri = f"sip:{self.user}+presence@{self.domain}" if kind == "contacts" else self.aor
            spawn(self.subscribe(kind, uri))

    async def register(self):
        await self.registration.register()
        if self.registration.public_gruu:
            await self.publish()

    async def publish(self):
        contact = self.registration.public_gruu or self.aor
        await self.publication.publish(self.publisher.print(self.extended, self.note, contact))

    async def subscribe(self, kind, uri):
        subscription = Subscription(self, kind, uri, self.expires)
        self.subscriptions[kind + uri] = subscription
        await subscription.subscribe()

    def handle_own(self, services):
        """The newest state wins, of whichever device of the account; then it is ours, and is published."""
        service = newest(services)
        if service is None or service["id"] in self.publisher.own_ids:
            return
        extended = None if service["extended"] == "offline" else service["extended"]
        note = None if extended is None or not service["notes"] else service["notes"][0]
        if (extended, note) != (self.extended, self.note):
            self.extended, self.note = extended, note
            tell({"event": "adopted", "extended": extended, "note": note, "from": service["id"]})
            spawn(self.publish())

    def wish(self, kind):
        """What a SUBSCRIBE of this kind carries: type and body."""
        return None, b""

    def handle_changes(self, changes, is_first):
        """Something of the documents that are followed."""

    def read_icons(self, resources):
        """Contacts whose presence was told."""

    def handle_message(self, request):
        """A MESSAGE; the answer's status and reason."""
        return 501, "Not Implemented"

    def on_request(self, request):
        if request.method == "MESSAGE":
            return *self.handle_message(request), []
        if request.method != "NOTIFY":
            status = (200, "OK") if request.method == "OPTIONS" else (501, "Not Implemented")
            return *status, []
        for subscription in self.subscriptions.values():
            if subscription.dialog.owns(request):
                subscription.handle_notify(request)
                return 200, "OK", [f"Contact: {self.contact}"]
        if not self.is_stopping:
            # The last word of a dialog that was given up may come late.
            tell({"event": "stray", "start": request.start, "state": request.first("subscription-state")})
        return 481, "Subscription does not exist", []

    def on_lost(self):
        tell({"event": "lost"})

    def on_back(self):
        """The registration is made anew at once; the rest is refreshed when it is due."""
        tell({"event": "back"})
        spawn(self.registration.register())

    async def refresh(self, what):
        if what == "registration":
            await self.registration.register()
        elif what == "publication":
            await self.publication.refresh()
        else:
            for subscription in list(self.subscriptions.values()):
                if subscription.kind == what:
                    await subscription.subscribe()

    async def end(self, kind):
        for key, subscription in list(self.subscriptions.items()):
            if subscription.kind == kind:
                subscription.timer.clear()
                await subscription.subscribe(0)
                subscription.again = lambda _: self.subscriptions.pop(key, None)

    async def stop(self):
        self.is_stopping = True
        await asyncio.gather(*(subscription.subscribe(0) for subscription in self.subscriptions.values()))
        await self.publication.remove()
        await self.registration.register(0)


class BlinkDriver(Driver):
    """What the test can have done."""

    def __init__(self):
        self.agent = None

    async def start(self, **command):
        self.agent = Agent(command)
        await self.agent.start()
        return {"instance": self.agent.instance, "contact": self.agent.contact}

    async def state(self, extended, note=None):
        self.agent.extended, self.agent.note = extended, note
        await self.agent.publish()
        return {"etag": self.agent.publication.tag}

    async def refresh(self, what):
        await self.agent.refresh(what)

    async def unpublish(self):
        await self.agent.publication.remove()

    async def subscribe(self, to, kind="self"):
        spawn(self.agent.subscribe(kind, to if to.startswith("sip:") else "sip:" + to))

    async def end(self, kind):
        await self.agent.end(kind)

    async def stop(self):
        await self.agent.stop()
        self.agent.stack.stop()

    async def cut(self):
        self.agent.stack.stop()


if __name__ == "__main__":
    asyncio.run(BlinkDriver().run())

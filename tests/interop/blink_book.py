"""The address book of a client that keeps it as Blink does: in documents, over XCAP, the same on all devices.

A JSON command per line in, a JSON answer per line out. Every document that comes is held against its schema, as
Blink does; one that it would drop is an error, and so is a response that it would stumble over.

  start      root, user, domain, password   looks for the server's capabilities, fetches every document, puts in
             order what is not as it wants it; the answer tells the status of each `fetched` and `put`
  again      optional: root   the same once more, with what is known from before
  add        contacts: lists of name, address, policy (allow, block, default) and whether to follow
  remove     address          of the contact with it
  policy     address, policy  of somebody who is no contact
  book       tells the contacts and policies, as they are known here
  icon       type, data (base64)   puts it, or takes it off where data is null
  offline    note             what is shown while nobody is there
  fetch_icon of, domain       without credentials, as for a contact; the answer has the base64, or null

What changes answers with `conflicts`: how often another device was faster, and all had to be fetched and done
again.
"""

import asyncio
import secrets
from urllib.parse import quote, unquote

from lxml import etree

from driver import Driver
from xcap_client import Opener

LISTS = "urn:ietf:params:xml:ns:resource-lists"
BOOK = "urn:ag-projects:xml:ns:addressbook"
SIPSIMPLE = "urn:ag-projects:sipsimple:xml:ns:addressbook"
SERVICES = "urn:ietf:params:xml:ns:rls-services"
POLICY = "urn:ietf:params:xml:ns:common-policy"
PRES_RULES = "urn:ietf:params:xml:ns:pres-rules"
OMA = "urn:oma:xml:xdm:common-policy"
CAPS = "{urn:ietf:params:xml:ns:xcap-caps}"
CONTENT = "urn:oma:xml:prs:pres-content"

# In the order in which they are put: application, file, media type, schema.
DOCUMENTS = {
    "lists": ("resource-lists", "index", "application/resource-lists+xml", "resource-lists"),
    "services": ("rls-services", "index", "application/rls-services+xml", "rls-services"),
    "rules": ("org.openmobilealliance.pres-rules", "index", "application/auth-policy+xml", "policy"),
    "offline": ("pidf-manipulation", "index", "application/pidf+xml", "hard-state"),
    "icon": ("org.openmobilealliance.pres-content", "oma_status-icon/index", "application/vnd.oma.pres-content+xml",
             "oma-pres-content"),
}
NEEDED = {"resource-lists", "rls-services", "org.openmobilealliance.pres-rules"}
LIST_NAMES = ("oma_buddylist", "oma_grantedcontacts", "oma_blockedcontacts", "oma_allcontacts", "dialog_grantedcontacts",
              "dialog_blockedcontacts", "sipsimple_presence_rls", "sipsimple_dialog_rls", "sipsimple_addressbook")
TRIES = 20


class Conflict(Exception):
    """Another device was faster."""


def escaped(text):
    return quote(text, safe="/")


def child(parent, space, name, text=None, /, **attributes):
    element = etree.SubElement(parent, f"{{{space}}}{name}", attributes)
    element.text = text
    return element


class Document:
    def __init__(self, kind, user, domain):
        self.application, self.file, self.type, schema = DOCUMENTS[kind]
        self.path = f"/{self.application}/users/sip:{user}@{domain}/{self.file}"
        self.schema = etree.XMLSchema(etree.parse(f"tests/data/xsd/{schema}.xsd"))
        self.tag, self.root, self.written = None, None, None

    def take(self, reply):
        """What came as the answer to a GET."""
        if reply["status"] == 304:
            return
        if reply["status"] == 404:
            self.tag = self.root = self.written = None
            return
        if reply["status"] != 200:
            raise RuntimeError(f"{self.path}: {reply}")
        if reply["headers"]["content-type"] != [self.type]:
            raise RuntimeError(f"{self.path}: {reply['headers']}")
        root = etree.fromstring(reply["body"].encode())
        if not self.schema.validate(root):
            raise RuntimeError(f"{self.path}: {self.schema.error_log.last_error} in {reply['body']}")
        self.tag, self.root, self.written = reply["headers"]["etag"][0], root, self.canonical(root)

    def keep(self):
        """What is to be known after a restart."""
        return None if self.tag is None else {"tag": self.tag, "text": etree.tostring(self.root, encoding="unicode")}

    def recall(self, kept):
        if kept:
            self.tag, self.root = kept["tag"], etree.fromstring(kept["text"])
            self.written = self.canonical(self.root)

    @staticmethod
    def canonical(root):
        return etree.tostring(root, method="c14n")

    def has_changed(self):
        return self.root is not None and self.written != self.canonical(self.root)


class BookDriver(Driver):
    async def start(self, root, user, domain, password):
        self.prepare(user, domain, password)
        return await self.again(root)

    def prepare(self, user, domain, password):
        self.user, self.domain, self.password = user, domain, password
        self.documents = {kind: Document(kind, user, domain) for kind in DOCUMENTS}

    async def again(self, root=None):
        if root:
            self.root = root
            self.opener = Opener(root, self.user, self.password, self.domain, "digest")
        caps = await self.send("GET", "/xcap-caps/global/index", {"Accept": "application/xcap-caps+xml"})
        found = etree.fromstring(caps["body"].encode())
        auids = {auid.text for auid in found.iter(CAPS + "auid")}
        if not NEEDED <= auids or found.find(CAPS + "extensions") is None:
            raise RuntimeError(f"capabilities: {caps}")
        fetched = await self.fetch()
        put, conflicts = await self.change(lambda: None)
        return {"fetched": fetched, "put": put, "conflicts": conflicts}

    async def send(self, method, path, headers, body=None):
        data = None if body is None else body.encode()
        return await asyncio.to_thread(self.opener.send, method, self.root + path, headers, data)

    async def fetch(self):
        """All at once, each unless it is as it is known."""
        async def get(document):
            reply = await self.send("GET", document.path, {"If-None-Match": document.tag} if document.tag else {})
            document.take(reply)
            return reply["status"]
        statuses = await asyncio.gather(*(get(document) for document in self.documents.values()))
        return dict(zip(self.documents, statuses))

    async def change(self, deed):
        """Does it, and once more on what others left where they were faster."""
        for conflicts in range(TRIES):
            deed()
            self.arrange()
            try:
                return await self.put(), conflicts
            except Conflict:
                await self.fetch()
        raise RuntimeError("others are always faster")

    async def put(self):
        statuses = {}
        for kind, document in self.documents.items():
            if document.has_changed():
                statuses[kind] = await self.put_one(document)
        return statuses

    async def put_one(self, document):
        text = etree.tostring(document.root, encoding="UTF-8", xml_declaration=True).decode()
        condition = {"If-Match": document.tag} if document.tag else {"If-None-Match": "*"}
        reply = await self.send("PUT", document.path, condition | {"Content-Type": document.type}, text)
        if reply["status"] == 412:
            # Nothing of what is known here can be relied on.
            document.tag = None
            raise Conflict
        if reply["status"] not in (200, 201):
            raise RuntimeError(f"PUT {document.path}: {reply} to {text}")
        document.tag, document.written = reply["headers"]["etag"][0], document.canonical(document.root)
        return reply["status"]

    # What is in the documents.

    def arrange(self):
        """Makes of the address book all that follows from it."""
        lists = self.documents["lists"]
        if lists.root is None:
            lists.root = etree.Element(f"{{{LISTS}}}resource-lists", nsmap={"rl": LISTS, "addressbook": BOOK, "sipsimple": SIPSIMPLE})
        for name in LIST_NAMES:
            if self.list(name) is None:
                child(lists.root, LISTS, "list", name=name)
        people = list(self.people())
        chosen = {
            "oma_grantedcontacts": {uri for uri, policy, _ in people if policy == "allow"},
            "oma_blockedcontacts": {uri for uri, policy, _ in people if policy == "block"},
            "sipsimple_presence_rls": {uri for uri, _, follows in people if follows},
        }
        for name, wanted in chosen.items():
            self.fill(self.list(name), wanted)
        every = self.list("oma_allcontacts")
        if not len(every):
            for name in LIST_NAMES[:3]:
                child(every, LISTS, "external", anchor=escaped(self.url(name)))
        self.arrange_services()
        self.arrange_rules()

    def list(self, name):
        found = (one for one in self.documents["lists"].root.iterfind(f"{{{LISTS}}}list") if one.get("name") == name)
        return next(found, None)

    def url(self, name):
        """Of a list, by the root that this device knows."""
        return f"{self.root}{self.documents['lists'].path}/~~/resource-lists/list[@name=\"{name}\"]"

    def fill(self, members, wanted):
        entries = {unquote(entry.get("uri")).removeprefix("sip:"): entry for entry in members.iterfind(f"{{{LISTS}}}entry")}
        for uri in entries.keys() - wanted:
            members.remove(entries[uri])
        for uri in sorted(wanted - entries.keys()):
            child(members, LISTS, "entry", uri=escaped(uri))

    def contacts(self):
        return self.list("sipsimple_addressbook").iterfind(f"{{{BOOK}}}contact")

    def people(self):
        """Address, policy and whether to follow."""
        book = self.list("sipsimple_addressbook")
        for one in book.iterfind(f"{{{BOOK}}}contact"):
            for uri in one.iterfind(f"{{{BOOK}}}uris/{{{BOOK}}}uri"):
                yield unquote(uri.get("uri")), *self.handling(one)
        for one in book.iterfind(f"{{{BOOK}}}policy-element"):
            yield unquote(one.get("uri")), *self.handling(one)

    @staticmethod
    def handling(one):
        presence = one.find(f"{{{BOOK}}}presence")
        return presence.findtext(f"{{{BOOK}}}policy"), presence.findtext(f"{{{BOOK}}}subscribe") == "true"

    @staticmethod
    def push_handling(one, policy, follows):
        for name, policy, follows in (("dialog", "default", False), ("presence", policy, follows)):
            part = child(one, BOOK, name)
            child(part, BOOK, "policy", policy)
            child(part, BOOK, "subscribe", "true" if follows else "false")

    def arrange_services(self):
        services = self.documents["services"]
        if services.root is None:
            services.root = etree.Element(f"{{{SERVICES}}}rls-services", nsmap={None: SERVICES})
        known = {unquote(one.get("uri")).removeprefix("sip:") for one in services.root}
        for package in ("presence", "dialog"):
            uri = f"{self.user}+{package}@{self.domain}"
            if uri not in known:
                service = child(services.root, SERVICES, "service", uri=escaped("sip:" + uri))
                child(service, SERVICES, "resource-list", escaped(self.url(f"sipsimple_{package}_rls")))
                child(child(service, SERVICES, "packages"), SERVICES, "package", package)

    def arrange_rules(self):
        """Rules that it does not know are taken away, as Blink does."""
        rules = self.documents["rules"]
        if rules.root is None:
            rules.root = etree.Element(f"{{{POLICY}}}ruleset", nsmap={"cp": POLICY, "pr": PRES_RULES, "ocp": OMA})
        wanted = {
            "wp_prs_grantedcontacts": ("allow", lambda within: self.push_reference(within, "oma_grantedcontacts")),
            "wp_prs_blockedcontacts": ("polite-block", lambda within: self.push_reference(within, "oma_blockedcontacts")),
            "wp_prs_unlisted": ("confirm", lambda within: child(within, OMA, "other-identity")),
            "wp_prs_block_anonymous": ("block", lambda within: child(within, OMA, "anonymous-request")),
            "wp_prs_allow_own": ("allow", self.push_own),
        }
        for rule in list(rules.root):
            if rule.get("id") not in wanted:
                rules.root.remove(rule)
            for transformations in rule.findall(f"{{{POLICY}}}transformations"):
                rule.remove(transformations)
        known = {rule.get("id") for rule in rules.root}
        for name, (handling, push_condition) in wanted.items():
            if name not in known:
                rule = child(rules.root, POLICY, "rule", id=name)
                push_condition(child(rule, POLICY, "conditions"))
                child(child(rule, POLICY, "actions"), PRES_RULES, "sub-handling", handling)

    def push_reference(self, within, name):
        child(child(within, OMA, "external-list"), OMA, "entry", anc=escaped(self.url(name)))

    def push_own(self, within):
        child(child(within, POLICY, "identity"), POLICY, "one", id=escaped(f"sip:{self.user}@{self.domain}"))

    # What the test can have done.

    async def add(self, contacts):
        made = [(secrets.token_hex(8), *contact) for contact in contacts]

        def deed():
            book = self.list("sipsimple_addressbook")
            known = {one.get("id") for one in self.contacts()}
            for id, name, address, policy, follows in made:
                if id not in known:
                    one = child(book, BOOK, "contact", id=id)
                    child(one, BOOK, "name", name)
                    uris = child(one, BOOK, "uris", default="u" + id)
                    uri = child(uris, BOOK, "uri", id="u" + id, uri=escaped(address), type="SIP")
                    child(child(uri, SIPSIMPLE, "attributes"), SIPSIMPLE, "attribute", name="position", nil="true")
                    self.push_handling(one, policy, follows)
        return await self.done(deed)

    async def remove(self, address):
        def deed():
            for one in list(self.contacts()):
                if any(unquote(uri.get("uri")) == address for uri in one.iter(f"{{{BOOK}}}uri")):
                    one.getparent().remove(one)
        return await self.done(deed)

    async def policy(self, address, policy):
        made = secrets.token_hex(8)

        def deed():
            book = self.list("sipsimple_addressbook")
            for one in book.findall(f"{{{BOOK}}}policy-element"):
                if unquote(one.get("uri")) == address:
                    book.remove(one)
            if policy != "default":
                one = child(book, BOOK, "policy-element", id=made, uri=escaped(address))
                child(one, BOOK, "name", address)
                self.push_handling(one, policy, False)
        return await self.done(deed)

    async def done(self, deed):
        put, conflicts = await self.change(deed)
        return {"put": put, "conflicts": conflicts}

    async def book(self):
        contacts = {}
        for one in self.contacts():
            policy, follows = self.handling(one)
            for uri in one.iter(f"{{{BOOK}}}uri"):
                about = {"name": one.findtext(f"{{{BOOK}}}name"), "policy": policy, "follows": follows}
                contacts[unquote(uri.get("uri")).removeprefix("sip:")] = about
        policies = {}
        for one in self.list("sipsimple_addressbook").iterfind(f"{{{BOOK}}}policy-element"):
            policies[unquote(one.get("uri")).removeprefix("sip:")] = self.handling(one)[0]
        return {"contacts": contacts, "policies": policies}

    async def icon(self, type, data):
        document = self.documents["icon"]
        if data is None:
            reply = await self.send("DELETE", document.path, {"If-Match": document.tag})
            return {"status": reply["status"]}
        root = etree.Element(f"{{{CONTENT}}}content", nsmap={None: CONTENT})
        for name, text in (("mime-type", type), ("encoding", "base64"), ("data", data)):
            child(root, CONTENT, name, text)
        document.root = root
        return {"status": await self.put_one(document)}

    async def offline(self, note):
        document = self.documents["offline"]
        uri = f"sip:{self.user}@{self.domain}"
        document.root = etree.fromstring(
            '<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:agp-pidf="urn:ag-projects:xml:ns:pidf" '
            f'entity="{escaped(uri)}"><tuple id="SID-{secrets.token_hex(16)}"><status><basic>closed</basic>'
            f"<agp-pidf:extended>offline</agp-pidf:extended></status><note>{note}</note></tuple></presence>")
        return {"status": await self.put_one(document)}

    async def fetch_icon(self, of, domain):
        opener = Opener(self.root, "", "", "", "none")
        path = f"/{DOCUMENTS['icon'][0]}/users/sip:{of}@{domain}/{DOCUMENTS['icon'][1]}"
        reply = await asyncio.to_thread(opener.send, "GET", self.root + path, {}, None)
        if reply["status"] == 404:
            return {"data": None}
        document = Document("icon", of, domain)
        document.take(reply)
        return {"data": document.root.findtext(f"{{{CONTENT}}}data"), "type": document.root.findtext(f"{{{CONTENT}}}mime-type")}


if __name__ == "__main__":
    asyncio.run(BookDriver().run())

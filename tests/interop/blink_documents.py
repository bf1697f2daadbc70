"""Documents as Blink reads and writes them: each is validated against its XML schemas by libxml2 on arrival.

Blink drops an invalid document without a word. Here `Invalid` says why, so that a test fails instead.
"""

import functools
import hashlib
import pathlib
import re
from datetime import datetime, timezone
from urllib.parse import quote, unquote

from lxml import etree

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "data" / "xsd"
PIDF = "urn:ietf:params:xml:ns:pidf"
DATA_MODEL = "urn:ietf:params:xml:ns:pidf:data-model"
RPID = "urn:ietf:params:xml:ns:pidf:rpid"
CAPS = "urn:ietf:params:xml:ns:pidf:caps"
CIPID = "urn:ietf:params:xml:ns:pidf:cipid"
AGP = "urn:ag-projects:xml:ns:pidf"
AGP_CAPS = "urn:ag-projects:xml:ns:pidf:caps"
RLMI = "urn:ietf:params:xml:ns:rlmi"
WINFO = "urn:ietf:params:xml:ns:watcherinfo"
XCAP_DIFF = "urn:ietf:params:xml:ns:xcap-diff"
# Each kind of document, with the schemas of all that may stand in it.
SCHEMAS = {"application/pidf+xml": "presence.xsd", "application/rlmi+xml": "rlmi.xsd",
           "application/watcherinfo+xml": "watcherinfo.xsd", "application/xcap-diff+xml": "events.xsd"}
EXTENDED = ("available", "away", "busy", "offline")


class Invalid(Exception):
    """A document that Blink would drop."""


@functools.cache
def schema_of(kind):
    return etree.XMLSchema(etree.parse(str(FOLDER / SCHEMAS[kind])))


def parse(kind, data):
    parser = etree.XMLParser(schema=schema_of(kind), remove_blank_text=True, resolve_entities=False)
    try:
        return etree.XML(data, parser)
    except etree.XMLSyntaxError as error:
        raise Invalid(f"{kind}: {error}: {data!r}") from None


def decode(uri):
    """A URI as it was meant: Blink escapes all but `/`, and a bare address is a SIP one."""
    uri = unquote(uri.strip())
    return uri if re.match(r"^(sips?|pres|tel|xmpp|im):", uri) else "sip:" + uri


def text(node, path):
    found = node.find(path)
    return None if found is None else (found.text or "").strip()


def parse_pidf(data):
    """{"entity", "services": [...], "persons": [...], "devices": [...]}; services as Blink has them."""
    root = parse("application/pidf+xml", data)
    if root.tag != f"{{{PIDF}}}presence":
        raise Invalid(f"the root element is {root.tag}")
    # The values of xs:ID, which libxml2 does not compare for lxml.
    ids = [item.get("id") for item in root.iter() if item.get("id") and item.tag != f"{{{AGP}}}device-info"]
    if len(ids) != len(set(ids)):
        raise Invalid(f"an id comes twice: {ids}")
    services = [service_of(item) for item in root.iterfind(f"{{{PIDF}}}tuple")]
    return {
        "entity": decode(root.get("entity")),
        "services": services,
        "persons": [person_of(item) for item in root.iterfind(f"{{{DATA_MODEL}}}person")],
        "devices": [item.get("id") for item in root.iterfind(f"{{{DATA_MODEL}}}device")],
        "notes": [note.text or "" for note in root.iterfind(f"{{{PIDF}}}note")],
    }


def service_of(item):
    status = item.find(f"{{{PIDF}}}status")
    extended = text(status, f"{{{AGP}}}extended")
    if extended is not None and extended not in EXTENDED:
        raise Invalid(f"extended status {extended!r} rejects the whole document")
    stamp = text(item, f"{{{PIDF}}}timestamp")
    if stamp is not None and not re.search(r"(Z|[+-]\d\d:\d\d)$", stamp):
        raise Invalid(f"timestamp {stamp!r} has no zone and cannot be compared")
    info = item.find(f"{{{AGP}}}device-info")
    caps = item.find(f"{{{CAPS}}}servcaps")
    contact = text(item, f"{{{PIDF}}}contact")
    icon = text(item, f"{{{CIPID}}}icon")
    return {
        "id": item.get("id"),
        "basic": text(status, f"{{{PIDF}}}basic"),
        "extended": extended,
        "contact": contact and unquote(contact),
        "notes": [note.text or "" for note in item.iterfind(f"{{{PIDF}}}note")],
        "timestamp": stamp,
        "display_name": text(item, f"{{{CIPID}}}display-name"),
        "icon": icon and unquote(icon),
        "homepage": text(item, f"{{{CIPID}}}homepage"),
        "map": text(item, f"{{{CIPID}}}map"),
        "device": text(item, f"{{{DATA_MODEL}}}deviceID"),
        "device_info": None if info is None else {
            "id": info.get("id"), "description": text(info, f"{{{AGP}}}description"),
            "user_agent": text(info, f"{{{AGP}}}user-agent"), "time_offset": text(info, f"{{{AGP}}}time-offset")},
        "capabilities": {} if caps is None else {etree.QName(cap).localname: (cap.text or "").strip() for cap in caps},
        "user_input": text(item, f"{{{RPID}}}user-input"),
    }


def person_of(item):
    activities = item.find(f"{{{RPID}}}activities")
    return {
        "id": item.get("id"),
        "activities": [] if activities is None else [
            (activity.text or "").strip() if etree.QName(activity).localname == "other" else etree.QName(activity).localname
            for activity in activities],
        "notes": [note.text or "" for note in item.iterfind(f"{{{DATA_MODEL}}}note")],
    }


def newest(services):
    """The service that Blink believes: the newest that has an extended status."""
    known = [service for service in services if service["extended"]]
    stamp = lambda service: datetime.fromisoformat((service["timestamp"] or "1970-01-01T00:00:00Z").replace("Z", "+00:00"))
    return max(known, key=stamp, default=None)


def shown(services):
    """What the contact list shows: the newest extended status, else whether any service is open."""
    if service := newest(services):
        return service["extended"]
    return "available" if any(service["basic"] == "open" for service in services) else "offline"


def parse_winfo(data, resource):
    root = parse("application/watcherinfo+xml", data)
    lists = [item for item in root.iterfind(f"{{{WINFO}}}watcher-list")
             if decode(item.get("resource")) == resource and item.get("package") == "presence"]
    if not lists:
        raise Invalid(f"no watcher-list of {resource}: the whole document is ignored: {data!r}")
    watchers = [{"id": item.get("id"), "uri": decode(item.text or ""), "status": item.get("status"), "event": item.get("event"),
                 "name": item.get("display-name"), "duration": item.get("duration-subscribed"),
                 "expiration": item.get("expiration")}
                for found in lists for item in found.iterfind(f"{{{WINFO}}}watcher")]
    ids = [watcher["id"] for watcher in watchers]
    if len(ids) != len(set(ids)):
        raise Invalid(f"a watcher id comes twice: {ids}")
    return {"version": int(root.get("version")), "full": root.get("state") == "full", "watchers": watchers}


def parse_changes(data):
    """What of documents is told: where, and the tags before and after."""
    root = parse("application/xcap-diff+xml", data)
    return [{"sel": unquote(item.get("sel")), "old": item.get("previous-etag"), "new": item.get("new-etag")}
            for item in root.iterfind(f"{{{XCAP_DIFF}}}document")]


def parse_multipart(content_type, data):
    """The parts as (Content-ID, Content-Type, body), the root part first."""
    found = dict((name.lower(), value.strip('"')) for name, value in re.findall(r';\s*([\w-]+)=("[^"]*"|[^;\s]+)', content_type))
    boundary = found.get("boundary")
    if not boundary or found.get("type") != "application/rlmi+xml":
        raise Invalid(f"Content-Type {content_type!r}")
    pieces = (b"\r\n" + data).split(b"\r\n--" + boundary.encode())
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise Invalid(f"the multipart body has no end: {data!r}")
    parts = []
    for piece in pieces[1:-1]:
        head, mark, body = piece.partition(b"\r\n\r\n")
        if not mark:
            raise Invalid(f"a part has no head: {piece!r}")
        headers = dict((name.strip().lower(), value.strip()) for name, value in
                       (line.split(":", 1) for line in head.decode().split("\r\n") if ":" in line))
        if headers.get("content-transfer-encoding", "binary").lower() not in ("binary", "8bit", "7bit"):
            raise Invalid(f"Content-Transfer-Encoding {headers['content-transfer-encoding']!r}: the payload is parsed as it is")
        identity = headers.get("content-id", "")
        if not re.fullmatch(r"<[^<>]+>", identity):
            raise Invalid(f"Content-ID {identity!r} is not in angle brackets")
        parts.append((identity[1:-1], headers.get("content-type", ""), body))
    if len({part[0] for part in parts}) != len(parts):
        raise Invalid("a Content-ID comes twice")
    start = found.get("start")
    if start is not None:
        if not re.fullmatch(r"<[^<>]+>", start):
            raise Invalid(f"start {start!r} is not in angle brackets")
        parts.sort(key=lambda part: part[0] != start[1:-1])
        if parts[0][0] != start[1:-1]:
            raise Invalid(f"start {start!r} names no part")
    return parts


def parse_list(content_type, data, service):
    """{"version", "full", "resources": {uri: {"name", "state", "reason", "services", "persons"}}}."""
    parts = parse_multipart(content_type, data)
    _, kind, body = parts[0]
    if kind.split(";")[0].strip() != "application/rlmi+xml":
        raise Invalid(f"the root part is {kind!r}")
    root = parse("application/rlmi+xml", body)
    if root.tag != f"{{{RLMI}}}list" or decode(root.get("uri")) != service:
        raise Invalid(f"{root.tag} of {root.get('uri')!r}, not of {service}")
    bodies = {identity: (kind, body) for identity, kind, body in parts[1:]}
    used = set()
    resources = {}
    for item in root.iterfind(f"{{{RLMI}}}resource"):
        uri = decode(item.get("uri"))
        if uri in resources:
            raise Invalid(f"the resource {uri} comes twice")
        resources[uri] = resource_of(item, uri, bodies, used)
    if set(bodies) - used:
        raise Invalid(f"parts that nothing refers to: {set(bodies) - used}")
    return {"version": int(root.get("version")), "full": root.get("fullState") in ("true", "1"), "resources": resources}


def resource_of(item, uri, bodies, used):
    instances = [(instance.get("state"), instance.get("reason"), instance.get("cid"))
                 for instance in item.iterfind(f"{{{RLMI}}}instance")]
    order = {"active": 0, "pending": 1, "terminated": 2}
    instances.sort(key=lambda instance: order[instance[0]])
    found = {"uri": uri, "name": text(item, f"{{{RLMI}}}name"), "state": None, "reason": None, "services": [], "persons": []}
    for state, reason, cid in instances:
        found["state"] = found["state"] or state
        found["reason"] = found["reason"] or reason
        if state == "active" and cid is None:
            raise Invalid(f"an active instance of {uri} without cid (RFC 4662 §5.5)")
        if state == "terminated" and reason is None:
            raise Invalid(f"a terminated instance of {uri} without reason (RFC 4662 §5.5)")
        if cid is None:
            continue
        if cid not in bodies:
            raise Invalid(f"cid {cid!r} names no part")
        used.add(cid)
        kind, body = bodies[cid]
        if kind.split(";")[0].strip() != "application/pidf+xml":
            raise Invalid(f"the part {cid!r} is {kind!r}")
        document = parse_pidf(body)
        if document["entity"] != uri:
            raise Invalid(f"the part of {uri} has the entity {document['entity']}")
        found["services"] += document["services"]
        found["persons"] += document["persons"]
    found["shown"] = shown(found["services"]) if found["services"] else None
    return found


class Publisher:
    """What one device publishes (RFC 3863, with the extensions of AG Projects)."""

    def __init__(self, aor, instance, name):
        self.aor, self.instance, self.name = aor, instance, name

    @property
    def own_ids(self):
        return (f"SID-{self.instance}", f"SID-{md5(self.aor)}")

    def print(self, extended, note, contact, icon=None):
        """The document, in the order of children that the schema wants. `None` is invisible."""
        stamp = datetime.now(timezone.utc).isoformat(timespec="microseconds")
        escape = lambda value: quote(value, safe="/")
        entity = escape(self.aor)
        head = (f'<?xml version=\'1.0\' encoding=\'UTF-8\'?>\n<presence xmlns="{PIDF}" xmlns:dm="{DATA_MODEL}" '
                f'xmlns:agp-pidf="{AGP}" xmlns:rpid="{RPID}" xmlns:caps="{CAPS}" xmlns:agp-caps="{AGP_CAPS}" '
                f'xmlns:c="{CIPID}" entity="{entity}">')
        if extended is None:
            return (f'{head}<tuple id="SID-{md5(self.aor)}"><status><basic>closed</basic><agp-pidf:extended>offline'
                    f'</agp-pidf:extended></status><contact>{entity}</contact><timestamp>{stamp}</timestamp></tuple></presence>')
        icon = f"<c:icon>{escape(icon)}</c:icon>" if icon else ""
        basic = "closed" if extended == "offline" else "open"
        notes = f"<note>{markup(note)}</note>" if note else ""
        return (
            f'{head}<tuple id="SID-{self.instance}"><status><basic>{basic}</basic>'
            f'<agp-pidf:extended>{extended}</agp-pidf:extended></status><caps:servcaps><caps:audio>true</caps:audio>'
            f'<caps:message>true</caps:message><caps:text>false</caps:text><agp-caps:file-transfer>true'
            f'</agp-caps:file-transfer><agp-caps:screen-sharing-server>true</agp-caps:screen-sharing-server>'
            f'<agp-caps:screen-sharing-client>true</agp-caps:screen-sharing-client></caps:servcaps>'
            f'<c:display-name>{markup(self.name)}</c:display-name>{icon}<agp-pidf:device-info id="{self.instance}">'
            f'<agp-pidf:description>host of {markup(self.name)}</agp-pidf:description>'
            f'<agp-pidf:user-agent>Blink Qt</agp-pidf:user-agent><agp-pidf:time-offset>0.0</agp-pidf:time-offset>'
            f'</agp-pidf:device-info><rpid:user-input idle-threshold="600">active</rpid:user-input>'
            f'<dm:deviceID>{self.instance}</dm:deviceID><contact>{escape(contact)}</contact>{notes}'
            f'<timestamp>{stamp}</timestamp></tuple><dm:person id="PID-{md5(self.aor)}"><rpid:activities>'
            f'<rpid:other>{extended}</rpid:other></rpid:activities><dm:timestamp>{stamp}</dm:timestamp></dm:person>'
            f'<dm:device id="DID-{self.instance}"><dm:deviceID>{self.instance}</dm:deviceID>'
            f'<dm:note>Blink at host of {markup(self.name)}</dm:note><dm:timestamp>{stamp}</dm:timestamp></dm:device></presence>')


def markup(value):
    return value.replace("&", "&amp;").replace("<", "&lt;")


def md5(value):
    return hashlib.md5(value.removeprefix("sip:").encode()).hexdigest()

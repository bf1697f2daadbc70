"""One slixmpp client driven by a test: a JSON command per line in, a JSON line per answer or event out.

Commands have a "do" and its arguments; each gets one answer, {"ok": true, ...} or {"ok": false, "error": ...}.

  login      jid, password, host, port; optional: resource, direct_tls (false), mechanism, ca (PEM file: verify),
             plugins (more of slixmpp's), interests (nodes whose news it wants)
  presence   optional: to, type, show, status, priority
  message    to, body; optional: type ("chat"), subject, id, lang, receipt (ask for one), xml (children as text)
  roster     the contacts: [{"jid", "name", "subscription", "ask", "groups"}]
  contact    jid; optional: name, groups         adds or changes a contact
  remove     jid                                 removes a contact
  subscribe, subscribed, unsubscribe, unsubscribed    to
  ping       optional: to
  disco      to                                  the features of an entity
  caps       to, node                            the hash of what an entity says of that node (XEP-0115)
  iq         to, type, xml                       a raw query; the answer has its "xml"
  raw        xml                                 any stanza, as text
  carbons    enables XEP-0280
  publish    node, xml; optional: id             to a node of its own
  items      to, node                            the payloads of a node of somebody
  wear       data (base64), type                 publishes a picture as XEP-0084 has it
  vcard      to; optional: xml (sets one's own)  XEP-0054
  archive    optional: with, most                the bodies of a page of the archive, and whether it is complete
  block, unblock    jid
  report     jid, reason (spam, abuse)           blocks somebody and says why (XEP-0377)
  blocked    whom it blocks
  keep       xml                                 XEP-0049; kept has the same
  commands   to                                  the nodes of its ad-hoc commands (XEP-0050)
  command    to, node; optional: values          does one: the values fill its form; the answer has its "xml"
  password   new                                 changes its own password (XEP-0077)
  search     to; optional: values               whom the directory has (XEP-0055): [{field: value}]
  slot       filename, size, type                a place for a file (XEP-0363): service, max, get, put
  last       jid                                 its last activity (XEP-0012); idle: what it tells of its own
  leave      takes its own account back (XEP-0077)
  logout     closes the stream in order
  cut        closes the socket without a word
  again      goes on with its stream on another connection (XEP-0198), where it has that plugin

Events have an "event": message, presence, roster (a push), connected, disconnected, failed. Every stanza
event carries its "xml".
"""

import asyncio
import base64
import ssl
import sys
import types

import slixmpp
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.xmlstream import ET, tostring

from driver import Driver, tell

LOGIN_SECONDS = 30


def contact_of(item):
    return {
        "jid": str(item["jid"]),
        "name": item["name"],
        "subscription": item["subscription"],
        "ask": item["ask"],
        "approved": item.xml.get("approved"),
        "groups": sorted(item["groups"]),
    }


class Client(slixmpp.ClientXMPP):
    """Turns what arrives into events. It answers no question by itself."""

    def __init__(self, jid, password, mechanism, ca, plugins):
        super().__init__(jid, password, sasl_mech=mechanism)
        self.logged_in = asyncio.get_running_loop().create_future()
        self.roster.auto_authorize = None
        self.roster.auto_subscribe = False
        if ca:
            self.ca_certs = ca
        else:
            self.ssl_context.check_hostname = False
            self.ssl_context.verify_mode = ssl.CERT_NONE
        for plugin in ("xep_0030", "xep_0184", "xep_0199", "xep_0203", "xep_0280", "xep_0297", "xep_0085", *plugins):
            self.register_plugin(plugin)
        self.plugin["xep_0184"].auto_request = False
        self.add_event_handler("session_start", self.on_start)
        self.add_event_handler("failed_all_auth", lambda _: self.on_failure("not authorized"))
        self.add_event_handler("connection_failed", lambda error: self.on_failure(f"connection: {error}"))
        self.add_event_handler("stream_error", lambda error: self.on_failure(f"stream: {error['condition']}"))
        self.add_event_handler("disconnected", lambda why: tell({"event": "disconnected", "why": str(why)}))
        self.add_filter("in", self.on_stanza)

    def on_start(self, _):
        if not self.logged_in.done():
            self.logged_in.set_result(None)

    def on_failure(self, error):
        tell({"event": "failed", "error": error})
        if not self.logged_in.done():
            self.logged_in.set_exception(RuntimeError(error))
        self.abort()

    def on_stanza(self, stanza):
        """Sees everything that arrives, before any plugin."""
        if isinstance(stanza, slixmpp.Message):
            tell(self.message_event(stanza))
        elif isinstance(stanza, slixmpp.Presence):
            tell({
                "event": "presence",
                "from": str(stanza["from"]),
                "type": stanza.xml.get("type", "available"),
                "show": stanza.xml.findtext("{jabber:client}show"),
                "status": stanza["status"],
                "priority": stanza["priority"],
                "xml": tostring(stanza.xml),
            })
        elif isinstance(stanza, slixmpp.Iq) and stanza["type"] == "set" and stanza.get_plugin("roster", check=True):
            items = stanza.xml.iter("{jabber:iq:roster}item")
            pushed = [{"jid": item.get("jid"), "subscription": item.get("subscription"), "ask": item.get("ask"),
                       "name": item.get("name"), "groups": sorted(group.text for group in item)} for item in items]
            tell({"event": "roster", "contacts": pushed, "xml": tostring(stanza.xml)})
        return stanza

    @staticmethod
    def message_event(stanza):
        text = tostring(stanza.xml)
        carbon = next((kind for kind in ("sent", "received")
                       if stanza.xml.find("{urn:xmpp:carbons:2}" + kind) is not None), None)
        inner = stanza.xml.find(".//{urn:xmpp:forward:0}forwarded/{jabber:client}message")
        shown = stanza.xml if inner is None else inner
        delay = shown.find("{urn:xmpp:delay}delay")
        return {
            "event": "message",
            "from": shown.get("from"),
            "to": shown.get("to"),
            "id": shown.get("id"),
            "type": shown.get("type", "normal"),
            "body": shown.findtext("{jabber:client}body"),
            "subject": shown.findtext("{jabber:client}subject"),
            "delay": None if delay is None else delay.get("stamp"),
            "carbon": carbon,
            "xml": text,
        }


class XmppDriver(Driver):
    """What the test can have done."""

    FAULTS = (*Driver.FAULTS, IqError, IqTimeout)

    def describe(self, fault):
        if isinstance(fault, IqError):
            return {"error": fault.iq["error"]["condition"], "xml": tostring(fault.iq.xml)}
        return super().describe(fault)

    def __init__(self):
        self.client = None
        self.address = None

    async def login(self, jid, password, host, port, resource=None, direct_tls=False, mechanism=None, ca=None,
                    plugins=(), interests=()):
        self.client = Client(f"{jid}/{resource}" if resource else jid, password, mechanism, ca, plugins)
        self.client.enable_direct_tls = direct_tls
        self.client.enable_starttls = not direct_tls
        self.client.enable_plaintext = False
        self.address = (host, port)
        self.client.connect(host, port)
        await asyncio.wait_for(asyncio.shield(self.client.logged_in), LOGIN_SECONDS)
        for node in interests:
            self.client.plugin["xep_0030"].add_feature(f"{node}+notify")
        if interests:
            await self.client.plugin["xep_0115"].update_caps(broadcast=False)
        return {"jid": str(self.client.boundjid)}

    async def presence(self, to=None, type=None, show=None, status=None, priority=None):
        self.client.send_presence(pto=to, ptype=type, pshow=show, pstatus=status, ppriority=priority)

    async def message(self, to, body=None, type="chat", subject=None, id=None, lang=None, receipt=False, xml=""):
        message = self.client.make_message(mto=to, mbody=body, msubject=subject, mtype=type)
        message["id"] = id or self.client.new_id()
        if lang:
            message["lang"] = lang
        if receipt:
            message["request_receipt"] = True
        for child in ET.fromstring(f"<x xmlns='jabber:client'>{xml}</x>"):
            message.append(child)
        message.send()
        return {"id": message["id"]}

    async def roster(self):
        # The whole of it, not what changed since the last push.
        self.client.client_roster.version = None
        answer = await self.client.get_roster()
        items = answer["roster"]["substanzas"] if answer.get_plugin("roster", check=True) else []
        return {"contacts": sorted(map(contact_of, items), key=lambda contact: contact["jid"])}

    async def contact(self, jid, name=None, groups=()):
        await self.client.update_roster(jid, name=name, groups=list(groups))

    async def remove(self, jid):
        await self.client.del_roster_item(jid)

    async def subscribe(self, to):
        self.client.send_presence(pto=to, ptype="subscribe")

    async def subscribed(self, to):
        self.client.send_presence(pto=to, ptype="subscribed")

    async def unsubscribe(self, to):
        self.client.send_presence(pto=to, ptype="unsubscribe")

    async def unsubscribed(self, to):
        self.client.send_presence(pto=to, ptype="unsubscribed")

    async def ping(self, to=None):
        await self.client.plugin["xep_0199"].send_ping(to or self.client.boundjid.domain)

    async def disco(self, to):
        answer = await self.client.plugin["xep_0030"].get_info(jid=to, cached=False)
        return {"features": sorted(answer["disco_info"]["features"])}

    async def caps(self, to, node):
        info = await self.client.plugin["xep_0030"].get_info(jid=to, node=node, cached=False)
        return {"ver": self.client.plugin["xep_0115"].generate_verstring(info["disco_info"], "sha-1")}

    async def iq(self, to, type, xml):
        query = self.client.make_iq(ito=to, itype=type)
        query.append(ET.fromstring(xml))
        return {"xml": tostring((await query.send()).xml)}

    async def publish(self, node, xml, id=None):
        answer = await self.client.plugin["xep_0060"].publish(None, node, id=id, payload=ET.fromstring(xml))
        return {"id": answer["pubsub"]["publish"]["item"]["id"]}

    async def items(self, to, node):
        answer = await self.client.plugin["xep_0060"].get_items(to, node)
        items = answer.xml.iter("{http://jabber.org/protocol/pubsub}item")
        return {"items": [{"id": item.get("id"), "xml": tostring(item[0])} for item in items]}

    async def slot(self, filename, size, type):
        # The plugin imports a web client for its own transfers; the test does those itself.
        sys.modules.setdefault("aiohttp", types.SimpleNamespace(ClientSession=None))
        self.client.register_plugin("xep_0363")
        upload = self.client.plugin["xep_0363"]
        domain = slixmpp.JID(self.client.boundjid.domain)
        info = await upload.find_upload_service(domain)
        service = info["from"]
        slot = (await upload.request_slot(service, filename, size, type))["http_upload_slot"]
        form = info["disco_info"].xml.iter("{jabber:x:data}field")
        sizes = [field[0].text for field in form if field.get("var") == "max-file-size"]
        return {"service": str(service), "max": int(sizes[0]), "get": slot["get"]["url"], "put": slot["put"]["url"]}

    async def wear(self, data, type):
        picture = base64.b64decode(data)
        avatars = self.client.plugin["xep_0084"]
        await avatars.publish_avatar(picture)
        hash = avatars.generate_id(picture)
        await avatars.publish_avatar_metadata([{"id": hash, "type": type, "bytes": str(len(picture))}])
        return {"hash": hash}

    async def vcard(self, to=None, xml=None):
        if xml is None:
            answer = await self.iq(to, "get", "<vCard xmlns='vcard-temp'/>")
        else:
            answer = await self.iq(None, "set", xml)
        return answer

    async def archive(self, most=50, **wanted):
        answer = await self.client.plugin["xep_0313"].retrieve(with_jid=wanted.get("with"), rsm={"max": str(most)})
        results = answer["mam"]["results"]
        bodies = [result["mam_result"]["forwarded"]["stanza"]["body"] for result in results]
        fin = answer.xml.find("{urn:xmpp:mam:2}fin")
        return {"bodies": bodies, "complete": fin.get("complete") == "true"}

    async def block(self, jid):
        await self.client.plugin["xep_0191"].block(slixmpp.JID(jid))

    async def unblock(self, jid):
        await self.client.plugin["xep_0191"].unblock(slixmpp.JID(jid))

    async def report(self, jid, reason):
        self.client.register_plugin("xep_0377")
        await self.client.plugin["xep_0377"].report(slixmpp.JID(jid), reason)

    async def blocked(self):
        jids = await self.client.plugin["xep_0191"].get_blocked_jids()
        return {"blocked": sorted(str(jid) for jid in jids)}

    async def keep(self, xml):
        return await self.iq(None, "set", f"<query xmlns='jabber:iq:private'>{xml}</query>")

    async def kept(self, xml):
        return await self.iq(None, "get", f"<query xmlns='jabber:iq:private'>{xml}</query>")

    async def commands(self, to):
        self.client.register_plugin("xep_0050")
        answer = await self.client.plugin["xep_0050"].get_commands(to)
        return {"nodes": sorted(node for _, node, _ in answer["disco_items"]["items"])}

    async def command(self, to, node, values=None):
        self.client.register_plugin("xep_0050")
        commands = self.client.plugin["xep_0050"]
        answer = await commands.send_command(to, node)
        if answer["command"]["status"] == "executing":
            form = answer["command"]["form"]
            filled = self.client.plugin["xep_0004"].make_form(ftype="submit")
            for name, field in form.get_fields().items():
                value = (values or {}).get(name, field["value"])
                filled.add_field(var=name, value=value)
            answer = await commands.send_command(
                to, node, action="complete", payload=filled, sessionid=answer["command"]["sessionid"])
        return {"status": answer["command"]["status"], "xml": tostring(answer.xml)}

    async def search(self, to, values=None):
        self.client.register_plugin("xep_0055")
        iq = self.client.plugin["xep_0055"].make_search_iq(ito=to)
        for name, value in (values or {}).items():
            iq["search"]["form"].add_field(var=name, value=value)
        form = (await iq.send())["search"]["form"]
        return {"people": [{name: item[name] for name in item} for item in form["items"]]}

    async def password(self, new):
        self.client.register_plugin("xep_0077")
        await self.client.plugin["xep_0077"].change_password(new, jid=self.client.boundjid.domain)

    async def last(self, jid):
        self.client.register_plugin("xep_0012")
        answer = await self.client.plugin["xep_0012"].get_last_activity(jid)
        return {"seconds": int(answer["last_activity"]["seconds"])}

    async def idle(self, seconds):
        self.client.register_plugin("xep_0012")
        await self.client.plugin["xep_0012"].set_last_activity(self.client.boundjid, seconds)

    async def leave(self):
        self.client.register_plugin("xep_0077")
        await self.client.plugin["xep_0077"].cancel_registration(jid=self.client.boundjid.domain)

    async def raw(self, xml):
        self.client.send_raw(xml)

    async def carbons(self):
        await self.client.plugin["xep_0280"].enable()

    async def logout(self):
        await self.client.disconnect()

    async def cut(self):
        self.client.abort()

    async def again(self):
        resumed = asyncio.get_running_loop().create_future()
        self.client.add_event_handler("session_resumed", lambda _: resumed.done() or resumed.set_result(None))
        self.client.connect(*self.address)
        await asyncio.wait_for(resumed, LOGIN_SECONDS)


asyncio.run(XmppDriver().run())

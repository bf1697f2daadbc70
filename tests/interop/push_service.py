"""A push service (XEP-0357) driven by a test: slixmpp as a component (XEP-0114) of any server.

Commands and answers as in `driver.py`:

  serve      jid, secret, host, port             attaches itself
  answer     optional: condition, kind           how what comes next is answered: by a result, or by such an error
  end        to, node                            says that it takes no more for a node (XEP-0357 §8)

Events: push, with its sender ("from"), node, the fields of the summary and those of the publish options.
"""

import asyncio

import slixmpp
from slixmpp.xmlstream import ET, tostring

from driver import Driver, tell

PUBSUB = "{http://jabber.org/protocol/pubsub}"
FORM = "{jabber:x:data}"
LOGIN_SECONDS = 30


def fields_of(parent):
    """The fields of the form in an element, each with its first value."""
    form = None if parent is None else parent.find(f"{FORM}x")
    if form is None:
        return None
    return {field.get("var"): field.findtext(f"{FORM}value") for field in form.iter(f"{FORM}field")}


class Service(slixmpp.ComponentXMPP):
    """Tells of every push, and answers it as it was told to."""

    def __init__(self, jid, secret):
        super().__init__(jid, secret)
        self.attached = asyncio.get_running_loop().create_future()
        self.error = None
        self.register_plugin("xep_0030")
        self.register_plugin("xep_0199")
        self.plugin["xep_0030"].add_identity(category="pubsub", itype="push")
        self.add_event_handler("session_start", lambda _: self.attached.done() or self.attached.set_result(None))
        self.add_filter("in", self.on_stanza)

    def on_stanza(self, stanza):
        publish = stanza.xml.find(f"{PUBSUB}pubsub/{PUBSUB}publish") if isinstance(stanza, slixmpp.Iq) else None
        if publish is None or stanza["type"] != "set":
            return stanza
        tell({
            "event": "push",
            "from": str(stanza["from"]),
            "node": publish.get("node"),
            "fields": fields_of(publish.find(f"{PUBSUB}item/{{urn:xmpp:push:0}}notification")),
            "options": fields_of(stanza.xml.find(f"{PUBSUB}pubsub/{PUBSUB}publish-options")),
            "xml": tostring(stanza.xml),
        })
        answer = stanza.reply()
        if self.error:
            answer.error()
            answer["error"]["type"], answer["error"]["condition"] = self.error
        answer.send()
        return None


class ServiceDriver(Driver):
    def __init__(self):
        self.service = None

    async def serve(self, jid, secret, host, port):
        self.service = Service(jid, secret)
        self.service.connect(host, port)
        await asyncio.wait_for(asyncio.shield(self.service.attached), LOGIN_SECONDS)

    async def answer(self, condition=None, kind="cancel"):
        self.service.error = condition and (kind, condition)

    async def end(self, to, node):
        message = self.service.make_message(mto=to, mfrom=self.service.boundjid)
        message.append(ET.fromstring(
            f"<pubsub xmlns='http://jabber.org/protocol/pubsub' node='{node}'>"
            f"<affiliation jid='{to}' affiliation='none'/></pubsub>"))
        message.send()


asyncio.run(ServiceDriver().run())

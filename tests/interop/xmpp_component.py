"""One slixmpp component (XEP-0114) driven by a test: a JSON command per line in, a JSON line per answer or event out.

  connect    domain, secret, host, port          it answers XEP-0030 and XEP-0199, and says each chat message back
  message    from, to, body; optional: id
  presence   from, to; optional: type
  ping       from, to
  disco      from, to                            the features of an entity
  cut        closes the socket without a word

Events have an "event": message, presence, disconnected, failed.
"""

import asyncio

import slixmpp
from slixmpp.exceptions import IqError, IqTimeout

from driver import Driver, tell


class Component(slixmpp.ComponentXMPP):
    """An echo: each chat message goes back to who sent it, from the address that it was for."""

    def __init__(self, domain, secret, host, port):
        super().__init__(domain, secret, host, port, fix_error_ns=True)
        self.here = asyncio.get_running_loop().create_future()
        for plugin in ("xep_0030", "xep_0199"):
            self.register_plugin(plugin)
        self.plugin["xep_0030"].add_identity(category="component", itype="generic", name="Echo")
        self.add_event_handler("session_start", lambda _: self.settle(None))
        self.add_event_handler("stream_error", lambda error: self.settle(error["condition"]))
        self.add_event_handler("disconnected", lambda why: tell({"event": "disconnected", "why": str(why)}))
        self.add_filter("in", self.on_stanza)

    def settle(self, failure):
        if failure:
            tell({"event": "failed", "error": failure})
        if self.here.done():
            return
        if failure:
            self.here.set_exception(RuntimeError(failure))
        else:
            self.here.set_result(None)

    def on_stanza(self, stanza):
        """Sees everything that arrives, before any plugin."""
        ends = {"from": str(stanza["from"]), "to": str(stanza["to"]), "id": stanza["id"]}
        if isinstance(stanza, slixmpp.Message):
            condition = stanza["error"]["condition"] if stanza["type"] == "error" else None
            tell({"event": "message", **ends, "type": stanza["type"], "body": stanza["body"], "condition": condition})
            if stanza["type"] == "chat":
                self.send_message(
                    mto=stanza["from"], mfrom=stanza["to"], mbody=f"echo: {stanza['body']}", mtype="chat")
        elif isinstance(stanza, slixmpp.Presence):
            tell({"event": "presence", **ends, "type": stanza.xml.get("type", "available")})
        return stanza


class ComponentDriver(Driver):
    """What the test can have done."""

    FAULTS = (*Driver.FAULTS, IqError, IqTimeout)

    def describe(self, fault):
        if isinstance(fault, IqError):
            return {"error": fault.iq["error"]["condition"]}
        return super().describe(fault)

    def __init__(self):
        self.component = None

    async def connect(self, domain, secret, host, port):
        self.component = Component(domain, secret, host, port)
        self.component.connect()
        await asyncio.wait_for(self.component.here, 30)

    async def message(self, to, body, id=None, **more):
        message = self.component.make_message(mto=to, mfrom=more["from"], mbody=body, mtype="normal")
        message["id"] = id or self.component.new_id()
        message.send()

    async def presence(self, to, type=None, **more):
        self.component.send_presence(pto=to, pfrom=more["from"], ptype=type)

    async def ping(self, to, **more):
        await self.component.plugin["xep_0199"].send_ping(to, ifrom=more["from"])

    async def disco(self, to, **more):
        answer = await self.component.plugin["xep_0030"].get_info(jid=to, ifrom=more["from"], cached=False)
        return {"features": sorted(answer["disco_info"]["features"])}

    async def cut(self):
        self.component.abort()


asyncio.run(ComponentDriver().run())

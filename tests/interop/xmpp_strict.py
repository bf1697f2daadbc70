"""Two aioxmpp clients, which check strictly what they are sent, meet on a server.

Both accounts exist and have the same password. Exits 0 when everything went as it must; says what did not.
"""

import argparse
import asyncio
import ssl
import sys
import warnings

warnings.simplefilter("ignore")

import aioxmpp
import aioxmpp.carbons
import aioxmpp.disco
import aioxmpp.ping

PATIENCE = 20


def client(address, password, host, port):
    security = aioxmpp.make_security_layer(password, no_verify=True)
    connector = aioxmpp.connector.STARTTLSConnector()
    return aioxmpp.PresenceManagedClient(
        aioxmpp.JID.fromstr(address), security, override_peer=[(host, port, connector)])


def inbox(person):
    """A queue of the messages with text that a client gets."""
    queue = asyncio.Queue()

    def take(message):
        if message.body:
            queue.put_nowait(message)

    person.summon(aioxmpp.dispatcher.SimpleMessageDispatcher).register_callback(None, None, take)
    return queue


async def soon(what, happens):
    try:
        return await asyncio.wait_for(happens, PATIENCE)
    except asyncio.TimeoutError:
        raise SystemExit(f"{what}: did not happen in {PATIENCE} seconds")


def becomes(signal, fits):
    """A future that is done once the signal came with fitting arguments."""
    done = asyncio.get_running_loop().create_future()

    def heard(*arguments, **_):
        if not done.done() and fits(*arguments):
            done.set_result(arguments)
        return done.done()

    signal.connect(heard)
    return done


async def meet(options):
    one = client(f"alice@{options.domain}", options.password, options.host, options.port)
    two = client(f"bob@{options.domain}", options.password, options.host, options.port)
    rosters = [person.summon(aioxmpp.RosterClient) for person in (one, two)]
    presences = [person.summon(aioxmpp.PresenceClient) for person in (one, two)]
    disco = one.summon(aioxmpp.DiscoClient)
    letters = inbox(two)
    two_asked = becomes(rosters[1].on_subscribe, lambda stanza: True)
    one_sees = becomes(presences[0].on_available, lambda jid, _: jid.bare() == two.local_jid.bare())
    async with one.connected() as stream, two.connected():
        print("logged in; stream management:", stream.sm_enabled)
        await soon("a ping", aioxmpp.ping.ping(one, one.local_jid.replace(localpart=None, resource=None)))
        info = await soon("disco", disco.query_info(one.local_jid.replace(localpart=None, resource=None)))
        assert "urn:xmpp:ping" in info.features, info.features
        await soon("a new contact", rosters[0].set_entry(two.local_jid.bare(), name="Bob", add_to_groups={"Friends"}))
        rosters[0].subscribe(two.local_jid.bare())
        await soon("the question", two_asked)
        rosters[1].approve(one.local_jid.bare())
        await soon("presence", one_sees)
        assert rosters[0].items[two.local_jid.bare()].subscription == "to"
        assert [group for group in rosters[0].items[two.local_jid.bare()].groups] == ["Friends"]
        for to in (two.local_jid.bare(), two.local_jid):
            message = aioxmpp.Message(type_=aioxmpp.MessageType.CHAT, to=to)
            message.body[None] = f"hello, {to} <&>"
            await soon("an acknowledgement", one.send(message))
            letter = await soon("a message", letters.get())
            assert letter.body.any() == f"hello, {to} <&>", letter.body
            assert letter.from_ == one.local_jid, letter.from_
        await soon("copies", one.summon(aioxmpp.CarbonsClient).enable())
        await soon("a removed contact", rosters[0].remove_entry(two.local_jid.bare()))
        nobody = one.local_jid.replace(localpart="nobody", resource=None)
        lost = aioxmpp.Message(type_=aioxmpp.MessageType.CHAT, to=nobody)
        lost.body[None] = "is there anybody"
        await soon("an acknowledgement", one.send(lost))
    print("met and parted")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5222)
    parser.add_argument("--domain", default="localhost")
    parser.add_argument("--password", required=True)
    asyncio.run(meet(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())

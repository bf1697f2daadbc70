//! What stands below a user in XEP-0227, as values of ours.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use minidom::Element;
use sha2::{Digest, Sha256};

use super::SCRAM;
use crate::{
    account::ArchivedMessage,
    auth::{ScramHash, ScramVerifier},
    signal::{Address, Contact, ContactRequest, Message, MessageId, Native, Party, Timestamp},
    xmpp::{
        stanza::{CLIENT, Event, Limits, Scanner, Stanza},
        translate::{Envelope, parse_message},
    },
};

/// The verifier in `<scram-credentials/>`; `None` for a mechanism that is not known here, or one that is broken.
pub(super) fn scram(element: &Element) -> Option<(ScramHash, ScramVerifier)> {
    let mechanism = element.attr("mechanism")?;
    let hash = ScramHash::ALL.into_iter().find(|hash| hash.mechanism() == mechanism)?;
    let text = |name| Some(element.get_child(name, SCRAM)?.text().trim().to_owned());
    let bytes = |name| BASE64.decode(text(name)?).ok();
    let (mut salt, mut stored_key, mut server_key) =
        (bytes("salt")?, bytes("stored-key")?, bytes("server-key")?);
    // COMPAT(ejabberd 23.01): it encodes what it keeps encoded already.
    if stored_key.len() != hash.len() {
        let again = |encoded: &[u8]| BASE64.decode(encoded).ok();
        (salt, stored_key, server_key) = (again(&salt)?, again(&stored_key)?, again(&server_key)?);
    }
    let iterations =
        text("iter-count")?.parse().ok().filter(|count| (1..=MOST_ITERATIONS).contains(count))?;
    let fits = stored_key.len() == hash.len() && server_key.len() == hash.len() && !salt.is_empty();
    fits.then_some((hash, ScramVerifier { salt, iterations, stored_key, server_key }))
}

/// An item of a roster (RFC 6121 §2.1.2).
pub(super) fn contact(item: &Element) -> Option<Contact> {
    let address = Party::parse(item.attr("jid")?).ok()?.address;
    let subscription = item.attr("subscription").unwrap_or("none");
    let groups = item.children().filter(|child| child.name() == "group").map(|group| group.text().into());
    let mut contact = Contact::new(address);
    contact.groups = groups.collect();
    contact.groups.retain(|group: &mut compact_str::CompactString| !group.is_empty());
    contact.groups.sort();
    contact.groups.dedup();
    contact.name = item.attr("name").filter(|name| !name.is_empty()).map(Into::into);
    contact.to = matches!(subscription, "to" | "both");
    contact.from = matches!(subscription, "from" | "both");
    contact.ask = item.attr("ask") == Some("subscribe") && !contact.to;
    contact.approved = matches!(item.attr("approved"), Some("true" | "1"));
    Some(contact)
}

/// A question that waits for the owner's answer.
pub(super) fn request(text: &str, now: Timestamp) -> Option<ContactRequest> {
    let stanza = stanza(text)?;
    if stanza.name() != "presence" || stanza.stanza_type().as_deref() != Some("subscribe") {
        return None;
    }
    let from = Party::parse(&stanza.from()?).ok()?.address;
    let note = stanza.child("status", CLIENT).map(|status| crate::signal::Text {
        lang: status.language().or_else(|| stanza.language()).map(Into::into),
        text: status.text().into(),
    });
    let payload = stanza.payload().unwrap_or_default();
    let native = Native::Elements { payload, lang: stanza.language().map(Into::into) };
    Some(ContactRequest { from, at: now, note, native, origin_id: stanza.id().map(Into::into) })
}

/// A message that waits for the owner, as old as its delay says.
pub(super) fn offline(text: &str, owner: &Address, now: Timestamp) -> Option<Message> {
    let stanza = stanza(text)?;
    let stamp = stanza.child("delay", DELAY).and_then(|delay| delay.attribute("stamp"));
    let sent = stamp.and_then(|stamp| Timestamp::parse_rfc3339(&stamp)).unwrap_or(now);
    let mut message = message(&stanza, owner, sent, text)?;
    // It gets a new one when it is delivered.
    if let Native::Elements { payload, .. } = &mut message.native {
        *payload = stanza.payload_without(|child| child.is("delay", DELAY))?;
    }
    (message.to.address == *owner).then_some(message)
}

/// A message of the archive.
pub(super) fn archived(element: &Element, owner: &Address) -> Option<ArchivedMessage> {
    let forwarded = element.get_child("forwarded", "urn:xmpp:forward:0")?;
    let stamp = forwarded.get_child("delay", DELAY)?.attr("stamp")?.to_owned();
    let sent = Timestamp::parse_rfc3339(&stamp)?;
    let inner = String::from(forwarded.get_child("message", CLIENT)?);
    let id = element.attr("id").unwrap_or_default();
    let message = message(&stanza(&inner)?, owner, sent, &format!("{id} {stamp} {inner}"))?;
    let outgoing = message.from.address == *owner;
    let with = if outgoing { message.to.address.clone() } else { message.from.address.clone() };
    (outgoing || message.to.address == *owner).then_some(ArchivedMessage { message, with, outgoing })
}

/// `source` makes the id, so that what is read twice is kept once.
fn message(stanza: &Stanza, owner: &Address, sent: Timestamp, source: &str) -> Option<Message> {
    if stanza.name() != "message" {
        return None;
    }
    let own = || Some(Party::from(owner.clone()));
    let from = stanza.from().map_or_else(own, |from| Party::parse(&from).ok())?;
    let to = stanza.to().map_or_else(own, |to| Party::parse(&to).ok())?;
    let hash = Sha256::digest(source.as_bytes());
    let random = u128::from_be_bytes(*hash.first_chunk()?);
    let id = MessageId::from_parts(u64::try_from(sent.0).ok()?, random);
    Some(parse_message(stanza, Envelope { id, from, to, language: None, now: sent }))
}

/// A stanza that stands alone.
fn stanza(text: &str) -> Option<Stanza> {
    let limits = Limits { stanza_bytes: MOST_STANZA_BYTES, attributes: 64, ..Limits::default() };
    let mut scanner = Scanner::new(limits);
    scanner.feed(b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>");
    scanner.feed(text.as_bytes());
    let _ = scanner.next_event();
    match scanner.next_event() {
        Ok(Some(Event::Stanza(stanza))) => Some(stanza),
        _ => None,
    }
}

const DELAY: &str = "urn:xmpp:delay";
/// More would take a client minutes.
const MOST_ITERATIONS: u32 = 10_000_000;
const MOST_STANZA_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> Address {
        Address::parse("alice@example.org").unwrap()
    }

    #[test]
    fn example_credentials_are_read() {
        let text = "<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-1'><iter-count>100000</iter-count>\
            <salt>TmFDbE5hQ2xOYUNsTmFDbE5hQ2xOYUNsTmFDbE5hQ2xOYUNsTmFDbE5hQ2wK</salt>\
            <server-key>0pXWGK0GZJ6TR73AIUN3ITYtA1g=</server-key>\
            <stored-key>Q6qT/SbybblGCZz8e8eSfCJOQic=</stored-key></scram-credentials>";
        let (hash, verifier) = scram(&text.parse().unwrap()).unwrap();
        assert_eq!((hash, verifier.iterations, verifier.stored_key.len()), (ScramHash::Sha1, 100_000, 20));
        let twice = |text: &str| {
            text.split('>')
                .map(|part| match part.split_once('<') {
                    Some((value, end)) if value.len() > 20 => format!("{}<{end}", BASE64.encode(value)),
                    _ => part.to_owned(),
                })
                .collect::<Vec<_>>()
                .join(">")
        };
        assert_eq!(scram(&twice(text).parse().unwrap()), Some((hash, verifier)));
        for (from, to) in [("SHA-1", "SHA3-512"), ("100000", "0"), ("0pXW", "!"), ("0pXWGK0G", "")] {
            assert!(scram(&text.replace(from, to).parse().unwrap()).is_none(), "{to}");
        }
    }

    #[test]
    fn roster_items_keep_their_state() {
        let item = "<item xmlns='jabber:iq:roster' jid='Bob@example.net/x' name='Bob' subscription='from' ask='subscribe'>\
                    <group>b</group><group>a</group><group>a</group></item>";
        let contact = contact(&item.parse().unwrap()).unwrap();
        assert_eq!(
            (contact.address.as_str(), contact.groups.join(",")),
            ("bob@example.net", "a,b".to_owned())
        );
        assert!(contact.from && contact.ask && !contact.to && !contact.approved);
    }

    #[test]
    fn messages_keep_their_time_and_are_known_again() {
        let now = Timestamp(5);
        let waits = "<message xmlns='jabber:client' from='bob@b.example/x' to='alice@example.org' type='chat'>\
            <body>hi</body><delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/></message>";
        let message = offline(waits, &alice(), now).unwrap();
        assert_eq!(message.sent.to_string(), "2010-07-10T23:08:25.000Z");
        let Native::Elements { payload, .. } = &message.native else { panic!("no payload") };
        assert!(!String::from_utf8_lossy(payload).contains("delay"));
        assert_eq!(offline(waits, &alice(), now).unwrap().id, message.id);
        assert!(offline(waits, &Address::parse("eve@example.org").unwrap(), now).is_none());
        let result = "<result xmlns='urn:xmpp:mam:2' id='1'><forwarded xmlns='urn:xmpp:forward:0'>\
            <delay xmlns='urn:xmpp:delay' stamp='2010-07-10T23:08:25Z'/>\
            <message xmlns='jabber:client' to='bob@b.example' from='alice@example.org/y' type='chat'><body>yo</body></message>\
            </forwarded></result>";
        let archived = archived(&result.parse().unwrap(), &alice()).unwrap();
        assert_eq!((archived.outgoing, archived.with.as_str()), (true, "bob@b.example"));
        let asked = "<presence xmlns='jabber:client' type='subscribe' from='eve@b.example' id='q'><status>hi</status></presence>";
        assert_eq!(request(asked, now).unwrap().note.unwrap().text, "hi");
    }
}

//! `<presence/>`: how somebody is, and who may know (RFC 6121 §3, §4.7).

use bytes::Bytes;
use compact_str::CompactString;

use super::{elements, native, print_text_element};
use crate::signal::{
    Activity, Address, Availability, ContactEvent, ContactSignal, Native, Presence, PresenceNotice, Text,
    Timestamp,
};
use crate::xmpp::stanza::{CLIENT, Head, Jid, Kind, Stanza, print_addressed};
use crate::xmpp::xep::vcard_update;

/// What a presence stanza without type, or of type unavailable, says.
pub(in crate::xmpp) fn parse_presence(stanza: &Stanza, language: Option<&str>, now: Timestamp) -> Presence {
    let is_available = stanza.stanza_type().is_none();
    let show = stanza.text_of("show");
    let availability = match show.as_deref() {
        _ if !is_available => Availability::Offline,
        Some("away") => Availability::Away,
        Some("xa") => Availability::ExtendedAway,
        Some("dnd") => Availability::Busy,
        _ => Availability::Online,
    };
    let default_language = stanza.language();
    let notes = stanza.children().filter(|child| child.is("status", CLIENT)).map(|status| Text {
        lang: status.language().or_else(|| default_language.clone()).map(CompactString::from),
        text: status.text().into(),
    });
    Presence {
        availability,
        eager: is_available && show.as_deref() == Some("chat"),
        notes: notes.filter(|note| !note.text.is_empty()).collect(),
        activities: Default::default(),
        sphere: None,
        idle_since: attribute_time(stanza, "idle", IDLE, "since"),
        since: attribute_time(stanza, "delay", DELAY, "stamp").unwrap_or(now),
        priority: stanza.text_of("priority").and_then(|text| text.trim().parse().ok()).unwrap_or(0),
        native: elements_without_claims(stanza, language),
    }
}

/// The content without what it says of a picture: the account knows better.
fn elements_without_claims(stanza: &Stanza, language: Option<&str>) -> Native {
    match native(stanza, language) {
        Native::Elements { payload, lang } => {
            let payload = stanza.payload_without(vcard_update::is_claim).unwrap_or(payload);
            Native::Elements { payload, lang }
        }
        other => other,
    }
}

/// XEP-0319 and XEP-0203 both put a time into an attribute of a child.
fn attribute_time(stanza: &Stanza, name: &str, namespace: &str, attribute: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(&stanza.child(name, namespace)?.attribute(attribute)?)
}

/// Appends what a watcher is told. All but his own address is printed once for all watchers.
pub(in crate::xmpp) fn print_notice(notice: &PresenceNotice, to: &Address, out: &mut Vec<u8>) {
    print_addressed(notice.printed.or_print(|| print_shared(notice)), to.into(), out);
}

/// What every watcher is told alike: the stanza without `to`.
fn print_shared(notice: &PresenceNotice) -> Bytes {
    let presence = &notice.presence;
    let content = elements(&presence.native);
    let head = Head {
        kind: Kind::Presence,
        from: Some(Jid::from(&notice.from)),
        stanza_type: (!presence.is_available()).then_some("unavailable"),
        language: content.and_then(|(_, lang)| lang),
        ..Head::default()
    };
    let avatar = if presence.is_available() { vcard_update::print(notice.avatar) } else { String::new() };
    let mut out = Vec::new();
    match content {
        Some((payload, _)) => head.print(&[payload, avatar.as_bytes()], &mut out),
        None => head.print(&[&print_neutral(presence), avatar.as_bytes()], &mut out),
    }
    Bytes::from(out)
}

/// The content for presence that came by another protocol, or that a call changed.
fn print_neutral(presence: &Presence) -> Vec<u8> {
    let mut out = Vec::new();
    let show = match presence.availability {
        Availability::Away => Some("away"),
        Availability::ExtendedAway => Some("xa"),
        Availability::Busy => Some("dnd"),
        Availability::Online if presence.eager => Some("chat"),
        Availability::Online | Availability::Offline => None,
    };
    if let Some(show) = show {
        print_text_element("show", None, show, &mut out);
    }
    for note in &presence.notes {
        print_text_element("status", note.lang.as_deref(), &note.text, &mut out);
    }
    if presence.notes.is_empty() && presence.activities.contains(&Activity::OnThePhone) {
        print_text_element("status", Some("en"), "On the phone", &mut out);
    }
    if presence.is_available() && presence.priority != 0 {
        print_text_element("priority", None, &presence.priority.to_string(), &mut out);
    }
    if let Some(since) = presence.idle_since {
        out.extend_from_slice(format!("<idle xmlns='{IDLE}' since='{since}'/>").as_bytes());
    }
    out
}

/// Appends the stanza of type subscribe, subscribed, unsubscribe or unsubscribed.
pub(in crate::xmpp) fn print_contact_signal(signal: &ContactSignal, out: &mut Vec<u8>) {
    let stanza_type = match signal.event {
        ContactEvent::Subscribe => "subscribe",
        ContactEvent::Subscribed => "subscribed",
        ContactEvent::Unsubscribe => "unsubscribe",
        ContactEvent::Unsubscribed => "unsubscribed",
    };
    let content = elements(&signal.native);
    let head = Head {
        kind: Kind::Presence,
        from: Some(Jid::from(&signal.from)),
        to: Some(Jid::from(&signal.to)),
        stanza_type: Some(stanza_type),
        language: content.and_then(|(_, lang)| lang),
        ..Head::default()
    };
    match (content, &signal.note) {
        (Some((payload, _)), _) => head.print(&[payload], out),
        (None, Some(note)) => {
            let mut status = Vec::new();
            print_text_element("status", note.lang.as_deref(), &note.text, &mut status);
            head.print(&[&status], out);
        }
        (None, None) => head.print(&[], out),
    }
}

const IDLE: &str = "urn:xmpp:idle:1";
const DELAY: &str = "urn:xmpp:delay";

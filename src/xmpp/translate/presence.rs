//! `<presence/>`: how somebody is, and who may know (RFC 6121 §3, §4.7).

use bytes::Bytes;
use compact_str::CompactString;

use super::{Refusal, Scope, elements, native, parse_refusal, print_text_element};
use crate::signal::{
    Activity, Address, Availability, ContactEvent, ContactFailure, ContactSignal, Native, Party, Presence,
    PresenceNotice, Text, Timestamp,
};
use crate::xmpp::stanza::{CLIENT, Head, Jid, Kind, Stanza, print_addressed};
use crate::xmpp::xep::{caps, delay, temporary_presence, vcard_update};

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
        origin_id: stanza.id().map(CompactString::from),
    }
}

/// The words that come with a question or an answer about who may see whom, and its content.
pub(in crate::xmpp) fn parse_contact_content(stanza: &Stanza) -> (Option<Text>, Native) {
    let note = stanza.child("status", CLIENT).map(|status| Text {
        lang: status.language().or_else(|| stanza.language()).map(Into::into),
        text: status.text().into(),
    });
    (note, native(stanza, None))
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

/// Appends what a watcher is told, who is this session. All but his own address is printed once for all watchers.
pub(in crate::xmpp) fn print_notice(notice: &PresenceNotice, watcher: &Party, out: &mut Vec<u8>) {
    let to = if notice.to_session { Jid::from(watcher) } else { Jid::from(&watcher.address) };
    print_addressed(notice.printed.or_print(|| print_shared(notice)), to, out);
}

/// What every watcher is told alike: the stanza without `to`.
fn print_shared(notice: &PresenceNotice) -> Bytes {
    let presence = &notice.presence;
    let content = elements(&presence.native);
    let head = Head {
        kind: Kind::Presence,
        from: Some(Jid::from(&notice.from)),
        id: presence.origin_id.as_deref(),
        stanza_type: (!presence.is_available()).then_some("unavailable"),
        language: content.and_then(|(_, lang)| lang),
        ..Head::default()
    };
    let avatar = if presence.is_available() { vcard_update::print(notice.avatar) } else { String::new() };
    let mut out = Vec::new();
    if notice.is_bare && presence.is_available() {
        let is_account = notice.from.resource.is_none();
        head.print(&[&temporary_presence::print_bare(&presence.native, is_account)], &mut out);
        return Bytes::from(out);
    }
    let late = notice.happened.map(|at| delay::print(notice.from.address.domain(), at)).unwrap_or_default();
    match content {
        Some((payload, _)) => head.print(&[payload, avatar.as_bytes(), late.as_bytes()], &mut out),
        None => head.print(&[&print_neutral(notice), avatar.as_bytes(), late.as_bytes()], &mut out),
    }
    Bytes::from(out)
}

/// The content for presence that came by another protocol, or that a call changed.
fn print_neutral(notice: &PresenceNotice) -> Vec<u8> {
    let presence = &notice.presence;
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
    if presence.is_available() && notice.is_spoken_for {
        out.extend_from_slice(caps::print_session().as_bytes());
    }
    out
}

/// Appends the error that answers a question to see somebody, for the account as a whole.
pub(in crate::xmpp) fn print_contact_failure(failure: &ContactFailure, out: &mut Vec<u8>) {
    let content = elements(&failure.native);
    let head = Head {
        kind: Kind::Presence,
        from: Some(Jid::from(&failure.from)),
        to: Some(Jid::from(&failure.to)),
        id: failure.origin_id.as_deref(),
        stanza_type: Some("error"),
        language: content.and_then(|(_, lang)| lang),
        ..Head::default()
    };
    match content {
        Some((payload, _)) => head.print(&[payload], out),
        None => {
            let mut error = Vec::new();
            Refusal::from_reject(&failure.why, Scope::Routed).print(&mut error);
            head.print(&[&error], out);
        }
    }
}

/// The failure that an error says.
pub(in crate::xmpp) fn parse_contact_failure(stanza: &Stanza, from: Address, to: Address) -> ContactFailure {
    let origin_id = stanza.id().map(Into::into);
    ContactFailure { from, to, why: parse_refusal(stanza), native: native(stanza, None), origin_id }
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
        id: signal.origin_id.as_deref(),
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

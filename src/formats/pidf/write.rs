//! Writes what a watcher sees: one tuple for each session, one person for the account as a whole.
//!
//! The order is the schema's, which some clients enforce: tuples, then the person; within a tuple
//! status, extensions, contact, notes, timestamp (RFC 3863 §4.1, §4.2).

use std::fmt::Write as _;

use super::{activity, show_of};
use crate::{
    formats::xml::{is_language, push_element, push_element_with, push_text},
    signal::{Activity, Availability, Presence, ResourceState, Snapshot, Text, Timestamp},
};

/// The document for `entity`, the account's URI. A session without contact of its own is reached at
/// the account's.
#[must_use]
pub fn print_snapshot(snapshot: &Snapshot, entity: &str) -> String {
    if snapshot.resources.is_empty() {
        return print_offline(entity);
    }
    let mut out = String::with_capacity(512 + 512 * snapshot.resources.len());
    push_head(&mut out, entity);
    for resource in &snapshot.resources {
        push_tuple(&mut out, resource, entity);
    }
    push_person(&mut out, &snapshot.aggregate);
    out.push_str("</presence>");
    out
}

/// The document of somebody who is not there, and of somebody who pretends: nothing in it changes.
#[must_use]
pub fn print_offline(entity: &str) -> String {
    let mut out = String::with_capacity(512);
    push_head(&mut out, entity);
    out.push_str(
        "<tuple id=\"ID-\"><status><basic>closed</basic>\
         <agp-pidf:extended>offline</agp-pidf:extended></status></tuple></presence>",
    );
    out
}

/// The tuple id of a session, from its name: letters, digits, `.` and `-` stand for themselves, other
/// bytes are `_` and two hexadecimal digits. No two names share one.
#[must_use]
pub fn tuple_id(resource: &str) -> String {
    let mut id = String::with_capacity(resource.len() + 3);
    id.push_str("ID-");
    for byte in resource.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-') {
            id.push(char::from(byte));
        } else {
            // Writing to memory has no error of its own.
            let _ = write!(id, "_{byte:02X}");
        }
    }
    id
}

fn push_head(out: &mut String, entity: &str) {
    out.push_str(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <presence xmlns=\"urn:ietf:params:xml:ns:pidf\" xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" \
         xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" xmlns:caps=\"urn:ietf:params:xml:ns:pidf:caps\" \
         xmlns:agp-pidf=\"urn:ag-projects:xml:ns:pidf\" entity=\"",
    );
    push_text(out, entity);
    out.push_str("\">");
}

fn push_tuple(out: &mut String, state: &ResourceState, entity: &str) {
    let presence = &state.presence;
    let _ = write!(out, "<tuple id=\"{}\"><status>", tuple_id(state.resource.as_str()));
    let basic = if presence.is_available() { "open" } else { "closed" };
    push_element(out, "basic", basic);
    if let Some(show) = show_of(presence.availability, presence.eager) {
        push_element_with(out, "show", &[("xmlns", super::CLIENT)], show);
    }
    push_element(out, "agp-pidf:extended", extended(presence.availability));
    out.push_str("</status>");
    let _ = write!(
        out,
        "<caps:servcaps><caps:audio>{}</caps:audio><caps:message>{}</caps:message></caps:servcaps>",
        state.takes_calls, state.takes_messages
    );
    push_idle(out, presence);
    let contact = state.contact.as_deref().unwrap_or(entity);
    match quality(presence.priority) {
        Some(quality) => push_element_with(out, "contact", &[("priority", &quality)], contact),
        None => push_element(out, "contact", contact),
    }
    push_notes(out, "note", &presence.notes);
    push_time(out, "timestamp", presence.since);
    out.push_str("</tuple>");
}

/// The person of the whole account: what she does, as the aggregate has it.
fn push_person(out: &mut String, aggregate: &Presence) {
    out.push_str("<dm:person id=\"PERSON\">");
    push_activities(out, aggregate);
    push_idle(out, aggregate);
    push_notes(out, "dm:note", &aggregate.notes);
    push_time(out, "dm:timestamp", aggregate.since);
    out.push_str("</dm:person>");
}

fn push_activities(out: &mut String, presence: &Presence) {
    let implied = match presence.availability {
        Availability::Busy => Some("busy"),
        Availability::Away | Availability::ExtendedAway => Some("away"),
        Availability::Online | Availability::Offline => None,
    };
    let says = |activity: &Activity| activity::availability_of(activity) == Some(presence.availability);
    let missing = implied.filter(|_| !presence.activities.iter().any(says));
    if presence.activities.is_empty() && missing.is_none() {
        return;
    }
    out.push_str("<rpid:activities>");
    for activity in &presence.activities {
        let name = activity::name_of(activity);
        if activity::is_known(name) {
            let _ = write!(out, "<rpid:{name}/>");
        } else {
            push_element(out, "rpid:other", name);
        }
    }
    if let Some(name) = missing {
        let _ = write!(out, "<rpid:{name}/>");
    }
    out.push_str("</rpid:activities>");
}

fn push_idle(out: &mut String, presence: &Presence) {
    if let Some(since) = presence.idle_since {
        push_element_with(out, "rpid:user-input", &[("last-input", &since.to_string())], "idle");
    }
}

fn push_notes(out: &mut String, name: &str, notes: &[Text]) {
    for note in notes {
        match note.lang.as_deref().filter(|lang| is_language(lang)) {
            Some(lang) => push_element_with(out, name, &[("xml:lang", lang)], &note.text),
            None => push_element(out, name, &note.text),
        }
    }
}

fn push_time(out: &mut String, name: &str, at: Timestamp) {
    push_element(out, name, &at.to_string());
}

/// The four words that clients of AG Projects know; any other makes them drop the whole document.
fn extended(availability: Availability) -> &'static str {
    match availability {
        Availability::Online => "available",
        Availability::Away | Availability::ExtendedAway => "away",
        Availability::Busy => "busy",
        Availability::Offline => "offline",
    }
}

/// A priority of 0 to 127 as a qvalue; a negative one has none (RFC 3863 §4.1.3).
fn quality(priority: i8) -> Option<String> {
    let priority = u32::try_from(priority).ok()?;
    let hundredths = (priority * 100 + 63) / 127;
    Some(format!("{}.{:02}", hundredths / 100, hundredths % 100))
}

//! Documents about where somebody is registered (RFC 3680), with the GRUUs of RFC 5628, full or with
//! what changed.

use std::fmt::Write as _;

use compact_str::CompactString;

use super::{
    Extent,
    changes::changes,
    seconds_between,
    xml::{push_attribute, push_element, push_element_with},
};
use crate::signal::Timestamp;

/// The media type of what is written here.
pub const MEDIA_TYPE: &str = "application/reginfo+xml";

/// The contacts of one address of record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registration {
    /// The address of record, a URI.
    pub aor: CompactString,
    /// Those that are registered, and those that ended and were not told of everywhere.
    pub contacts: Vec<Contact>,
}

/// One contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The same as long as the contact is registered.
    pub id: CompactString,
    pub uri: CompactString,
    pub display_name: Option<CompactString>,
    /// What happened to it last.
    pub event: ContactEvent,
    /// When it ends unless it is refreshed.
    pub until: Timestamp,
    /// As it was written.
    pub q: Option<CompactString>,
    pub call_id: CompactString,
    pub cseq: u32,
    /// Parameters that RFC 3261 does not know, without quotes.
    pub params: Vec<(CompactString, CompactString)>,
    pub public_gruu: Option<CompactString>,
    /// The temporary GRUU that was given out last, and the sequence number of the REGISTER since which those
    /// given out are valid (RFC 5628 §5).
    pub temporary_gruu: Option<(CompactString, u32)>,
}

/// What brought a contact into its state (RFC 3680 §4.7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContactEvent {
    Registered,
    /// Made by an administrator or another protocol.
    Created,
    Refreshed,
    /// An administrator made it end sooner.
    Shortened,
    Expired,
    /// Removed, and to be registered again.
    Deactivated,
    /// Removed, and to be registered again after so many seconds.
    Probation(u32),
    Unregistered,
    Rejected,
}

impl ContactEvent {
    /// Whether the contact is gone.
    #[must_use]
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Registered | Self::Created | Self::Refreshed | Self::Shortened)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Created => "created",
            Self::Refreshed => "refreshed",
            Self::Shortened => "shortened",
            Self::Expired => "expired",
            Self::Deactivated => "deactivated",
            Self::Probation(_) => "probation",
            Self::Unregistered => "unregistered",
            Self::Rejected => "rejected",
        }
    }
}

impl Registration {
    /// The contacts that are registered.
    pub fn standing(&self) -> impl Iterator<Item = &Contact> {
        self.contacts.iter().filter(|contact| !contact.event.is_end())
    }

    /// The contacts that a reader who was told `before` has to be told now. One who is missing now has
    /// expired.
    #[must_use]
    pub fn changes_since(&self, before: &Self) -> Vec<Contact> {
        let ended = |told: &Contact| {
            (!told.event.is_end()).then(|| Contact { event: ContactEvent::Expired, ..told.clone() })
        };
        changes(&before.contacts, &self.contacts, |contact| contact.id.as_str(), PartialEq::eq, ended)
    }

    /// This state after an older one: contacts that did not change are what they were, those that are missing
    /// now ended by `event`, and those that had ended are kept unless they came back.
    #[must_use]
    pub fn after(mut self, older: &Self, event: ContactEvent) -> Self {
        for contact in &mut self.contacts {
            if let Some(known) = older.standing().find(|known| known.id == contact.id) {
                let unchanged = Contact { event: known.event, ..contact.clone() };
                if unchanged == *known {
                    contact.event = known.event;
                }
            }
        }
        for known in &older.contacts {
            if !self.contacts.iter().any(|contact| contact.id == known.id) && self.contacts.len() < ENDED {
                let event = if known.event.is_end() { known.event } else { event };
                self.contacts.push(Contact { event, ..known.clone() });
            }
        }
        self
    }
}

/// Writes a document with these contacts of `aor`; without `now` no time is written.
#[must_use]
pub fn print<'a>(
    version: u32,
    extent: Extent,
    registration: &Registration,
    contacts: impl IntoIterator<Item = &'a Contact>,
    now: Option<Timestamp>,
) -> String {
    let mut out = String::with_capacity(512);
    // Writing to memory has no error of its own.
    let _ = write!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" xmlns:gr=\"urn:ietf:params:xml:ns:gruuinfo\" \
         version=\"{version}\" state=\"{}\"><registration",
        extent.as_str()
    );
    push_attribute(&mut out, "aor", &registration.aor);
    let state = match (registration.standing().next(), extent) {
        (Some(_), _) => "active",
        // That nothing is left is told once; afterwards it is as if nothing ever was.
        (None, Extent::Partial) => "terminated",
        (None, Extent::Full) => "init",
    };
    let _ = write!(out, " id=\"r1\" state=\"{state}\">");
    for contact in contacts {
        push_contact(&mut out, contact, now);
    }
    out.push_str("</registration></reginfo>");
    out
}

fn push_contact(out: &mut String, contact: &Contact, now: Option<Timestamp>) {
    let state = if contact.event.is_end() { "terminated" } else { "active" };
    out.push_str("<contact");
    push_attribute(out, "id", &contact.id);
    let _ = write!(out, " state=\"{state}\" event=\"{}\"", contact.event.as_str());
    if let Some(now) = now.filter(|_| !contact.event.is_end()) {
        let _ = write!(out, " expires=\"{}\"", seconds_between(now, contact.until));
    }
    if let ContactEvent::Probation(seconds) = contact.event {
        let _ = write!(out, " retry-after=\"{seconds}\"");
    }
    if let Some(q) = &contact.q {
        push_attribute(out, "q", q);
    }
    push_attribute(out, "callid", &contact.call_id);
    let _ = write!(out, " cseq=\"{}\">", contact.cseq);
    push_element(out, "uri", &contact.uri);
    if let Some(name) = &contact.display_name {
        push_element(out, "display-name", name);
    }
    for (name, value) in &contact.params {
        push_element_with(out, "unknown-param", &[("name", name)], value);
    }
    if let Some(uri) = &contact.public_gruu {
        out.push_str("<gr:pub-gruu");
        push_attribute(out, "uri", uri);
        out.push_str("/>");
    }
    if let Some((uri, first)) = &contact.temporary_gruu {
        out.push_str("<gr:temp-gruu");
        push_attribute(out, "uri", uri);
        let _ = write!(out, " first-cseq=\"{first}\"/>");
    }
    out.push_str("</contact>");
}

/// Most contacts in one state, those that ended counted.
const ENDED: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(10_000_000);

    fn contact(id: &str, event: ContactEvent) -> Contact {
        Contact {
            id: id.into(),
            uri: compact_str::format_compact!("sip:{id}@192.0.2.1"),
            display_name: None,
            event,
            until: NOW.plus_seconds(600),
            q: Some("0.8".into()),
            call_id: "c&1".into(),
            cseq: 7,
            params: vec![("+sip.instance".into(), "<urn:uuid:1>".into()), ("audio".into(), "".into())],
            public_gruu: Some("sip:a@example.org;gr=urn:uuid:1".into()),
            temporary_gruu: Some(("sip:x@example.org;gr".into(), 5)),
        }
    }

    fn registration(contacts: &[Contact]) -> Registration {
        Registration { aor: "sip:a@example.org".into(), contacts: contacts.to_vec() }
    }

    #[test]
    fn documents_have_the_form_of_the_rfc() {
        let state = registration(&[contact("76", ContactEvent::Registered)]);
        assert_eq!(
            print(0, Extent::Full, &state, state.standing(), Some(NOW)),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" xmlns:gr=\"urn:ietf:params:xml:ns:gruuinfo\" \
             version=\"0\" state=\"full\"><registration aor=\"sip:a@example.org\" id=\"r1\" state=\"active\">\
             <contact id=\"76\" state=\"active\" event=\"registered\" \
             expires=\"600\" q=\"0.8\" callid=\"c&amp;1\" cseq=\"7\"><uri>sip:76@192.0.2.1</uri>\
             <unknown-param name=\"+sip.instance\">&lt;urn:uuid:1&gt;</unknown-param>\
             <unknown-param name=\"audio\"></unknown-param>\
             <gr:pub-gruu uri=\"sip:a@example.org;gr=urn:uuid:1\"/>\
             <gr:temp-gruu uri=\"sip:x@example.org;gr\" first-cseq=\"5\"/></contact></registration></reginfo>"
        );
        let none = registration(&[]);
        assert!(print(1, Extent::Full, &none, none.standing(), None).contains("state=\"init\"></reg"));
    }

    #[test]
    fn ends_are_told_once_with_their_reason() {
        let before =
            registration(&[contact("1", ContactEvent::Registered), contact("2", ContactEvent::Registered)]);
        let events = |state: &Registration, before: &Registration| -> Vec<_> {
            let changes = state.changes_since(before).into_iter();
            changes.map(|contact| (contact.id.to_string(), contact.event)).collect()
        };
        let first = registration(&[contact("2", ContactEvent::Registered)]);
        let first = first.after(&before, ContactEvent::Unregistered);
        let now = registration(&[]).after(&first, ContactEvent::Expired);
        assert_eq!(
            events(&now, &before),
            [("2".to_owned(), ContactEvent::Expired), ("1".to_owned(), ContactEvent::Unregistered)]
        );
        assert_eq!(events(&now, &now), []);
        let back = registration(&[contact("1", ContactEvent::Registered)]);
        let back = back.after(&now, ContactEvent::Expired);
        assert_eq!(events(&back, &now), [("1".to_owned(), ContactEvent::Registered)]);
        let mut renewed = contact("1", ContactEvent::Refreshed);
        renewed.cseq += 1;
        let renewed = registration(&[renewed]).after(&back, ContactEvent::Expired);
        assert_eq!(events(&renewed, &back), [("1".to_owned(), ContactEvent::Refreshed)]);
        assert!(
            print(2, Extent::Partial, &now, &now.contacts, None).contains("state=\"terminated\"><contact")
        );
    }
}

//! Documents about who watches somebody (RFC 3858), full or with what changed.
//!
//! A watcher is a change where his status is another, or what brought him there; that he renewed his
//! subscription is none. Times are relative to the moment of writing, as the RFC has them.

use std::fmt::Write as _;

use compact_str::CompactString;

use super::{
    Extent, seconds_between,
    xml::{push_attribute, push_text},
};
use crate::signal::{Address, Timestamp, Watcher, WatcherEvent, WatcherList, WatcherStatus};

/// The media type of what is written here.
pub const MEDIA_TYPE: &str = "application/watcherinfo+xml";

/// What a document says besides its watchers.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// From 0, one more with every document of a subscription.
    pub version: u32,
    pub extent: Extent,
    /// The URI of whoever is watched.
    pub resource: &'a str,
    /// The event package of the watchers.
    pub package: &'a str,
    /// The moment of writing; without it no time is written, and equal lists are equal documents.
    pub now: Option<Timestamp>,
}

/// Writes a document with these watchers; `uri_of` names a watcher.
#[must_use]
pub fn print<'a>(
    head: &Head<'_>,
    watchers: impl IntoIterator<Item = &'a Watcher>,
    uri_of: impl Fn(&Address) -> CompactString,
) -> String {
    let mut out = String::with_capacity(256);
    // Writing to memory has no error of its own.
    let _ = write!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <watcherinfo xmlns=\"urn:ietf:params:xml:ns:watcherinfo\" version=\"{}\" state=\"{}\">\
         <watcher-list",
        head.version,
        head.extent.as_str()
    );
    push_attribute(&mut out, "resource", head.resource);
    push_attribute(&mut out, "package", head.package);
    out.push('>');
    for watcher in watchers {
        push_watcher(&mut out, watcher, head.now, &uri_of(&watcher.address));
    }
    out.push_str("</watcher-list></watcherinfo>");
    out
}

fn push_watcher(out: &mut String, watcher: &Watcher, now: Option<Timestamp>, uri: &str) {
    let (status, event) = (watcher.status.as_str(), watcher.event.as_str());
    out.push_str("<watcher");
    push_attribute(out, "id", &watcher.id);
    let _ = write!(out, " status=\"{status}\" event=\"{event}\"");
    if let Some(name) = &watcher.name {
        push_attribute(out, "display-name", name);
    }
    if let Some(now) = now {
        if let Some(since) = watcher.since {
            let _ = write!(out, " duration-subscribed=\"{}\"", seconds_between(since, now));
        }
        let is_there = matches!(watcher.status, WatcherStatus::Active | WatcherStatus::Pending);
        if let Some(until) = watcher.until.filter(|_| is_there) {
            let _ = write!(out, " expiration=\"{}\"", seconds_between(now, until));
        }
    }
    out.push('>');
    push_text(out, uri);
    out.push_str("</watcher>");
}

/// What a full document lists: everybody who has not ended.
pub fn standing(list: &WatcherList) -> impl Iterator<Item = &Watcher> {
    list.watchers.iter().filter(|watcher| watcher.status != WatcherStatus::Terminated)
}

/// The watchers that a reader who was told `before` has to be told now. One who is not listed any more
/// has ended; one who came and went meanwhile is told of all the same.
#[must_use]
pub fn changes(before: &WatcherList, now: &WatcherList) -> Vec<Watcher> {
    let is_same = |told: &Watcher, now: &Watcher| told.status == now.status && told.event == now.event;
    let ended = |told: &Watcher| {
        let (status, event) = (WatcherStatus::Terminated, WatcherEvent::Timeout);
        (told.status != status).then(|| Watcher { status, event, ..told.clone() })
    };
    super::changes::changes(&before.watchers, &now.watchers, |watcher| watcher.id.as_str(), is_same, ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn watcher(id: &str, status: WatcherStatus, event: WatcherEvent) -> Watcher {
        let address = Address::parse(&format!("{id}@example.org")).unwrap();
        let until = Some(NOW.plus_seconds(60));
        Watcher {
            id: id.into(),
            address,
            name: None,
            status,
            event,
            since: Some(NOW.plus_seconds(-509)),
            until,
        }
    }

    fn list(watchers: &[Watcher]) -> WatcherList {
        WatcherList { of: Address::parse("alice@example.org").unwrap(), watchers: watchers.to_vec() }
    }

    fn uri_of(address: &Address) -> CompactString {
        compact_str::format_compact!("sip:{address}")
    }

    fn head(extent: Extent, now: Option<Timestamp>) -> Head<'static> {
        Head { version: 3, extent, resource: "sip:alice@example.org", package: "presence", now }
    }

    #[test]
    fn documents_have_the_form_of_the_rfc() {
        let mut bob = watcher("bob", WatcherStatus::Active, WatcherEvent::Approved);
        bob.name = Some("\"B<ob>\" & son".into());
        let carol = watcher("carol", WatcherStatus::Waiting, WatcherEvent::Timeout);
        assert_eq!(
            print(&head(Extent::Full, Some(NOW)), &[bob, carol], uri_of),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <watcherinfo xmlns=\"urn:ietf:params:xml:ns:watcherinfo\" version=\"3\" state=\"full\">\
             <watcher-list resource=\"sip:alice@example.org\" package=\"presence\">\
             <watcher id=\"bob\" status=\"active\" event=\"approved\" \
             display-name=\"&quot;B&lt;ob&gt;&quot; &amp; son\" duration-subscribed=\"509\" \
             expiration=\"60\">sip:bob@example.org</watcher>\
             <watcher id=\"carol\" status=\"waiting\" event=\"timeout\" duration-subscribed=\"509\">\
             sip:carol@example.org</watcher></watcher-list></watcherinfo>"
        );
        let empty = print(&head(Extent::Partial, None), &[], uri_of);
        assert!(
            empty.contains("state=\"partial\"><watcher-list resource=") && empty.contains("></watcher-list>")
        );
    }

    #[test]
    fn only_changes_are_told_and_an_end_once() {
        use WatcherEvent::{Approved, Rejected, Subscribe, Timeout};
        use WatcherStatus::{Active, Pending, Terminated};
        let before = list(&[
            watcher("a", Active, Subscribe),
            watcher("b", Pending, Subscribe),
            watcher("c", Active, Subscribe),
            watcher("d", Terminated, Timeout),
        ]);
        let now = list(&[
            watcher("a", Active, Subscribe),
            watcher("b", Active, Approved),
            watcher("e", Terminated, Rejected),
        ]);
        let told: Vec<_> = changes(&before, &now)
            .into_iter()
            .map(|watcher| (watcher.id.to_string(), watcher.status, watcher.event))
            .collect();
        assert_eq!(
            told,
            [
                ("b".to_owned(), Active, Approved),
                ("e".to_owned(), Terminated, Rejected),
                ("c".to_owned(), Terminated, Timeout),
            ]
        );
        assert_eq!(changes(&now, &now), []);
        assert_eq!(standing(&now).count(), 2);
    }

    #[test]
    fn a_renewal_is_no_change() {
        let before = list(&[watcher("a", WatcherStatus::Active, WatcherEvent::Subscribe)]);
        let mut now = before.clone();
        now.watchers[0].until = Some(NOW.plus_seconds(9999));
        assert_eq!(changes(&before, &now), []);
    }
}

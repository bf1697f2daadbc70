//! Watchers, and the state that an owner sets by hand, as JSON.

use serde::{Deserialize, Serialize};

use super::words;
use crate::{
    api::error::Failure,
    signal::{Address, Availability, Presence, Text, Timestamp, Watcher, WatcherList},
};

/// What is shown while no session shows anything; nothing at all where the owner set none.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct OfflineStatus {
    /// Offline, where it is not said.
    availability: Option<String>,
    note: Option<String>,
}

impl OfflineStatus {
    pub(in crate::api) fn new(presence: Option<&Presence>) -> Self {
        Self {
            availability: presence.map(|presence| words::availability(presence.availability).to_owned()),
            note: presence.and_then(|presence| presence.notes.first()).map(|note| note.text.to_string()),
        }
    }

    /// The state that it means.
    ///
    /// # Errors
    /// An unknown word, or a note that is too long.
    pub(in crate::api) fn into_presence(self, now: Timestamp) -> Result<Presence, Failure> {
        let availability = match &self.availability {
            None => Availability::Offline,
            Some(word) => words::parse_availability(word)
                .ok_or_else(|| Failure::malformed("there is no such availability"))?,
        };
        let note = self.note.filter(|note| !note.is_empty());
        if note.as_ref().is_some_and(|note| note.len() > NOTE_BYTES) {
            return Err(Failure::malformed("the note is too long"));
        }
        let notes = note.map(|note| Text::plain(&note)).into_iter().collect();
        Ok(Presence { availability, notes, since: now, ..Presence::default() })
    }
}

/// Everybody who watches, or waits to.
#[derive(Serialize)]
pub(in crate::api) struct WatchersView<'a> {
    watchers: Vec<WatcherView<'a>>,
}

#[derive(Serialize)]
struct WatcherView<'a> {
    id: &'a str,
    address: &'a Address,
    name: Option<&'a str>,
    status: &'static str,
    event: &'static str,
    #[serde(serialize_with = "words::optional_text")]
    since: Option<Timestamp>,
    #[serde(serialize_with = "words::optional_text")]
    until: Option<Timestamp>,
}

impl<'a> WatchersView<'a> {
    pub(in crate::api) fn new(list: &'a WatcherList) -> Self {
        Self { watchers: list.watchers.iter().map(WatcherView::from).collect() }
    }
}

impl<'a> From<&'a Watcher> for WatcherView<'a> {
    fn from(watcher: &'a Watcher) -> Self {
        Self {
            id: &watcher.id,
            address: &watcher.address,
            name: watcher.name.as_deref(),
            status: watcher.status.as_str(),
            event: watcher.event.as_str(),
            since: watcher.since,
            until: watcher.until,
        }
    }
}

/// Longest note.
const NOTE_BYTES: usize = 4096;

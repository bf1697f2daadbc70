//! Subscriptions as they are remembered over a restart: the dialog goes on with the same tags, sequence
//! numbers and versions.
//!
//! Sequence numbers are remembered in blocks, so that not every NOTIFY is a write: after a crash some are left
//! out, which is allowed (RFC 3261 §12.2.1.1). Versions of documents are remembered one by one, before the
//! document goes out.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{
    dialog::{Dialog, SavedDialog},
    entry::{Condition, Entry},
    notifier::Notifier,
    rate::Rates,
};
use crate::{
    formats::{dialoginfo::Identifier, pidf::Format},
    signal::{Address, Timestamp},
    sip::{
        clock::Clock,
        events::{Memory, Package, Teller},
        transport::Protocol,
    },
};

/// What is remembered of a subscription; its key is our tag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) watcher: Address,
    pub(super) name: Option<CompactString>,
    is_anonymous: bool,
    of: Address,
    package: Package,
    /// The place of the format among all of them.
    format: u8,
    dialog: SavedDialog,
    teller: Memory,
    call: Option<Box<Identifier>>,
    condition: Option<Condition>,
    rates: Option<Rates>,
    pub(super) expires: Timestamp,
}

/// Where a watcher was last heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) protocol: Protocol,
    pub(super) peer: SocketAddr,
}

impl Saved {
    /// What is to be remembered of a subscription.
    pub(super) fn of(entry: &mut Entry, now: Clock) -> Self {
        Self {
            watcher: entry.watcher.clone(),
            name: entry.name.clone(),
            is_anonymous: entry.is_anonymous,
            of: entry.teller.of().clone(),
            package: entry.package,
            format: entry.teller.format().and_then(place_of).unwrap_or_default(),
            dialog: entry.dialog.save(),
            teller: entry.teller.memory().unwrap_or_default(),
            call: entry.call.clone(),
            condition: entry.condition.clone(),
            rates: entry.notifier.rates(),
            expires: now.time_at(entry.notifier.expires()),
        }
    }

    /// As it is written.
    pub(super) fn to_bytes(&self) -> Bytes {
        let written = postcard::to_extend(self, vec![FORMAT]);
        Bytes::from(written.unwrap_or_default())
    }

    /// What was written by a server that writes as this one does.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (format, rest) = bytes.split_first()?;
        if *format == FORMAT { postcard::from_bytes(rest).ok() } else { None }
    }

    /// The subscription under its tag, as it goes on; `None` where it has expired.
    pub(super) fn restore(self, tag: &str, interval: Duration, now: Clock) -> Option<Entry> {
        let left = now.until(self.expires)?;
        let format = *Format::ALL.get(usize::from(self.format))?;
        let dialog = Dialog::restore(self.dialog)?;
        let mut notifier = Notifier::new(interval, now.instant);
        notifier.set_rates(self.rates, now.instant);
        notifier.resume(now.instant + left);
        if dialog.reach() == super::dialog::Reach::Nowhere {
            notifier.cut_off();
        }
        Some(Entry {
            watcher: self.watcher,
            name: self.name,
            is_anonymous: self.is_anonymous,
            package: self.package,
            tag: tag.into(),
            dialog,
            notifier,
            teller: Teller::new(self.package, format, self.of, self.teller),
            call: self.call,
            content: None,
            hides_calls: false,
            condition: self.condition,
            first: None,
            watch: None,
            origin: None,
            following: None,
            wanted: None,
            saved: Some(self.teller),
        })
    }
}

fn place_of(format: Format) -> Option<u8> {
    Format::ALL.iter().position(|known| *known == format).and_then(|place| u8::try_from(place).ok())
}

/// The form of what is written here; another one is not read.
const FORMAT: u8 = 3;

//! The event packages that can be subscribed to (RFC 6665 §6.1): what each shows, to whom, and in which
//! documents. When something is sent, and to whom, is [`super::subscription`]'s.
//!
//! A package is a variant of [`Package`]; what an account or this door shows of it is a [`Content`], and
//! [`Teller`] writes it for one subscription, which has its own version and knows what it told.
//!
//! # Invariants
//! - A state that many may see alike is written once ([`Documents`]), whatever the number of watchers.
//! - An entity tag names one state: it is a digest of it, so that restarts change nothing (RFC 5839 §6.1).
//! - Documents with versions go up by exactly one, and are whole after every SUBSCRIBE.

mod calls;
mod documents;
mod registrations;
mod teller;

use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

pub(in crate::sip) use calls::{Beginning, CallStates, End as CallEnd, Heard, Touched as TouchedCalls};
pub(in crate::sip) use documents::{Document, Documents, NO_STATE};
pub(in crate::sip) use registrations::registration_of;
pub(in crate::sip) use teller::{Memory, Teller};

use super::{message::MediaType, resource_list::SharedList};
use crate::{
    account::{Shown, WatchKind},
    formats::{dialoginfo, message_summary, pidf, reginfo, rlmi, watcherinfo, xcap_diff},
    signal::{Snapshot, View, WatcherList},
};

/// An event package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(in crate::sip) enum Package {
    /// RFC 3856.
    Presence,
    /// `presence.winfo`, RFC 3857.
    Watchers,
    /// `message-summary`, RFC 3842.
    Waiting,
    /// `reg`, RFC 3680.
    Registrations,
    /// `dialog`, RFC 4235.
    Calls,
    /// `presence` of the resources of a list, in one subscription (RFC 4662).
    PresenceList,
    /// `xcap-diff`, RFC 5875.
    Documents,
}

/// What a watcher is shown of a package.
#[derive(Debug, Clone)]
pub(in crate::sip) enum Content {
    Presence {
        snapshot: Arc<Snapshot>,
        view: Arc<View>,
    },
    Watchers(Arc<WatcherList>),
    Waiting(u32),
    Registrations {
        state: Arc<reginfo::Registration>,
        /// What became of contacts that are not there any more.
        ended: reginfo::ContactEvent,
    },
    Calls(Arc<dialoginfo::Dialogs>),
    List(SharedList),
    Documents(Arc<xcap_diff::Resources>),
}

impl Package {
    /// The package of an `Event` (case counts, RFC 6665 §8.4).
    pub(in crate::sip) fn parse(token: &str) -> Option<Self> {
        ALL.into_iter().find(|package| package.as_str() == token)
    }

    /// As `Event` has it.
    pub(in crate::sip) fn as_str(self) -> &'static str {
        match self {
            Self::Presence | Self::PresenceList => "presence",
            Self::Watchers => "presence.winfo",
            Self::Waiting => "message-summary",
            Self::Registrations => "reg",
            Self::Calls => "dialog",
            Self::Documents => "xcap-diff",
        }
    }

    /// What of an account a subscription follows. That of a package which this door shows itself follows who may see,
    /// and when the account is gone.
    pub(in crate::sip) fn kind(self) -> WatchKind {
        match self {
            Self::Watchers => WatchKind::Watchers,
            Self::Waiting => WatchKind::Waiting,
            Self::PresenceList => WatchKind::Contacts,
            Self::Documents => WatchKind::Documents,
            Self::Calls => WatchKind::Calls,
            Self::Presence | Self::Registrations => WatchKind::Presence,
        }
    }

    /// Whether this door, not the account, shows it.
    pub(in crate::sip) fn is_shown_by_door(self) -> bool {
        matches!(self, Self::Registrations | Self::Calls | Self::PresenceList | Self::Documents)
    }

    /// Whether nobody but the owner may see it, whatever her account says: it knows nothing of where she is
    /// registered. About the other packages the account decides.
    pub(in crate::sip) fn is_for_owner_only(self) -> bool {
        self == Self::Registrations
    }

    /// The documents, for `Accept`.
    pub(in crate::sip) fn media_types(self) -> CompactString {
        match self {
            Self::Presence => {
                let types = pidf::Format::ALL.iter().map(|format| format.media_type());
                types.collect::<Vec<_>>().join(", ").into()
            }
            Self::Watchers => CompactString::const_new(watcherinfo::MEDIA_TYPE),
            Self::Waiting => CompactString::const_new(message_summary::MEDIA_TYPE),
            Self::Registrations => CompactString::const_new(reginfo::MEDIA_TYPE),
            Self::Calls => CompactString::const_new(dialoginfo::MEDIA_TYPE),
            Self::PresenceList => CompactString::const_new(rlmi::RELATED),
            Self::Documents => CompactString::const_new(xcap_diff::MEDIA_TYPE),
        }
    }

    /// The format of a presence document for whoever sends these ranges of an `Accept`, and of the only
    /// document of another package; `None` where they take none.
    pub(in crate::sip) fn choose(self, ranges: Option<&[MediaType]>) -> Option<pidf::Format> {
        let ranges = ranges.unwrap_or_default();
        if self == Self::Presence {
            let texts: Vec<_> =
                ranges.iter().map(|range| (format!("{}/{}", range.kind, range.subtype), range.q())).collect();
            let accepts: Vec<_> = texts.iter().map(|(text, q)| (text.as_str(), q.thousandths())).collect();
            return pidf::choose(&accepts);
        }
        let media_type = self.media_types();
        let takes = |range: &MediaType| range.covers(&media_type) && range.q().thousandths() > 0;
        (ranges.is_empty() || ranges.iter().any(takes)).then_some(pidf::Format::Pidf)
    }
}

impl Content {
    /// What an account shows; `None` where no package has it.
    pub(in crate::sip) fn of_account(shown: Shown) -> Option<Self> {
        Some(match shown {
            Shown::Presence { snapshot, view } => Self::Presence { snapshot, view },
            Shown::Watchers(list) => Self::Watchers(list),
            Shown::Waiting(count) => Self::Waiting(count),
            // Who may see is all that the account knows of calls.
            Shown::Calls { is_open: false } => Self::Calls(Arc::default()),
            Shown::Calls { is_open: true } | Shown::Contacts(_) | Shown::Documents { .. } => return None,
        })
    }

    /// This content in place of an older one that was perhaps not told: what ended is not forgotten.
    pub(in crate::sip) fn after(self, older: Option<&Self>) -> Self {
        match (self, older) {
            (Self::Registrations { state, ended }, Some(Self::Registrations { state: older, .. })) => {
                let state = Arc::unwrap_or_clone(state).after(older, ended);
                Self::Registrations { state: Arc::new(state), ended }
            }
            (Self::Calls(now), Some(Self::Calls(older))) => {
                Self::Calls(Arc::new(Arc::unwrap_or_clone(now).with_ended_of(older)))
            }
            (now, _) => now,
        }
    }

    /// The content once it was told: what ended is over.
    pub(in crate::sip) fn told(self) -> Self {
        match self {
            Self::Registrations { state, ended } if state.standing().count() < state.contacts.len() => {
                let mut state = Arc::unwrap_or_clone(state);
                state.contacts.retain(|contact| !contact.event.is_end());
                Self::Registrations { state: Arc::new(state), ended }
            }
            Self::Calls(state) if state.standing().count() < state.dialogs.len() => {
                let mut state = Arc::unwrap_or_clone(state);
                state.dialogs.retain(|dialog| dialog.state != dialoginfo::State::Terminated);
                Self::Calls(Arc::new(state))
            }
            content => content,
        }
    }
}

const ALL: [Package; 6] = [
    Package::Presence,
    Package::Watchers,
    Package::Waiting,
    Package::Registrations,
    Package::Calls,
    Package::Documents,
];

/// The packages, for `Allow-Events`.
pub(in crate::sip) const PACKAGES: &str = "presence, presence.winfo, message-summary, reg, dialog, xcap-diff";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_announced_and_known_by_its_name() {
        let names: Vec<_> = ALL.iter().map(|package| package.as_str()).collect();
        assert_eq!(names.join(", "), PACKAGES);
        assert!(ALL.iter().all(|package| Package::parse(package.as_str()) == Some(*package)));
        assert_eq!(Package::parse("conference"), None);
        assert_eq!(Package::parse("Presence"), None);
    }

    #[test]
    fn accept_decides_by_package() {
        let ranges = |text: &str| -> Vec<_> {
            text.split(", ").map(|range| MediaType::parse(range).unwrap()).collect()
        };
        for (package, accept, expected) in [
            (Package::Presence, "application/pidf+xml", true),
            (Package::Presence, "text/plain, application/*", true),
            (Package::Presence, "application/watcherinfo+xml", false),
            (Package::Watchers, "application/watcherinfo+xml", true),
            (Package::Watchers, "application/watcherinfo+xml;q=0", false),
            (Package::Waiting, "application/simple-message-summary", true),
            (Package::Calls, "*/*", true),
        ] {
            assert_eq!(package.choose(Some(&ranges(accept))).is_some(), expected, "{accept}");
        }
        assert!(Package::Registrations.choose(None).is_some());
        let partial = ranges("application/pidf+xml;q=0.3, application/pidf-diff+xml;q=1");
        assert_eq!(Package::Presence.choose(Some(&partial)), Some(pidf::Format::PidfDiff));
    }
}

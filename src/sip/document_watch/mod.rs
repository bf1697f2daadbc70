//! What the package `xcap-diff` shows (RFC 5875): documents of the watcher's own account, collections of them, and
//! elements and attributes of them, whoever changed them by whatever protocol.
//!
//! [`Wanted`] is what somebody asked for, [`gather()`] looks how it is, [`Patches`] tells how a document became
//! another, [`Journal`] knows what it was in between. When something is told is [`super::subscription`]'s to say.
//!
//! # Invariants
//!
//! - Nobody is shown documents of others: what is not his own is as if it were not there (RFC 5875 §4.7).
//! - A selector is given back byte for byte as it came; what is not there yet is waited for.
//! - Histories are kept for those who asked for them, from one NOTIFY to the next, and have no gap: where one is
//!   not known whole, what there is is told without it (RFC 5875 §4.7).

mod gather;
mod journal;
mod patch;
mod wanted;

pub(in crate::sip) use gather::gather;
pub(in crate::sip) use journal::Journal;
pub(in crate::sip) use patch::Patches;
pub(in crate::sip) use wanted::{Wanted, read_wanted};

use super::message::TokenParams;

/// How a watcher wants to be told of changed documents (RFC 5875 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::sip) enum Mode {
    /// That they changed.
    #[default]
    NoPatching,
    /// How, one change after the other, with every entity tag there was.
    XcapPatching,
    /// How, several changes as one.
    Aggregate,
}

impl Mode {
    /// The mode that is served to whom asks by this `Event`: never a more complex one.
    pub(in crate::sip) fn read(event: &TokenParams) -> Self {
        match event.params.value("diff-processing").as_deref() {
            Some("xcap-patching") => Self::XcapPatching,
            Some("aggregate") => Self::Aggregate,
            _ => Self::NoPatching,
        }
    }

    /// The mode as a number, and back: one that is unknown is the simplest.
    pub(in crate::sip) fn number(self) -> u32 {
        match self {
            Self::NoPatching => 0,
            Self::XcapPatching => 1,
            Self::Aggregate => 2,
        }
    }

    pub(in crate::sip) fn of_number(number: u32) -> Self {
        [Self::XcapPatching, Self::Aggregate]
            .into_iter()
            .find(|mode| mode.number() == number)
            .unwrap_or_default()
    }
}

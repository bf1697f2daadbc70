//! What the package `xcap-diff` shows (RFC 5875): documents of the watcher's own account, collections of them, and
//! elements and attributes of them, whoever changed them by whatever protocol.
//!
//! [`Wanted`] is what somebody asked for, [`gather()`] looks how it is, [`patch()`] tells how a document became
//! another. When something is told is [`super::subscription`]'s to say.
//!
//! # Invariants
//!
//! - Nobody is shown documents of others: what is not his own is as if it were not there (RFC 5875 §4.7).
//! - A selector is given back byte for byte as it came; what is not there yet is waited for.
//! - Full version histories are not kept, so nothing pretends to be one: changes that come together are told as
//!   one, and `xcap-patching` is answered by `no-patching`.

mod gather;
mod patch;
mod wanted;

pub(in crate::sip) use gather::gather;
pub(in crate::sip) use patch::patch;
pub(in crate::sip) use wanted::{Wanted, read_wanted};

use super::message::TokenParams;

/// How a watcher wants to be told of changed documents (RFC 5875 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::sip) enum Mode {
    /// That they changed.
    #[default]
    NoPatching,
    /// How, several changes as one.
    Aggregate,
}

impl Mode {
    /// The mode that is served to whom asks by this `Event`: never a more complex one.
    pub(in crate::sip) fn read(event: &TokenParams) -> Self {
        match event.params.value("diff-processing").as_deref() {
            Some("aggregate") => Self::Aggregate,
            _ => Self::NoPatching,
        }
    }
}

//! XEP-0334: Message Processing Hints, and the `private` marker of XEP-0280 §8.

use super::Module;

pub(super) const MODULE: Module = Module { server_features: &["urn:xmpp:hints"], ..Module::NONE };

/// What the sender wants of archives, offline files and carbon copies.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(in crate::xmpp) struct Hints {
    /// Keep it, although it looks like a passing note.
    pub(in crate::xmpp) store: bool,
    /// Keep it nowhere.
    pub(in crate::xmpp) no_store: bool,
    /// Keep it no longer than it takes to deliver it.
    pub(in crate::xmpp) no_permanent_store: bool,
    /// No copies for other sessions.
    pub(in crate::xmpp) no_copy: bool,
}

impl Hints {
    /// Takes over a child of a message; tells whether it was a hint.
    pub(in crate::xmpp) fn read(&mut self, name: &str, namespace: &str) -> bool {
        match (namespace, name) {
            ("urn:xmpp:hints", "store") => self.store = true,
            ("urn:xmpp:hints", "no-store") => self.no_store = true,
            ("urn:xmpp:hints", "no-permanent-store") => self.no_permanent_store = true,
            ("urn:xmpp:hints", "no-copy") | ("urn:xmpp:carbons:2", "private") => self.no_copy = true,
            ("urn:xmpp:hints", _) => {}
            _ => return false,
        }
        true
    }
}

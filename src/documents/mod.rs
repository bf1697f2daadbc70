//! The account's XML documents (RFC 4825), kept in step with the account.
//!
//! What is true of contacts, approvals, blocks and rules is the account's model; a document is the bytes
//! that a client put. [`Documents`] reads documents, changes them, and lets changes be followed, for every
//! door that serves or announces them.
//!
//! # Invariants
//!
//! - Nothing here names a status of HTTP, a header of SIP or a socket.
//! - A document is given back byte for byte as it came, unless the account has changed what it tells.
//! - A change of a document and of what it tells is one input of the account, made for one revision of it:
//!   of two changes made for the same revision, the later is made anew on what the earlier left.
//! - A document is read within limits; no tree is built from what is not well-formed, and an edit of a tree
//!   leaves every byte that it is not about.
//! - What is announced of applications is what is served, and what clients write as they do is not refused.
//! - A tag ([`Document::etag`]) never names two different contents of one document.

mod application;
mod conflict;
mod contacts;
mod document;
mod icon;
mod rules;
mod schema;
mod senders;
mod services;
mod shelves;
mod step;
mod store;
mod tree;

pub use application::{
    APPLICATIONS, Application, Context, DirectoryEntry, Icon, Origin, Readers, Service, find_application,
    print_capabilities, print_directory, print_icon, print_services, print_watchers, read_icon, services,
};
pub use conflict::{Conflict, Exists};
pub use document::{Document, tag_of};
pub use icon::IconKeys;
pub use services::Member;
pub use store::{Change, ChangeError, Changed, Documents};
pub use tree::{
    Attribute, EditError, Edited, Edits, Element, Node, NodeEditError, ParseError, Selected, Selector,
    SelectorError, Terminal, Tree, TreeLimits, escape_attribute, escape_text,
};

#[cfg(test)]
mod tests;

//! The application usages of RFC 4825 §5 that are served: one file each, with what its documents are called,
//! who may read them, and what they have to be.
//!
//! # Invariants
//!
//! - What is announced (`xcap-caps`) is what is served: both come from [`APPLICATIONS`].
//! - A document that Blink or OMA's clients write as they do is never refused: URIs may be escaped whole and
//!   without scheme, and hosts may be aliases.
//! - Nothing here follows a reference.

mod common_policy;
mod dialog_rules;
mod directory;
mod group_usage_list;
mod im_rules;
mod pidf_manipulation;
mod pres_content;
mod pres_rules;
mod reference;
mod resource_lists;
mod rls_services;
mod unique;
mod watchers;
mod xcap_caps;

pub use directory::{DirectoryEntry, print as print_directory};
pub use pres_content::{Icon, print as print_icon, read as read_icon};
pub use rls_services::{Service, print_index as print_services, services};
pub use watchers::print as print_watchers;
pub use xcap_caps::print as print_capabilities;

use super::{
    Conflict, Exists,
    schema::{Declaration, Schema},
    tree::{Element, Tree},
};
use crate::signal::Address;

/// An application usage.
#[derive(Debug)]
pub struct Application {
    /// Its id, the first segment of a document's path.
    pub auid: &'static str,
    /// Of its documents.
    pub media_type: &'static str,
    /// What names without prefix mean in node selectors (RFC 4825 §6.4).
    pub default_namespace: &'static str,
    /// Who may read its documents.
    pub readers: Readers,
    pub origin: Origin,
    /// The application whose documents these are, where several are one; else its own id.
    pub stored_as: &'static str,
    names: Names,
    /// What it has schemas for.
    namespaces: &'static [&'static str],
    schema: &'static Schema,
    root: &'static Declaration,
    constraints: fn(Element<'_>, &Context<'_>) -> Result<(), Conflict>,
}

/// Who may read documents besides their owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Nobody.
    Owner,
    /// Everybody, without credentials.
    Everybody,
    /// Whoever may see the owner's picture: everybody, unless she shows it to those alone who may watch her.
    Picture,
}

/// Where documents come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Clients write them.
    Stored,
    /// They are made when they are read.
    Computed,
    /// They are made when they are read, in the global tree alone.
    Global,
}

/// What documents of an application may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// Anything.
    Any,
    /// This; the others are other names of the same document.
    One { name: &'static str, aliases: &'static [&'static str] },
}

/// What a document is judged by beside itself.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Whose document it is.
    pub owner: &'a Address,
    /// Whether the address of a service belongs to somebody else.
    pub is_taken: &'a dyn Fn(&str) -> bool,
}

/// Every application that is served, in the order in which they are announced.
pub static APPLICATIONS: &[&Application] = &[
    &xcap_caps::APPLICATION,
    &resource_lists::APPLICATION,
    &rls_services::APPLICATION,
    &pres_rules::APPLICATION,
    &pres_rules::OMA_APPLICATION,
    &pidf_manipulation::APPLICATION,
    &pres_content::APPLICATION,
    &im_rules::APPLICATION,
    &dialog_rules::APPLICATION,
    &group_usage_list::APPLICATION,
    &directory::APPLICATION,
    &watchers::APPLICATION,
];

/// The application of this id.
#[must_use]
pub fn find_application(auid: &str) -> Option<&'static Application> {
    APPLICATIONS.iter().copied().find(|application| application.auid == auid)
}

impl Application {
    /// The name under which a document is kept that a client calls `name`: aliases are one document.
    /// `None` where the application has no document of that name.
    #[must_use]
    pub fn document_name<'a>(&self, name: &'a str) -> Option<&'a str> {
        match self.names {
            Names::Any => is_name(name).then_some(name),
            Names::One { name: known, aliases } => {
                (name == known || aliases.contains(&name)).then_some(known)
            }
        }
    }

    /// Holds a document against the schema and the constraints of the application.
    ///
    /// # Errors
    /// [`Conflict::SchemaValidation`], [`Conflict::Uniqueness`] or [`Conflict::Constraint`].
    pub fn validate(&self, tree: &Tree, context: &Context<'_>) -> Result<(), Conflict> {
        self.check_schema(tree)?;
        (self.constraints)(tree.root(), context)
    }

    /// Holds a document against the schema alone.
    ///
    /// # Errors
    /// [`Conflict::SchemaValidation`]: the first place that is wrong, and why.
    pub fn check_schema(&self, tree: &Tree) -> Result<(), Conflict> {
        let verdict = self.schema.check(self.root, tree.root());
        verdict.map_err(|fault| Conflict::SchemaValidation(fault.to_string()))
    }
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Context").field("owner", self.owner).finish_non_exhaustive()
    }
}

/// Whether a name can be one: segments of a path, none of them empty or a step.
fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.split('/').all(|segment| {
            !matches!(segment, "" | "." | ".." | "~~") && !segment.chars().any(char::is_control)
        })
}

/// Constraints of applications without any.
fn unconstrained(_: Element<'_>, _: &Context<'_>) -> Result<(), Conflict> {
    Ok(())
}

/// In bytes.
const LONGEST_NAME: usize = 256;

#[cfg(test)]
mod tests;

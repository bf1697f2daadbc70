//! A small schema language: what XML Schema says of the applications' documents, as tables of constants, and
//! one walk that holds a document against them.
//!
//! It knows what those schemas use and no more: sequences, choices, wildcards, attributes, simple types. The
//! tables themselves stand with their applications. Verdicts are compared with libxml2's on the RFCs'
//! schemas in the integration tests.
//!
//! # Invariants
//!
//! - A verdict takes time linear in the document, whatever is in it.
//! - What no table knows passes wherever a wildcard has room for it, and nowhere else.

mod model;
mod simple;
mod uri;
mod walk;

pub(super) use model::{
    AttributeUse, Content, Declaration, EMPTY, Kind, LANG, Namespace, Others, Particle, Schema,
    TEXT_IN_A_LANGUAGE, Term, XML,
};
pub(super) use simple::Simple;

use super::tree::Element;

/// Where a document is not what its schema wants, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// From the inside out.
    path: Vec<String>,
    what: String,
}

impl Fault {
    fn new(what: String) -> Self {
        Self { path: Vec::new(), what }
    }

    /// It is about an attribute.
    fn at(mut self, attribute: &str) -> Self {
        self.path.push(format!("@{attribute}"));
        self
    }

    /// It stands in the element, the `place`-th of its name.
    fn within(mut self, element: Element<'_>, place: usize) -> Self {
        let name = element.name();
        self.path.push(if place > 1 { format!("{name}[{place}]") } else { name.to_owned() });
        self
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for part in self.path.iter().rev() {
            write!(out, "/{part}")?;
        }
        write!(out, ": {}", self.what)
    }
}

impl Schema {
    /// Whether the document with this root is one of the schema.
    ///
    /// # Errors
    /// The first place where it is not.
    pub(super) fn check(&self, root: &Declaration, element: Element<'_>) -> Result<(), Fault> {
        walk::check(self, root, element)
    }
}

#[cfg(test)]
mod tests;

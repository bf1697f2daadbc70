//! Values that have to be unique, and where the doubles are (RFC 4825 §11, `uniqueness-failure`).

use std::collections::{BTreeSet, HashSet};

use super::{Conflict, Exists};
use crate::documents::tree::Element;

/// Collects doubles.
#[derive(Debug, Default)]
pub(super) struct Unique {
    /// Parent, name and value.
    seen: HashSet<(usize, &'static str, String)>,
    doubles: Vec<Exists>,
}

impl Unique {
    /// Looks at an attribute that has to be unique among the children of `parent` of the same name.
    pub(super) fn check(&mut self, parent: Element<'_>, element: Element<'_>, attribute: &'static str) {
        let Some(value) = element.attribute(attribute) else { return };
        let is_new = self.seen.insert((parent.span().start, attribute, value.into_owned()));
        if !is_new {
            self.refuse(element, attribute, Vec::new());
        }
    }

    /// An attribute has a value that is somewhere else already.
    pub(super) fn refuse(&mut self, element: Element<'_>, attribute: &str, alternatives: Vec<String>) {
        if self.doubles.len() < MOST {
            self.doubles.push(Exists { field: field(element, attribute), alternatives });
        }
    }

    /// # Errors
    /// [`Conflict::Uniqueness`] where something is not unique.
    pub(super) fn verdict(self) -> Result<(), Conflict> {
        if self.doubles.is_empty() { Ok(()) } else { Err(Conflict::Uniqueness(self.doubles)) }
    }
}

/// The node selector of an attribute, relative to the document, escaped as a URI. Elements of another
/// namespace than the document's have prefixes, which the query explains.
fn field(element: Element<'_>, attribute: &str) -> String {
    let mut ancestry: Vec<_> = std::iter::successors(Some(element), |element| element.parent()).collect();
    ancestry.reverse();
    let document = ancestry.first().and_then(|root| root.namespace()).unwrap_or_default();
    let mut spaces = BTreeSet::new();
    let mut path = String::new();
    for element in ancestry {
        let space = element.namespace().unwrap_or_default();
        let place = place(element);
        if space != document {
            spaces.insert(space);
            path.push_str("p:");
        }
        path.push_str(element.name());
        if place > 1 {
            path.push_str(&format!("%5B{place}%5D"));
        }
        path.push('/');
    }
    path.push('@');
    path.push_str(attribute);
    // A document has two namespaces at most in which something has to be unique.
    if let Some(space) = spaces.first() {
        path.push_str(&format!("?xmlns(p={space})"));
    }
    path
}

/// Among the elements beside it that have its name, from 1.
fn place(element: Element<'_>) -> usize {
    let Some(parent) = element.parent() else { return 1 };
    let is_same =
        |other: &Element<'_>| other.name() == element.name() && other.namespace() == element.namespace();
    parent.elements().take_while(|other| *other != element).filter(is_same).count() + 1
}

/// Most doubles that are told.
const MOST: usize = 16;

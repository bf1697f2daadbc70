//! Holds a document against a schema: one walk over the elements, each taken by the one particle that can
//! take it.
//!
//! Time is linear in the document: what a child costs is bounded by the tables. Depth is bounded by the
//! tree's own limit.

use std::collections::BTreeSet;

use super::{
    Fault,
    model::{AttributeUse, Content, Declaration, Kind, Particle, Schema, Term, Use},
    simple::{Simple, is_space},
};
use crate::documents::tree::{Attribute, Element, Node};

/// Whether the document below `root` is one of the schema, with `root` the only root that it may have.
pub(super) fn check(schema: &Schema, root: &Declaration, element: Element<'_>) -> Result<(), Fault> {
    if !is_of(root, element) {
        return Err(
            Fault::new(format!("<{}> of {} was expected", root.name, root.namespace)).within(element, 1)
        );
    }
    let mut walk = Walk { schema, ids: BTreeSet::new() };
    walk.element(root.kind, element).map_err(|fault| fault.within(element, 1))
}

fn is_of(declaration: &Declaration, element: Element<'_>) -> bool {
    declaration.name == element.name() && declaration.namespace == namespace_of(element)
}

struct Walk<'a> {
    schema: &'a Schema,
    /// Those that the document has used.
    ids: BTreeSet<String>,
}

/// The child elements that are not taken yet.
struct Rest<'a, 'doc> {
    children: &'a [Element<'doc>],
    taken: usize,
}

impl<'doc> Rest<'_, 'doc> {
    fn next(&self) -> Option<Element<'doc>> {
        self.children.get(self.taken).copied()
    }
}

impl Walk<'_> {
    fn element(&mut self, kind: &Kind, element: Element<'_>) -> Result<(), Fault> {
        self.attributes(kind, element)?;
        let children: Vec<Element<'_>> = element.elements().collect();
        match &kind.content {
            Content::Empty if children.is_empty() && !has_text(element) => Ok(()),
            Content::Empty => Err(Fault::new("it has to be empty".into())),
            Content::Text(_) if !children.is_empty() => Err(Fault::new("it has room for text only".into())),
            Content::Text(simple) => self.value(*simple, &element.text()).map_err(Fault::new),
            Content::Elements(_) if has_words(element) => {
                Err(Fault::new("it has room for elements only, not for text".into()))
            }
            Content::Elements(particle) => {
                let mut rest = Rest { children: &children, taken: 0 };
                self.particle(particle, &mut rest)?;
                match rest.next() {
                    Some(left) => Err(Fault::new("it is not expected here".into())
                        .within(left, place(&children, rest.taken))),
                    None => Ok(()),
                }
            }
        }
    }

    fn particle(&mut self, particle: &Particle, rest: &mut Rest<'_, '_>) -> Result<(), Fault> {
        let mut count = 0;
        while count < particle.most && rest.next().is_some_and(|next| starts(&particle.term, next)) {
            self.term(&particle.term, rest)?;
            count += 1;
        }
        if count >= particle.least || is_optional(&particle.term) {
            return Ok(());
        }
        let missing = format!("{} is missing", description(&particle.term));
        Err(match rest.next() {
            Some(next) => {
                Fault::new(format!("{missing} before it")).within(next, place(rest.children, rest.taken))
            }
            None => Fault::new(missing),
        })
    }

    /// Once, with at least one element; the next one starts it.
    fn term(&mut self, term: &Term, rest: &mut Rest<'_, '_>) -> Result<(), Fault> {
        match term {
            Term::Element(declaration) => self.child(Some(declaration.kind), rest),
            Term::Any(_) => self.child(None, rest),
            Term::Sequence(particles) => {
                particles.iter().try_for_each(|particle| self.particle(particle, rest))
            }
            Term::Choice(particles) => {
                let Some(next) = rest.next() else { return Ok(()) };
                let chosen = particles.iter().find(|particle| starts(&particle.term, next));
                chosen.map_or(Ok(()), |particle| self.particle(particle, rest))
            }
        }
    }

    /// The next child, held against a kind or, where a wildcard took it, against what is known of it.
    fn child(&mut self, kind: Option<&Kind>, rest: &mut Rest<'_, '_>) -> Result<(), Fault> {
        let Some(child) = rest.next() else { return Ok(()) };
        let at = rest.taken;
        rest.taken += 1;
        let verdict = match kind {
            Some(kind) => self.element(kind, child),
            None => self.foreign(child),
        };
        verdict.map_err(|fault| fault.within(child, place(rest.children, at)))
    }

    /// An element where any may stand.
    fn foreign(&mut self, element: Element<'_>) -> Result<(), Fault> {
        if let Some(declaration) = self.schema.element(element) {
            return self.element(declaration.kind, element);
        }
        for attribute in element.attributes().filter(|attribute| space_of(*attribute) != INSTANCE) {
            self.foreign_attribute(attribute)?;
        }
        let children: Vec<Element<'_>> = element.elements().collect();
        for (at, child) in children.iter().enumerate() {
            self.foreign(*child).map_err(|fault| fault.within(*child, place(&children, at)))?;
        }
        Ok(())
    }

    fn attributes(&mut self, kind: &Kind, element: Element<'_>) -> Result<(), Fault> {
        for attribute in element.attributes() {
            let declared = kind.attributes.iter().find(|declared| names(declared, attribute));
            match declared {
                Some(declared) => self.attribute(declared.value, attribute)?,
                None if space_of(attribute) == INSTANCE => check_instance(attribute)?,
                None if kind.others.take(space_of(attribute)) => self.foreign_attribute(attribute)?,
                None => return Err(Fault::new("it is not expected here".into()).at(attribute.name())),
            }
        }
        let has = |declared: &&AttributeUse| element.attributes().any(|attribute| names(declared, attribute));
        let mut required = kind.attributes.iter().filter(|declared| declared.use_ == Use::Required);
        match required.find(|declared| !has(declared)) {
            Some(missing) => Err(Fault::new("it is missing".into()).at(missing.name)),
            None => Ok(()),
        }
    }

    fn foreign_attribute(&mut self, attribute: Attribute<'_>) -> Result<(), Fault> {
        match self.schema.attribute(attribute) {
            Some(declared) => self.attribute(declared.value, attribute),
            None => Ok(()),
        }
    }

    fn attribute(&mut self, simple: Simple, attribute: Attribute<'_>) -> Result<(), Fault> {
        self.value(simple, &attribute.value()).map_err(|what| Fault::new(what).at(attribute.name()))
    }

    fn value(&mut self, simple: Simple, text: &str) -> Result<(), String> {
        if !simple.takes(text) {
            return Err(format!("\"{}\" is not {}", shortened(text), simple.description()));
        }
        if simple == Simple::Id && !self.ids.insert(text.trim_matches(is_space).to_owned()) {
            return Err(format!("\"{}\" names something else in the document already", shortened(text)));
        }
        Ok(())
    }
}

impl Schema {
    fn element(&self, element: Element<'_>) -> Option<&'static Declaration> {
        let namespace = self.namespaces.iter().find(|namespace| namespace.name == namespace_of(element))?;
        namespace.elements.iter().find(|declaration| declaration.name == element.name())
    }

    fn attribute(&self, attribute: Attribute<'_>) -> Option<&'static AttributeUse> {
        let namespace = self.namespaces.iter().find(|namespace| namespace.name == space_of(attribute))?;
        namespace.attributes.iter().find(|declared| declared.name == attribute.name())
    }
}

/// Whether an element can be the first of a term.
fn starts(term: &Term, next: Element<'_>) -> bool {
    match term {
        Term::Element(declaration) => is_of(declaration, next),
        Term::Any(others) => others.take(namespace_of(next)),
        Term::Choice(particles) => particles.iter().any(|particle| starts(&particle.term, next)),
        Term::Sequence(particles) => {
            for particle in *particles {
                if starts(&particle.term, next) {
                    return true;
                }
                if particle.least > 0 && !is_optional(&particle.term) {
                    return false;
                }
            }
            false
        }
    }
}

/// Whether a term is there even with nothing of it.
fn is_optional(term: &Term) -> bool {
    let is_empty = |particle: &Particle| particle.least == 0 || is_optional(&particle.term);
    match term {
        Term::Element(_) | Term::Any(_) => false,
        Term::Sequence(particles) => particles.iter().all(is_empty),
        Term::Choice(particles) => particles.iter().any(is_empty),
    }
}

fn description(term: &Term) -> String {
    match term {
        Term::Element(declaration) => format!("<{}>", declaration.name),
        Term::Any(_) => "an element of another namespace".into(),
        Term::Sequence(particles) => {
            particles.first().map_or_else(String::new, |particle| description(&particle.term))
        }
        Term::Choice(particles) => {
            let all: Vec<_> = particles.iter().map(|particle| description(&particle.term)).collect();
            all.join(" or ")
        }
    }
}

/// What a document says to a validator. Types are not chosen by documents here, and nothing may be nil.
fn check_instance(attribute: Attribute<'_>) -> Result<(), Fault> {
    match attribute.name() {
        "schemaLocation" | "noNamespaceSchemaLocation" => Ok(()),
        name => Err(Fault::new("it is not expected here".into()).at(name)),
    }
}

fn names(declared: &AttributeUse, attribute: Attribute<'_>) -> bool {
    declared.name == attribute.name() && declared.namespace == space_of(attribute)
}

/// Empty for none.
fn namespace_of(element: Element<'_>) -> &str {
    element.namespace().unwrap_or_default()
}

/// Empty for none.
fn space_of(attribute: Attribute<'_>) -> &str {
    attribute.namespace().unwrap_or_default()
}

fn has_text(element: Element<'_>) -> bool {
    element.children().any(|child| matches!(child, Node::Text(text) if !text.is_empty()))
}

fn has_words(element: Element<'_>) -> bool {
    let is_words = |text: &str| !text.trim_matches(is_space).is_empty();
    element.children().any(|child| matches!(child, Node::Text(text) if is_words(&text)))
}

/// The place of a child among those of the same name, from 1.
fn place(children: &[Element<'_>], at: usize) -> usize {
    let Some(child) = children.get(at) else { return 1 };
    let before = children.iter().take(at);
    let is_same =
        |other: &&Element<'_>| other.name() == child.name() && other.namespace() == child.namespace();
    before.filter(is_same).count() + 1
}

/// Enough of a text to find it.
fn shortened(text: &str) -> &str {
    text.char_indices().nth(64).and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

/// The namespace of attributes that speak to validators.
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

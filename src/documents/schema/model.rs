//! The words of a schema, as tables of constants: what XML Schema calls elements, types and particles, as far
//! as the schemas of the applications use them.
//!
//! A content model must be deterministic, as XML Schema demands of its own (unique particle attribution): the
//! next element decides alone which particle takes it. [`super::walk`] relies on it.

use super::simple::Simple;

/// The namespaces whose elements are known. Elements of all others pass wherever a wildcard has room.
#[derive(Debug)]
pub(in crate::documents) struct Schema {
    pub(in crate::documents) namespaces: &'static [&'static Namespace],
}

/// What one target namespace declares for itself.
#[derive(Debug)]
pub(in crate::documents) struct Namespace {
    pub(in crate::documents) name: &'static str,
    /// Elements that may stand alone.
    pub(in crate::documents) elements: &'static [Declaration],
    /// Attributes that may stand wherever a wildcard has room.
    pub(in crate::documents) attributes: &'static [AttributeUse],
}

/// One element and what it is.
#[derive(Debug)]
pub(in crate::documents) struct Declaration {
    pub(in crate::documents) namespace: &'static str,
    pub(in crate::documents) name: &'static str,
    pub(in crate::documents) kind: &'static Kind,
}

/// What stands within an element.
#[derive(Debug)]
pub(in crate::documents) struct Kind {
    pub(in crate::documents) attributes: &'static [AttributeUse],
    pub(in crate::documents) others: Others,
    pub(in crate::documents) content: Content,
}

#[derive(Debug)]
pub(in crate::documents) enum Content {
    /// Nothing, not even white space.
    Empty,
    /// Words only.
    Text(Simple),
    /// Elements only, with white space between them.
    Elements(Particle),
}

#[derive(Debug)]
pub(in crate::documents) struct AttributeUse {
    /// Empty for those without prefix.
    pub(in crate::documents) namespace: &'static str,
    pub(in crate::documents) name: &'static str,
    pub(in crate::documents) value: Simple,
    pub(in crate::documents) use_: Use,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::documents) enum Use {
    Optional,
    Required,
}

/// What a wildcard has room for. What is known by the schema is held against it all the same
/// (`processContents="lax"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::documents) enum Others {
    Nothing,
    /// Any namespace but this one, and not without namespace (`##other`).
    NotOf(&'static str),
    /// Anything at all (`##any`).
    Anything,
}

impl Others {
    pub(super) fn take(self, namespace: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::NotOf(target) => !namespace.is_empty() && namespace != target,
            Self::Anything => true,
        }
    }
}

/// A term and how often it comes.
#[derive(Debug)]
pub(in crate::documents) struct Particle {
    pub(in crate::documents) term: Term,
    pub(in crate::documents) least: usize,
    pub(in crate::documents) most: usize,
}

#[derive(Debug)]
pub(in crate::documents) enum Term {
    Element(&'static Declaration),
    Any(Others),
    Sequence(&'static [Particle]),
    Choice(&'static [Particle]),
}

impl Particle {
    /// Exactly once.
    pub(in crate::documents) const fn one(term: Term) -> Self {
        Self { term, least: 1, most: 1 }
    }

    /// Once or not at all.
    pub(in crate::documents) const fn maybe(term: Term) -> Self {
        Self { term, least: 0, most: 1 }
    }

    /// Any number of times.
    pub(in crate::documents) const fn many(term: Term) -> Self {
        Self { term, least: 0, most: usize::MAX }
    }

    /// At least once.
    pub(in crate::documents) const fn some(term: Term) -> Self {
        Self { term, least: 1, most: usize::MAX }
    }
}

impl AttributeUse {
    pub(in crate::documents) const fn required(name: &'static str, value: Simple) -> Self {
        Self { namespace: "", name, value, use_: Use::Required }
    }

    pub(in crate::documents) const fn optional(name: &'static str, value: Simple) -> Self {
        Self { namespace: "", name, value, use_: Use::Optional }
    }
}

impl Kind {
    /// Elements, without attributes.
    pub(in crate::documents) const fn of(content: Particle) -> Self {
        Self { attributes: &[], others: Others::Nothing, content: Content::Elements(content) }
    }

    /// Words, without attributes.
    pub(in crate::documents) const fn text(value: Simple) -> Self {
        Self { attributes: &[], others: Others::Nothing, content: Content::Text(value) }
    }
}

/// Nothing within, and no attributes.
pub(in crate::documents) static EMPTY: Kind =
    Kind { attributes: &[], others: Others::Nothing, content: Content::Empty };

/// Words in a language (`xml:lang`).
pub(in crate::documents) static TEXT_IN_A_LANGUAGE: Kind =
    Kind { attributes: &[LANG], others: Others::Nothing, content: Content::Text(Simple::String) };

/// The namespace that every document has.
pub(in crate::documents) static XML: Namespace = Namespace {
    name: crate::formats::xml::XML,
    elements: &[],
    attributes: &[
        LANG,
        of_xml("space", Simple::OneOf(&["default", "preserve"])),
        of_xml("base", Simple::Uri),
        of_xml("id", Simple::Id),
    ],
};

/// `xml:lang`.
pub(in crate::documents) const LANG: AttributeUse = of_xml("lang", Simple::Language);

const fn of_xml(name: &'static str, value: Simple) -> AttributeUse {
    AttributeUse { namespace: crate::formats::xml::XML, name, value, use_: Use::Optional }
}

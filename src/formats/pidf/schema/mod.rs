//! Which extension elements the schemas of their namespaces allow, wherever PIDF has room for them.
//!
//! Room for extensions is "lax": an element whose schema a client has is held against it, and the client
//! drops the whole document when it fails. So what is passed on is held against the same schemas here
//! ([`tables`]); elements of unknown namespaces are free, but what they hold is not.

mod tables;

use super::{
    AG_PROJECTS, CAPS, CIPID, DATA_MODEL, PIDF, PIDF_DIFF, RPID,
    element::{Attribute, Element, Namespace, Node},
    model::Moment,
    unescape_uri, uri,
};
use crate::formats::xml::{self, XML};

/// What a simple text may be.
#[derive(Debug, Clone, Copy)]
enum Simple {
    Any,
    Boolean,
    Uri,
    Integer,
    Decimal,
    OneOf(&'static [&'static str]),
}

/// What attributes an element may have beside those of XML itself.
#[derive(Debug, Clone, Copy)]
enum Attributes {
    None,
    /// `xml:lang` alone.
    Lang,
    /// `id` as a plain text, required.
    Name,
    /// A number with each of these names, required.
    Numbers(&'static [&'static str]),
    /// Any; `from` and `until` are times, `idle-threshold` a number above 0.
    Open,
}

/// What stands within an element.
#[derive(Debug, Clone, Copy)]
enum Content {
    Text(Simple),
    /// These in this order, then elements of other namespaces if so.
    Sequence(&'static [Particle], Foreign),
    /// Notes if so, then one of these.
    Choice {
        noted: bool,
        one_of: &'static [Branch],
    },
}

/// Whether elements of other namespaces may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Foreign {
    None,
    Any,
}

/// One element of a sequence: its name, what it is, and how often it comes.
#[derive(Debug, Clone, Copy)]
struct Particle {
    names: &'static [&'static str],
    model: &'static Model,
    least: usize,
    most: usize,
}

/// One branch of a choice.
#[derive(Debug, Clone, Copy)]
enum Branch {
    /// Nothing at all.
    Nothing,
    Sequence(&'static [Particle], Foreign),
    /// One or more, each of these empty elements, an `other` with words, or of another namespace.
    Many(&'static [&'static str]),
    /// One or more of other namespaces.
    Foreign,
}

#[derive(Debug, Clone, Copy)]
struct Model {
    content: Content,
    attributes: Attributes,
}

/// The element as it may stand in a document that is sent; `None` where no schema would allow it.
/// `room` is the namespace whose elements do not stand there as extensions.
pub(super) fn tidy(mut element: Element, room: &str) -> Option<Element> {
    if element.namespace.is_empty() || element.namespace == room {
        return None;
    }
    clean(&mut element);
    if let Some(model) = tables::global(&element) {
        sort(&mut element, model);
    }
    is_valid(&element).then_some(element)
}

/// Repairs what clients do and no schema allows: attributes that tell a validator what to do, white
/// space around words, whole URIs escaped.
fn clean(element: &mut Element) {
    element.attributes.retain(|attribute| attribute.namespace != INSTANCE && is_attribute_valid(attribute));
    let has_schema = matches!(&*element.namespace, RPID | CIPID | CAPS | AG_PROJECTS | DATA_MODEL);
    let is_leaf = element.children().next().is_none();
    if has_schema && is_leaf {
        let mut text = element.text();
        if element.namespace == CIPID && element.name != "display-name" || element.is(RPID, "status-icon") {
            text = unescape_uri(&text);
        }
        if element.is(AG_PROJECTS, "extended") && text == "extended-away" {
            text = "away".into();
        }
        element.nodes.clear();
        if !text.is_empty() {
            element.nodes.push(Node::Text(text));
        }
    }
    for node in &mut element.nodes {
        if let Node::Element(child) = node {
            clean(child);
        }
    }
}

/// Puts the children into the order of the schema: many clients do not know that there is one.
fn sort(element: &mut Element, model: &Model) {
    let Content::Sequence(particles, _) = model.content else { return };
    let space = element.namespace.clone();
    let particle = |child: &Element| {
        let is_named = |particle: &Particle| particle.names.contains(&child.name.as_str());
        particles.iter().position(is_named).filter(|_| child.namespace == space)
    };
    let place = |node: &Node| match node {
        Node::Element(child) => particle(child).unwrap_or(particles.len()),
        Node::Text(_) => 0,
    };
    element.nodes.sort_by_key(place);
    for node in &mut element.nodes {
        if let Node::Element(child) = node
            && let Some(particle) = particle(child).and_then(|place| particles.get(place))
        {
            sort(child, particle.model);
        }
    }
}

/// Whether an element and all that is in it is valid where extensions stand.
pub(super) fn is_valid(element: &Element) -> bool {
    if !is_namespace(&element.namespace) || !element.attributes.iter().all(is_attribute_valid) {
        return false;
    }
    match tables::global(element) {
        Some(model) => fits(element, model),
        // Elements that are no extensions would be held against their own, whole schema.
        None if is_reserved(element) => false,
        None => element.children().all(is_valid),
    }
}

fn is_reserved(element: &Element) -> bool {
    let name = element.name.as_str();
    match &*element.namespace {
        PIDF => name == "presence",
        PIDF_DIFF => true,
        DATA_MODEL => matches!(name, "person" | "device"),
        _ => false,
    }
}

/// Whether a namespace has a name that readers take: some refuse a document for one that is no URI.
fn is_namespace(namespace: &Namespace) -> bool {
    match namespace {
        Namespace::Borrowed(_) => true,
        Namespace::Owned(name) => name.is_ascii() && uri::is_uri(name),
    }
}

/// Attributes of XML, of validators and of PIDF have one meaning wherever they stand.
fn is_attribute_valid(attribute: &Attribute) -> bool {
    let value = attribute.value.as_str();
    match (&*attribute.namespace, attribute.name.as_str()) {
        (INSTANCE, _) => false,
        (XML, "lang") => value.is_empty() || xml::is_language(value),
        (XML, "space") => matches!(value, "default" | "preserve"),
        (XML, "base") => uri::is_uri(value),
        (XML, "id") => is_name(value),
        (PIDF, "mustUnderstand") => Simple::Boolean.takes(value),
        _ => is_namespace(&attribute.namespace),
    }
}

fn fits(element: &Element, model: &Model) -> bool {
    let has_text =
        element.nodes.iter().any(|node| matches!(node, Node::Text(text) if !text.trim().is_empty()));
    model.attributes.allow(element)
        && match model.content {
            Content::Text(simple) => element.children().next().is_none() && simple.takes(&raw(element)),
            _ if has_text => false,
            Content::Sequence(particles, foreign) => {
                is_sequence(&element.children().collect::<Vec<_>>(), element, particles, foreign)
            }
            Content::Choice { noted, one_of } => {
                let mut children: Vec<_> = element.children().collect();
                if noted {
                    let notes =
                        children.iter().take_while(|child| child.is(&element.namespace, "note")).count();
                    if !children.drain(..notes).all(|note| fits(note, &tables::NOTE)) {
                        return false;
                    }
                }
                one_of.iter().any(|branch| branch.takes(&children, element))
            }
        }
}

fn raw(element: &Element) -> String {
    let mut text = String::new();
    for node in &element.nodes {
        if let Node::Text(more) = node {
            text.push_str(more);
        }
    }
    text
}

/// Greedy is enough: no particle of the tables can follow itself under another name.
fn is_sequence(children: &[&Element], within: &Element, particles: &[Particle], foreign: Foreign) -> bool {
    let mut rest = children;
    for particle in particles {
        let is_one = |child: &&&Element| {
            child.namespace == within.namespace && particle.names.contains(&child.name.as_str())
        };
        let count = rest.iter().take(particle.most).take_while(is_one).count();
        let Some((found, after)) = rest.split_at_checked(count) else { return false };
        if count < particle.least || !found.iter().all(|child| is_local_valid(child, particle.model)) {
            return false;
        }
        rest = after;
    }
    rest.is_empty() || foreign == Foreign::Any && rest.iter().all(|child| is_foreign(child, within))
}

fn is_local_valid(element: &Element, model: &Model) -> bool {
    element.attributes.iter().all(is_attribute_valid) && fits(element, model)
}

fn is_foreign(child: &Element, within: &Element) -> bool {
    !child.namespace.is_empty() && child.namespace != within.namespace && is_valid(child)
}

impl Branch {
    fn takes(&self, children: &[&Element], within: &Element) -> bool {
        match self {
            Self::Nothing => children.is_empty(),
            Self::Sequence(particles, foreign) => is_sequence(children, within, particles, *foreign),
            Self::Foreign => !children.is_empty() && children.iter().all(|child| is_foreign(child, within)),
            Self::Many(names) => {
                let is_one = |child: &&Element| {
                    if child.namespace != within.namespace {
                        return is_foreign(child, within);
                    }
                    match child.name.as_str() {
                        "other" => is_local_valid(child, &tables::NOTE),
                        name => names.contains(&name) && is_local_valid(child, &tables::EMPTY),
                    }
                };
                !children.is_empty() && children.iter().all(is_one)
            }
        }
    }
}

impl Attributes {
    fn allow(self, element: &Element) -> bool {
        let attributes = &element.attributes;
        let has =
            |name: &str, simple: Simple| element.attribute(name).is_some_and(|value| simple.takes(value));
        match self {
            Self::None => attributes.is_empty(),
            Self::Lang => attributes.iter().all(|found| found.namespace == XML && found.name == "lang"),
            Self::Name => attributes.len() == 1 && has("id", Simple::Any),
            Self::Numbers(names) => {
                attributes.len() == names.len() && names.iter().all(|name| has(name, Simple::Integer))
            }
            Self::Open => attributes.iter().filter(|found| found.namespace.is_empty()).all(|found| {
                let value = found.value.as_str();
                match found.name.as_str() {
                    "id" => is_name(value),
                    "from" | "until" | "last-input" => {
                        Moment::parse(value).is_some_and(|at| at.as_str() == value)
                    }
                    "idle-threshold" => {
                        value.bytes().all(|digit| digit.is_ascii_digit())
                            && value.bytes().any(|digit| digit != b'0')
                            && value.len() <= 18
                    }
                    _ => true,
                }
            }),
        }
    }
}

impl Simple {
    fn takes(self, text: &str) -> bool {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        match self {
            Self::Any => true,
            Self::Boolean => matches!(text, "true" | "false" | "1" | "0"),
            Self::Uri => uri::is_uri(text),
            Self::Integer => digits(unsigned) && unsigned.len() <= 18,
            Self::Decimal => {
                let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
                digits(whole) && digits(fraction) && unsigned.len() <= 18
            }
            Self::OneOf(words) => words.contains(&text),
        }
    }
}

/// Whether a text may be an `id` (`xs:NCName`). Letters beyond ASCII are not taken: no client needs them.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

/// The namespace whose attributes tell validators what to do.
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

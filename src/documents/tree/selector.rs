//! Node selectors: which element, attribute or namespaces of a document a request means (RFC 4825 §6.3).
//!
//! A selector is read once and looked for in trees. Every step looks at the children of one element and must
//! leave exactly one, so that the whole is linear in the document. Extension selectors are all unknown here.

use super::{Attribute, Element, Tree, escape::unescape_attribute, query::Bindings, scan};
use crate::formats::percent;

/// Why a selector is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// It has a form that only an extension could give a meaning (§8: 404).
    #[error("`{0}` is no step that is known")]
    Extension(String),
    /// A prefix that the query does not bind (§8: 400).
    #[error("prefix `{0}` is not bound by the query")]
    UnboundPrefix(String),
    /// Percent signs that encode nothing, or bytes that are no UTF-8.
    #[error("selector is not percent-encoded utf-8")]
    Encoding,
    /// The query is no XPointer.
    #[error("query is no sequence of xmlns() parts")]
    Query,
    /// Longer, or with more steps or bindings, than anybody needs.
    #[error("selector is too long")]
    TooLong,
}

/// A node selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// From the root; never empty.
    pub(super) steps: Vec<Step>,
    /// What is asked of the last step's element.
    pub(super) terminal: Terminal,
}

/// What a selector asks of the element that its steps lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Terminal {
    /// The element itself.
    Element,
    /// An attribute of it.
    Attribute(AttributeName),
    /// The namespace bindings in scope.
    Namespaces,
}

/// The expanded name of an attribute, and the prefix that the request gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeName {
    pub(super) prefix: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
}

/// `name[position][@attribute="value"]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) name: NameTest,
    /// Counted from 1.
    pub(super) position: Option<usize>,
    pub(super) test: Option<(AttributeName, String)>,
    /// As it was written, percent-decoded.
    source: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NameTest {
    Any,
    Name { namespace: Option<String>, name: String },
}

/// What a selector found.
#[derive(Debug, Clone, Copy)]
pub enum Selected<'a> {
    Element(Element<'a>),
    Attribute(Attribute<'a>),
    /// The namespace bindings in scope for this element.
    Namespaces(Element<'a>),
}

impl Selector {
    /// Reads what stands behind `/~~/` and the query, both as they came in the request. Names without prefix
    /// are in the default namespace of the application.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(path: &str, query: Option<&str>, namespace: Option<&str>) -> Result<Self, SelectorError> {
        if path.len() + query.map_or(0, str::len) > LONGEST {
            return Err(SelectorError::TooLong);
        }
        let path = percent::decode(path).ok_or(SelectorError::Encoding)?;
        let query = percent::decode(query.unwrap_or_default()).ok_or(SelectorError::Encoding)?;
        let reader = Reader { bindings: Bindings::parse(&query)?, namespace };
        let mut parts = split_steps(&path);
        if parts.len() > MOST_STEPS {
            return Err(SelectorError::TooLong);
        }
        let terminal = match parts.last() {
            Some(last) if *last == "namespace::*" => Terminal::Namespaces,
            Some(last) if last.starts_with('@') => {
                let name = last.get(1..).unwrap_or_default();
                Terminal::Attribute(reader.attribute_name(name).map_err(|fault| fault.or(last))?)
            }
            _ => Terminal::Element,
        };
        if terminal != Terminal::Element {
            parts.pop();
        }
        let read = |part: &&str| reader.step(part).map_err(|fault| fault.or(part));
        let steps = parts.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if steps.is_empty() {
            return Err(SelectorError::Extension(path.into_owned()));
        }
        Ok(Self { steps, terminal })
    }

    /// What is asked of the element that the steps lead to.
    #[must_use]
    pub fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    /// Whether it means the root element, and so all of a document.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.steps.len() == 1 && self.terminal == Terminal::Element
    }

    /// What it means in a document. Nothing where a step leads to no element, or to several.
    #[must_use]
    pub fn select<'a>(&self, tree: &'a Tree) -> Option<Selected<'a>> {
        let element = select_all(&self.steps, tree)?;
        match &self.terminal {
            Terminal::Element => Some(Selected::Element(element)),
            Terminal::Attribute(name) => name.find(element).map(Selected::Attribute),
            Terminal::Namespaces => Some(Selected::Namespaces(element)),
        }
    }

    /// The start of the selector that leads to an element, percent-decoded, as far as it does in this
    /// document; none where not even its first step does.
    #[must_use]
    pub fn existing_part(&self, tree: &Tree) -> Option<String> {
        let mut found = 0;
        let mut context = None;
        for step in &self.steps {
            match step.select(tree, context) {
                Some(element) => context = Some(element),
                None => break,
            }
            found += 1;
        }
        let sources: Vec<&str> = self.steps.iter().take(found).map(|step| step.source.as_str()).collect();
        (!sources.is_empty()).then(|| sources.join("/"))
    }
}

/// Follows steps from the root of a document.
pub(super) fn select_all<'a>(steps: &[Step], tree: &'a Tree) -> Option<Element<'a>> {
    steps.iter().try_fold(None, |context, step| step.select(tree, context).map(Some))?
}

impl Step {
    /// The one element that it means within another; without context, the root where it means that.
    pub(super) fn select<'a>(&self, tree: &'a Tree, context: Option<Element<'a>>) -> Option<Element<'a>> {
        let root = context.is_none().then(|| tree.root());
        let candidates = root.into_iter().chain(context.into_iter().flat_map(Element::elements));
        let named = candidates.filter(|element| self.name.matches(*element));
        let mut found = None;
        for (before, element) in named.enumerate() {
            if self.position.is_some_and(|position| position != before + 1) || !self.is_passed_by(element) {
                continue;
            }
            if found.replace(element).is_some() {
                return None;
            }
        }
        found
    }

    fn is_passed_by(&self, element: Element<'_>) -> bool {
        let Some((name, value)) = &self.test else { return true };
        name.find(element).is_some_and(|attribute| attribute.value() == value.as_str())
    }
}

impl NameTest {
    pub(super) fn matches(&self, element: Element<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Name { namespace, name } => {
                element.name() == name && element.namespace() == namespace.as_deref()
            }
        }
    }
}

impl AttributeName {
    pub(super) fn find<'a>(&self, element: Element<'a>) -> Option<Attribute<'a>> {
        element.find_attribute(self.namespace.as_deref(), &self.name)
    }
}

/// Why a part of a selector has no meaning.
enum Fault {
    Unknown,
    UnboundPrefix(String),
}

impl Fault {
    /// As the error of the part in which it was found.
    fn or(self, part: &str) -> SelectorError {
        match self {
            Self::Unknown => SelectorError::Extension(part.to_owned()),
            Self::UnboundPrefix(prefix) => SelectorError::UnboundPrefix(prefix),
        }
    }
}

/// Gives names their namespaces.
struct Reader<'a> {
    bindings: Bindings,
    namespace: Option<&'a str>,
}

impl Reader<'_> {
    fn step(&self, part: &str) -> Result<Step, Fault> {
        let (name, predicates) = part.split_at(part.find('[').unwrap_or(part.len()));
        let name = match name {
            "*" => NameTest::Any,
            name => {
                let (prefix, local) = split_name(name)?;
                let namespace = match prefix {
                    None => self.namespace.map(str::to_owned),
                    Some(prefix) => Some(self.bound(prefix)?),
                };
                NameTest::Name { namespace, name: local.to_owned() }
            }
        };
        let (position, rest) = take_position(predicates)?;
        let test = self.test(rest)?;
        Ok(Step { name, position, test, source: part.to_owned() })
    }

    /// `[@name="value"]`, or nothing.
    fn test(&self, text: &str) -> Result<Option<(AttributeName, String)>, Fault> {
        if text.is_empty() {
            return Ok(None);
        }
        let inside = text.strip_prefix("[@").and_then(|text| text.strip_suffix(']')).ok_or(Fault::Unknown)?;
        let (name, value) = inside.split_once('=').ok_or(Fault::Unknown)?;
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\'')).ok_or(Fault::Unknown)?;
        let value = value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
        let value = value.filter(|value| !value.contains([quote, '<'])).ok_or(Fault::Unknown)?;
        Ok(Some((self.attribute_name(name)?, unescape_attribute(value).into_owned())))
    }

    fn attribute_name(&self, text: &str) -> Result<AttributeName, Fault> {
        let (prefix, local) = split_name(text)?;
        let namespace = prefix.map(|prefix| self.bound(prefix)).transpose()?;
        Ok(AttributeName { prefix: prefix.map(str::to_owned), namespace, name: local.to_owned() })
    }

    fn bound(&self, prefix: &str) -> Result<String, Fault> {
        if prefix == "xml" {
            return Ok(crate::formats::xml::XML.to_owned());
        }
        let uri = self.bindings.find(prefix);
        uri.map(str::to_owned).ok_or_else(|| Fault::UnboundPrefix(prefix.to_owned()))
    }
}

/// `[1]` at the start of predicates, and what follows.
fn take_position(text: &str) -> Result<(Option<usize>, &str), Fault> {
    if text.is_empty() || text.starts_with("[@") {
        return Ok((None, text));
    }
    let (digits, rest) =
        text.strip_prefix('[').and_then(|text| text.split_once(']')).ok_or(Fault::Unknown)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::Unknown);
    }
    // A number too large for us is larger than any document, too.
    Ok((Some(digits.parse().unwrap_or(usize::MAX)), rest))
}

/// Prefix and local part of a qualified name.
fn split_name(text: &str) -> Result<(Option<&str>, &str), Fault> {
    let (prefix, local) = match text.split_once(':') {
        None => (None, text),
        Some((prefix, local)) => (Some(prefix), local),
    };
    let is_name = prefix.is_none_or(scan::is_name) && scan::is_name(local);
    if is_name { Ok((prefix, local)) } else { Err(Fault::Unknown) }
}

/// Parts between slashes, those within quoted values not counted.
fn split_steps(path: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut quote = None;
    let mut start = 0;
    for (at, byte) in path.bytes().enumerate() {
        match (quote, byte) {
            (None, b'/') => {
                parts.push(path.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    parts.push(path.get(start..).unwrap_or_default());
    parts
}

/// Bytes of a selector and its query.
const LONGEST: usize = 8192;
const MOST_STEPS: usize = 128;

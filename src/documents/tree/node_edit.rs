//! What PUT and DELETE of a node do to a document (RFC 4825 §8.2, §8.4).
//!
//! Each is decided on the tree, made by splicing, and then looked for in what came of it: the same selector
//! must mean what was put there, or nothing after a removal. Schemas are somebody else's.

use super::{
    Edits, Element, ParseError, Selected, Selector, Terminal, Tree, TreeLimits,
    edit::{EditError, end_of_attributes},
    escape::unescape_attribute,
    insert::{Place, find_place},
    scan::Scanner,
    selector::{AttributeName, select_all},
    splice,
};

/// Why a node cannot be put or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeEditError {
    /// Nothing, or more than one thing, is selected for removal.
    #[error("nothing is selected")]
    NotFound,
    /// Namespace bindings can only be read.
    #[error("namespace bindings can only be read")]
    ReadOnly,
    /// The element into which the new node should go is not there.
    #[error("there is no such parent")]
    NoParent,
    /// The content is not one well-balanced element.
    #[error("content is not one element: {0}")]
    NotAnElement(ParseError),
    /// The content is not a quoted attribute value.
    #[error("content is not an attribute value")]
    NotAnAttributeValue,
    #[error("content is not in utf-8")]
    NotUtf8,
    /// The selector would not mean the new content.
    #[error("the selector would not mean what is put there")]
    CannotInsert,
    /// The selector would mean something else after the removal.
    #[error("the selector would mean something else after the removal")]
    CannotDelete,
    /// A document without root would remain.
    #[error("the root element cannot be removed")]
    Root,
    /// The document would break a limit.
    #[error(transparent)]
    Document(ParseError),
}

/// A document after a node was put.
#[derive(Debug, Clone)]
pub struct Edited {
    pub tree: Tree,
    /// The node was not there before.
    pub is_new: bool,
}

impl Selector {
    /// Puts an element or an attribute where the selector means it: replaces it, or creates it in the place
    /// that §8.2.3 asks for.
    ///
    /// # Errors
    /// What stands in the way; nothing is changed then.
    pub fn put(&self, tree: &Tree, content: &[u8], limits: &TreeLimits) -> Result<Edited, NodeEditError> {
        match &self.terminal {
            Terminal::Element => self.put_element(tree, content, limits),
            Terminal::Attribute(name) => self.put_attribute(name, tree, content, limits),
            Terminal::Namespaces => Err(NodeEditError::ReadOnly),
        }
    }

    /// Takes away what the selector means.
    ///
    /// # Errors
    /// What stands in the way; nothing is changed then.
    pub fn remove(&self, tree: &Tree, limits: &TreeLimits) -> Result<Tree, NodeEditError> {
        let mut edits = Edits::of(tree);
        match self.select(tree).ok_or(NodeEditError::NotFound)? {
            Selected::Namespaces(_) => return Err(NodeEditError::ReadOnly),
            Selected::Element(element) if element == tree.root() => return Err(NodeEditError::Root),
            Selected::Element(element) => edits.remove(element),
            Selected::Attribute(attribute) => edits.remove_attribute(attribute),
        };
        let changed = apply(&edits, limits)?;
        match self.select(&changed) {
            None => Ok(changed),
            Some(_) => Err(NodeEditError::CannotDelete),
        }
    }

    fn put_element(&self, tree: &Tree, content: &[u8], limits: &TreeLimits) -> Result<Edited, NodeEditError> {
        let Some((target, above)) = self.steps.split_last() else { return Err(NodeEditError::NoParent) };
        let parent = match above {
            [] => None,
            above => Some(select_all(above, tree).ok_or(NodeEditError::NoParent)?),
        };
        let fragment = Tree::parse_fragment(content, parent, limits).map_err(|fault| match fault {
            ParseError::NotUtf8 => NodeEditError::NotUtf8,
            ParseError::TooLarge { .. } => NodeEditError::Document(fault),
            fault => NodeEditError::NotAnElement(fault),
        })?;
        let new = fragment.root();
        let replaced = target.select(tree, parent);
        let (start, changed) = match (replaced, parent) {
            (Some(old), _) => (old.span().start, replace(tree, old, &fragment, limits)?),
            // A second root.
            (None, None) => return Err(NodeEditError::CannotInsert),
            (None, Some(parent)) => {
                let place = find_place(parent, target, new).ok_or(NodeEditError::CannotInsert)?;
                insert(tree, parent, place, &fragment, limits)?
            }
        };
        match self.select(&changed) {
            Some(Selected::Element(found)) if found.span() == (start..start + new.source().len()) => {}
            _ => return Err(NodeEditError::CannotInsert),
        }
        Ok(Edited { tree: changed, is_new: replaced.is_none() })
    }

    fn put_attribute(
        &self,
        name: &AttributeName,
        tree: &Tree,
        content: &[u8],
        limits: &TreeLimits,
    ) -> Result<Edited, NodeEditError> {
        let element = select_all(&self.steps, tree).ok_or(NodeEditError::NoParent)?;
        let quoted = attribute_value(content)?;
        let mut edits = Edits::of(tree);
        let replaced = name.find(element);
        match replaced {
            Some(attribute) => edits.splice(attribute.quoted_span(), quoted),
            None => {
                let written = name.written_in(element)?;
                edits.insert_at(end_of_attributes(element), &format!(" {written}={quoted}"))
            }
        };
        let changed = apply(&edits, limits)?;
        let inside = quoted.get(1..quoted.len() - 1).unwrap_or_default();
        match self.select(&changed) {
            Some(Selected::Attribute(found)) if found.value() == unescape_attribute(inside) => {}
            _ => return Err(NodeEditError::CannotInsert),
        }
        Ok(Edited { tree: changed, is_new: replaced.is_none() })
    }
}

/// The tree with another element in the place of one.
fn replace(tree: &Tree, old: Element<'_>, new: &Tree, limits: &TreeLimits) -> Result<Tree, NodeEditError> {
    if let Some(changed) = splice::replace(tree, old, new, limits) {
        return Ok(changed);
    }
    let mut edits = Edits::of(tree);
    edits.replace(old, new.root().source());
    apply(&edits, limits)
}

/// The tree with a new element in its place, and where it starts.
fn insert<'a>(
    tree: &'a Tree,
    parent: Element<'a>,
    place: Place<'a>,
    new: &Tree,
    limits: &TreeLimits,
) -> Result<(usize, Tree), NodeEditError> {
    let source = new.root().source();
    let mut edits = Edits::of(tree);
    let start = match place {
        Place::Last => {
            edits.append(parent, source);
            // The `/` of an empty-element tag becomes its `>`.
            let is_empty_tag = parent.data().is_some_and(|data| data.is_empty_tag);
            parent.content_span().end + usize::from(is_empty_tag)
        }
        Place::Before(sibling) => {
            edits.insert_before(sibling, source);
            sibling.span().start
        }
        Place::After(sibling) => {
            edits.insert_after(sibling, source);
            sibling.span().end
        }
    };
    let changed = match splice::insert(tree, parent, place, new, limits) {
        Some(changed) => changed,
        None => apply(&edits, limits)?,
    };
    Ok((start, changed))
}

fn apply(edits: &Edits<'_>, limits: &TreeLimits) -> Result<Tree, NodeEditError> {
    edits.apply(limits).map_err(|fault| match fault {
        EditError::Parse(fault) => NodeEditError::Document(fault),
        // One edit cannot overlap with itself.
        EditError::Overlap => NodeEditError::CannotInsert,
    })
}

/// The content of a request as `AttValue`, with its quotes; white space around it does not count.
fn attribute_value(content: &[u8]) -> Result<&str, NodeEditError> {
    let text = str::from_utf8(content).map_err(|_| NodeEditError::NotUtf8)?;
    let trimmed = text.trim_matches([' ', '\t', '\r', '\n']);
    let mut scanner = Scanner::new(trimmed.as_bytes()).map_err(|_| NodeEditError::NotAnAttributeValue)?;
    scanner.take_value().map_err(|_| NodeEditError::NotAnAttributeValue)?;
    if scanner.at == trimmed.len() { Ok(trimmed) } else { Err(NodeEditError::NotAnAttributeValue) }
}

impl AttributeName {
    /// The name as it can be written in the tag of an element: with a prefix that means its namespace there;
    /// else with the request's prefix and its declaration, where that prefix is free.
    fn written_in(&self, element: Element<'_>) -> Result<String, NodeEditError> {
        let Self { name, .. } = self;
        let Some(namespace) = &self.namespace else { return Ok(name.clone()) };
        if namespace == crate::formats::xml::XML {
            return Ok(format!("xml:{name}"));
        }
        let bindings = element.bindings();
        let known = bindings.iter().find(|(prefix, uri)| !prefix.is_empty() && uri == namespace);
        if let Some((prefix, _)) = known {
            return Ok(format!("{prefix}:{name}"));
        }
        let prefix = self.prefix.as_deref().unwrap_or_default();
        let is_free = !prefix.is_empty() && bindings.iter().all(|(known, _)| *known != prefix);
        if !is_free {
            return Err(NodeEditError::CannotInsert);
        }
        let uri = super::escape_attribute(namespace);
        Ok(format!("xmlns:{prefix}=\"{uri}\" {prefix}:{name}"))
    }
}

//! A document as a tree over its own bytes: read strictly, looked into by node selectors (RFC 4825 §6),
//! changed by splicing, so that white space, comments, prefixes and whatever nobody here knows stay as they
//! came.
//!
//! Every node knows its bytes. Nothing is written anew that was not asked to be: an edit replaces the bytes of
//! what it means and no others, and its result is read again before anybody sees it. No tree is ever built
//! that is not well-formed with namespaces resolved.

mod arena;
mod edit;
mod element;
mod error;
mod escape;
mod insert;
mod node_edit;
mod parse;
mod query;
mod scan;
mod selector;
mod splice;
#[cfg(test)]
mod tests;

pub use edit::{EditError, Edits};
pub use element::{Attribute, Element, Node};
pub use error::ParseError;
pub use escape::{escape_attribute, escape_text};
pub use node_edit::{Edited, NodeEditError};
pub(super) use scan::is_name;
pub use selector::{Selected, Selector, SelectorError, Terminal};

use bytes::Bytes;

use arena::{AttributeData, DeclarationData, NodeData};

/// Bounds of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeLimits {
    /// Most bytes of the text; never more than 16 MiB.
    pub bytes: usize,
    /// Most elements, texts, comments and instructions together.
    pub nodes: usize,
    /// Deepest nesting of elements; the root counts 1.
    pub depth: usize,
    /// Most attributes and declarations of one element.
    pub attributes: usize,
    /// Most namespace declarations that an element may stand under, those of its ancestors and its own.
    pub declarations: usize,
}

impl Default for TreeLimits {
    fn default() -> Self {
        Self { bytes: 1024 * 1024, nodes: 128 * 1024, depth: 64, attributes: 64, declarations: 128 }
    }
}

/// A well-formed document: its bytes, and where everything is in them. Cheap to look into, not to clone.
#[derive(Debug, Clone)]
pub struct Tree {
    text: String,
    /// In document order; the first is the root element.
    nodes: Vec<NodeData>,
    attributes: Vec<AttributeData>,
    /// What `xmlns` attributes say, in document order; those from outside a fragment come first.
    declarations: Vec<DeclarationData>,
}

impl Tree {
    /// Reads a document in UTF-8, with or without byte order mark and XML declaration. A document type is
    /// refused, so that no entity but XML's own five is ever known.
    ///
    /// # Errors
    /// What is wrong and where, or the limit that it breaks.
    pub fn parse(text: impl AsRef<[u8]>, limits: &TreeLimits) -> Result<Self, ParseError> {
        parse::document(text.as_ref(), limits)
    }

    /// Reads one element that is to stand within `parent`, whose namespace declarations hold for it. White
    /// space around it is allowed, other content is not.
    ///
    /// # Errors
    /// As [`Tree::parse`].
    pub fn parse_fragment(
        text: impl AsRef<[u8]>,
        parent: Option<Element<'_>>,
        limits: &TreeLimits,
    ) -> Result<Self, ParseError> {
        parse::fragment(text.as_ref(), parent, limits)
    }

    /// The outermost element.
    #[must_use]
    pub fn root(&self) -> Element<'_> {
        Element { tree: self, id: 0 }
    }

    /// The document as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The document as it was written.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        Bytes::from(self.text)
    }

    /// What it takes to keep, about, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.text.len()
            + self.nodes.len() * size_of::<NodeData>()
            + self.attributes.len() * size_of::<AttributeData>()
            + self.declarations.len() * size_of::<DeclarationData>()
    }

    /// How many elements, texts, comments and instructions there are.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }
}

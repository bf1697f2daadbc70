//! Changing a tree by changing its bytes, and no more of them than asked.
//!
//! Edits are gathered on one tree and applied together; places are always those of that tree. What they give
//! is read again: an edit that would break the document, or a limit, is an error and changes nothing.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    ops::Range,
};

use super::{Attribute, Element, ParseError, Tree, TreeLimits, escape::escape_attribute};

/// Why edits cannot be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Two of them are about the same bytes.
    #[error("two edits are about the same bytes")]
    Overlap,
    /// What they give is no document that is allowed.
    #[error(transparent)]
    Parse(#[from] ParseError),
}

/// Edits of one tree, gathered.
#[derive(Debug, Clone)]
pub struct Edits<'a> {
    tree: &'a Tree,
    /// By start and end. What is inserted at one place stands in the order in which it was asked for.
    splices: BTreeMap<(usize, usize), String>,
    /// The same bytes were to become two things.
    is_contradictory: bool,
    /// What comes into elements that are written as `<empty/>`, by element.
    openings: BTreeMap<u32, String>,
}

impl<'a> Edits<'a> {
    /// No edits yet.
    #[must_use]
    pub fn of(tree: &'a Tree) -> Self {
        Self { tree, splices: BTreeMap::new(), is_contradictory: false, openings: BTreeMap::new() }
    }

    /// Whether nothing was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.splices.is_empty() && self.openings.is_empty()
    }

    /// Puts markup at the end of an element, just before its end tag.
    pub fn append(&mut self, parent: Element<'a>, markup: &str) -> &mut Self {
        if parent.data().is_some_and(|data| data.is_empty_tag) {
            self.openings.entry(parent.id).or_default().push_str(markup);
            return self;
        }
        let end = parent.content_span().end;
        self.insert_at(end, markup)
    }

    /// Puts markup just before an element.
    pub fn insert_before(&mut self, element: Element<'a>, markup: &str) -> &mut Self {
        self.insert_at(element.span().start, markup)
    }

    /// Puts markup just behind an element.
    pub fn insert_after(&mut self, element: Element<'a>, markup: &str) -> &mut Self {
        self.insert_at(element.span().end, markup)
    }

    /// Puts markup in the place of an element.
    pub fn replace(&mut self, element: Element<'a>, markup: &str) -> &mut Self {
        self.splice(element.span(), markup)
    }

    /// Puts markup in the place of all that is between an element's tags.
    pub fn replace_content(&mut self, element: Element<'a>, markup: &str) -> &mut Self {
        if element.data().is_some_and(|data| data.is_empty_tag) {
            self.openings.insert(element.id, markup.to_owned());
            return self;
        }
        self.splice(element.content_span(), markup)
    }

    /// Takes an element away; white space around it stays (RFC 4825 §8.4).
    pub fn remove(&mut self, element: Element<'a>) -> &mut Self {
        self.splice(element.span(), "")
    }

    /// Gives an attribute without prefix a value, whether it was there or not.
    pub fn set_attribute(&mut self, element: Element<'a>, name: &str, value: &str) -> &mut Self {
        let quoted = format!("\"{}\"", escape_attribute(value));
        match element.find_attribute(None, name) {
            Some(attribute) => self.splice(attribute.quoted_span(), &quoted),
            None => self.insert_at(end_of_attributes(element), &format!(" {name}={quoted}")),
        }
    }

    /// Takes an attribute away, with the white space before it.
    pub fn remove_attribute(&mut self, attribute: Attribute<'a>) -> &mut Self {
        let Range { start, end } = attribute.span();
        let before = self.tree.text.get(..start).unwrap_or_default();
        self.splice(before.trim_end_matches([' ', '\t', '\r', '\n']).len()..end, "")
    }

    /// Puts text at a place.
    pub(super) fn insert_at(&mut self, at: usize, text: &str) -> &mut Self {
        self.splice(at..at, text)
    }

    /// Puts text in the place of other text.
    pub(super) fn splice(&mut self, place: Range<usize>, text: &str) -> &mut Self {
        let is_insertion = place.is_empty();
        let known = self.splices.entry((place.start, place.end));
        self.is_contradictory |= !is_insertion && matches!(known, Entry::Occupied(_));
        known.or_default().push_str(text);
        self
    }

    /// The document as it becomes.
    ///
    /// # Errors
    /// Edits overlap, or give something that is no document within the limits.
    pub fn apply(&self, limits: &TreeLimits) -> Result<Tree, EditError> {
        Ok(Tree::parse(self.print()?, limits)?)
    }

    fn print(&self) -> Result<String, EditError> {
        if self.is_contradictory {
            return Err(EditError::Overlap);
        }
        let mut splices = self.splices.clone();
        for (id, inside) in &self.openings {
            let element = Element { tree: self.tree, id: *id };
            let opened = format!(">{inside}</{}>", element.qualified_name());
            splices.entry((element.content_span().start, element.span().end)).or_default().push_str(&opened);
        }
        let text = &self.tree.text;
        let mut out = String::with_capacity(text.len() + splices.values().map(String::len).sum::<usize>());
        let mut at = 0;
        for ((start, end), inserted) in &splices {
            let kept = text.get(at..*start).ok_or(EditError::Overlap)?;
            out.push_str(kept);
            out.push_str(inserted);
            at = *end;
        }
        out.push_str(text.get(at..).unwrap_or_default());
        Ok(out)
    }
}

/// Where another attribute goes: behind the last one, or behind the name.
pub(super) fn end_of_attributes(element: Element<'_>) -> usize {
    let tag_end = element.content_span().start;
    let is_empty_tag = element.data().is_some_and(|data| data.is_empty_tag);
    let before = element.tree.text.get(..if is_empty_tag { tag_end } else { tag_end.saturating_sub(1) });
    before.unwrap_or_default().trim_end_matches([' ', '\t', '\r', '\n']).len()
}

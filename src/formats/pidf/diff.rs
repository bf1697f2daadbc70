//! Partial presence documents (RFC 5262): the patch operations (RFC 5261) that make one composed document
//! of another, for a client that keeps the text of the last one.
//!
//! Elements are followed by their ids where they have one, else by their place among those of the same
//! name. Operations apply one after the other: within an element first from its end what changes and
//! goes, at which nothing before it moves; then from its beginning what is new, after its predecessor.

use std::fmt::Write as _;

use compact_str::{CompactString, format_compact};

use super::{
    PIDF, PIDF_DIFF,
    element::{Attribute, Element, Node},
    model::Document,
    schema::is_name,
    tree::tree_of,
    write::{PROLOG, Prefixes, Writer},
};
use crate::formats::xml::push_text;

/// The operations as a document; `None` where no such document could say it.
pub(super) fn print_diff(old: &Document, new: &Document, version: u32) -> Option<String> {
    if old.entity != new.entity {
        return None;
    }
    let (old, new) = (tree_of(old, PIDF), tree_of(new, PIDF));
    let prefixes = Prefixes::new(PIDF).without_local().with("p", PIDF_DIFF).knowing(&old).knowing(&new);
    let mut writer = Writer { out: String::with_capacity(1024), prefixes };
    writer.out.push_str(PROLOG);
    writer.out.push_str("<p:pidf-diff");
    writer.push_declarations();
    writer.push_attribute("version", &format_compact!("{version}"));
    writer.push_attribute("entity", new.attribute("entity").unwrap_or_default());
    writer.out.push('>');
    let mut patch = Patch { writer };
    patch.diff_children(&old, &new, "*")?;
    patch.writer.out.push_str("</p:pidf-diff>");
    Some(patch.writer.out)
}

struct Patch {
    writer: Writer,
}

/// What an element is told apart by among its siblings: its name, its id, and which of those with both
/// the same it is.
type Key<'a> = (&'a str, &'a str, Option<&'a str>, usize);

fn keys(element: &Element) -> Vec<(Key<'_>, &Element)> {
    let mut keys: Vec<(Key<'_>, &Element)> = Vec::new();
    for child in element.children() {
        let id = child.attribute("id").filter(|id| is_name(id));
        let like =
            |(key, _): &&(Key<'_>, &Element)| key.0 == child.namespace && key.1 == child.name && key.2 == id;
        let count = keys.iter().filter(like).count();
        keys.push(((&child.namespace, &child.name, id, count), child));
    }
    keys
}

impl Patch {
    /// The operations within an element at `path`; `None` where they cannot say it.
    fn diff(&mut self, old: &Element, new: &Element, path: &str) -> Option<()> {
        self.diff_attributes(old, new, path);
        let has_text = |element: &Element| element.nodes.iter().any(|node| matches!(node, Node::Text(_)));
        let has_elements = |element: &Element| element.children().next().is_some();
        match (has_text(old) || has_text(new), has_elements(old) || has_elements(new)) {
            (true, true) => return None,
            (true, false) => self.diff_text(old, new, path),
            (false, _) => self.diff_children(old, new, path)?,
        }
        Some(())
    }

    fn diff_text(&mut self, old: &Element, new: &Element, path: &str) {
        let text = |element: &Element| {
            element.nodes.iter().find_map(|node| match node {
                Node::Text(text) => Some(text.clone()),
                Node::Element(_) => None,
            })
        };
        match (text(old), text(new)) {
            (Some(before), Some(after)) if before == after => {}
            (Some(_), Some(after)) => {
                self.push_text_operation("replace", &format!("{path}/text()"), None, &after)
            }
            (None, Some(after)) => self.push_text_operation("add", path, None, &after),
            (Some(_), None) => self.push_remove(&format!("{path}/text()")),
            (None, None) => {}
        }
    }

    fn diff_attributes(&mut self, old: &Element, new: &Element, path: &str) {
        let find = |within: &Element, wanted: &Attribute| {
            let found = within.attributes.iter();
            found.clone().find(|one| one.name == wanted.name && one.namespace == wanted.namespace).cloned()
        };
        for attribute in &old.attributes {
            if find(new, attribute).is_none() {
                let name = self.writer.prefixes.attribute_name(&attribute.namespace, &attribute.name);
                self.push_remove(&format!("{path}/@{name}"));
            }
        }
        for attribute in &new.attributes {
            let name = self.writer.prefixes.attribute_name(&attribute.namespace, &attribute.name);
            match find(old, attribute) {
                Some(before) if before.value == attribute.value => {}
                Some(_) => {
                    self.push_text_operation("replace", &format!("{path}/@{name}"), None, &attribute.value);
                }
                None => self.push_text_operation("add", path, Some(&name), &attribute.value),
            }
        }
    }

    fn diff_children(&mut self, old: &Element, new: &Element, path: &str) -> Option<()> {
        if old.nodes.len().max(new.nodes.len()) > SIBLINGS {
            return None;
        }
        let (before, after) = (keys(old), keys(new));
        let place = |key: &Key<'_>| after.iter().position(|(other, _)| other == key);
        let kept: Vec<usize> = before.iter().filter_map(|(key, _)| place(key)).collect();
        let in_order = kept.iter().zip(kept.iter().skip(1)).all(|(one, next)| one < next);
        let old_children: Vec<&Element> = old.children().collect();
        let new_children: Vec<&Element> = new.children().collect();
        for (index, (key, child)) in before.iter().enumerate().rev() {
            let step = self.step(&old_children, index)?;
            let path = format!("{path}/{step}");
            match after.iter().find(|(other, _)| other == key).filter(|_| in_order) {
                Some((_, same)) if same == child => {}
                Some((_, changed)) => self.change(child, changed, &path),
                None => self.push_remove(&path),
            }
        }
        for (index, (key, child)) in after.iter().enumerate() {
            if in_order && before.iter().any(|(other, _)| other == key) {
                continue;
            }
            match index.checked_sub(1) {
                None => self.push_add(path, Some("prepend"), child),
                Some(previous) => {
                    let step = self.step(&new_children, previous)?;
                    self.push_add(&format!("{path}/{step}"), Some("after"), child);
                }
            }
        }
        Some(())
    }

    /// The operations within an element, or the new element where that is shorter.
    fn change(&mut self, old: &Element, new: &Element, path: &str) {
        let start = self.writer.out.len();
        let is_said = self.diff(old, new, path).is_some();
        let within = self.writer.out.split_off(start);
        self.push_operation("replace", path, &[]);
        self.writer.push_element(new);
        self.writer.out.push_str("</p:replace>");
        if is_said && within.len() < self.writer.out.len() - start {
            self.writer.out.truncate(start);
            self.writer.out.push_str(&within);
        }
    }

    /// How the element at `index` of `siblings` is found among them.
    fn step(&self, siblings: &[&Element], index: usize) -> Option<CompactString> {
        let element = siblings.get(index)?;
        // Without namespace there is no name for it: a name without prefix has the default namespace.
        let Some(name) = self.writer.prefixes.element_name(element).filter(|_| !element.namespace.is_empty())
        else {
            return Some(format_compact!("*[{}]", index + 1));
        };
        let like = |one: &&&Element| one.name == element.name && one.namespace == element.namespace;
        let id = element.attribute("id").filter(|id| is_name(id));
        if let Some(id) = id
            && siblings.iter().filter(like).filter(|one| one.attribute("id") == Some(id)).count() == 1
        {
            return Some(format_compact!("{name}[@id='{id}']"));
        }
        let before = siblings.get(..index)?.iter().filter(like).count();
        let is_only = siblings.iter().filter(like).count() == 1;
        Some(if is_only { name } else { format_compact!("{name}[{}]", before + 1) })
    }

    fn push_add(&mut self, path: &str, position: Option<&str>, element: &Element) {
        let position = position.map(|position| ("pos", position));
        self.push_operation("add", path, position.as_slice());
        self.writer.push_element(element);
        self.writer.out.push_str("</p:add>");
    }

    /// A text is what the operation holds; `attribute`: it is that attribute's value.
    fn push_text_operation(&mut self, name: &str, path: &str, attribute: Option<&str>, text: &str) {
        let kind = attribute.map(|attribute| format!("@{attribute}"));
        let kind = kind.as_deref().map(|kind| ("type", kind));
        self.push_operation(name, path, kind.as_slice());
        push_text(&mut self.writer.out, text);
        let _ = write!(self.writer.out, "</p:{name}>");
    }

    fn push_remove(&mut self, path: &str) {
        let _ = write!(self.writer.out, "<p:remove");
        self.writer.push_attribute("sel", path);
        self.writer.out.push_str("/>");
    }

    fn push_operation(&mut self, name: &str, path: &str, more: &[(&str, &str)]) {
        let _ = write!(self.writer.out, "<p:{name}");
        self.writer.push_attribute("sel", path);
        for (attribute, value) in more {
            self.writer.push_attribute(attribute, value);
        }
        self.writer.out.push('>');
    }
}

/// Most elements side by side that are followed; the work grows with their square.
const SIBLINGS: usize = 256;

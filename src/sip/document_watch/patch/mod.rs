//! How a document became another, in the operations of RFC 5261: the smallest places that hold what changed, and
//! there attributes and children. Where that is longer than the document its reader fetches it (RFC 5875 §4.7).
//!
//! Selectors count nodes (`*/*[2]`), so that they need no namespaces; what is put in declares what holds where it
//! goes. Operations are applied one after the other, each on what the one before left, so every place is counted
//! in a copy that they are applied to as they are written.
//!
//! How much work a patch may be is given by whoever asks for it; where that is not enough, its reader fetches the
//! document. [`Patches`] keeps the last ones for all who follow the same document.

mod children;
mod shared;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use compact_str::CompactString;

pub(in crate::sip) use shared::Patches;

use super::gather::inherited;
use crate::{
    documents::{Attribute, Element, Tree, TreeLimits, escape_text},
    formats::{xcap_diff::push_bindings, xml::XML},
};

/// The operations that make `new` of `old`, whose elements have this prefix: none where both mean the same, and
/// `None` where there are none that are shorter than the document. Takes what it costs from `work`, and gives up where
/// that is not enough.
fn patch(old: &Bytes, new: &Bytes, prefix: &str, work: &mut usize) -> Option<String> {
    let limits = TreeLimits::default();
    spend(work, (old.len() + new.len()) / PARSED)?;
    let (old, new) = (Tree::parse(old, &limits).ok()?, Tree::parse(new, &limits).ok()?);
    if around(&old)? != around(&new)? {
        return None;
    }
    let (one, other) = (old.root(), new.root());
    let mut operations = Operations { prefix, text: String::new(), left: MOST, work };
    let is_worth_it = |text: &str| text.len() < new.as_str().len();
    if operations.compare(one, other, ROOT).is_none() || !is_worth_it(&operations.text) {
        operations.text.clear();
        operations.left = MOST;
        operations.push("replace", ROOT, "", other.source())?;
    }
    is_worth_it(&operations.text).then_some(operations.text)
}

/// Comments and instructions before the root element and behind it, which are not patched. The XML declaration and
/// white space there mean nothing (Canonical XML 1.0 §1.1).
fn around(tree: &Tree) -> Option<(Vec<&str>, Vec<&str>)> {
    let (text, span) = (tree.as_str(), tree.root().span());
    let mut before = markup(text.get(..span.start)?)?;
    before.retain(|markup| !markup.starts_with("<?xml ") && !markup.starts_with("<?xml\t"));
    Some((before, markup(text.get(span.end..)?)?))
}

/// The comments and instructions in a text that has nothing else but white space.
fn markup(text: &str) -> Option<Vec<&str>> {
    let mut rest = text.trim_start_matches('\u{feff}').trim_ascii_start();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let end =
            if rest.starts_with("<!--") { rest.get(4..)?.find("-->")? + 7 } else { rest.find("?>")? + 2 };
        found.push(rest.get(..end)?);
        rest = rest.get(end..)?.trim_ascii_start();
    }
    Some(found)
}

/// Operations, as they are written.
struct Operations<'a> {
    prefix: &'a str,
    text: String,
    /// Operations that may still come.
    left: usize,
    /// Work that may still be done.
    work: &'a mut usize,
}

/// Takes from the work that may still be done; `None` where so much is not left.
fn spend(work: &mut usize, units: usize) -> Option<()> {
    *work = work.checked_sub(units)?;
    Some(())
}

impl Operations<'_> {
    /// Makes `new` of `old`, which is at `path`; `None` where it has to be replaced as a whole. What holds around
    /// both is the same.
    fn compare(&mut self, old: Element<'_>, new: Element<'_>, path: &str) -> Option<()> {
        if old.source() == new.source() {
            return Some(());
        }
        if old.qualified_name() != new.qualified_name() || declared_by(old) != declared_by(new) {
            return None;
        }
        let (before, left) = (self.text.len(), self.left);
        let done = self.attributes(old, new, path).and_then(|()| self.children(old, new, path));
        let length = self.text.len() - before;
        let whole = new.source().len() + FRAME;
        let is_longer =
            length > whole && self.bindings_of(new).is_none_or(|bindings| length > whole + bindings.len());
        if done.is_none() || is_longer {
            self.text.truncate(before);
            self.left = left;
            return None;
        }
        Some(())
    }

    fn attributes(&mut self, old: Element<'_>, new: Element<'_>, path: &str) -> Option<()> {
        for attribute in old.attributes() {
            let (name, binding) = written(old, attribute)?;
            let selector = format!("{path}/@{name}");
            match new.find_attribute(attribute.namespace(), attribute.name()) {
                Some(other) if other.value() == attribute.value() => {}
                Some(other) => self.push("replace", &selector, &binding, &escape_text(&other.value()))?,
                None => self.push("remove", &selector, &binding, "")?,
            }
        }
        for attribute in new.attributes() {
            if old.find_attribute(attribute.namespace(), attribute.name()).is_none() {
                let (name, binding) = written(new, attribute)?;
                let kind = format!(" type=\"@{name}\"{binding}");
                self.push("add", path, &kind, &escape_text(&attribute.value()))?;
            }
        }
        Some(())
    }

    /// The namespaces that an element inherits and uses, as declarations.
    fn bindings_of(&mut self, element: Element<'_>) -> Option<String> {
        self.used(inherited(element), element.source())
    }

    /// The namespaces that hold within an element and that this content of it uses, as declarations.
    fn scope_of(&mut self, element: Element<'_>, content: &str) -> Option<String> {
        let bindings = element.bindings().into_iter().filter(|(prefix, _)| *prefix != "xml");
        self.used(bindings.map(|(prefix, namespace)| (prefix.into(), namespace.into())).collect(), content)
    }

    /// Those that content uses, as declarations.
    fn used(&mut self, mut bindings: Vec<(CompactString, CompactString)>, content: &str) -> Option<String> {
        spend(self.work, bindings.len() * content.len() / SEARCHED)?;
        bindings.retain(|(prefix, _)| is_used(prefix, content));
        let mut out = String::new();
        push_bindings(&mut out, &bindings);
        Some(out)
    }

    fn push(&mut self, name: &str, selector: &str, attributes: &str, content: &str) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        let prefix = self.prefix;
        self.text.push_str(&format!(
            "<{prefix}:{name} sel=\"{selector}\"{attributes}>{content}</{prefix}:{name}>"
        ));
        Some(())
    }
}

/// The prefixes that an element declares, in one order.
fn declared_by(element: Element<'_>) -> Vec<(String, String)> {
    let all = element.declarations().map(|(prefix, uri)| (prefix.to_owned(), uri.to_owned()));
    let mut all: Vec<_> = all.collect();
    all.sort_unstable();
    all
}

/// The name of an attribute as an operation has it, and the declaration of its prefix.
fn written(element: Element<'_>, attribute: Attribute<'_>) -> Option<(String, String)> {
    let name = attribute.name();
    let Some(namespace) = attribute.namespace() else { return Some((name.to_owned(), String::new())) };
    if namespace == XML {
        return Some((format!("xml:{name}"), String::new()));
    }
    let bindings = element.bindings();
    let (prefix, _) = bindings.iter().find(|(prefix, uri)| !prefix.is_empty() && *uri == namespace)?;
    let mut declaration = String::new();
    push_bindings(&mut declaration, &[((*prefix).into(), namespace.into())]);
    Some((format!("{prefix}:{name}"), declaration))
}

/// Whether content may use a prefix: no name with it is without these characters, wherever it is.
fn is_used(prefix: &str, content: &str) -> bool {
    if prefix.is_empty() { content.contains('<') } else { content.contains(&format!("{prefix}:")) }
}

/// Bytes that are parsed, and that are compared or searched, for a unit of work, which is about what a pair of nodes
/// is compared in.
const PARSED: usize = 2;
const SEARCHED: usize = 16;
const ROOT: &str = "*";
/// Most operations for one document; one that changed more is fetched.
const MOST: usize = 64;
/// What an operation that replaces an element is longer than the element, about, in bytes.
const FRAME: usize = 40;

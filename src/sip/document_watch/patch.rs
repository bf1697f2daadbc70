//! How a document became another, in the operations of RFC 5261: the smallest place that holds all that changed,
//! and there attributes and children. Where that is not to be said so the reader fetches the document.
//!
//! Selectors count elements (`*/*[2]`), so that they need no namespaces; what is put in declares all that holds
//! where it goes.

use std::borrow::Cow;

use bytes::Bytes;

use super::gather::inherited;
use crate::{
    documents::{Element, Node, Tree, TreeLimits, escape_text},
    formats::xcap_diff::push_bindings,
};

/// The operations that make `new` of `old`, whose elements have this prefix; `None` where there are none that
/// are shorter than the document.
pub(in crate::sip) fn patch(old: &Bytes, new: &Bytes, prefix: &str) -> Option<String> {
    let limits = TreeLimits::default();
    let (old, new) = (Tree::parse(old, &limits).ok()?, Tree::parse(new, &limits).ok()?);
    let (one, other) = (old.root(), new.root());
    // What surrounds the root cannot be patched, and it is not known to be different for no reason.
    let around = |tree: &Tree, root: Element<'_>| {
        let span = root.span();
        let text = tree.as_str();
        Some((text.get(..span.start)?.to_owned(), text.get(span.end..)?.to_owned()))
    };
    if around(&old, one)? != around(&new, other)? {
        return None;
    }
    let mut operations = Operations { prefix, text: String::new(), left: MOST };
    operations.compare(one, other, "*")?;
    (operations.text.len() < new.as_str().len()).then_some(operations.text)
}

struct Operations<'a> {
    prefix: &'a str,
    text: String,
    /// Operations that may still come.
    left: usize,
}

impl Operations<'_> {
    /// Makes `new` of `old`, which is at `path`; `None` where it has to be replaced as a whole.
    fn compare(&mut self, old: Element<'_>, new: Element<'_>, path: &str) -> Option<()> {
        if old.source() == new.source() && inherited(old) == inherited(new) {
            return Some(());
        }
        let declarations = |element: Element<'_>| {
            let all: Vec<_> =
                element.declarations().map(|(one, two)| (one.to_owned(), two.to_owned())).collect();
            all
        };
        if old.qualified_name() != new.qualified_name() || declarations(old) != declarations(new) {
            return None;
        }
        let (before, left) = (self.text.len(), self.left);
        let done = self.attributes(old, new, path).and_then(|()| self.children(old, new, path));
        if done.is_none() {
            self.text.truncate(before);
            self.left = left;
        }
        done
    }

    fn attributes(&mut self, old: Element<'_>, new: Element<'_>, path: &str) -> Option<()> {
        for attribute in old.attributes() {
            match new.find_attribute(attribute.namespace(), attribute.name()) {
                Some(other) if other.value() == attribute.value() => {}
                // A prefix of the document would have to be known here.
                _ if attribute.namespace().is_some() => return None,
                Some(other) => {
                    let selector = format!("{path}/@{}", attribute.name());
                    self.push("replace", &selector, "", &escape_text(&other.value()))?;
                }
                None => self.push("remove", &format!("{path}/@{}", attribute.name()), "", "")?,
            }
        }
        for attribute in new.attributes() {
            if old.find_attribute(attribute.namespace(), attribute.name()).is_some() {
                continue;
            }
            if attribute.namespace().is_some() {
                return None;
            }
            let kind = format!(" type=\"@{}\"", attribute.name());
            self.push("add", path, &kind, &escape_text(&attribute.value()))?;
        }
        Some(())
    }

    fn children(&mut self, old: Element<'_>, new: Element<'_>, path: &str) -> Option<()> {
        let (was, is): (Vec<_>, Vec<_>) = (old.children().collect(), new.children().collect());
        let same = |one: &Node<'_>, other: &Node<'_>| source_of(one) == source_of(other);
        let start = was.iter().zip(&is).take_while(|(one, other)| same(one, other)).count();
        let rest = was.len().min(is.len()) - start;
        let tail = was.iter().rev().zip(is.iter().rev()).take(rest);
        let tail = tail.take_while(|(one, other)| same(one, other)).count();
        let gone = was.get(start..was.len() - tail)?;
        let come = is.get(start..is.len() - tail)?;
        let elements =
            |nodes: &[Node<'_>]| nodes.iter().filter(|node| matches!(node, Node::Element(_))).count();
        let at = elements(was.get(..start)?);
        let child = |number: usize| format!("{path}/*[{number}]");
        match (gone, come) {
            ([], []) => Some(()),
            ([Node::Element(one)], [Node::Element(other)]) => {
                let place = child(at + 1);
                if self.compare(*one, *other, &place).is_some() {
                    return Some(());
                }
                self.push("replace", &place, &bindings_of(*other), other.source())
            }
            ([Node::Element(_)], []) => {
                // Text on both sides of it would become one, which only its reader can join.
                let is_text = |node: Option<&Node<'_>>| matches!(node, Some(Node::Text(_)));
                let is_between = is_text(start.checked_sub(1).and_then(|last| was.get(last)))
                    && is_text(was.get(start + 1));
                if is_between { None } else { self.push("remove", &child(at + 1), "", "") }
            }
            ([], come) => {
                let content: String = come.iter().map(source_of).collect();
                let bindings = scope_of(new);
                match was.get(start) {
                    None => self.push("add", path, &bindings, &content),
                    Some(Node::Element(_)) => {
                        self.push("add", &child(at + 1), &format!(" pos=\"before\"{bindings}"), &content)
                    }
                    Some(_) => None,
                }
            }
            _ => None,
        }
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

/// As a child is written.
fn source_of<'a>(node: &Node<'a>) -> Cow<'a, str> {
    match node {
        Node::Element(element) => Cow::Borrowed(element.source()),
        Node::Text(text) => Cow::Owned(escape_text(text)),
        Node::Comment(markup) | Node::Instruction(markup) => Cow::Borrowed(markup),
    }
}

/// The namespaces that an element inherits, as declarations.
fn bindings_of(element: Element<'_>) -> String {
    let mut out = String::new();
    push_bindings(&mut out, &inherited(element));
    out
}

/// The namespaces that hold within an element, as declarations.
fn scope_of(element: Element<'_>) -> String {
    let bindings = element.bindings().into_iter().filter(|(prefix, _)| *prefix != "xml");
    let bindings: Vec<_> = bindings.map(|(prefix, namespace)| (prefix.into(), namespace.into())).collect();
    let mut out = String::new();
    push_bindings(&mut out, &bindings);
    out
}

/// Most operations for one document; one that changed more is fetched.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(old: &str, new: &str) -> Option<String> {
        patch(&Bytes::copy_from_slice(old.as_bytes()), &Bytes::copy_from_slice(new.as_bytes()), "d")
    }

    /// RFC 5875 §A.4, and what else clients do to documents.
    #[test]
    fn smallest_place_of_a_change_is_patched() {
        let pad = "<pad>something that makes the whole longer than any operation upon it is, as documents are</pad>";
        let doc = |inside: &str| format!("<doc>{pad}{inside}</doc>");
        for (old, new, expect) in [
            (
                "",
                "<foo>new</foo><bar>b\n</bar>",
                Some("<d:add sel=\"*\"><foo>new</foo><bar>b\n</bar></d:add>"),
            ),
            ("<a/><b/>", "<b/>", Some("<d:remove sel=\"*/*[2]\"></d:remove>")),
            ("<b/>", "<a/><b/>", Some("<d:add sel=\"*/*[2]\" pos=\"before\"><a/></d:add>")),
            ("<a x='1'/>", "<a x='2'/>", Some("<d:replace sel=\"*/*[2]/@x\">2</d:replace>")),
            ("<a/>", "<a x='&lt;'/>", Some("<d:add sel=\"*/*[2]\" type=\"@x\">&lt;</d:add>")),
            ("<a x='1'/>", "<a/>", Some("<d:remove sel=\"*/*[2]/@x\"></d:remove>")),
            ("<a>1</a>", "<a>2</a>", Some("<d:replace sel=\"*/*[2]\"><a>2</a></d:replace>")),
            ("<a><b/>t<c/></a>", "<a><b/>t<d/></a>", Some("<d:replace sel=\"*/*[2]/*[2]\"><d/></d:replace>")),
            ("text", "other", None),
            ("", "", Some("")),
        ] {
            assert_eq!(patched(&doc(old), &doc(new)).as_deref(), expect, "{old} {new}");
        }
    }

    #[test]
    fn content_brings_the_namespaces_that_hold_where_it_goes() {
        let doc = |inside: &str| {
            format!("<p:doc xmlns:p='urn:p' xmlns='urn:x'><p:pad>{}</p:pad>{inside}</p:doc>", "x".repeat(200))
        };
        assert_eq!(
            patched(&doc("<a/>"), &doc("<a><p:b/></a>")).unwrap(),
            "<d:add sel=\"*/*[2]\" xmlns:p=\"urn:p\" xmlns=\"urn:x\"><p:b/></d:add>"
        );
    }

    #[test]
    fn what_cannot_be_patched_is_fetched() {
        for (old, new) in [
            ("<a/>", "<b/>"),
            ("<?xml version='1.0'?><a/>", "<a/>"),
            ("<a/>", "<a xmlns:n='urn:n'/>"),
            ("<a", "<a/>"),
            ("<a n:x='1' xmlns:n='urn:n'/>", "<a n:x='2' xmlns:n='urn:n'/>"),
        ] {
            assert_eq!(patched(old, new), None, "{old} {new}");
        }
    }
}

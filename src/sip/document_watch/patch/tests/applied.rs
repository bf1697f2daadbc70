//! A reader of RFC 5261 that shares nothing with the writer: documents as roxmltree reads them, selectors and
//! operations as the RFC has them. Documents are the same where their canonical forms are.

use std::collections::BTreeMap;

use roxmltree::{Document, Node, NodeType};

type Name = (String, String);

/// A document without what canonical form leaves out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Whole {
    root: Vec<Part>,
    around: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Element(Element),
    Text(String),
    Comment(String),
    Instruction(String),
}

#[derive(Debug, Clone, PartialEq)]
struct Element {
    name: Name,
    attributes: BTreeMap<Name, String>,
    parts: Vec<Part>,
}

impl Whole {
    pub(super) fn parse(text: &str) -> Self {
        let document = Document::parse(text).unwrap();
        let around = document.root().children().filter(|node| !node.is_element());
        let around = around.map(|node| text[node.range()].to_owned()).collect();
        Self { root: vec![part(document.root_element())], around }
    }
}

fn name(namespace: Option<&str>, local: &str) -> Name {
    (namespace.unwrap_or_default().to_owned(), local.to_owned())
}

fn part(node: Node<'_, '_>) -> Part {
    let text = node.text().unwrap_or_default().to_owned();
    match node.node_type() {
        NodeType::Text => Part::Text(text),
        NodeType::Comment => Part::Comment(text),
        NodeType::PI => {
            let instruction = node.pi().unwrap();
            Part::Instruction(format!("{} {}", instruction.target, instruction.value.unwrap_or_default()))
        }
        _ => {
            let attributes = node.attributes();
            let attributes =
                attributes.map(|one| (name(one.namespace(), one.name()), one.value().to_owned()));
            let tag = node.tag_name();
            let name = name(tag.namespace(), tag.name());
            let mut parts = node.children().map(part).collect();
            join(&mut parts);
            Part::Element(Element { name, attributes: attributes.collect(), parts })
        }
    }
}

/// Texts that touch are one, and none is empty.
fn join(parts: &mut Vec<Part>) {
    let mut joined: Vec<Part> = Vec::new();
    for part in parts.drain(..) {
        match (joined.last_mut(), part) {
            (_, Part::Text(text)) if text.is_empty() => {}
            (Some(Part::Text(before)), Part::Text(text)) => before.push_str(&text),
            (_, part) => joined.push(part),
        }
    }
    *parts = joined;
}

/// Applies operations, each of which must find its one place.
pub(super) fn apply(whole: &mut Whole, operations: &str) {
    let text = format!("<d:document xmlns:d=\"urn:ietf:params:xml:ns:xcap-diff\">{operations}</d:document>");
    let document = Document::parse(&text).unwrap();
    for operation in document.root_element().children() {
        let selector = operation.attribute("sel").unwrap();
        let (above, last) = selector.rsplit_once('/').unwrap_or(("", selector));
        if let Some(attribute) = last.strip_prefix('@') {
            let element = element(&mut whole.root, above);
            let key = qualified(attribute, operation);
            let known = element.attributes.remove(&key);
            assert!(known.is_some(), "{selector} selects nothing");
            if operation.has_tag_name("replace") || operation.tag_name().name() == "replace" {
                element.attributes.insert(key, operation.text().unwrap_or_default().to_owned());
            }
            continue;
        }
        match operation.tag_name().name() {
            "add" => add(whole, selector, (above, last), operation),
            other => {
                let siblings = siblings(&mut whole.root, above);
                let at = find(siblings, last);
                let is_text = matches!(siblings[at], Part::Text(_));
                if other == "remove" {
                    siblings.remove(at);
                } else if is_text {
                    siblings[at] = Part::Text(operation.text().unwrap().to_owned());
                } else {
                    let mut children = operation.children();
                    siblings[at] = part(children.next().unwrap());
                    assert!(children.next().is_none() && matches!(siblings[at], Part::Element(_)));
                }
                join(siblings);
            }
        }
    }
}

fn add(whole: &mut Whole, selector: &str, (above, last): (&str, &str), operation: Node<'_, '_>) {
    if let Some(kind) = operation.attribute("type") {
        let key = qualified(kind.strip_prefix('@').unwrap(), operation);
        let value = operation.text().unwrap_or_default().to_owned();
        assert_eq!(element(&mut whole.root, selector).attributes.insert(key, value), None);
        return;
    }
    let new: Vec<Part> = operation.children().map(part).collect();
    let (parts, at) = match operation.attribute("pos") {
        None => {
            let parts = &mut element(&mut whole.root, selector).parts;
            let end = parts.len();
            (parts, end)
        }
        Some("prepend") => (&mut element(&mut whole.root, selector).parts, 0),
        Some(place) => {
            let siblings = siblings(&mut whole.root, above);
            let at = find(siblings, last) + usize::from(place == "after");
            (siblings, at)
        }
    };
    parts.splice(at..at, new);
    join(parts);
}

fn qualified(text: &str, operation: Node<'_, '_>) -> Name {
    match text.split_once(':') {
        Some(("xml", local)) => name(Some("http://www.w3.org/XML/1998/namespace"), local),
        Some((prefix, local)) => name(Some(operation.lookup_namespace_uri(Some(prefix)).unwrap()), local),
        None => name(None, text),
    }
}

/// The nodes among which the last step of a selector looks, which has these steps above it.
fn siblings<'a>(root: &'a mut Vec<Part>, above: &str) -> &'a mut Vec<Part> {
    if above.is_empty() { root } else { &mut element(root, above).parts }
}

fn element<'a>(root: &'a mut Vec<Part>, selector: &str) -> &'a mut Element {
    let mut parts = root;
    let mut steps = selector.split('/').peekable();
    while let Some(step) = steps.next() {
        let at = find(parts, step);
        let Part::Element(element) = &mut parts[at] else { panic!("{selector} is no element") };
        if steps.peek().is_none() {
            return element;
        }
        parts = &mut element.parts;
    }
    unreachable!("a selector has steps")
}

/// The one node that a step selects.
fn find(parts: &[Part], step: &str) -> usize {
    let (test, number) = step.split_once('[').unwrap_or((step, "]"));
    let is_meant = |part: &Part| match part {
        Part::Element(_) => test == "*",
        Part::Text(_) => test == "text()",
        Part::Comment(_) => test == "comment()",
        Part::Instruction(_) => test == "processing-instruction()",
    };
    let all: Vec<usize> = (0..parts.len()).filter(|at| is_meant(&parts[*at])).collect();
    match number.strip_suffix(']').unwrap() {
        "" => {
            assert_eq!(all.len(), 1, "{step} selects several nodes, or none");
            all[0]
        }
        number => all[number.parse::<usize>().unwrap() - 1],
    }
}

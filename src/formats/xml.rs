//! XML as documents of presence and configuration use it: read without document type, entities or
//! surprises in size and depth; written with every text escaped.
//!
//! Reading is roxmltree's (namespaces resolved, positions kept); the limits are ours. Streams of
//! stanzas are not read here: their scanner is the XMPP door's.

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};
use roxmltree::{Document, Node, ParsingOptions};

/// Bounds of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of the text.
    pub bytes: usize,
    /// Most elements, attributes not counted, with texts and comments between them.
    pub nodes: u32,
    /// Deepest nesting of elements; the root counts 1.
    pub depth: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 * 1024, nodes: 4096, depth: 32 }
    }
}

/// Why a text is not a document we read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    #[error("document is larger than {0} bytes")]
    TooLarge(usize),
    #[error("document is nested deeper than {0} elements")]
    TooDeep(u16),
    /// Of these, more than any document needs.
    #[error("document has too many {0}")]
    TooMany(&'static str),
    #[error("document is not utf-8")]
    Encoding,
    /// Not well-formed, with a document type, or with too many nodes.
    #[error("document is not well-formed: {0}")]
    Malformed(String),
}

/// A value of `xs:boolean`, without white space around it.
#[must_use]
pub fn parse_boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Reads a document in UTF-8. A document type is refused (no entity is ever defined).
///
/// # Errors
/// The limit it breaks, or where it is not well-formed.
pub fn parse<'text>(bytes: &'text [u8], limits: &Limits) -> Result<Document<'text>, XmlError> {
    if bytes.len() > limits.bytes {
        return Err(XmlError::TooLarge(limits.bytes));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = str::from_utf8(bytes).map_err(|_| XmlError::Encoding)?;
    check_shape(text, limits.depth)?;
    let options = ParsingOptions { allow_dtd: false, nodes_limit: limits.nodes, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|fault| XmlError::Malformed(fault.to_string()))
}

/// Goes over the tags before the tree is made: roxmltree compares all declarations in scope with each other for each
/// element that has one of its own, and all attributes of an element, so that a document of a few kilobytes could
/// keep it busy for minutes. What is not well-formed in other ways is left to it.
fn check_shape(text: &str, most: u16) -> Result<(), XmlError> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_unmatched_ends = true;
    // For each open element, the declarations in scope.
    let mut open: Vec<usize> = Vec::new();
    loop {
        let event = reader.read_event().map_err(|fault| XmlError::Malformed(fault.to_string()))?;
        match event {
            Event::Start(tag) | Event::Empty(tag) if open.len() >= usize::from(most) => {
                drop(tag);
                return Err(XmlError::TooDeep(most));
            }
            Event::Start(tag) => {
                let scope = open.last().copied().unwrap_or_default() + check_attributes(&tag)?;
                check_scope(scope)?;
                open.push(scope);
            }
            Event::Empty(tag) => {
                check_scope(open.last().copied().unwrap_or_default() + check_attributes(&tag)?)?;
            }
            Event::End(_) => drop(open.pop()),
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

/// How many namespace declarations a tag has.
fn check_attributes(tag: &BytesStart<'_>) -> Result<usize, XmlError> {
    let (mut attributes, mut declarations) = (0, 0);
    // Those behind one that is broken do not matter: the document is.
    for attribute in tag.attributes().with_checks(false).map_while(Result::ok) {
        attributes += 1;
        declarations += usize::from(attribute.key.as_ref().starts_with("xmlns"));
        if attributes > ATTRIBUTES {
            return Err(XmlError::TooMany("attributes of one element"));
        }
    }
    Ok(declarations)
}

fn check_scope(declarations: usize) -> Result<(), XmlError> {
    if declarations > DECLARATIONS {
        return Err(XmlError::TooMany("namespace declarations in scope"));
    }
    Ok(())
}

/// All text directly within an element, white space around it cut off.
#[must_use]
pub fn text_of(element: Node<'_, '_>) -> String {
    let mut text = String::new();
    for child in element.children().filter(Node::is_text) {
        text.push_str(child.text().unwrap_or_default());
    }
    text.trim().to_owned()
}

/// The child elements of this name and namespace.
pub fn children<'a, 'text>(
    element: Node<'a, 'text>,
    namespace: &'static str,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'text>> {
    element.children().filter(move |child| child.has_tag_name((namespace, name)))
}

/// The first child element of this name and namespace.
#[must_use]
pub fn child<'a, 'text>(
    element: Node<'a, 'text>,
    namespace: &'static str,
    name: &'static str,
) -> Option<Node<'a, 'text>> {
    children(element, namespace, name).next()
}

/// The `xml:lang` of an element itself, where it is a language tag.
#[must_use]
pub fn lang_of<'a>(element: Node<'a, '_>) -> Option<&'a str> {
    element.attribute((XML, "lang")).filter(|lang| is_language(lang))
}

/// Whether a text may stand as `xml:lang` (`xs:language`).
#[must_use]
pub fn is_language(text: &str) -> bool {
    let mut subtags = text.split('-');
    let is_short = |tag: &str| (1..=8).contains(&tag.len());
    subtags.next().is_some_and(|tag| is_short(tag) && tag.bytes().all(|byte| byte.is_ascii_alphabetic()))
        && subtags.all(|tag| is_short(tag) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Appends text so that it is text, between elements and between double quotes alike. Characters that
/// XML 1.0 has no place for are left out.
pub fn push_text(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' => out.push(character),
            '\u{0}'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => out.push(character),
        }
    }
}

/// Appends ` name="value"`.
pub fn push_attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    push_text(out, value);
    out.push('"');
}

/// Appends `<name>text</name>`.
pub fn push_element(out: &mut String, name: &str, text: &str) {
    push_element_with(out, name, &[], text);
}

/// Appends an element with attributes and text.
pub fn push_element_with(out: &mut String, name: &str, attributes: &[(&str, &str)], text: &str) {
    out.push('<');
    out.push_str(name);
    for (attribute, value) in attributes {
        push_attribute(out, attribute, value);
    }
    out.push('>');
    push_text(out, text);
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// Most attributes of one element, declarations included.
const ATTRIBUTES: usize = 64;
/// Most namespace declarations that an element may stand under, its own included.
const DECLARATIONS: usize = 32;
/// The namespace of `xml:lang` and its kin.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Option<XmlError> {
        parse(text.as_bytes(), &Limits { bytes: 400, nodes: 50, depth: 4 }).err()
    }

    #[test]
    fn limits_are_kept() {
        assert_eq!(check("<a><b><c><d>x</d></c></b></a>"), None);
        assert_eq!(check("<a><b><c><d><e/></d></c></b></a>"), Some(XmlError::TooDeep(4)));
        assert_eq!(check(&format!("<a>{}</a>", "x".repeat(400))), Some(XmlError::TooLarge(400)));
        assert!(matches!(check(&format!("<a>{}</a>", "<b/>".repeat(60))), Some(XmlError::Malformed(_))));
        assert_eq!(parse(b"<a>\xff</a>", &Limits::default()).err(), Some(XmlError::Encoding));
    }

    #[test]
    fn document_types_and_broken_documents_are_refused() {
        for text in [
            "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
            "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
            "<a>&x;</a>",
            "<a><b></a></b>",
            "<a/><b/>",
            "<a b='1' b='2'/>",
            "<p:a/>",
            "",
        ] {
            assert!(matches!(check(text), Some(XmlError::Malformed(_))), "{text}");
        }
    }

    #[test]
    fn depth_without_end_is_an_error_and_not_a_crash() {
        let text = "<a>".repeat(20_000);
        assert!(parse(text.as_bytes(), &Limits::default()).is_err());
        let closed = format!("{}{}", "<a>".repeat(4000), "</a>".repeat(4000));
        assert_eq!(parse(closed.as_bytes(), &Limits::default()).err(), Some(XmlError::TooDeep(32)));
    }

    /// Each kept roxmltree busy for seconds, or minutes in a build for tests.
    #[test]
    fn documents_that_are_dear_to_read_are_refused_unread() {
        let limits = Limits { bytes: 64 * 1024, nodes: 16_384, depth: 4000 };
        let many = |count: usize, print: &dyn Fn(usize) -> String| (0..count).map(print).collect::<String>();
        let declarations = many(2000, &|number| format!(" xmlns:n{number}='u'"));
        let nested = many(2000, &|number| format!("<a xmlns:n{number}='u'>"));
        let attributes = many(4000, &|number| format!(" a{number}=''"));
        for text in [
            format!("{nested}{}", "</a>".repeat(2000)),
            format!("<a{declarations}>{}</a>", "<b xmlns:x='y'/>".repeat(1500)),
            format!("<a><b{attributes}/></a>"),
        ] {
            assert!(text.len() <= limits.bytes, "{}", text.len());
            let refused = parse(text.as_bytes(), &limits).err();
            assert!(matches!(refused, Some(XmlError::TooMany(_))), "{refused:?}");
        }
        let fine = format!("<a>{}</a>", "<b xmlns='u' xmlns:p='v' c='d'/>".repeat(1000));
        assert!(parse(fine.as_bytes(), &limits).is_ok());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut out = String::new();
        push_element_with(&mut out, "a", &[("b", "\"<&>")], "]]> \u{1}<&\u{ffff}\u{fffe}ü");
        let document = parse(out.as_bytes(), &Limits::default()).unwrap();
        let root = document.root_element();
        assert_eq!((root.attribute("b"), text_of(root).as_str()), (Some("\"<&>"), "]]> <&ü"));
    }

    #[test]
    fn language_tags_have_their_form() {
        for (text, expected) in
            [("en", true), ("de-CH-1996", true), ("", false), ("en_US", false), ("abcdefghi", false)]
        {
            assert_eq!(is_language(text), expected, "{text}");
        }
    }
}

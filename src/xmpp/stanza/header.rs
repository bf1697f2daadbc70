//! The opening of a stream: the XML declaration and the stream header (RFC 6120 §4.2, §4.7, §11.4).

use compact_str::CompactString;

use super::namespace::{self, StreamNamespaces};
use super::tag::{self, Attribute, StartTag};
use super::{Error, Limits};

/// What a stream header says. Values are as the peer wrote them, unchecked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The domain that the peer wants to talk to.
    pub to: Option<String>,
    /// Who the peer says it is, before authentication.
    pub from: Option<String>,
    /// The id of the stream, which whoever answers gives it.
    pub id: Option<String>,
    /// Missing means older than RFC 3920.
    pub version: Option<String>,
    /// `xml:lang` of the stream.
    pub language: Option<String>,
    /// Whether the default namespace is `jabber:client`.
    pub is_client: bool,
    /// Whether it is `jabber:server`.
    pub is_server: bool,
    /// The default namespace as declared, empty when there is none.
    pub default_namespace: String,
}

/// A complete opening.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) header: Header,
    /// The header's own name, for the end tag.
    pub(super) name: CompactString,
    pub(super) namespaces: StreamNamespaces,
    pub(super) end: usize,
}

/// Reads declaration and header at the start of `bytes`. `Ok(None)`: more bytes are needed.
pub(super) fn parse_opening(
    bytes: &[u8],
    limits: &Limits,
    attributes: &mut Vec<Attribute>,
) -> Result<Option<Opening>, Error> {
    let opening = parse_declaration(bytes)?
        .map(|start| parse_header(bytes, tag::skip_space(bytes, start), limits, attributes))
        .transpose()?
        .flatten();
    if opening.is_none() && bytes.len() > LONGEST {
        return Err(Error::TooLarge("stream header"));
    }
    Ok(opening)
}

/// One past the XML declaration, 0 when there is none.
fn parse_declaration(bytes: &[u8]) -> Result<Option<usize>, Error> {
    if !bytes.starts_with(DECLARATION) {
        return Ok(if DECLARATION.starts_with(bytes) { None } else { Some(0) });
    }
    let rest = bytes.get(DECLARATION.len()..).unwrap_or_default();
    let Some(length) = memchr::memmem::find(rest, b"?>") else { return Ok(None) };
    let body = rest.get(..length).unwrap_or_default();
    let body = std::str::from_utf8(body).map_err(|_| Error::UnsupportedEncoding)?;
    check_declaration(body)?;
    Ok(Some(DECLARATION.len() + length + 2))
}

/// `version`, then perhaps `encoding`, then perhaps `standalone` (XML 1.0 §2.8).
fn check_declaration(body: &str) -> Result<(), Error> {
    let mut rest = body;
    let mut allowed: &[&str] = &["version", "encoding", "standalone"];
    let mut is_first = true;
    loop {
        let trimmed = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        if trimmed.is_empty() && !is_first {
            return Ok(());
        }
        if trimmed.len() == rest.len() {
            return Err(Error::NotWellFormed("xml declaration"));
        }
        let (name, value, after) =
            parse_pseudo_attribute(trimmed).ok_or(Error::NotWellFormed("xml declaration"))?;
        let place = allowed.iter().position(|known| *known == name);
        let place = place.ok_or(Error::NotWellFormed("xml declaration"))?;
        match name {
            "version" if value == "1.0" => {}
            "encoding" if !is_first && value.eq_ignore_ascii_case("utf-8") => {}
            "encoding" if !is_first => return Err(Error::UnsupportedEncoding),
            "standalone" if !is_first && matches!(value, "yes" | "no") => {}
            _ => return Err(Error::NotWellFormed("xml declaration")),
        }
        allowed = allowed.get(place + 1..).unwrap_or_default();
        rest = after;
        is_first = false;
    }
}

fn parse_pseudo_attribute(text: &str) -> Option<(&str, &str, &str)> {
    const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];
    let (name, rest) = text.split_once('=')?;
    let rest = rest.trim_start_matches(SPACE);
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (value, after) = rest.get(1..)?.split_once(quote)?;
    Some((name.trim_end_matches(SPACE), value, after))
}

fn parse_header(
    bytes: &[u8],
    start: usize,
    limits: &Limits,
    attributes: &mut Vec<Attribute>,
) -> Result<Option<Opening>, Error> {
    match (bytes.get(start), bytes.get(start + 1)) {
        (Some(b'<'), Some(b'!')) => return Err(Error::Restricted("comment or document type")),
        (Some(b'<'), Some(b'?')) => return Err(Error::Restricted("processing instruction")),
        (Some(b'<'), _) => {}
        (None, _) => return Ok(None),
        (Some(_), _) => return Err(Error::BadFormat("no stream header")),
    }
    let Some(parsed) = tag::parse_start_tag(bytes, start, limits, attributes)? else { return Ok(None) };
    if parsed.is_empty {
        return Err(Error::BadFormat("stream header without stream"));
    }
    std::str::from_utf8(bytes.get(..parsed.end).unwrap_or_default())
        .map_err(|_| Error::UnsupportedEncoding)?;
    let namespaces = declared_namespaces(bytes, attributes)?;
    check_name(bytes, &parsed, &namespaces)?;
    let header = read_attributes(bytes, attributes, &namespaces)?;
    let name = CompactString::from(parsed.name.whole.text(bytes));
    Ok(Some(Opening { header, name, namespaces, end: parsed.end }))
}

fn declared_namespaces(bytes: &[u8], attributes: &[Attribute]) -> Result<StreamNamespaces, Error> {
    let mut namespaces = StreamNamespaces::default();
    for attribute in attributes {
        let Some(prefix) = namespace::declared_prefix(bytes, attribute) else { continue };
        let uri = attribute.value.read(bytes);
        namespace::check_declaration(prefix.bytes(bytes), &uri)?;
        namespaces.0.push((prefix.text(bytes).into(), uri.into()));
    }
    Ok(namespaces)
}

fn check_name(bytes: &[u8], parsed: &StartTag, namespaces: &StreamNamespaces) -> Result<(), Error> {
    let prefix = parsed.name.prefix.text(bytes);
    let uri = namespaces.iter().find(|(known, _)| *known == prefix).map(|(_, uri)| uri);
    if uri.is_none() && !prefix.is_empty() {
        return Err(Error::UndeclaredPrefix);
    }
    if uri != Some(STREAMS) {
        return Err(Error::InvalidNamespace);
    }
    if parsed.name.local.bytes(bytes) != b"stream" {
        return Err(Error::BadFormat("root element is no stream"));
    }
    Ok(())
}

fn read_attributes(
    bytes: &[u8],
    attributes: &[Attribute],
    namespaces: &StreamNamespaces,
) -> Result<Header, Error> {
    let default_namespace = namespaces.iter().find(|(prefix, _)| prefix.is_empty());
    let default_namespace = default_namespace.map_or_else(String::new, |(_, uri)| uri.to_owned());
    let is_client = default_namespace == super::CLIENT;
    let is_server = default_namespace == super::SERVER;
    let mut header = Header { is_client, is_server, default_namespace, ..Header::default() };
    for attribute in attributes {
        let value = || Some(attribute.value.read(bytes).into_owned());
        match attribute.name.whole.bytes(bytes) {
            b"to" => header.to = value(),
            b"from" => header.from = value(),
            b"id" => header.id = value(),
            b"version" => header.version = value(),
            b"xml:lang" => header.language = value(),
            _ => check_prefix(attribute.name.prefix.text(bytes), namespaces)?,
        }
    }
    Ok(header)
}

fn check_prefix(prefix: &str, namespaces: &StreamNamespaces) -> Result<(), Error> {
    let is_known =
        matches!(prefix, "" | "xml" | "xmlns") || namespaces.iter().any(|(known, _)| known == prefix);
    if is_known { Ok(()) } else { Err(Error::UndeclaredPrefix) }
}

/// A declaration and a header together are never longer than this.
const LONGEST: usize = 4096;
const DECLARATION: &[u8] = b"<?xml";
const STREAMS: &str = "http://etherx.jabber.org/streams";

//! One start tag or end tag as a unit: names, attributes, quotes, references.
//!
//! Knows nothing of nesting or namespaces. "Not all there yet" is `Ok(None)`.

use super::names::{self, NAME, NAME_START, VALUE_STOP};
use super::text::{Span, Value, parse_reference};
use super::{Error, Limits};

/// A name, split at its colon.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct QualifiedName {
    /// Prefix, colon and local part.
    pub(super) whole: Span,
    /// Empty when there is no prefix.
    pub(super) prefix: Span,
    pub(super) local: Span,
}

/// One attribute as written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute {
    pub(super) name: QualifiedName,
    pub(super) value: Value,
}

/// One start tag. Its attributes went into the list that the caller lent.
#[derive(Clone, Copy, Debug)]
pub(super) struct StartTag {
    pub(super) name: QualifiedName,
    pub(super) is_empty: bool,
    /// One past the `>`.
    pub(super) end: usize,
}

/// Reads the start tag whose `<` is at `start`.
pub(super) fn parse_start_tag(
    bytes: &[u8],
    start: usize,
    limits: &Limits,
    attributes: &mut Vec<Attribute>,
) -> Result<Option<StartTag>, Error> {
    attributes.clear();
    let Some((name, mut at)) = parse_name(bytes, start + 1)? else { return Ok(None) };
    loop {
        let after_space = skip_space(bytes, at);
        match bytes.get(after_space) {
            None => return Ok(None),
            Some(b'>') => return Ok(Some(StartTag { name, is_empty: false, end: after_space + 1 })),
            Some(b'/') => {
                return match bytes.get(after_space + 1) {
                    None => Ok(None),
                    Some(b'>') => Ok(Some(StartTag { name, is_empty: true, end: after_space + 2 })),
                    Some(_) => Err(Error::NotWellFormed("'/' in a tag")),
                };
            }
            Some(_) if after_space == at => return Err(Error::NotWellFormed("no space before an attribute")),
            Some(_) => {
                let Some((attribute, end)) = parse_attribute(bytes, after_space)? else { return Ok(None) };
                add_attribute(bytes, attribute, limits, attributes)?;
                at = end;
            }
        }
    }
}

fn add_attribute(
    bytes: &[u8],
    attribute: Attribute,
    limits: &Limits,
    attributes: &mut Vec<Attribute>,
) -> Result<(), Error> {
    if attributes.len() >= limits.attributes {
        return Err(Error::TooLarge("attributes"));
    }
    let name = attribute.name.whole.bytes(bytes);
    if attributes.iter().any(|other| other.name.whole.bytes(bytes) == name) {
        return Err(Error::NotWellFormed("duplicate attribute"));
    }
    attributes.push(attribute);
    Ok(())
}

/// Reads the end tag whose `<` is at `start`: its name and one past its `>`.
pub(super) fn parse_end_tag(bytes: &[u8], start: usize) -> Result<Option<(Span, usize)>, Error> {
    let Some((name, at)) = parse_name(bytes, start + 2)? else { return Ok(None) };
    let at = skip_space(bytes, at);
    match bytes.get(at) {
        None => Ok(None),
        Some(b'>') => Ok(Some((name.whole, at + 1))),
        Some(_) => Err(Error::NotWellFormed("attribute in an end tag")),
    }
}

fn parse_attribute(bytes: &[u8], start: usize) -> Result<Option<(Attribute, usize)>, Error> {
    let Some((name, at)) = parse_name(bytes, start)? else { return Ok(None) };
    let at = skip_space(bytes, at);
    match bytes.get(at) {
        None => return Ok(None),
        Some(b'=') => {}
        Some(_) => return Err(Error::NotWellFormed("attribute without value")),
    }
    let at = skip_space(bytes, at + 1);
    let quote = match bytes.get(at) {
        None => return Ok(None),
        Some(quote @ (b'"' | b'\'')) => *quote,
        Some(_) => return Err(Error::NotWellFormed("attribute value without quotes")),
    };
    let Some((value, end)) = parse_value(bytes, at + 1, quote)? else { return Ok(None) };
    Ok(Some((Attribute { name, value }, end)))
}

fn parse_value(bytes: &[u8], start: usize, quote: u8) -> Result<Option<(Value, usize)>, Error> {
    let mut escaped = false;
    let mut at = start;
    loop {
        while bytes.get(at).is_some_and(|byte| !names::is(*byte, VALUE_STOP)) {
            at += 1;
        }
        match bytes.get(at) {
            None => return Ok(None),
            Some(byte) if *byte == quote => {
                return Ok(Some((Value { span: Span::new(start, at), escaped }, at + 1)));
            }
            Some(b'"' | b'\'') => at += 1,
            Some(b'&') => {
                let rest = bytes.get(at..).unwrap_or_default();
                match parse_reference(rest) {
                    None => return Err(reference_error(rest)),
                    Some(None) => return Ok(None),
                    Some(Some((_, length))) => at += length,
                }
                escaped = true;
            }
            Some(b'\t' | b'\n') => {
                escaped = true;
                at += 1;
            }
            Some(b'<') => return Err(Error::NotWellFormed("'<' in an attribute")),
            // Legal XML, but parsers in use refuse it, and what we pass on must not end somebody's stream.
            Some(b'\r') => return Err(Error::NotWellFormed("carriage return in an attribute")),
            Some(_) => return Err(Error::NotWellFormed("control character")),
        }
    }
}

/// A reference that is none of ours is either an entity of the peer's own, or garbage.
pub(super) fn reference_error(rest: &[u8]) -> Error {
    let is_entity = rest.get(1).is_some_and(|byte| names::is(*byte, NAME_START));
    if is_entity { Error::Restricted("entity") } else { Error::NotWellFormed("reference") }
}

fn parse_name(bytes: &[u8], start: usize) -> Result<Option<(QualifiedName, usize)>, Error> {
    let first_end = skip_name(bytes, start)?;
    match bytes.get(first_end) {
        None => Ok(None),
        Some(b':') => {
            let end = skip_name(bytes, first_end + 1)?;
            if end >= bytes.len() {
                return Ok(None);
            }
            if bytes.get(end) == Some(&b':') {
                return Err(Error::NotWellFormed("two colons in a name"));
            }
            let (prefix, local) = (Span::new(start, first_end), Span::new(first_end + 1, end));
            check_name(prefix.bytes(bytes))?;
            check_name(local.bytes(bytes))?;
            Ok(Some((QualifiedName { whole: Span::new(start, end), prefix, local }, end)))
        }
        Some(_) => {
            let whole = Span::new(start, first_end);
            check_name(whole.bytes(bytes))?;
            Ok(Some((QualifiedName { whole, prefix: Span::default(), local: whole }, first_end)))
        }
    }
}

fn check_name(name: &[u8]) -> Result<(), Error> {
    if names::is_name(name) { Ok(()) } else { Err(Error::NotWellFormed("name")) }
}

/// One past the name bytes from `start` on. Nothing there yet is not an error.
fn skip_name(bytes: &[u8], start: usize) -> Result<usize, Error> {
    match bytes.get(start) {
        None => return Ok(start),
        Some(first) if names::is(*first, NAME_START) => {}
        Some(_) => return Err(Error::NotWellFormed("name")),
    }
    let mut at = start + 1;
    while bytes.get(at).is_some_and(|byte| names::is(*byte, NAME)) {
        at += 1;
    }
    Ok(at)
}

/// One past the white space from `at` on.
pub(super) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|byte| names::is_space(*byte)) {
        at += 1;
    }
    at
}

//! The list that comes with a SUBSCRIBE (RFC 5367): found in its body, in a part of its body, and under the
//! encoding that it came by.
//!
//! COMPAT(Linphone): it sends the list with `Content-Encoding: deflate`.

use std::borrow::Cow;

use bytes::Bytes;
use compact_str::CompactString;
use memchr::memmem;
use miniz_oxide::inflate::{decompress_to_vec_with_limit, decompress_to_vec_zlib_with_limit};

use crate::{
    formats::resource_lists::{Limits, MEDIA_TYPE, ResourceLists},
    sip::{
        answer::Refusal,
        message::{HeaderName, MediaType, Message, TokenParams},
    },
};

/// A list as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sip) struct Carried {
    pub(in crate::sip) lists: ResourceLists,
    /// The document, nothing encoded.
    pub(in crate::sip) text: Bytes,
}

impl Carried {
    /// Reads a document.
    ///
    /// # Errors
    /// 400 where it is none, 413 where it is too large.
    pub(in crate::sip) fn parse(text: Bytes, limits: &Limits) -> Result<Self, Refusal> {
        use crate::formats::{resource_lists::ResourceListsError as Error, xml::XmlError};
        let lists = ResourceLists::parse(&text, limits).map_err(|error| match error {
            Error::TooMany(_) | Error::Xml(XmlError::TooLarge(_)) => {
                Refusal::because(413, format!("Request Entity Too Large: {error}"))
            }
            error => Refusal::because(400, format!("Bad Request: {error}")),
        })?;
        Ok(Self { lists, text })
    }
}

/// The list that a SUBSCRIBE carries, where it carries one.
///
/// # Errors
/// 400 where a list is announced and there is none, or none that can be read; 415 where it is of another
/// kind or encoding; 413 where it is too large.
pub(in crate::sip) fn read_carried(message: &Message, limits: &Limits) -> Result<Option<Carried>, Refusal> {
    let is_announced = message.has_token(HeaderName::Require, RECIPIENT_LIST_SUBSCRIBE);
    let missing = || Refusal::because(400, "Bad Request: no recipient list");
    let body = message.body();
    if body.is_empty() {
        return if is_announced { Err(missing()) } else { Ok(None) };
    }
    let part = Part {
        media_type: message.content_type()?,
        disposition: message.text(HeaderName::ContentDisposition).and_then(|text| disposition_of(&text)),
        encoding: message.text(HeaderName::ContentEncoding).map_or_else(String::new, Cow::into_owned),
        body: &body,
    };
    let is_multipart =
        part.media_type.as_ref().is_some_and(|kind| kind.kind.eq_ignore_ascii_case("multipart"));
    if is_multipart {
        let body = part.decode(limits)?;
        let boundary = part.media_type.as_ref().and_then(|kind| kind.param("boundary"));
        let list = boundary.and_then(|boundary| parts_of(&body, &boundary).into_iter().find(Part::is_list));
        return match list {
            Some(list) => list.read(limits).map(Some),
            None if is_announced => Err(missing()),
            None => Ok(None),
        };
    }
    match part.disposition.as_deref() {
        Some("recipient-list") => part.read(limits).map(Some),
        _ if is_announced => part.read(limits).map(Some),
        _ => Ok(None),
    }
}

/// A body or a part of one.
struct Part<'a> {
    media_type: Option<MediaType>,
    /// In lower case.
    disposition: Option<CompactString>,
    encoding: String,
    body: &'a [u8],
}

impl Part<'_> {
    fn is_list(&self) -> bool {
        self.disposition.as_deref() == Some("recipient-list")
    }

    fn read(&self, limits: &Limits) -> Result<Carried, Refusal> {
        if !self.media_type.as_ref().is_some_and(|kind| kind.is(MEDIA_TYPE)) {
            return Err(Refusal::new(415).with(HeaderName::Accept, MEDIA_TYPE));
        }
        Carried::parse(self.decode(limits)?.into_owned().into(), limits)
    }

    /// The body as it was before it was encoded, bounded as documents are.
    fn decode(&self, limits: &Limits) -> Result<Cow<'_, [u8]>, Refusal> {
        match self.encoding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Cow::Borrowed(self.body)),
            "deflate" => inflate(self.body, limits.xml.bytes).map(Cow::Owned),
            _ => Err(Refusal::new(415).with(HeaderName::AcceptEncoding, ENCODINGS)),
        }
    }
}

/// `deflate` is a zlib stream (RFC 9110 §8.4.1.2); some leave its head away.
fn inflate(bytes: &[u8], most: usize) -> Result<Vec<u8>, Refusal> {
    use miniz_oxide::inflate::TINFLStatus::HasMoreOutput;
    let plain = decompress_to_vec_zlib_with_limit(bytes, most).or_else(|error| match error.status {
        HasMoreOutput => Err(error),
        _ => decompress_to_vec_with_limit(bytes, most),
    });
    plain.map_err(|error| match error.status {
        HasMoreOutput => Refusal::new(413),
        _ => Refusal::because(400, "Bad Request: body cannot be inflated"),
    })
}

/// The parts of a multipart body (RFC 2046 §5.1.1), as many as are looked at.
fn parts_of<'a>(body: &'a [u8], boundary: &str) -> Vec<Part<'a>> {
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let starts: Vec<_> = memmem::find_iter(body, &delimiter)
        .filter(|at| *at == 0 || body.get(at - 1) == Some(&b'\n'))
        .take(PARTS + 1)
        .collect();
    let ends = starts.iter().skip(1);
    let between = starts.iter().zip(ends);
    between.filter_map(|(start, end)| parse_part(body.get(start + delimiter.len()..*end)?)).collect()
}

/// A part from the end of its boundary to the next one, whose line break belongs to the boundary.
fn parse_part(text: &[u8]) -> Option<Part<'_>> {
    let (_, text) = split_line(text)?;
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let mut rest = text.strip_suffix(b"\r").unwrap_or(text);
    let mut part = Part { media_type: None, disposition: None, encoding: String::new(), body: rest };
    loop {
        let (line, after) = split_line(rest)?;
        rest = after;
        if line.is_empty() {
            part.body = rest;
            return Some(part);
        }
        let line = str::from_utf8(line).ok()?;
        let Some((name, value)) = line.split_once(':') else { continue };
        match HeaderName::from_bytes(name.trim().as_bytes()) {
            HeaderName::ContentType => part.media_type = MediaType::parse(value.trim()).ok(),
            HeaderName::ContentDisposition => part.disposition = disposition_of(value.trim()),
            HeaderName::ContentEncoding => value.trim().clone_into(&mut part.encoding),
            _ => {}
        }
    }
}

/// A line without its end, and what follows.
fn split_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', text)?;
    let line = text.get(..end)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), text.get(end + 1..)?))
}

fn disposition_of(text: &str) -> Option<CompactString> {
    TokenParams::parse(text).ok().map(|disposition| disposition.token.to_ascii_lowercase())
}

/// The option of RFC 5367 §9.2.
pub(in crate::sip) const RECIPIENT_LIST_SUBSCRIBE: &str = "recipient-list-subscribe";
/// The encodings in which a list may come.
const ENCODINGS: &str = "identity, deflate";
/// Most parts of a body that are looked at.
const PARTS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Limits as MessageLimits;

    const LIST: &str = "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list>\
        <entry uri=\"sip:bill@example.com\"/></list></resource-lists>";

    fn subscribe(headers: &str, body: &[u8]) -> Message {
        let head = format!(
            "SUBSCRIBE sip:rls@example.com SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\n{headers}\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let text = [head.as_bytes(), body].concat();
        Message::parse_datagram(text.into(), &MessageLimits::default()).unwrap()
    }

    fn read(headers: &str, body: &[u8]) -> Result<Option<String>, u16> {
        let found = read_carried(&subscribe(headers, body), &Limits::default());
        let uri = |carried: Carried| carried.lists.entries().next().map(|entry| entry.uri.to_string());
        found.map(|found| found.and_then(uri)).map_err(|refusal| refusal.status)
    }

    fn deflated(text: &[u8]) -> Vec<u8> {
        miniz_oxide::deflate::compress_to_vec_zlib(text, 6)
    }

    const REQUIRE: &str = "Require: recipient-list-subscribe\r\n";
    const LISTED: &str =
        "Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n";

    #[test]
    fn a_list_is_found_in_every_dress() {
        let bill = Ok(Some("sip:bill@example.com".to_owned()));
        let plain = LIST.as_bytes();
        assert_eq!(read(&[REQUIRE, LISTED].concat(), plain), bill);
        assert_eq!(read(LISTED, plain), bill, "the disposition says it");
        let linphone = [REQUIRE, LISTED, "Content-Encoding: deflate\r\n"].concat();
        assert_eq!(read(&linphone, &deflated(plain)), bill);
        assert_eq!(
            read(&linphone, &miniz_oxide::deflate::compress_to_vec(plain, 6)),
            bill,
            "without its head"
        );
        let multipart = format!(
            "preamble\r\n--b1\r\nContent-Type: text/plain\r\n\r\n--b2 \r\n--b1\r\nContent-Type: application/resource-lists+xml\r\n\
             content-disposition: recipient-list; handling=required\r\n\r\n{LIST}\r\n--b1--\r\n"
        );
        let mixed = "Content-Type: multipart/mixed;boundary=\"b1\"\r\n";
        assert_eq!(read(&[REQUIRE, mixed].concat(), multipart.as_bytes()), bill);
        assert_eq!(read(mixed, multipart.as_bytes()), bill);
    }

    #[test]
    fn what_is_no_list_is_none_or_refused_where_one_is_announced() {
        for (headers, body, expected) in [
            ("", "", Ok(None)),
            ("Content-Type: application/simple-filter+xml\r\n", "<filter/>", Ok(None)),
            ("Content-Type: multipart/mixed;boundary=x\r\n", "--x\r\n\r\n\r\n--x--", Ok(None)),
            ("Content-Type: multipart/mixed\r\n", "--x\r\n\r\n\r\n--x--", Ok(None)),
            (REQUIRE, "", Err(400)),
            ("Require: recipient-list-subscribe\r\nContent-Type: text/plain\r\n", "a", Err(415)),
            (
                "Require: recipient-list-subscribe\r\nContent-Type: multipart/mixed;boundary=x\r\n",
                "--x\r\n\r\n\r\n--x--",
                Err(400),
            ),
            (LISTED, "<a/>", Err(400)),
            (LISTED, "<a", Err(400)),
            (
                "Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n\
                 Content-Encoding: br\r\n",
                "x",
                Err(415),
            ),
            (
                "Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n\
                 Content-Encoding: deflate\r\n",
                "not deflated",
                Err(400),
            ),
        ] {
            assert_eq!(read(headers, body.as_bytes()), expected, "{headers}{body}");
        }
    }

    #[test]
    fn a_body_that_swells_is_refused() {
        let bomb = deflated(&vec![b' '; 50_000_000]);
        assert!(bomb.len() < 60_000);
        assert_eq!(read(&[LISTED, "Content-Encoding: deflate\r\n"].concat(), &bomb), Err(413));
    }
}

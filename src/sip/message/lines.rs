//! Header lines as bytes alone, for requests that this server makes again and again: nobody here reads
//! them back, so no offset is noted. What stays the same from one request to the next is made once and
//! shared ([`crate::sip::transaction::Prepared`]).

use std::fmt;

use bytes::Bytes;

use super::{
    method::Method,
    name::HeaderName,
    text::is_token,
    uri::Uri,
    write::{push_line, push_one_line},
};

/// Lines in the making.
#[derive(Debug)]
#[must_use]
pub struct Lines(Vec<u8>);

impl Lines {
    /// The request line.
    pub fn request(method: &Method, uri: &Uri) -> Self {
        let mut lines = Self::with_capacity(method.as_str().len() + uri.as_str().len() + 12);
        lines.0.extend_from_slice(method.as_str().as_bytes());
        lines.0.push(b' ');
        lines.put_text(uri.as_str());
        lines.0.extend_from_slice(b" SIP/2.0\r\n");
        lines
    }

    /// No line yet, and room for so many bytes before the first growth.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    /// A header whose value is text. Line breaks in the value become spaces.
    pub fn text(self, name: HeaderName, value: &str) -> Self {
        self.written(name.as_str(), value)
    }

    /// A header whose value has to be printed. Line breaks in the value become spaces.
    pub fn value(mut self, name: HeaderName, value: impl fmt::Display) -> Self {
        self.put_name(name.as_str());
        push_line(&mut self.0, value);
        self.0.extend_from_slice(b"\r\n");
        self
    }

    /// A header whose value is text, a number, and text again.
    pub fn number(mut self, name: HeaderName, before: &str, number: u64, after: &str) -> Self {
        self.put_name(name.as_str());
        self.put_text(before);
        put_number(&mut self.0, number);
        self.put_text(after);
        self.0.extend_from_slice(b"\r\n");
        self
    }

    /// A header whose value is several texts, one after the other.
    pub fn texts(mut self, name: HeaderName, texts: &[&str]) -> Self {
        self.put_name(name.as_str());
        for text in texts {
            self.put_text(text);
        }
        self.0.extend_from_slice(b"\r\n");
        self
    }

    /// A header by its written name; an unusable name adds nothing.
    pub fn extension(self, name: &str, value: &str) -> Self {
        if is_token(name.as_bytes()) { self.written(name, value) } else { self }
    }

    /// The lines.
    #[must_use]
    pub fn finish(self) -> Bytes {
        Bytes::from(self.0)
    }

    /// `Content-Type` where one is given, `Content-Length`, and the empty line that ends the head.
    #[must_use]
    pub fn finish_head(self, content_type: &str, body: &[u8]) -> Vec<u8> {
        let typed =
            if content_type.is_empty() { self } else { self.text(HeaderName::ContentType, content_type) };
        let mut ended = typed.number(HeaderName::ContentLength, "", body.len() as u64, "");
        ended.0.extend_from_slice(b"\r\n");
        ended.0
    }

    fn written(mut self, name: &str, value: &str) -> Self {
        self.put_name(name);
        self.put_text(value);
        self.0.extend_from_slice(b"\r\n");
        self
    }

    fn put_name(&mut self, name: &str) {
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b": ");
    }

    fn put_text(&mut self, text: &str) {
        push_one_line(&mut self.0, text.as_bytes());
    }
}

/// Writes a number behind what is there.
pub fn put_number(buffer: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut rest = number;
    let mut first = digits.len();
    for (index, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        first = index;
        if rest == 0 {
            break;
        }
    }
    buffer.extend_from_slice(digits.get(first..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_in_their_lines() {
        let uri = Uri::parse("sip:bob@192.0.2.1").unwrap();
        let line = Lines::request(&Method::Message, &uri).finish();
        assert_eq!(line, "MESSAGE sip:bob@192.0.2.1 SIP/2.0\r\n");
        let lines = Lines::with_capacity(8)
            .text(HeaderName::Subject, "a\r\nRoute: <sip:x>")
            .value(HeaderName::Expires, "1\n2")
            .number(HeaderName::CSeq, "", u64::MAX, " \nX")
            .number(HeaderName::MinExpires, "<", 0, ">")
            .texts(HeaderName::To, &["<", "sip:a\r", ">"])
            .extension("X-Mine", "\nb\r")
            .extension("not a token", "c")
            .finish_head("text/plain\r\n", b"hi");
        assert_eq!(
            str::from_utf8(&lines).unwrap(),
            "Subject: a  Route: <sip:x>\r\nExpires: 1 2\r\nCSeq: 18446744073709551615  X\r\n\
             Min-Expires: <0>\r\nTo: <sip:a >\r\nX-Mine:  b \r\nContent-Type: text/plain  \r\n\
             Content-Length: 2\r\n\r\n"
        );
        assert_eq!(Lines::with_capacity(0).finish_head("", b""), b"Content-Length: 0\r\n\r\n");
    }
}

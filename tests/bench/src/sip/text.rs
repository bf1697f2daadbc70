//! SIP messages as text: just enough to look at what a server sends and to answer it.

use std::fmt::Write as _;

/// What varies between requests.
#[derive(Clone, Default)]
pub struct Request {
    pub method: &'static str,
    pub uri: String,
    /// The whole value of To.
    pub to: String,
    pub call_id: String,
    /// Further header lines, each with its CRLF.
    pub headers: String,
    pub body: String,
}

/// The status of a response, 0 for a request.
pub fn status(message: &str) -> u32 {
    let code = message.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3));
    code.and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// The number in CSeq.
pub fn cseq(message: &str) -> u32 {
    let value = header(message, "CSeq").unwrap_or_default();
    value.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

pub fn header<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    headers(message).find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

pub fn headers(message: &str) -> impl Iterator<Item = (&str, &str)> {
    message.split("\r\n").skip(1).take_while(|line| !line.is_empty()).filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim_end(), value.trim_start()))
    })
}

pub fn body(message: &str) -> &str {
    message.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// A quoted parameter, as challenges have them.
pub fn parameter<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}

/// What stands in the angle brackets of an address.
pub fn uri(address: &str) -> &str {
    let inside = address.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or(address, |(uri, _)| uri)
}

/// A response to `request` with `tag` in To; `extra` are further header lines.
pub fn reply(request: &str, status: &str, tag: &str, extra: &str, body: &str) -> String {
    let mut text = String::with_capacity(1024);
    let _ = write!(text, "SIP/2.0 {status}\r\n");
    for (name, value) in headers(request) {
        if !COPIED.iter().any(|copied| copied.eq_ignore_ascii_case(name)) {
            continue;
        }
        let needs_tag = name.eq_ignore_ascii_case("To") && !value.contains(";tag=");
        let _ = match needs_tag {
            true => write!(text, "{name}: {value};tag={tag}\r\n"),
            false => write!(text, "{name}: {value}\r\n"),
        };
    }
    let _ = write!(text, "{extra}Content-Length: {}\r\n\r\n{body}", body.len());
    text
}

/// RFC 3261 §8.2.6.2 and §12.1.1.
const COPIED: [&str; 6] = ["Via", "From", "To", "Call-ID", "CSeq", "Record-Route"];

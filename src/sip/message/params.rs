//! Parameter lists: `;name=value` after a header value, `name="value", …` in credentials.
//! The text stays as it was written; names are compared without case (RFC 3261 §7.3.1).

use std::{borrow::Cow, fmt};

use compact_str::{CompactString, format_compact};

use super::{
    error::Malformed,
    plain::are_plain_params,
    text::{is_space, is_token, pieces, print_quoted, split_at_byte, split_quoted, trim, unescape_quoted},
};

/// Header parameters in the order and spelling of the wire.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Params {
    /// Without the separator in front of the first one; checked when it was read.
    text: CompactString,
    separator: u8,
}

impl Default for Params {
    fn default() -> Self {
        Self { text: CompactString::default(), separator: b';' }
    }
}

impl Params {
    /// Reads `a;b=c;d="e"`, without a semicolon in front.
    ///
    /// # Errors
    /// An empty parameter, a name that is no token, or an open quoted string.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        Self::parse_separated(text, b';')
    }

    /// Reads what follows a value: nothing, or `;` and parameters.
    pub(super) fn parse_tail(tail: &str) -> Result<Self, Malformed> {
        match text_of_tail(tail)? {
            Some(text) => Self::parse(text),
            None => Ok(Self::default()),
        }
    }

    /// Whether [`Params::parse_tail`] would read this.
    pub(super) fn check_tail(tail: &str) -> Result<(), Malformed> {
        text_of_tail(tail)?.map_or(Ok(()), |text| check(trim(text), b';'))
    }

    /// As [`Params::parse`], without the shortcut for plain ones.
    #[cfg(test)]
    pub(super) fn parse_in_full(text: &str) -> Result<Self, Malformed> {
        check_in_full(text, b';')?;
        Ok(Self { text: text.into(), separator: b';' })
    }

    pub(super) fn parse_separated(text: &str, separator: u8) -> Result<Self, Malformed> {
        let text = trim(text);
        check(text, separator)?;
        Ok(Self { text: text.into(), separator })
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Every parameter: its name, and its value as written (quotes included).
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        pieces(&self.text, self.separator).filter(|piece| !piece.is_empty()).map(split_parameter)
    }

    /// Whether a parameter is there, with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.iter().any(|(found, _)| found.eq_ignore_ascii_case(name))
    }

    /// The value as written of the first parameter of this name; `None` when it has no value.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).and_then(|(_, value)| value)
    }

    /// The value of the first parameter of this name, without quotes.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.raw(name).map(unquoted)
    }

    /// Sets a parameter, quoting the value where it is not a token, a number or a host; `None` sets a
    /// bare flag. A parameter of this name is replaced where it stands, else the new one comes last.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        let printed = match value {
            None => CompactString::from(name),
            Some(value) if is_bare(value) => format_compact!("{name}={value}"),
            Some(value) => format_compact!("{name}={}", print_quoted(value)),
        };
        let mut is_set = false;
        let mut text = CompactString::default();
        for (found, raw) in self.iter() {
            let is_this = found.eq_ignore_ascii_case(name);
            if is_this && is_set {
                continue;
            }
            push_separator(&mut text, self.separator);
            match raw {
                _ if is_this => text.push_str(&printed),
                Some(raw) => text.push_str(&format_compact!("{found}={raw}")),
                None => text.push_str(found),
            }
            is_set |= is_this;
        }
        if !is_set {
            push_separator(&mut text, self.separator);
            text.push_str(&printed);
        }
        self.text = text;
    }

    /// Takes every parameter of this name away.
    pub fn remove(&mut self, name: &str) {
        let mut text = CompactString::default();
        for (found, raw) in self.iter().filter(|(found, _)| !found.eq_ignore_ascii_case(name)) {
            push_separator(&mut text, self.separator);
            text.push_str(found);
            if let Some(raw) = raw {
                text.push('=');
                text.push_str(raw);
            }
        }
        self.text = text;
    }
}

/// Prints `;a;b=c` for header parameters (with the leading semicolon), `a=b, c="d"` for credentials.
impl fmt::Display for Params {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.separator == b';' && !self.is_empty() {
            formatter.write_str(";")?;
        }
        formatter.write_str(&self.text)
    }
}

/// The parameters in what follows a value; none where nothing does.
fn text_of_tail(tail: &str) -> Result<Option<&str>, Malformed> {
    let tail = trim(tail);
    match tail.strip_prefix(';') {
        Some(text) => Ok(Some(text)),
        None if tail.is_empty() => Ok(None),
        None => Err(Malformed("parameter")),
    }
}

fn check(text: &str, separator: u8) -> Result<(), Malformed> {
    if separator == b';' && are_plain_params(text) {
        return Ok(());
    }
    check_in_full(text, separator)
}

fn check_in_full(text: &str, separator: u8) -> Result<(), Malformed> {
    pieces(text, separator).all(is_parameter).then_some(()).ok_or(Malformed("parameter"))
}

fn push_separator(text: &mut CompactString, separator: u8) {
    if !text.is_empty() {
        text.push_str(if separator == b';' { ";" } else { ", " });
    }
}

fn split_parameter(piece: &str) -> (&str, Option<&str>) {
    match split_at_byte(piece, b'=') {
        Some((name, value)) => (trim(name), Some(trim(value))),
        None => (piece, None),
    }
}

fn is_parameter(piece: &str) -> bool {
    checked_parameter(piece).is_some()
}

/// The name of a parameter and its value as written; `None` where it is malformed.
fn checked_parameter(piece: &str) -> Option<(&str, Option<&str>)> {
    let (name, value) = split_parameter(piece);
    let is_sound = is_token(name.as_bytes())
        && match value {
            None => true,
            Some(value) if value.starts_with('"') => {
                split_quoted(value).is_some_and(|(_, rest)| rest.is_empty())
            }
            Some(value) => !value.bytes().any(|byte| is_space(byte) || byte == b'"'),
        };
    is_sound.then_some((name, value))
}

/// Gives each parameter that has a value to `each`, without quotes, in one walk that keeps nothing.
pub(super) fn read_each<'a>(
    text: &'a str,
    separator: u8,
    mut each: impl FnMut(&'a str, Cow<'a, str>),
) -> Result<(), Malformed> {
    for piece in pieces(trim(text), separator) {
        let (name, value) = checked_parameter(piece).ok_or(Malformed("parameter"))?;
        if let Some(value) = value {
            each(name, unquoted(value));
        }
    }
    Ok(())
}

fn unquoted(raw: &str) -> Cow<'_, str> {
    split_quoted(raw).map_or(Cow::Borrowed(raw), |(inside, _)| unescape_quoted(inside))
}

/// Whether a value may stand without quotes: a token or a host (`gen-value`, RFC 3261 §25.1).
fn is_bare(value: &str) -> bool {
    is_token(value.as_bytes()) || value.trim_matches(['[', ']']).parse::<std::net::Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_without_case_and_unquoted() {
        let params = Params::parse(r#" tag = 98asjd8 ; LR; +sip.instance="<urn:uuid:1;2>";q=0.33"#).unwrap();
        assert_eq!(params.value("Tag").as_deref(), Some("98asjd8"));
        assert!(params.has("lr"));
        assert_eq!(params.value("lr"), None);
        assert_eq!(params.value("+sip.instance").as_deref(), Some("<urn:uuid:1;2>"));
        assert_eq!(params.raw("+SIP.instance"), Some("\"<urn:uuid:1;2>\""));
    }

    #[test]
    fn empty_and_open_parameters_are_refused() {
        for bad in ["", ";", "a;;b", "=x", "a=\"open", "a=\"x\"y", "a b", "a=b c"] {
            assert!(Params::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn setting_replaces_in_place_and_quotes_where_needed() {
        let mut params = Params::parse("rport;branch=z9;rport").unwrap();
        params.set("rport", Some("5060"));
        params.set("received", Some("2001:db8::1"));
        params.set("note", Some("two words"));
        params.remove("branch");
        assert_eq!(params.to_string(), ";rport=5060;received=2001:db8::1;note=\"two words\"");
    }
}

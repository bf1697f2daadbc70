//! The lexical part of reading: names, white space, references, comments, instructions (XML 1.0 §2, Namespaces
//! in XML §3, §4). It knows bytes and places, no tree.

use super::{
    ParseError,
    arena::{QName, Span, number},
    escape::{is_character, parse_reference},
};

/// A place in a text that is UTF-8 and has only characters that XML allows.
pub(super) struct Scanner<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl<'a> Scanner<'a> {
    /// # Errors
    /// The text is not UTF-8, or has a character that no document has.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let text = str::from_utf8(bytes).map_err(|_| ParseError::NotUtf8)?;
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        match foreign_character(text) {
            Some(at) => Err(ParseError::Malformed { at, what: "character that xml does not have" }),
            None => Ok(Self { text, at }),
        }
    }

    pub(super) fn malformed<T>(&self, what: &'static str) -> Result<T, ParseError> {
        Err(ParseError::Malformed { at: self.at, what })
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn is_at(&self, word: &str) -> bool {
        self.rest().starts_with(word)
    }

    /// Goes over a word, where it is there.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let is_there = self.is_at(word);
        if is_there {
            self.at += word.len();
        }
        is_there
    }

    pub(super) fn expect(&mut self, word: &str, what: &'static str) -> Result<(), ParseError> {
        if self.take(word) { Ok(()) } else { self.malformed(what) }
    }

    /// Goes over white space; says whether there was any.
    pub(super) fn take_space(&mut self) -> bool {
        let before = self.at;
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
        self.at > before
    }

    /// Goes to just behind `mark`; the text before it.
    fn take_until(&mut self, mark: &str, what: &'static str) -> Result<&'a str, ParseError> {
        let Some(length) = memchr::memmem::find(self.rest().as_bytes(), mark.as_bytes()) else {
            return self.malformed(what);
        };
        let inside = self.rest().get(..length).unwrap_or_default();
        self.at += length + mark.len();
        Ok(inside)
    }

    /// Goes over `prefix:local` or `local`.
    pub(super) fn take_name(&mut self) -> Result<QName, ParseError> {
        let start = self.at;
        while self.peek().is_some_and(|byte| is_name_byte(byte) || byte >= 0x80) {
            self.at += 1;
        }
        let whole = Span::new(start, self.at);
        let written = whole.of(self.text);
        let local = match written.split_once(':') {
            None => start,
            Some((prefix, _)) => start + prefix.len() + 1,
        };
        let name = QName { whole, local: number(local) };
        let prefix = name.prefix().map_or(Ok(()), |prefix| check_name(prefix.of(self.text)));
        match prefix.and_then(|()| check_name(name.local().of(self.text))) {
            Ok(()) => Ok(name),
            Err(NotAName) => Err(ParseError::Malformed { at: start, what: "no name" }),
        }
    }

    /// Goes over a quoted value: where it is without quotes, and whether reading it takes work.
    pub(super) fn take_value(&mut self) -> Result<(Span, bool), ParseError> {
        let Some(quote @ (b'"' | b'\'')) = self.peek() else { return self.malformed("no quoted value") };
        self.at += 1;
        let start = self.at;
        let mut is_escaped = false;
        loop {
            match self.peek() {
                None => return self.malformed("quote without end"),
                Some(byte) if byte == quote => break,
                Some(b'<') => return self.malformed("`<` within an attribute"),
                Some(b'&') => {
                    is_escaped = true;
                    self.take_reference()?;
                }
                Some(byte) => {
                    is_escaped |= is_space(byte) && byte != b' ';
                    self.at += 1;
                }
            }
        }
        let value = Span::new(start, self.at);
        self.at += 1;
        Ok((value, is_escaped))
    }

    fn take_reference(&mut self) -> Result<(), ParseError> {
        match parse_reference(self.text.get(self.at + 1..).unwrap_or_default()) {
            Some((_, length)) => self.at += 1 + length,
            None => return self.malformed("reference to nothing that is known"),
        }
        Ok(())
    }

    /// Goes over text up to the next `<`, or to the end.
    pub(super) fn take_text(&mut self) -> Result<(), ParseError> {
        loop {
            match memchr::memchr3(b'<', b'&', b']', self.rest().as_bytes()) {
                None => {
                    self.at = self.text.len();
                    return Ok(());
                }
                Some(length) => self.at += length,
            }
            match self.peek() {
                Some(b'&') => self.take_reference()?,
                Some(b']') if self.is_at("]]>") => return self.malformed("`]]>` within text"),
                Some(b']') => self.at += 1,
                _ => return Ok(()),
            }
        }
    }

    /// Goes over a CDATA section, whose start is here.
    pub(super) fn take_character_data(&mut self) -> Result<(), ParseError> {
        self.at += CDATA.len();
        self.take_until("]]>", "cdata section without end").map(drop)
    }

    /// Goes over a comment, whose start is here.
    pub(super) fn take_comment(&mut self) -> Result<(), ParseError> {
        self.at += COMMENT.len();
        self.take_until("--", "comment without end")?;
        self.expect(">", "`--` within a comment")
    }

    /// Goes over a processing instruction, whose start is here.
    pub(super) fn take_instruction(&mut self) -> Result<(), ParseError> {
        self.at += 2;
        let target = self.take_name()?.whole.of(self.text);
        if target.eq_ignore_ascii_case("xml") {
            return self.malformed("xml declaration that is not at the start");
        }
        if target.contains(':') {
            return self.malformed("colon in the target of an instruction");
        }
        if !self.is_at("?>") && !self.take_space() {
            return self.malformed("no white space behind the target of an instruction");
        }
        self.take_until("?>", "instruction without end").map(drop)
    }

    /// Goes over `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>`, where it is there.
    ///
    /// # Errors
    /// It is malformed, or names another encoding.
    pub(super) fn take_xml_declaration(&mut self) -> Result<(), ParseError> {
        let is_declaration = self.rest().strip_prefix("<?xml");
        if !is_declaration.is_some_and(|rest| rest.bytes().next().is_some_and(is_space)) {
            return Ok(());
        }
        self.at += 5;
        let version = self.take_pseudo_attribute("version")?;
        if !version.is_some_and(is_version) {
            return self.malformed("no version of xml that is known");
        }
        let encoding = self.take_pseudo_attribute("encoding")?;
        if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("utf-8")) {
            return Err(ParseError::NotUtf8);
        }
        let standalone = self.take_pseudo_attribute("standalone")?;
        if standalone.is_some_and(|word| word != "yes" && word != "no") {
            return self.malformed("standalone is neither yes nor no");
        }
        self.take_space();
        self.expect("?>", "xml declaration without end")
    }

    fn take_pseudo_attribute(&mut self, name: &str) -> Result<Option<&'a str>, ParseError> {
        let before = self.at;
        if !self.take_space() || !self.take(name) {
            self.at = before;
            return Ok(None);
        }
        self.take_equals()?;
        let (value, _) = self.take_value()?;
        Ok(Some(value.of(self.text)))
    }

    pub(super) fn take_equals(&mut self) -> Result<(), ParseError> {
        self.take_space();
        self.expect("=", "no `=` behind a name")?;
        self.take_space();
        Ok(())
    }
}

/// `1.0`, and what a reader of 1.0 takes for it (XML 1.0 §2.8).
fn is_version(text: &str) -> bool {
    text.strip_prefix("1.")
        .is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit()))
}

struct NotAName;

/// Whether a text is a name without colon.
pub(in crate::documents) fn is_name(text: &str) -> bool {
    check_name(text).is_ok()
}

fn check_name(text: &str) -> Result<(), NotAName> {
    let mut characters = text.chars();
    let is_name = characters.next().is_some_and(is_name_start) && characters.all(is_name_character);
    if is_name { Ok(()) } else { Err(NotAName) }
}

/// Where the first character is that no document has.
fn foreign_character(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_control = |byte: &u8| *byte < b' ' && !is_space(*byte);
    let control = bytes.iter().position(is_control);
    let is_foreign = |at: &usize| {
        let character = text.get(*at..).and_then(|rest| rest.chars().next());
        character.is_some_and(|character| !is_character(character))
    };
    control.or_else(|| memchr::memchr_iter(0xef, bytes).find(is_foreign))
}

/// The four characters of XML white space.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':')
}

fn is_name_start(character: char) -> bool {
    matches!(character,
        'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}'
        | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}'
        | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

fn is_name_character(character: char) -> bool {
    is_name_start(character)
        || matches!(character,
            '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

pub(super) const CDATA: &str = "<![CDATA[";
pub(super) const COMMENT: &str = "<!--";

//! A new envelope around old content: how a stanza is sent on without being built anew.

use super::stanza::Kind;
use super::text::print_attribute;
use crate::signal::{Address, Party};

/// An address to print: whole, or still in its two parts.
#[derive(Clone, Copy, Debug)]
pub struct Jid<'a> {
    address: &'a str,
    resource: Option<&'a str>,
}

impl<'a> From<&'a str> for Jid<'a> {
    fn from(address: &'a str) -> Self {
        Self { address, resource: None }
    }
}

impl<'a> From<&'a Address> for Jid<'a> {
    fn from(address: &'a Address) -> Self {
        Self { address: address.as_str(), resource: None }
    }
}

impl<'a> From<&'a Party> for Jid<'a> {
    fn from(party: &'a Party) -> Self {
        let resource = party.resource.as_ref().map(|resource| resource.as_str());
        Self { address: party.address.as_str(), resource }
    }
}

impl Jid<'_> {
    fn print(self, out: &mut Vec<u8>) {
        print_value(self.address, out);
        if let Some(resource) = self.resource {
            out.push(b'/');
            print_value(resource, out);
        }
    }

    fn len(self) -> usize {
        self.address.len() + self.resource.map_or(0, |resource| resource.len() + 1)
    }
}

/// The envelope of a stanza to send. Addresses and ids are plain text; printing escapes them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    pub kind: Kind,
    pub from: Option<Jid<'a>>,
    pub to: Option<Jid<'a>>,
    pub id: Option<&'a str>,
    pub stanza_type: Option<&'a str>,
    pub language: Option<&'a str>,
    /// Declared as the default namespace, for a stanza inside another one.
    pub namespace: Option<&'a str>,
}

impl Head<'_> {
    /// Appends the stanza: this head, then `parts` one after another, then the end tag. The parts are
    /// well-formed content for a default namespace of `jabber:client`.
    pub fn print(&self, parts: &[&[u8]], out: &mut Vec<u8>) {
        let content: usize = parts.iter().map(|part| part.len()).sum();
        out.reserve(content + self.longest());
        self.print_start(out);
        if content == 0 {
            out.extend_from_slice(b"/>");
            return;
        }
        out.push(b'>');
        for part in parts {
            out.extend_from_slice(part);
        }
        out.extend_from_slice(b"</");
        out.extend_from_slice(self.kind.name().as_bytes());
        out.push(b'>');
    }

    fn print_start(&self, out: &mut Vec<u8>) {
        out.push(b'<');
        out.extend_from_slice(self.kind.name().as_bytes());
        print_text_attribute(b" xmlns='", self.namespace, out);
        for (name, value) in [(b" from='".as_slice(), self.from), (b" to='", self.to)] {
            let Some(value) = value else { continue };
            out.extend_from_slice(name);
            value.print(out);
            out.push(b'\'');
        }
        print_text_attribute(b" id='", self.id, out);
        print_text_attribute(b" type='", self.stanza_type, out);
        print_text_attribute(b" xml:lang='", self.language, out);
    }

    fn longest(&self) -> usize {
        let texts = [self.id, self.stanza_type, self.language, self.namespace];
        let texts: usize = texts.iter().flatten().map(|value| value.len()).sum();
        96 + texts + self.from.map_or(0, Jid::len) + self.to.map_or(0, Jid::len)
    }
}

/// Appends a stanza that was printed before, with a `from` and without `to`, for the receiver `to`.
pub fn print_addressed(printed: &[u8], to: Jid<'_>, out: &mut Vec<u8>) {
    let after_from = memchr::memchr_iter(b'\'', printed).nth(1).map_or(0, |quote| quote + 1);
    let (from, rest) = printed.split_at(after_from);
    out.reserve(printed.len() + to.len() + 32);
    out.extend_from_slice(from);
    out.extend_from_slice(b" to='");
    to.print(out);
    out.push(b'\'');
    out.extend_from_slice(rest);
}

fn print_text_attribute(name: &[u8], value: Option<&str>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        out.extend_from_slice(name);
        print_value(value, out);
        out.push(b'\'');
    }
}

fn print_value(value: &str, out: &mut Vec<u8>) {
    // No byte ends the walk early, so that many are looked at in one step.
    let is_plain =
        |byte: u8| (b' '..0x80).contains(&byte) && !matches!(byte, b'<' | b'>' | b'&' | b'"' | b'\'');
    if value.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        out.extend_from_slice(value.as_bytes());
    } else {
        print_attribute(value, out);
    }
}

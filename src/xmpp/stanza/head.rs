//! A new envelope around old content: how a stanza is sent on without being built anew.

use bytes::{BufMut, BytesMut};

use super::stanza::Kind;
use super::text::print_attribute;

/// The envelope of a stanza to send. Addresses and ids are plain text; printing escapes them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    pub kind: Kind,
    pub from: Option<&'a str>,
    pub to: Option<&'a str>,
    pub id: Option<&'a str>,
    pub stanza_type: Option<&'a str>,
    pub language: Option<&'a str>,
    /// Declared as the default namespace, for a stanza inside another one.
    pub namespace: Option<&'a str>,
}

impl Head<'_> {
    /// Appends the stanza: this head, then `parts` one after another, then the end tag. The parts are
    /// well-formed content for a default namespace of `jabber:client`.
    pub fn print(&self, parts: &[&[u8]], out: &mut BytesMut) {
        let content: usize = parts.iter().map(|part| part.len()).sum();
        out.reserve(content + self.longest());
        self.print_start(out);
        if content == 0 {
            out.put_slice(b"/>");
            return;
        }
        out.put_u8(b'>');
        for part in parts {
            out.put_slice(part);
        }
        out.put_slice(b"</");
        out.put_slice(self.kind.name().as_bytes());
        out.put_u8(b'>');
    }

    fn print_start(&self, out: &mut BytesMut) {
        out.put_u8(b'<');
        out.put_slice(self.kind.name().as_bytes());
        let attributes = [
            (" xmlns='", self.namespace),
            (" from='", self.from),
            (" to='", self.to),
            (" id='", self.id),
            (" type='", self.stanza_type),
            (" xml:lang='", self.language),
        ];
        for (name, value) in attributes {
            let Some(value) = value else { continue };
            out.put_slice(name.as_bytes());
            put_escaped(value, out);
            out.put_u8(b'\'');
        }
    }

    fn longest(&self) -> usize {
        let values = [self.from, self.to, self.id, self.stanza_type, self.language];
        96 + values.iter().flatten().map(|value| value.len()).sum::<usize>()
    }
}

/// Appends a stanza that was printed before, with a `from` and without `to`, for the receiver `to`.
pub fn print_addressed(printed: &[u8], to: &str, out: &mut BytesMut) {
    let after_from = memchr::memchr_iter(b'\'', printed).nth(1).map_or(0, |quote| quote + 1);
    let (from, rest) = printed.split_at(after_from);
    out.reserve(printed.len() + to.len() + 32);
    out.put_slice(from);
    out.put_slice(b" to='");
    put_escaped(to, out);
    out.put_u8(b'\'');
    out.put_slice(rest);
}

fn put_escaped(value: &str, out: &mut BytesMut) {
    let is_plain = value
        .bytes()
        .all(|byte| (b' '..0x80).contains(&byte) && !matches!(byte, b'<' | b'>' | b'&' | b'"' | b'\''));
    if is_plain {
        out.put_slice(value.as_bytes());
    } else {
        let mut escaped = Vec::with_capacity(value.len() * 2);
        print_attribute(value, &mut escaped);
        out.put_slice(&escaped);
    }
}

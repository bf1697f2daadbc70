//! Where stanzas and signals meet: the only place of this room that knows both (RFC 6121 §5, §4, §2).
//!
//! The native form of a signal is the content of its stanza as it came, so that nothing is lost between two
//! XMPP clients; the neutral form beside it is for everybody else. What comes from elsewhere is written
//! from the neutral form.

mod message;
mod presence;
mod query;
mod refusal;
#[cfg(test)]
mod tests;

pub(super) use message::{Envelope, parse_message, print_archived, print_message, print_sent};
pub(super) use presence::{
    parse_contact_content, parse_contact_failure, parse_presence, print_contact_failure,
    print_contact_signal, print_notice,
};
pub(super) use query::{parse_query, print_query};
pub(super) use refusal::{Refusal, Scope};

use bytes::Bytes;
use compact_str::CompactString;

use super::stanza::{Kind, Stanza};
use crate::signal::Native;

/// The content of a stanza, to be kept beside the neutral form. `language` is the stream's.
fn native(stanza: &Stanza, language: Option<&str>) -> Native {
    let lang = stanza.language().map(CompactString::from).or_else(|| language.map(CompactString::from));
    Native::Elements { payload: stanza.payload().unwrap_or_default(), lang }
}

/// The content and its language, where there is a native form of ours.
fn elements(native: &Native) -> Option<(&Bytes, Option<&str>)> {
    match native {
        Native::Elements { payload, lang } => Some((payload, lang.as_deref())),
        Native::None | Native::Mime { .. } | Native::Retracted { .. } => None,
    }
}

/// Appends `<name>text</name>`, with a language if it is known.
fn print_text_element(name: &str, lang: Option<&str>, text: &str, out: &mut Vec<u8>) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    if let Some(lang) = lang {
        out.extend_from_slice(b" xml:lang='");
        super::stanza::print_attribute(lang, out);
        out.push(b'\'');
    }
    out.push(b'>');
    super::stanza::print_text(text, out);
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

/// The error condition inside a stanza of type error.
fn parse_refusal(stanza: &Stanza) -> crate::signal::Reject {
    debug_assert_ne!(stanza.kind(), Kind::Other);
    refusal::parse(stanza)
}

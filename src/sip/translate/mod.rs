//! The one place where SIP's headers and bodies meet signals: addresses, refusals, messages.
//!
//! Pure: bytes and values in, values out. Presence documents are `formats`' and the presence agent's.
//!
//! # What becomes of a message
//! - In: the body stays as it came ([`crate::signal::Native::Mime`]), and what can be said of it neutrally
//!   is read beside it: text/plain, text/html without its marks, message/cpim (RFC 3862), isComposing
//!   (RFC 3994) and IMDN (RFC 5438).
//! - Out: a native MIME body leaves byte for byte; anything else as text/plain, or as message/cpim where
//!   the phone understands that and the sender asks for receipts.

mod address;
mod composing;
mod cpim;
mod imdn;
mod incoming;
mod outgoing;
mod status;

pub(in crate::sip) use address::{address_of, gruu, party_of, print_uri, uri_of};
pub(in crate::sip) use incoming::{Envelope, message_of};
pub(in crate::sip) use outgoing::{
    Form, Rendering, Taste, has_neutral_form, is_expired, render, request_for,
};
pub(in crate::sip) use status::refusal_of;

/// What a MESSAGE may carry, most useful first. Other types pass between phones, too.
pub(in crate::sip) const ACCEPT: &str =
    "text/plain, message/cpim, message/imdn+xml, application/im-iscomposing+xml, text/html, */*;q=0.1";

//! Answers: what every response of this server has, and refusals as values.
//!
//! A handler decides and returns a [`Refusal`]; the door makes the response of it. The table between
//! status codes and [`Reject`] is in [`super::translate`].

use std::borrow::Cow;

use compact_str::{CompactString, ToCompactString};
use smallvec::SmallVec;

use super::{
    message::{Builder, HeaderError, HeaderName, Message},
    transaction::IncomingRequest,
};
use crate::signal::Reject;

/// A final response that says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sip) struct Refusal {
    /// 300 to 699.
    pub(in crate::sip) status: u16,
    /// Words instead of the usual phrase of the status.
    reason: Option<Cow<'static, str>>,
    headers: SmallVec<[(HeaderName, CompactString); 2]>,
}

impl Refusal {
    /// A refusal with the usual phrase.
    pub(in crate::sip) fn new(status: u16) -> Self {
        Self { status, reason: None, headers: SmallVec::new() }
    }

    /// A refusal that says why.
    pub(in crate::sip) fn because(status: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { status, reason: Some(reason.into()), headers: SmallVec::new() }
    }

    /// With a header more.
    pub(in crate::sip) fn with(mut self, name: HeaderName, value: impl ToCompactString) -> Self {
        self.headers.push((name, value.to_compact_string()));
        self
    }

    /// The response to `request`; `tag` goes on To.
    pub(in crate::sip) fn response(&self, request: &Message, tag: &str) -> Message {
        let mut builder = answer(request, self.status, tag);
        if let Some(reason) = &self.reason {
            builder = builder.reason(reason);
        }
        for (name, value) in &self.headers {
            builder = builder.text(*name, value);
        }
        builder.finish()
    }
}

impl From<HeaderError> for Refusal {
    fn from(error: HeaderError) -> Self {
        Self::because(400, format!("Bad Request: {error}"))
    }
}

impl From<Reject> for Refusal {
    fn from(reject: Reject) -> Self {
        super::translate::refusal_of(&reject)
    }
}

/// A response with what all of ours have; `tag` goes on To unless it has one.
pub(in crate::sip) fn answer(request: &Message, status: u16, tag: &str) -> Builder {
    Builder::response_to(request, status, tag).text(HeaderName::Server, PRODUCT)
}

/// Refuses what a UAS must not ignore: options it does not know (RFC 3261 §8.2.2.3).
///
/// # Errors
/// 420 with the options that are not in `known`.
pub(in crate::sip) fn check_require(request: &IncomingRequest, known: &[&str]) -> Result<(), Refusal> {
    let is_known = |option: &str| known.iter().any(|known| known.eq_ignore_ascii_case(option));
    let mut unknown = request.message.values(HeaderName::Require).filter(|option| !is_known(option));
    let Some(first) = unknown.next() else { return Ok(()) };
    let list = unknown.fold(first.into_owned(), |list, option| format!("{list}, {option}"));
    Err(Refusal::new(420).with(HeaderName::Unsupported, list))
}

/// The methods that are understood, for Allow. Who adds a method to the dispatch adds it here.
pub(in crate::sip) const ALLOW: &str =
    "REGISTER, OPTIONS, MESSAGE, PUBLISH, SUBSCRIBE, INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, NOTIFY";

/// The extensions that are understood, for Supported.
pub(in crate::sip) const SUPPORTED: &str = "gruu, outbound, path, eventlist, recipient-list-subscribe";

/// What this server calls itself (RFC 3261 §20.35).
pub(in crate::sip) const PRODUCT: &str = concat!("Rollcall/", env!("CARGO_PKG_VERSION"));

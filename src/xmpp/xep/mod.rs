//! What the server answers itself: one file per extension, each announcing what it handles.
//!
//! [`MODULES`] is the whole list. Dispatch and service discovery are made from it, so that nothing can be
//! announced that is not handled, or handled without being announced.

pub(super) mod caps;
mod carbons;
pub(super) mod delay;
mod disco;
pub(super) mod hints;
mod legacy_session;
mod offline;
pub(super) mod ping;
pub(super) mod vcard_update;
mod version;

use super::{roster, session::Expect, stanza::ChildView, translate::Refusal};
use crate::account::{Request, SessionChange};

/// Every extension, and the roster of RFC 6121.
pub(super) static MODULES: &[Module] = &[
    disco::MODULE,
    caps::MODULE,
    roster::MODULE,
    ping::MODULE,
    version::MODULE,
    carbons::MODULE,
    delay::MODULE,
    hints::MODULE,
    offline::MODULE,
    legacy_session::MODULE,
];

/// One extension as the rest of the room sees it.
pub(super) struct Module {
    /// Announced for the server.
    pub(super) server_features: &'static [&'static str],
    /// Announced for the account.
    pub(super) account_features: &'static [&'static str],
    /// The requests it answers.
    pub(super) payloads: &'static [Payload],
}

impl Module {
    /// Announces nothing and answers nothing.
    pub(super) const NONE: Self = Self { server_features: &[], account_features: &[], payloads: &[] };
}

/// A request that is answered.
pub(super) struct Payload {
    pub(super) name: &'static str,
    pub(super) namespace: &'static str,
    pub(super) handler: Handler,
}

/// Answers a request.
type Function = fn(&Iq<'_>) -> Answer;

/// What kind of request is answered; the other kind is refused.
pub(super) enum Handler {
    Get(Function),
    Set(Function),
    Both(Function),
}

/// A request to the server or the account.
pub(super) struct Iq<'a> {
    pub(super) payload: ChildView<'a>,
    pub(super) is_set: bool,
    pub(super) target: Target,
}

/// Whom a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Server,
    /// The session's own account.
    Account,
}

/// What a handler wants done.
pub(super) enum Answer {
    /// Send this as the content of the result.
    Result(String),
    Refuse(Refusal),
    /// Change the session, then send an empty result.
    Change(SessionChange),
    /// Ask the account, which answers later.
    Ask(Box<Request>, Expect),
}

impl Answer {
    /// An empty result.
    pub(super) fn done() -> Self {
        Self::Result(String::new())
    }
}

/// The answer to a request.
pub(super) fn answer(iq: &Iq<'_>) -> Answer {
    let payloads = MODULES.iter().flat_map(|module| module.payloads);
    let found = payloads.into_iter().find(|payload| iq.payload.is(payload.name, payload.namespace));
    match found.map(|payload| &payload.handler) {
        Some(Handler::Both(function)) => function(iq),
        Some(Handler::Get(function)) if !iq.is_set => function(iq),
        Some(Handler::Set(function)) if iq.is_set => function(iq),
        Some(_) => Answer::Refuse(Refusal::BAD_REQUEST),
        None => Answer::Refuse(Refusal::SERVICE_UNAVAILABLE),
    }
}

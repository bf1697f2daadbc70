//! What the server answers itself: one file per extension, each announcing what it handles.
//!
//! [`MODULES`] is the whole list. Dispatch and service discovery are made from it, so that nothing can be
//! announced that is not handled, or handled without being announced.

mod administration;
pub(super) mod announced;
pub(super) mod avatar;
pub(super) mod blocking;
mod bookmarks;
pub(super) mod caps;
mod carbons;
mod client_access;
mod commands;
pub(super) mod csi;
pub(super) mod delay;
mod disco;
mod external_services;
mod feature_hash;
mod form;
pub(super) mod hints;
pub(super) mod interests;
pub(super) mod invitation;
mod last_activity;
mod legacy_session;
pub(super) mod mam;
pub(super) mod nickname;
pub(super) mod node_form;
mod offline;
pub(super) mod ping;
mod private_storage;
mod pubsub;
pub(super) mod pubsub_event;
mod pubsub_owner;
pub(super) mod push;
mod register;
mod reporting;
mod result_set;
pub(super) mod retraction;
mod search;
pub(super) mod stanza_id;
pub(super) mod temporary_presence;
mod time;
mod upload;
mod vcard4;
pub(super) mod vcard_temp;
pub(super) mod vcard_update;
mod version;

pub(super) use announced::CONTACTS;

use super::{door::Shared, job::Work, roster, session::Expect, stanza::ChildView, translate::Refusal};
use crate::account::{Reply, Request, SessionChange};
use crate::admin::Admin;
use crate::signal::{Address, Party, Reject};

/// Every extension, and the roster of RFC 6121.
pub(super) static MODULES: &[Module] = &[
    disco::MODULE,
    caps::MODULE,
    roster::MODULE,
    ping::MODULE,
    version::MODULE,
    last_activity::MODULE,
    time::MODULE,
    register::MODULE,
    client_access::MODULE,
    commands::MODULE,
    carbons::MODULE,
    delay::MODULE,
    hints::MODULE,
    offline::MODULE,
    legacy_session::MODULE,
    pubsub::MODULE,
    pubsub_owner::MODULE,
    avatar::MODULE,
    blocking::MODULE,
    reporting::MODULE,
    vcard_temp::MODULE,
    vcard4::MODULE,
    private_storage::MODULE,
    bookmarks::MODULE,
    mam::MODULE,
    stanza_id::MODULE,
    retraction::MODULE,
    upload::MODULE,
    external_services::MODULE,
    push::MODULE,
    search::MODULE,
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
    /// Both, and of other accounts as of the own one.
    Shared(Function),
    /// Asked with get, of other accounts too.
    SharedGet(Function),
}

/// A request to the server or the account.
pub(super) struct Iq<'a> {
    pub(super) payload: ChildView<'a>,
    pub(super) is_set: bool,
    pub(super) target: Target,
    /// The account that is asked: the own one, unless the target is another.
    pub(super) account: &'a Address,
    /// Who asks.
    pub(super) asker: &'a Party,
    /// He logged in with the password of one device, and does with the account what devices may.
    pub(super) is_device: bool,
    /// Makes a name that nothing has yet.
    pub(super) fresh: &'a dyn Fn() -> String,
    /// What all connections share.
    pub(super) shared: &'a Shared,
    /// Administration, for whoever may and for what everybody may do with the own account.
    pub(super) admin: &'a Admin,
}

/// Whom a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Server,
    /// The session's own account.
    Account,
    /// Another account of this server.
    Other,
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
    /// Ask the account, and go on with what it answers.
    Then(Box<Request>, Then),
    /// From now on tell of blocks, too.
    FollowBlocks(Box<Self>),
    /// Work for the answer, which may take a while.
    Work(Work),
    /// Send messages with these contents from the account, then this as the content of the result.
    Messages(Vec<Vec<u8>>, String),
}

/// What becomes of the account's answer.
pub(super) type Then = Box<dyn FnOnce(Result<Reply, Reject>) -> Answer + Send>;

impl Answer {
    /// An empty result.
    pub(super) fn done() -> Self {
        Self::Result(String::new())
    }

    /// Work for the answer.
    pub(super) fn work(work: impl Future<Output = Self> + Send + 'static) -> Self {
        Self::Work(Box::pin(work))
    }

    /// Ask the account, and go on with what it answers.
    pub(super) fn then(
        request: Request,
        then: impl FnOnce(Result<Reply, Reject>) -> Self + Send + 'static,
    ) -> Self {
        Self::Then(Box::new(request), Box::new(then))
    }
}

/// The answer to a request.
pub(super) fn answer(iq: &Iq<'_>) -> Answer {
    let payloads = MODULES.iter().flat_map(|module| module.payloads);
    let found = payloads.into_iter().find(|payload| iq.payload.is(payload.name, payload.namespace));
    match found.map(|payload| &payload.handler) {
        Some(Handler::Shared(function)) => function(iq),
        Some(Handler::SharedGet(function)) if !iq.is_set => function(iq),
        Some(_) if iq.target == Target::Other => Answer::Refuse(Refusal::SERVICE_UNAVAILABLE),
        Some(Handler::Both(function)) => function(iq),
        Some(Handler::Get(function)) if !iq.is_set => function(iq),
        Some(Handler::Set(function)) if iq.is_set => function(iq),
        Some(_) => Answer::Refuse(Refusal::BAD_REQUEST),
        None => Answer::Refuse(Refusal::SERVICE_UNAVAILABLE),
    }
}

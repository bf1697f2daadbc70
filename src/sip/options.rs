//! OPTIONS (RFC 3261 §11): what this server understands, and what one of its users could take now.
//!
//! A question about a user gets the same answer as one about the server, whether there is such a user or not, unless
//! she chose that this asker may learn that she is there: then he learns it as he would by calling (§11.2). Nobody is
//! asked to prove who he is for it, since that would show who chose so.

use std::sync::Arc;

use super::{
    answer::{ALLOW, Refusal, SUPPORTED, answer, check_require},
    auth::Role,
    door::Door,
    events::PACKAGES,
    message::{HeaderName, Message},
    transaction::IncomingRequest,
    translate,
};
use crate::{
    account::{Reply, Request, Takes},
    signal::Wanted,
};

/// Answers an OPTIONS.
///
/// # Errors
/// 404 where it asks about another domain, 420 where it requires an unknown option.
pub(in crate::sip) fn handle_options(door: &Door, request: &IncomingRequest) -> Result<Message, Refusal> {
    check_require(request, &[])?;
    let uri = request.message.request_uri()?;
    let asks_us = uri.user().is_none()
        || translate::address_of(&uri).is_some_and(|address| door.accounts.serves(address.domain()));
    if !asks_us {
        return Err(Refusal::new(404));
    }
    Ok(print(request, ALLOW))
}

/// Whether the question is about a user, and its asker can be known.
pub(in crate::sip) fn is_about_user(door: &Door, request: &IncomingRequest) -> bool {
    let message = &request.message;
    let is_about_user = message.request_uri().is_ok_and(|uri| uri.user().is_some());
    let is_registered = || {
        let from = message.from().ok().and_then(|from| translate::address_of(&from.uri));
        from.is_some_and(|from| door.locations.device_at(&from, &request.flow).is_some())
    };
    is_about_user && (message.field(HeaderName::ProxyAuthorization).is_some() || is_registered())
}

/// Answers an OPTIONS about a user.
///
/// # Errors
/// As [`handle_options`], and 480 where the asker may know that nobody is there.
pub(in crate::sip) async fn handle_about_user(
    door: Arc<Door>,
    request: Arc<IncomingRequest>,
) -> Result<Message, Refusal> {
    let plain = handle_options(&door, &request)?;
    match reach(&door, &request).await {
        None => Ok(plain),
        Some(Takes { calls: false, messages: false }) => Err(Refusal::new(480)),
        Some(Takes { calls: true, messages: true }) => Ok(print(&request, TAKES_BOTH)),
        Some(Takes { calls: true, .. }) => Ok(print(&request, TAKES_CALLS)),
        Some(Takes { .. }) => Ok(print(&request, TAKES_MESSAGES)),
    }
}

/// What the user could take, as far as the asker may know.
async fn reach(door: &Door, request: &IncomingRequest) -> Option<Takes> {
    let of = translate::address_of(&request.message.request_uri().ok()?)?;
    let asker = door.authenticate(request, Role::Proxy).await.ok()?;
    let enquiry = Request::Enquire { of, wanted: Wanted::Reach };
    match door.accounts.ask(&asker.login.address, enquiry).await {
        Ok(Reply::Reach(reach)) => Some(reach),
        _ => None,
    }
}

fn print(request: &IncomingRequest, allow: &str) -> Message {
    let builder = answer(&request.message, 200, &request.transaction.tag());
    builder
        .text(HeaderName::Allow, allow)
        .text(HeaderName::Supported, SUPPORTED)
        .text(HeaderName::AllowEvents, PACKAGES)
        .text(HeaderName::Accept, translate::ACCEPT)
        .text(HeaderName::AcceptEncoding, "identity")
        .text(HeaderName::AcceptLanguage, "en")
        .finish()
}

const TAKES_BOTH: &str = "OPTIONS, SUBSCRIBE, MESSAGE, INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, NOTIFY";
const TAKES_CALLS: &str = "OPTIONS, SUBSCRIBE, INVITE, ACK, CANCEL, BYE, UPDATE, PRACK, NOTIFY";
const TAKES_MESSAGES: &str = "OPTIONS, SUBSCRIBE, MESSAGE";

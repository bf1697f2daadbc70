//! OPTIONS (RFC 3261 §11): what this server understands.
//!
//! A question about one of its users gets the same answer, whether there is such a user or not:
//! who may know is the account's business, and OPTIONS is not authenticated.

use super::{
    answer::{ALLOW, Refusal, SUPPORTED, answer, check_require},
    door::Door,
    events::PACKAGES,
    message::{HeaderName, Message},
    transaction::IncomingRequest,
    translate,
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
    let builder = answer(&request.message, 200, &request.transaction.tag());
    Ok(builder
        .text(HeaderName::Allow, ALLOW)
        .text(HeaderName::Supported, SUPPORTED)
        .text(HeaderName::AllowEvents, PACKAGES)
        .text(HeaderName::Accept, translate::ACCEPT)
        .text(HeaderName::AcceptEncoding, "identity")
        .text(HeaderName::AcceptLanguage, "en")
        .finish())
}

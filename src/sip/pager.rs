//! MESSAGE of a local sender (RFC 3428): becomes a message of his account, and the account's word
//! becomes the answer.
//!
//! 200 where a session of the receiver has it or it was of the moment, 202 where it is stored for later.
//! A message is answered when its fate is known, so the sender's retransmissions are absorbed below.

use std::sync::{Arc, atomic::Ordering};

use super::{
    answer::{Refusal, answer, check_require},
    auth::{Role, Sender},
    device::Device,
    door::Door,
    message::{HeaderName, Message as SipMessage},
    transaction::IncomingRequest,
    translate::{self, Envelope},
};
use crate::{
    account::{Reply, Request, Sent},
    signal::{Message, Reject, Timestamp},
};

/// Answers a MESSAGE.
///
/// # Errors
/// What the account refuses, as a status (MESSAGE for nobody who is there: 480), and what is wrong with
/// the request: 400, 415, 420, 483.
pub(in crate::sip) async fn handle_message(
    door: Arc<Door>,
    request: Arc<IncomingRequest>,
) -> Result<SipMessage, Refusal> {
    let message = &request.message;
    check_require(&request, &[])?;
    if message.max_forwards()? == Some(0) {
        return Err(Refusal::new(483));
    }
    let sender = door.authenticate(&request, Role::Proxy).await?;
    let to = door.find_reader(message)?;
    let now = Timestamp::now();
    let envelope = Envelope { id: door.accounts.new_message_id(now), from: sender.party(), to, now };
    let signal = translate::message_of(message, envelope)?;
    if let Some(device) = &sender.device {
        learn(device, message);
    }
    let sent = send(&door, &sender, signal).await?;
    let status = match sent {
        Sent::Delivered | Sent::Accepted => 200,
        Sent::Stored => 202,
    };
    Ok(answer(message, status, &door.layer.new_token()).finish())
}

/// Through the sender's own session where it is known, so that he gets no copy of what he sent.
async fn send(door: &Door, sender: &Sender, message: Message) -> Result<Sent, Reject> {
    if translate::is_expired(&message, message.sent) {
        return Ok(Sent::Accepted);
    }
    let request = Request::Send(Arc::new(message));
    let session = sender.device.as_ref().and_then(|device| device.session());
    let reply = match session {
        Some(session) => session.ask(request).await?,
        None => door.accounts.ask(&sender.login.address, request).await?,
    };
    Ok(match reply {
        Reply::Sent(sent) => sent,
        _ => Sent::Accepted,
    })
}

/// Who writes message/cpim reads it, too.
fn learn(device: &Device, message: &SipMessage) {
    let written = message.field(HeaderName::ContentType).map(|field| field.raw());
    let is_cpim = written.is_some_and(|written| {
        written.get(..CPIM.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(CPIM))
    });
    if is_cpim {
        device.takes_cpim.store(true, Ordering::Relaxed);
    }
}

const CPIM: &[u8] = b"message/cpim";

//! What stands above the transactions, and the handles it holds.

use std::{fmt, sync::Arc};

use thiserror::Error;

use crate::sip::{
    message::Message,
    transport::{Flow, Protocol},
};

use super::{key::TransactionKey, layer::Layer};

/// The upper half of the door. Called by the task that reads the socket, with no lock held: an
/// implementation never blocks; what takes time it hands to a mailbox or a task of its own.
pub trait TransactionUser: Send + Sync {
    /// A new request, well-formed in its mandatory headers, its top `Via` stamped with `received` and
    /// `rport`. Never an ACK or a CANCEL. It must be answered by [`ServerTransaction::respond`].
    fn handle_request(&self, request: IncomingRequest);

    /// An ACK that belongs to no refused INVITE: the one for a 2xx, which goes end to end
    /// (RFC 3261 §13.2.2.4). Forward it with [`Layer::send_stateless`].
    fn handle_ack(&self, ack: Message, flow: Flow);

    /// The INVITE of `transaction` was cancelled before its final response. The CANCEL has its 200; the
    /// INVITE is due a 487 (RFC 3261 §9.2).
    fn handle_cancel(&self, transaction: &ServerTransaction, cancel: &Message);

    /// A connection ended. Client transactions on it have failed by themselves.
    fn handle_flow_closed(&self, flow: Flow);
}

/// A request on its way up.
#[derive(Debug)]
pub struct IncomingRequest {
    /// The request.
    pub message: Message,
    /// Where it came from.
    pub flow: Flow,
    /// By which it is answered.
    pub transaction: ServerTransaction,
}

/// The server's side of a transaction. Clones are the same transaction.
#[derive(Clone)]
pub struct ServerTransaction {
    pub(super) layer: Arc<Layer>,
    pub(super) key: TransactionKey,
    pub(super) flow: Flow,
}

impl ServerTransaction {
    /// Sends a response: any number of provisional ones, then one final one; for an INVITE more 2xx may
    /// follow (RFC 6026 §7.1). What comes too late is dropped, as is everything once the flow is closed.
    /// The response must have the `Via` of the request: see [`crate::sip::message::Builder::response_to`].
    pub fn respond(&self, response: Message) {
        self.layer.respond(&self.key, &response);
    }

    /// Sends a final response and forgets the transaction, over every transport: a copy of the request is
    /// handed up again. For what is answered anew as cheaply and promises nothing (RFC 3261 §8.2.7), with
    /// [`ServerTransaction::tag`] on To. Not for an INVITE.
    pub fn respond_once(&self, response: &Message) {
        self.layer.respond_once(&self.key, response);
    }

    /// A tag that is the same for every copy of the request.
    #[must_use]
    pub fn tag(&self) -> String {
        self.layer.tag_of(&self.key)
    }

    /// Where the request came from.
    #[must_use]
    pub fn flow(&self) -> Flow {
        self.flow
    }

    /// By which protocol the request came.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.flow.protocol
    }

    /// The name of the transaction, for tables of the transaction user.
    #[must_use]
    pub fn key(&self) -> &TransactionKey {
        &self.key
    }
}

impl fmt::Debug for ServerTransaction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ServerTransaction").field(&self.key).finish()
    }
}

/// The client's side of a transaction. Dropping it changes nothing: the transaction goes on.
#[derive(Clone)]
pub struct ClientTransaction {
    pub(super) layer: Arc<Layer>,
    pub(super) key: TransactionKey,
    pub(super) flow: Flow,
}

impl ClientTransaction {
    /// Cancels an INVITE as soon as a provisional response is there (RFC 3261 §9.1). The final response,
    /// 487 or another, still comes. Does nothing for other requests and after a final response.
    pub fn cancel(&self) {
        self.layer.cancel(&self.key, None);
    }

    /// As [`ClientTransaction::cancel`], with a `Reason` (RFC 3326).
    pub fn cancel_because(&self, reason: &'static str) {
        self.layer.cancel(&self.key, Some(reason));
    }

    /// Where the request went.
    #[must_use]
    pub fn flow(&self) -> Flow {
        self.flow
    }

    /// The name of the transaction, for tables of the transaction user.
    #[must_use]
    pub fn key(&self) -> &TransactionKey {
        &self.key
    }
}

impl fmt::Debug for ClientTransaction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("ClientTransaction").field(&self.key).finish()
    }
}

/// What becomes of a request that was sent. Responses still have this server's `Via` on top; a proxy takes
/// it off by [`crate::sip::message::Splice::pop_via`].
#[derive(Clone, Debug)]
pub enum ClientEvent {
    /// A response 100 to 199.
    Provisional(Message),
    /// A response 200 to 699. Comes once, but for an INVITE each 2xx is told, from any branch and as often
    /// as it comes (RFC 6026 §7.2).
    Final(Message),
    /// There will be no response.
    Failed(Failure),
}

/// Why a request has no response.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Failure {
    /// None came in time; as a 408 (RFC 3261 §8.1.3.1).
    #[error("no response in time")]
    Timeout,
    /// It could not be sent, or its connection ended; as a 503.
    #[error("peer unreachable")]
    Unreachable,
}

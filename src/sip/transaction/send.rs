//! How requests are sent: with a `Via` of this server on top, by a client transaction or without.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use tokio::{sync::oneshot, time::Instant};
use tracing::debug;

use crate::sip::{
    message::{Message, Method, Via},
    transport::{Destination, Flow, Protocol, SendError},
};

use super::{
    client::Client,
    invite_client::InviteClient,
    key::{Branch, TransactionKey},
    layer::Layer,
    prepared::Prepared,
    request::cancel_for,
    table::{Entry, Machine, OnEvent},
    user::{ClientEvent, ClientTransaction, Failure},
};

impl Layer {
    /// Sends a request in a transaction of its own, with a new `Via` on top. `on_event` is called by the
    /// tasks that read sockets and fire timers: it must not block. For an ACK see [`Layer::send_stateless`].
    ///
    /// # Errors
    /// It cannot be sent; `on_event` is then never called.
    pub fn send_request(
        self: &Arc<Self>,
        request: &Message,
        destination: &Destination,
        on_event: impl Fn(ClientEvent) + Send + Sync + 'static,
    ) -> Result<ClientTransaction, SendError> {
        let method = request.method().ok_or(SendError::Unreachable)?.clone();
        self.send_draft(method, Draft::Message(request.clone()), destination, Arc::new(on_event))
    }

    /// As [`Layer::send_request`], for a request that is ready but for its `Via`.
    ///
    /// # Errors
    /// It cannot be sent; `on_event` is then never called.
    pub fn send_prepared(
        self: &Arc<Self>,
        request: Prepared,
        destination: &Destination,
        on_event: impl Fn(ClientEvent) + Send + Sync + 'static,
    ) -> Result<ClientTransaction, SendError> {
        self.send_draft(request.method.clone(), Draft::Prepared(request), destination, Arc::new(on_event))
    }

    fn send_draft(
        self: &Arc<Self>,
        method: Method,
        draft: Draft,
        destination: &Destination,
        on_event: OnEvent,
    ) -> Result<ClientTransaction, SendError> {
        let attempt = Attempt { draft, branch: self.new_branch(), method };
        let (flow, on_event) = match self.large_request_flows(attempt.draft.len(), destination) {
            Some((stream, datagrams)) => {
                (stream, self.datagrams_after(stream, attempt.clone(), datagrams, on_event))
            }
            None => (self.transport.flow_to(destination)?, on_event),
        };
        self.begin_attempt(&attempt, flow, on_event)?;
        Ok(ClientTransaction { layer: Arc::clone(self), key: attempt.key(), flow })
    }

    /// Sends a request and waits for its final response, the first one.
    ///
    /// # Errors
    /// No final response came, or the request could not be sent.
    pub async fn request(
        self: &Arc<Self>,
        request: &Message,
        destination: &Destination,
    ) -> Result<Message, Failure> {
        let (sender, receiver) = oneshot::channel();
        let sender = Mutex::new(Some(sender));
        let on_event = move |event| {
            let outcome = match event {
                ClientEvent::Provisional(_) => return,
                ClientEvent::Final(response) => Ok(response),
                ClientEvent::Failed(failure) => Err(failure),
            };
            if let Some(sender) = sender.lock().unwrap_or_else(PoisonError::into_inner).take() {
                // Nobody may be waiting any more.
                let _ = sender.send(outcome);
            }
        };
        self.send_request(request, destination, on_event).map_err(|_| Failure::Unreachable)?;
        receiver.await.unwrap_or(Err(Failure::Unreachable))
    }

    /// Sends a request with a new `Via` and forgets it: an ACK for a 2xx (RFC 3261 §17.1, §16.6).
    ///
    /// # Errors
    /// It cannot be sent.
    pub fn send_stateless(&self, request: &Message, destination: &Destination) -> Result<(), SendError> {
        let flow = match self.large_request_flows(request.bytes().len(), destination) {
            Some((stream, _)) => stream,
            None => self.transport.flow_to(destination)?,
        };
        let request = request.splice().push_via(&self.via(flow, self.new_branch())).finish();
        self.transport.send(&flow, request.bytes().clone())
    }

    pub(super) fn send_cancel(&self, invite: &Message, reason: Option<&'static str>, flow: Flow) {
        let cancel = cancel_for(invite, reason);
        let Ok(via) = cancel.top_via() else { return };
        let Some(branch) = via.branch().and_then(Branch::parse) else { return };
        let key = TransactionKey::of_client(branch, &Method::Cancel);
        // The answer to a CANCEL says nothing the INVITE's own would not.
        if let Err(error) =
            self.begin_client(key, First::Bytes(cancel.bytes().clone()), flow, Arc::new(|_| {}))
        {
            debug!(%error, "cancel not sent");
        }
    }

    fn begin_client(
        &self,
        key: TransactionKey,
        first: First,
        flow: Flow,
        on_event: OnEvent,
    ) -> Result<(), SendError> {
        let (first, machine, actions) = match first {
            First::Invite(request) => {
                let first = request.bytes().clone();
                let (machine, actions) = InviteClient::new(request, flow.is_reliable(), self.timers);
                (first, Machine::InviteClient(Box::new(machine)), actions)
            }
            First::Bytes(first) => {
                let (machine, actions) = Client::new(first.clone(), flow.is_reliable(), self.timers);
                (first, Machine::Client(machine), actions)
            }
        };
        let mut shard = self.table.shard(&key);
        // What this server sends itself gets the room that strangers do not.
        if !shard.has_room(self.table.bound() * 2) {
            return Err(SendError::Unreachable);
        }
        let entry = Entry::new(machine, flow, Some(on_event));
        let wake = shard.begin(key.clone(), entry, &actions, Instant::now());
        drop(shard);
        self.wake_before(wake);
        if flow.is_reliable() {
            self.connections().insert(flow, key.clone());
        }
        // The one thing to do now is sending; the table is there first, so that no answer is too early.
        let Err(error) = self.transport.send(&flow, first) else { return Ok(()) };
        self.forget(flow, &key);
        // Where it is gone the connection ended meanwhile, and that was told.
        if self.table.shard(&key).remove(&key) { Err(error) } else { Ok(()) }
    }

    /// For a request too large for one packet to a UDP address: a stream to try first and what is left when
    /// there is none (RFC 3261 §18.1.1).
    fn large_request_flows(&self, length: usize, destination: &Destination) -> Option<(Flow, Flow)> {
        let Destination::Address { protocol: Protocol::Udp, peer, .. } = destination else { return None };
        if length <= LARGEST_DATAGRAM {
            return None;
        }
        let tcp = Destination::Address { protocol: Protocol::Tcp, peer: *peer, name: None };
        let stream = self.transport.connection_to(*peer).or_else(|| self.transport.flow_to(&tcp).ok())?;
        Some((stream, self.transport.flow_to(destination).ok()?))
    }

    /// Sends the request as a datagram once it turns out that the peer takes no connection.
    fn datagrams_after(
        self: &Arc<Self>,
        stream: Flow,
        attempt: Attempt,
        datagrams: Flow,
        on_event: OnEvent,
    ) -> OnEvent {
        let layer = Arc::downgrade(self);
        let is_answered = AtomicBool::new(false);
        Arc::new(move |event| {
            let is_refused = matches!(event, ClientEvent::Failed(Failure::Unreachable));
            let is_first = !is_answered.swap(true, Ordering::Relaxed);
            if let (true, true, Some(layer)) = (is_refused, is_first, layer.upgrade()) {
                debug!(?stream, "no connection for a large request");
                if layer.begin_attempt(&attempt, datagrams, Arc::clone(&on_event)).is_ok() {
                    return;
                }
            }
            on_event(event);
        })
    }

    fn begin_attempt(&self, attempt: &Attempt, flow: Flow, on_event: OnEvent) -> Result<(), SendError> {
        let Attempt { draft, branch, method } = attempt;
        let first = match draft {
            Draft::Message(request) => {
                let request = request.splice().push_via(&self.via(flow, *branch)).finish();
                if *method == Method::Invite {
                    First::Invite(request)
                } else {
                    First::Bytes(request.bytes().clone())
                }
            }
            Draft::Prepared(prepared) => {
                First::Bytes(prepared.bytes(flow, &self.transport.config().host, *branch))
            }
        };
        self.begin_client(attempt.key(), first, flow, on_event)
    }

    fn via(&self, flow: Flow, branch: Branch) -> Via {
        let port = Some(flow.local.port()).filter(|port| *port != 0);
        let host = self.transport.config().host.clone();
        let mut via = Via::new(flow.protocol.as_str(), host, port, &branch.to_string());
        if !flow.is_reliable() {
            via.params.set("rport", None);
        }
        via
    }
}

/// A request that may be sent by more than one way, always under the same branch.
#[derive(Clone)]
struct Attempt {
    draft: Draft,
    branch: Branch,
    method: Method,
}

impl Attempt {
    fn key(&self) -> TransactionKey {
        TransactionKey::of_client(self.branch, &self.method)
    }
}

/// A request without our `Via`.
#[derive(Clone)]
enum Draft {
    Message(Message),
    Prepared(Prepared),
}

impl Draft {
    fn len(&self) -> usize {
        match self {
            Self::Message(message) => message.bytes().len(),
            Self::Prepared(prepared) => prepared.len(),
        }
    }
}

/// What is sent first: an INVITE is kept as a message, for its ACK and CANCEL are made from it.
enum First {
    Invite(Message),
    Bytes(Bytes),
}

/// What surely fits into one packet, the new `Via` left out (RFC 3261 §18.1.1).
const LARGEST_DATAGRAM: usize = 1300 - 120;

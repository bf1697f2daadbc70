//! What comes from the sockets: checked, matched with its transaction (RFC 3261 §17.1.3, §17.2.3),
//! answered here where no transaction user is needed.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use tokio::time::Instant;
use tracing::debug;

use crate::sip::{
    message::{Builder, HeaderName, Message, Method, ParseError, Via},
    transport::{Flow, Inbound},
};

use super::{
    answered::Again,
    invite_server::{self, InviteServer},
    key::{Branch, TransactionKey},
    layer::Layer,
    machine::{Action, Actions},
    server::Server,
    table::{Entry, Machine},
    user::{IncomingRequest, ServerTransaction},
};

impl Inbound for Layer {
    fn handle_message(self: Arc<Self>, message: Message, flow: Flow) {
        if message.is_request() { self.handle_request(message, flow) } else { self.handle_response(message) }
    }

    fn handle_malformed(self: Arc<Self>, bytes: Bytes, error: ParseError, flow: Flow) {
        let limits = self.transport().config().limits;
        if let Some(request) = Message::salvage(&bytes, &limits) {
            self.refuse(&request, flow, error.status(), &error.to_string());
        }
    }

    fn handle_flow_closed(self: Arc<Self>, flow: Flow) {
        let ended = self.connections().take(flow);
        for key in ended {
            self.drive(&key, Machine::handle_unreachable);
        }
        if let Some(user) = self.user() {
            user.handle_flow_closed(flow);
        }
    }
}

impl Layer {
    fn handle_request(self: &Arc<Self>, message: Message, flow: Flow) {
        let via = match message.check_request() {
            Ok(via) => via,
            Err(error) => {
                debug!(%error, peer = %flow.peer, "bad request");
                return self.refuse(&message, flow, 400, &error.to_string());
            }
        };
        let Some(method) = message.method().cloned() else { return };
        let Some(key) = TransactionKey::of_server(&via, &method) else {
            return self.refuse(&message, flow, 400, "branch without magic cookie");
        };
        let reply = reply_flow(flow, &via);
        let message = message.stamped(&via, flow.peer);
        match method {
            Method::Ack => self.handle_ack(&key, message, flow),
            Method::Cancel => self.handle_cancel(key, &via, &message, reply),
            _ => self.handle_new_request(key, message, flow, reply),
        }
    }

    fn handle_new_request(self: &Arc<Self>, key: TransactionKey, message: Message, flow: Flow, reply: Flow) {
        match self.begin_server(&key, &message, reply) {
            Begun::New => {}
            Begun::Again => return,
            Begun::Full => return self.refuse(&message, flow, 503, "Overloaded"),
        }
        let transaction = ServerTransaction { layer: Arc::clone(self), key, flow };
        match self.user() {
            Some(user) => user.handle_request(IncomingRequest { message, flow, transaction }),
            None => transaction.respond(Builder::response_to(&message, 503, &self.new_token()).finish()),
        }
    }

    /// Finds or makes the server transaction of a request.
    fn begin_server(&self, key: &TransactionKey, message: &Message, reply: Flow) -> Begun {
        let again = |machine: &mut Machine| match machine {
            Machine::InviteServer(machine) => machine.handle_request(),
            Machine::Server(machine) => machine.handle_request(),
            Machine::InviteClient(_) | Machine::Client(_) => Actions::new(),
        };
        let mut shard = self.table.shard(key);
        if shard.entry(key).is_some() {
            drop(shard);
            self.drive(key, again);
            return Begun::Again;
        }
        if let Some(again) = shard.answered.find(key, &reply) {
            drop(shard);
            return self.answer_again(again, reply);
        }
        if !shard.has_room(self.table.bound()) {
            debug!(open = shard.len(), "no room for a transaction");
            return Begun::Full;
        }
        let (machine, actions) = if message.method() == Some(&Method::Invite) {
            let (machine, actions) = InviteServer::new(message.clone(), reply.is_reliable(), self.timers);
            (Machine::InviteServer(Box::new(machine)), actions)
        } else {
            (Machine::Server(Server::new(reply.is_reliable(), self.timers)), Actions::new())
        };
        let wake = shard.begin(key.clone(), Entry::new(machine, reply, None), &actions, Instant::now());
        drop(shard);
        self.wake_before(wake);
        Begun::New
    }

    fn answer_again(&self, again: Again, reply: Flow) -> Begun {
        if let Again::Send(response) = again
            && let Err(error) = self.transport().send(&reply, response)
        {
            debug!(%error, peer = %reply.peer, "not answered again");
        }
        Begun::Again
    }

    fn handle_ack(self: &Arc<Self>, key: &TransactionKey, ack: Message, flow: Flow) {
        let mut is_ours = true;
        let is_known = self.drive(key, |machine| {
            let actions = match machine {
                Machine::InviteServer(machine) => machine.handle_ack(),
                _ => Actions::new(),
            };
            is_ours = !actions.iter().any(|action| matches!(action, Action::PassAck));
            actions
        });
        if let (false, Some(user)) = (is_known && is_ours, self.user()) {
            user.handle_ack(ack, flow);
        }
    }

    /// RFC 3261 §9.2: a transaction of its own, answered here; the INVITE is the transaction user's.
    fn handle_cancel(self: &Arc<Self>, key: TransactionKey, via: &Via, cancel: &Message, reply: Flow) {
        if !matches!(self.begin_server(&key, cancel, reply), Begun::New) {
            return;
        }
        let invite = TransactionKey::of_server(via, &Method::Invite);
        let invite = invite.and_then(|key| Some((self.invite_state(&key)?, key)));
        let status = if invite.is_some() { 200 } else { 481 };
        self.respond(&key, &Builder::response_to(cancel, status, &self.new_token()).finish());
        if let (Some(((invite_server::State::Proceeding, flow), key)), Some(user)) = (invite, self.user()) {
            user.handle_cancel(&ServerTransaction { layer: Arc::clone(self), key, flow }, cancel);
        }
    }

    fn invite_state(&self, key: &TransactionKey) -> Option<(invite_server::State, Flow)> {
        let mut shard = self.table.shard(key);
        let entry = shard.entry(key)?;
        match &entry.machine {
            Machine::InviteServer(machine) => Some((machine.state, entry.flow)),
            _ => None,
        }
    }

    fn handle_response(&self, response: Message) {
        let (branch, cseq) = match response.check_response() {
            Ok((branch, cseq)) => (branch.as_deref().and_then(Branch::parse), cseq),
            Err(error) => return debug!(%error, "bad response"),
        };
        let Some(branch) = branch else { return debug!("stray response") };
        let key = TransactionKey::of_client(branch, &cseq.method);
        if !self.drive(&key, |machine| machine.handle_response(response)) {
            // Nothing was asked, so nobody is told (RFC 6026 §7.3).
            debug!(?key, "stray response");
        }
    }

    /// Answers outside any transaction. An ACK is never answered.
    fn refuse(&self, request: &Message, flow: Flow, status: u16, reason: &str) {
        if request.method() == Some(&Method::Ack) || !request.has(HeaderName::Via) {
            return;
        }
        let mut builder = Builder::response_to(request, status, &self.new_token());
        if status == 400 {
            builder = builder.reason(&format!("Bad Request: {reason}"));
        }
        if status == 503 {
            builder = builder.header(HeaderName::RetryAfter, 5);
        }
        let reply = request.top_via().map_or(flow, |via| reply_flow(flow, &via));
        if let Err(error) = self.transport().send(&reply, builder.finish().bytes().clone()) {
            debug!(%error, status, "not answered");
        }
    }
}

/// What came of a request.
enum Begun {
    New,
    Again,
    Full,
}

/// Where responses go (RFC 3261 §18.2.2, RFC 3581 §4): back on the connection; over UDP to the source
/// address, at its port where `rport` was asked for, else at the port of `sent-by`. `maddr` is not
/// followed: nobody may point this server at a third address.
fn reply_flow(flow: Flow, via: &Via) -> Flow {
    if flow.is_reliable() || via.has_rport() {
        return flow;
    }
    let port = via.port.unwrap_or_else(|| flow.protocol.default_port());
    flow.with_peer(SocketAddr::new(flow.peer.ip(), port))
}

//! One bound session: what its client sends goes to the account, what the account tells goes to the client.
//!
//! [`Client`] turns the one into the other and writes into a buffer; [`run`] is the connection's task, the
//! only one that touches its socket. It drains what waits and writes once.

use std::{collections::VecDeque, pin::pin, sync::Arc, time::Duration};

use bytes::BytesMut;
use compact_str::CompactString;
use rustc_hash::FxHashMap;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use super::{
    door::Shared,
    queue::Queue,
    roster,
    stanza::{Event as Scanned, Head, Kind, Stanza},
    stream::{Condition, Management, StreamError, Ticket, Unacknowledged},
    translate::{Refusal, Scope, print_contact_signal, print_message, print_notice, print_query},
    wire::Wire,
    xep::ping,
};
use crate::{
    account::{About, CloseReason, Delivery, Event, Parcel, Replied, Reply, Session},
    net::ShutdownSignal,
    signal::{Address, ContactEvent, ContactSignal, Message, MessageKind, Native, Query, Reject, RequestId},
};

/// What comes back for an `<iq/>` that the account answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expect {
    Roster,
    Done,
}

/// What a reply of the account is for.
pub(super) enum Pending {
    /// A message that the client wants acknowledged.
    Message(Ticket),
    Iq {
        id: CompactString,
        from: Option<CompactString>,
        expect: Expect,
    },
    /// A subscription stanza.
    Contact {
        to: String,
        id: Option<CompactString>,
    },
}

/// A client with a bound resource. The order of the fields is the order in which they are dropped: the
/// account must know that the session is over before it gets back what was not confirmed.
pub(super) struct Client {
    pub(super) session: Session,
    /// Written, but not known to be on its way yet.
    unconfirmed: Vec<Delivery>,
    pub(super) management: Management<Option<Delivery>>,
    pub(super) shared: Arc<Shared>,
    /// The full address as text.
    pub(super) full: String,
    /// The bare address as text.
    bare: String,
    /// The language of the client's stream.
    pub(super) language: Option<CompactString>,
    /// What is to be written.
    pub(super) out: BytesMut,
    pending: FxHashMap<RequestId, Pending>,
    last_request: u64,
    /// Whose question this session has just answered with no.
    pub(super) denied: Option<Address>,
}

impl Client {
    pub(super) fn new(shared: Arc<Shared>, session: Session, language: Option<CompactString>) -> Self {
        let (full, bare) = (session.party().to_string(), session.party().address.to_string());
        let most =
            Unacknowledged { stanzas: shared.config.unacknowledged, bytes: shared.limits.outgoing_bytes };
        let management = Management::new(most);
        Self {
            session,
            unconfirmed: Vec::new(),
            management,
            shared,
            full,
            bare,
            language,
            out: BytesMut::new(),
            pending: FxHashMap::default(),
            last_request: 0,
            denied: None,
        }
    }

    /// A tag for a request, under which its reply will be understood.
    pub(super) fn expect(&mut self, pending: Pending) -> RequestId {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        self.pending.insert(request, pending);
        request
    }

    /// The stanza of this ticket is dealt with.
    pub(super) fn settle(&mut self, ticket: Option<Ticket>) {
        let acknowledgement = ticket.and_then(|ticket| self.management.note_settled(ticket));
        self.out.extend_from_slice(&acknowledgement.unwrap_or_default());
    }

    /// Answers a stanza with an error. Errors and results are never answered.
    pub(super) fn refuse(&mut self, stanza: &Stanza, refusal: &Refusal) {
        if matches!(stanza.stanza_type().as_deref(), Some("error")) {
            return;
        }
        let is_result = stanza.kind() == Kind::Iq && stanza.stanza_type().as_deref() == Some("result");
        if !is_result {
            self.send_error(stanza.kind(), stanza.to().as_deref(), stanza.id().as_deref(), refusal);
        }
    }

    fn send_error(&mut self, kind: Kind, from: Option<&str>, id: Option<&str>, refusal: &Refusal) {
        let mut error = Vec::new();
        refusal.print(&mut error);
        let head =
            Head { kind, from, to: Some(&self.full), id, stanza_type: Some("error"), ..Head::default() };
        head.print(&[&error], &mut self.out);
        self.management.note_sent(None, SMALL);
    }

    /// Answers an `<iq/>`.
    pub(super) fn send_result(&mut self, request: &Stanza, content: &[u8]) {
        self.send_iq("result", request.to().as_deref(), request.id().as_deref(), content);
    }

    fn send_iq(&mut self, stanza_type: &str, from: Option<&str>, id: Option<&str>, content: &[u8]) {
        let head = Head {
            kind: Kind::Iq,
            from,
            to: Some(&self.full),
            id,
            stanza_type: Some(stanza_type),
            ..Head::default()
        };
        head.print(&[content], &mut self.out);
        self.management.note_sent(None, SMALL);
    }

    fn push_roster(&mut self, content: &str) {
        self.last_request += 1;
        let id = format!("push{}", self.last_request);
        self.send_iq("set", None, Some(&id), content.as_bytes());
    }

    fn ping(&mut self) {
        self.last_request += 1;
        let id = format!("ping{}", self.last_request);
        let domain = self.session.party().address.domain().to_owned();
        self.send_iq("get", Some(&domain), Some(&id), ping::QUESTION);
    }

    /// Writes what the account handed over.
    fn handle_parcel(&mut self, parcel: Parcel) -> Result<(), StreamError> {
        match parcel {
            Parcel::Message(delivery) => {
                let before = self.out.len();
                print_message(&delivery.message, delivery.copy, self.session.party(), &mut self.out);
                if self.management.is_enabled() {
                    self.management.note_sent(Some(delivery), self.out.len() - before);
                } else {
                    self.unconfirmed.push(delivery);
                }
                Ok(())
            }
            Parcel::Event(event) => self.handle_event(event),
        }
    }

    fn handle_event(&mut self, event: Event) -> Result<(), StreamError> {
        match event {
            Event::Presence(notice) => {
                print_notice(&notice, &self.bare, &mut self.out);
                self.management.note_sent(None, SMALL);
            }
            Event::Contact(signal) => self.send_contact(&signal),
            Event::ContactSettled { from, granted } => self.handle_settled(from, granted),
            Event::Roster(change) => self.push_roster(&roster::print_change(&change)),
            Event::Query(query) => {
                print_query(&query, &mut self.out);
                self.management.note_sent(None, SMALL);
            }
            Event::Reply(replied) => self.handle_reply(*replied),
            Event::Preferences(_) => {}
            Event::Closed(reason) => return Err(error_of(reason)),
        }
        Ok(())
    }

    fn send_contact(&mut self, signal: &ContactSignal) {
        print_contact_signal(signal, &mut self.out);
        self.management.note_sent(None, SMALL);
    }

    /// A yes shows as a roster push. For a no there is no word in XMPP, so the question is withdrawn in the
    /// asker's name, except where it was answered.
    fn handle_settled(&mut self, from: Address, granted: bool) {
        let was_here = self.denied.take_if(|denied| *denied == from).is_some();
        if !granted && !was_here {
            let to = self.session.party().address.clone();
            let event = ContactEvent::Unsubscribe;
            self.send_contact(&ContactSignal { from, to, event, note: None, native: Native::None });
        }
    }

    fn handle_reply(&mut self, replied: Replied) {
        let pending = replied.request.and_then(|request| self.pending.remove(&request));
        match (pending, replied.outcome) {
            (Some(Pending::Message(ticket)), outcome) => {
                if let Err(reject) = outcome {
                    self.refuse_passed(replied.about, &reject);
                }
                self.settle(Some(ticket));
            }
            (Some(Pending::Iq { id, from, expect }), outcome) => {
                self.answer_pending(&id, from.as_deref(), expect, outcome);
            }
            (Some(Pending::Contact { to, id }), Err(reject)) => {
                let refusal = Refusal::from_reject(&reject, Scope::Own);
                self.send_error(Kind::Presence, Some(&to), id.as_deref(), &refusal);
            }
            (None, Err(reject)) => self.refuse_passed(replied.about, &reject),
            (Some(Pending::Contact { .. }) | None, Ok(_)) => {}
        }
    }

    fn answer_pending(
        &mut self,
        id: &str,
        from: Option<&str>,
        expect: Expect,
        outcome: Result<Reply, Reject>,
    ) {
        match (expect, outcome) {
            (_, Err(reject)) => {
                self.send_error(Kind::Iq, from, Some(id), &Refusal::from_reject(&reject, Scope::Own));
            }
            (Expect::Roster, Ok(Reply::Roster(view))) if view.complete => {
                self.send_iq("result", from, Some(id), roster::print_view(&view).as_bytes());
            }
            (Expect::Roster, Ok(Reply::Roster(view))) => {
                self.send_iq("result", from, Some(id), b"");
                roster::print_changes(&view).iter().for_each(|change| self.push_roster(change));
            }
            (_, Ok(_)) => self.send_iq("result", from, Some(id), b""),
        }
    }

    /// Something that was passed on for the client found nobody who takes it.
    fn refuse_passed(&mut self, about: Option<About>, reject: &Reject) {
        let refusal = Refusal::from_reject(reject, Scope::Routed);
        match about {
            Some(About::Message(message)) => self.refuse_message(&message, &refusal),
            Some(About::Query(query)) => self.refuse_query(&query, &refusal),
            None => {}
        }
    }

    fn refuse_message(&mut self, message: &Message, refusal: &Refusal) {
        if message.kind != MessageKind::Error {
            let from = message.to.to_string();
            self.send_error(Kind::Message, Some(&from), message.origin_id.as_deref(), refusal);
        }
    }

    fn refuse_query(&mut self, query: &Query, refusal: &Refusal) {
        if query.kind.is_question() {
            let from = query.to.to_string();
            self.send_error(Kind::Iq, Some(&from), Some(&query.id), refusal);
        }
    }

    /// Whether more may be read: what waits for the account's answer is bounded.
    fn takes_input(&self) -> bool {
        self.pending.len() < MOST_PENDING
    }

    /// What was written is on its way.
    fn note_written(&mut self) {
        self.unconfirmed.drain(..).for_each(Delivery::confirm);
    }
}

/// How a session ended.
enum End {
    /// The client said goodbye.
    Said,
    /// The connection is gone, or of no use.
    Gone,
    Error(StreamError),
}

impl<E: Into<StreamError>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// Runs the session until client, account or server ends it.
///
/// The boxes keep the task's own state small: a state machine holds its arguments twice.
pub(super) async fn run(
    mut client: Box<Client>,
    mut wire: Box<Wire>,
    queue: Arc<Queue>,
    signal: ShutdownSignal,
) {
    let mut parcels = VecDeque::new();
    let Err(end) = converse(&mut client, &mut wire, &queue, &mut parcels, &signal).await else { return };
    let mut last = std::mem::take(&mut client.out).to_vec();
    match end {
        End::Error(error) => {
            debug!(condition = error.condition.name(), text = error.text, "stream closed");
            error.print(&mut last);
        }
        End::Said => last.extend_from_slice(b"</stream:stream>"),
        End::Gone => last.clear(),
    }
    let is_written = last.is_empty() || wire.write(&last).await.is_ok();
    if is_written && !last.is_empty() {
        client.note_written();
    }
    drop(client);
    drop(parcels);
    queue.close();
    wire.close().await;
}

/// Never returns `Ok`: a session goes on until it ends.
async fn converse(
    client: &mut Client,
    wire: &mut Wire,
    queue: &Queue,
    parcels: &mut VecDeque<Parcel>,
    signal: &ShutdownSignal,
) -> Result<(), End> {
    let patience = Duration::from_secs(client.shared.config.patience_seconds.into());
    let silence = Duration::from_secs(client.shared.config.ping_seconds.into());
    let mut draining = pin!(signal.draining());
    let mut alarm = pin!(sleep_until(Instant::now() + silence));
    let mut heard = Instant::now();
    let mut has_pinged = false;
    let mut has_more = true;
    loop {
        if has_more {
            has_more = read_stanzas(client, wire)?;
        }
        queue.try_drain(parcels);
        write_parcels(client, wire, parcels).await?;
        if !has_more {
            wire.scanner.release();
        }
        tokio::select! {
            read = wire.read_unless(has_more), if client.takes_input() => {
                match read {
                    Ok(None) => {}
                    Ok(Some(0)) | Err(_) => return Err(End::Gone),
                    Ok(Some(_)) => (heard, has_pinged, has_more) = (Instant::now(), false, true),
                }
            }
            () = queue.drain(parcels) => {}
            () = &mut draining => return Err(Condition::SystemShutdown.into()),
            () = &mut alarm => {
                if has_pinged && heard.elapsed() >= silence {
                    return Err(Condition::ConnectionTimeout.into());
                }
                has_pinged = heard.elapsed() >= silence;
                let next = if has_pinged {
                    client.ping();
                    Instant::now() + patience
                } else {
                    heard + silence
                };
                alarm.as_mut().reset(next);
            }
        }
    }
}

/// Handles what was read. Tells whether some is left, because the client sends faster than it may.
fn read_stanzas(client: &mut Client, wire: &mut Wire) -> Result<bool, End> {
    loop {
        if !client.takes_input() || !wire.may_take_stanza() {
            return Ok(true);
        }
        match wire.scanner.next_event()? {
            None => return Ok(false),
            // The client says what is wrong with us, and goes.
            Some(Scanned::Stanza(stanza)) if stanza.is("error", STREAMS) => return Err(End::Said),
            Some(Scanned::Stanza(stanza)) => client.handle_element(&stanza)?,
            Some(Scanned::End) => return Err(End::Said),
            Some(Scanned::Header(_)) => return Err(Condition::BadFormat.into()),
        }
    }
}

/// Writes all that waits, in one go unless it is a great deal.
async fn write_parcels(
    client: &mut Client,
    wire: &mut Wire,
    parcels: &mut VecDeque<Parcel>,
) -> Result<(), End> {
    while let Some(parcel) = parcels.pop_front() {
        client.handle_parcel(parcel)?;
        if client.out.len() > WRITE_BYTES {
            flush(client, wire).await?;
        }
    }
    *parcels = VecDeque::new();
    if client.management.is_full() {
        let text = "too many stanzas are not acknowledged";
        return Err(StreamError::with_text(Condition::ResourceConstraint, text).into());
    }
    let request = client.management.request();
    client.out.extend_from_slice(request.unwrap_or_default());
    flush(client, wire).await
}

async fn flush(client: &mut Client, wire: &mut Wire) -> Result<(), End> {
    if client.out.is_empty() {
        return Ok(());
    }
    let out = std::mem::take(&mut client.out);
    wire.write(&out).await.map_err(|_| End::Gone)?;
    client.note_written();
    Ok(())
}

fn error_of(reason: CloseReason) -> StreamError {
    match reason {
        CloseReason::Replaced => Condition::Conflict.into(),
        CloseReason::AccountGone => StreamError::with_text(Condition::NotAuthorized, "the account is gone"),
        CloseReason::CredentialsChanged => {
            StreamError::with_text(Condition::Reset, "the password changed, log in again")
        }
        CloseReason::TooSlow => StreamError::with_text(Condition::PolicyViolation, "too slow"),
        CloseReason::TooMany => StreamError::with_text(Condition::ResourceConstraint, "too many sessions"),
        CloseReason::Shutdown => Condition::SystemShutdown.into(),
        CloseReason::Fault => Condition::InternalServerError.into(),
    }
}

/// Requests that may wait for the account's answer before the client is read no further.
const MOST_PENDING: usize = 1000;
const STREAMS: &str = "http://etherx.jabber.org/streams";
/// What a stanza counts that is kept as a number only.
const SMALL: usize = 16;
/// Bytes that are gathered before they are written.
const WRITE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_task<A, B, C, D, F: Future>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_session_costs_little() {
        let task = size_of_task(run);
        let client = size_of::<Client>() + size_of::<Wire>();
        assert!(task <= 2048 && client <= 1536, "task {task}, client and wire {client}");
    }
}

//! One bound session: what its client sends goes to the account, what the account tells goes to the client.
//!
//! [`Client`] turns the one into the other and writes into a buffer; the socket is the affair of the
//! connection's task, in [`conversation`](super::conversation).

use std::sync::Arc;

use compact_str::CompactString;
use rustc_hash::FxHashMap;

use super::{
    door::Shared,
    job::Jobs,
    resumption::{Seated, Told},
    roster,
    stanza::{Head, Jid, Kind, Stanza},
    stream::{Condition, Management, StreamError, Ticket},
    translate::{
        Refusal, Scope, print_contact_failure, print_contact_signal, print_message, print_notice, print_query,
    },
    xep::{Answer, Then, blocking, csi::Held, interests::Features, ping, pubsub_event},
};
use crate::{
    account::{About, CloseReason, Delivery, Event, Parcel, Replied, Reply, Request, Session, SessionChange},
    signal::{
        Address, ContactEvent, ContactFailure, ContactSignal, Message, MessageId, MessageKind, Query, Reject,
        RequestId,
    },
};

/// What comes back for an `<iq/>` that the account answers.
pub(super) enum Expect {
    Roster,
    Done,
    /// Go on like this.
    Then(Then),
}

/// What a reply of the account is for.
pub(super) enum Pending {
    /// A message that the client wants acknowledged.
    Message(Ticket),
    Iq {
        id: CompactString,
        from: Option<CompactString>,
        expect: Expect,
        /// To be acknowledged with the answer.
        ticket: Option<Ticket>,
    },
    /// A subscription stanza, to be acknowledged once what it changes is on disk.
    Contact { to: String, id: Option<CompactString>, ticket: Option<Ticket> },
}

/// An `<iq/>` that the server answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) id: &'a str,
    /// Whom it was for, if it said so.
    pub(super) from: Option<&'a str>,
    /// To be acknowledged with the answer.
    pub(super) ticket: Option<Ticket>,
}

/// What is remembered of a stanza that the client has not acknowledged.
pub(super) enum Kept {
    Message(Delivery),
    /// The stanza, where the stream can be resumed.
    Stanza(Box<[u8]>),
    /// Nothing but that it was sent.
    Counted,
}

/// What is known of how a session was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Origin {
    /// The device password.
    pub(super) device: Option<i64>,
    /// The program, where it said which installation it is.
    pub(super) client: Option<i64>,
    /// When it was bound within its login; what was archived before, it looks up there.
    pub(super) begun_at: Option<MessageId>,
}

/// A client with a bound resource. The order of the fields is the order in which they are dropped: the
/// account must know that the session is over before it gets back what was not confirmed.
pub(super) struct Client {
    pub(super) session: Session,
    /// Written, but not known to be on its way yet.
    pub(super) unconfirmed: Vec<Delivery>,
    pub(super) management: Management<Kept>,
    /// By what the stream can be resumed. Boxed with all that only such a stream has.
    pub(super) seat: Option<Box<Seated>>,
    pub(super) shared: Arc<Shared>,
    /// Where the session comes from, unless that is nothing but the account's own password.
    pub(super) origin: Option<Box<Origin>>,
    pub(super) told: Told,
    /// The language of the client's stream.
    pub(super) language: Option<CompactString>,
    /// What is to be written.
    pub(super) out: Vec<u8>,
    pending: FxHashMap<RequestId, Pending>,
    last_request: u64,
    /// Whose question this session has just answered with no.
    pub(super) denied: Option<Address>,
    /// What is known of the client's features.
    pub(super) features: Features,
    /// What waits while nobody looks at the client.
    pub(super) held: Option<Box<Held>>,
    /// It asked for the list of whom its owner blocked, and is told of changes.
    pub(super) follows_blocks: bool,
    /// What it waits for that is not the account's to answer. Boxed, as it is rare.
    pub(super) jobs: Option<Box<Jobs>>,
}

impl Client {
    pub(super) fn new(
        shared: Arc<Shared>,
        session: Session,
        device: Option<i64>,
        language: Option<CompactString>,
    ) -> Self {
        let management = Management::new(shared.most_unacknowledged());
        let origin = Origin { device, ..Origin::default() };
        let origin = (origin != Origin::default()).then(|| Box::new(origin));
        Self {
            session,
            unconfirmed: Vec::new(),
            management,
            seat: None,
            origin,
            told: Told::default(),
            shared,
            language,
            out: Vec::new(),
            pending: FxHashMap::default(),
            last_request: 0,
            denied: None,
            features: Features::default(),
            held: None,
            follows_blocks: false,
            jobs: None,
        }
    }

    /// How the session was opened, to be added to.
    pub(super) fn origin(&mut self) -> &mut Origin {
        self.origin.get_or_insert_default()
    }

    /// A tag for a request, under which its reply will be understood.
    pub(super) fn expect(&mut self, pending: Pending) -> RequestId {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        self.pending.insert(request, pending);
        request
    }

    /// Changes what the session takes.
    pub(super) fn change(&mut self, change: SessionChange) {
        self.told.note(&change);
        self.session.change(change);
    }

    /// The stanza of this ticket is dealt with.
    pub(super) fn settle(&mut self, ticket: Option<Ticket>) {
        if let Some(acknowledgement) = ticket.and_then(|ticket| self.management.note_settled(ticket)) {
            self.out.extend_from_slice(&acknowledgement);
        }
    }

    /// Answers a stanza with an error. Errors and results are never answered.
    pub(super) fn refuse(&mut self, stanza: &Stanza, refusal: &Refusal) {
        if matches!(stanza.stanza_type().as_deref(), Some("error")) {
            return;
        }
        let is_result = stanza.kind() == Kind::Iq && stanza.stanza_type().as_deref() == Some("result");
        if !is_result {
            let (to, id) = (stanza.to(), stanza.id());
            self.send_error(stanza.kind(), to.as_deref().map(Jid::from), id.as_deref(), refusal);
        }
    }

    fn send_error(&mut self, kind: Kind, from: Option<Jid<'_>>, id: Option<&str>, refusal: &Refusal) {
        let mut error = Vec::new();
        refusal.print(&mut error);
        let to = Some(self.session.party().into());
        let head = Head { kind, from, to, id, stanza_type: Some("error"), ..Head::default() };
        let before = self.out.len();
        head.print(&[&error], &mut self.out);
        self.note_sent(before);
    }

    /// Answers an `<iq/>`.
    fn send_iq(&mut self, stanza_type: &str, from: Option<&str>, id: Option<&str>, content: &[u8]) {
        let head = Head {
            kind: Kind::Iq,
            from: from.map(Jid::from),
            to: Some(self.session.party().into()),
            id,
            stanza_type: Some(stanza_type),
            ..Head::default()
        };
        let before = self.out.len();
        head.print(&[content], &mut self.out);
        self.note_sent(before);
    }

    /// Asks the client something; the id of its answer.
    pub(super) fn ask_client(&mut self, question: &[u8]) -> CompactString {
        self.last_request += 1;
        let id = compact_str::format_compact!("ask{}", self.last_request);
        let domain = self.session.party().address.domain().to_owned();
        self.send_iq("get", Some(&domain), Some(&id), question);
        id
    }

    fn push(&mut self, content: &str) {
        self.last_request += 1;
        let id = format!("push{}", self.last_request);
        self.send_iq("set", None, Some(&id), content.as_bytes());
    }

    pub(super) fn ping(&mut self) {
        self.last_request += 1;
        let id = format!("ping{}", self.last_request);
        let domain = self.session.party().address.domain().to_owned();
        self.send_iq("get", Some(&domain), Some(&id), ping::QUESTION);
    }

    /// What stands in `out` from `before` on is a stanza, and no message of the account.
    pub(super) fn note_sent(&mut self, before: usize) {
        if !self.management.is_enabled() {
            return;
        }
        match self.out.get(before..).filter(|_| self.seat.is_some()) {
            Some(bytes) => self.management.note_sent(Kept::Stanza(bytes.into()), bytes.len()),
            None => self.management.note_sent(Kept::Counted, SMALL),
        }
    }

    /// Writes what the account handed over.
    pub(super) fn handle_parcel(&mut self, parcel: Parcel) -> Result<(), StreamError> {
        if self.is_told_of(&parcel) {
            drop_confirmed(parcel);
            return Ok(());
        }
        let Some(held) = &mut self.held else { return self.write_parcel(parcel) };
        match held.hold(parcel) {
            Ok(()) => Ok(()),
            Err(parcel) => {
                self.write_held()?;
                self.write_parcel(parcel)
            }
        }
    }

    /// Writes what waited until somebody looks at the client.
    pub(super) fn write_held(&mut self) -> Result<(), StreamError> {
        let held = self.held.as_mut().map(|held| held.take()).unwrap_or_default();
        held.into_iter().try_for_each(|parcel| self.write_parcel(parcel))
    }

    fn write_parcel(&mut self, parcel: Parcel) -> Result<(), StreamError> {
        match parcel {
            Parcel::Message(delivery) => {
                let Some(delivery) = self.recognise(delivery) else { return Ok(()) };
                let before = self.out.len();
                print_message(&delivery.message, delivery.copy, self.session.party(), &mut self.out);
                if self.management.is_enabled() {
                    self.management.note_sent(Kept::Message(delivery), self.out.len() - before);
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
                let before = self.out.len();
                print_notice(&notice, self.session.party(), &mut self.out);
                self.note_sent(before);
            }
            Event::Contact(signal) => self.send_contact(&signal),
            Event::ContactFailure(failure) => self.send_contact_failure(&failure),
            Event::ContactSettled { withdrawn: true, .. } => {}
            Event::ContactSettled { from, granted, .. } => self.handle_settled(from, granted),
            Event::Roster(change) => self.push(&roster::print_change(&change)),
            Event::Query(query) => {
                let before = self.out.len();
                print_query(&query, &mut self.out);
                self.note_sent(before);
            }
            Event::Reply(replied) => self.handle_reply(*replied),
            Event::Personal(news) => {
                let before = self.out.len();
                pubsub_event::print(&news, self.session.party(), &mut self.out);
                self.note_sent(before);
            }
            Event::Blocked(change) if self.follows_blocks => {
                blocking::print_change(&change).iter().for_each(|change| self.push(change));
            }
            Event::Preferences(_) | Event::Blocked(_) | Event::Face(_) | Event::Marked { .. } => {}
            Event::Closed(reason) => return Err(error_of(reason)),
        }
        Ok(())
    }

    fn send_contact(&mut self, signal: &ContactSignal) {
        let before = self.out.len();
        print_contact_signal(signal, &mut self.out);
        self.note_sent(before);
    }

    /// What the contact's server says, in its own words, or why it was not asked.
    fn send_contact_failure(&mut self, failure: &ContactFailure) {
        let before = self.out.len();
        print_contact_failure(failure, &mut self.out);
        self.note_sent(before);
    }

    /// A yes shows as a roster push. For a no there is no word in XMPP, so the question is withdrawn in the
    /// asker's name, except where it was answered.
    fn handle_settled(&mut self, from: Address, granted: bool) {
        let was_here = self.denied.take_if(|denied| *denied == from).is_some();
        if !granted && !was_here {
            let to = self.session.party().address.clone();
            let event = ContactEvent::Unsubscribe;
            self.send_contact(&ContactSignal::plain(from, to, event));
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
            (Some(Pending::Iq { id, from, expect, ticket }), outcome) => {
                self.answer_pending(Asked { id: &id, from: from.as_deref(), ticket }, expect, outcome);
            }
            (Some(Pending::Contact { to, id, ticket }), outcome) => {
                if let Err(reject) = outcome {
                    let refusal = Refusal::from_reject(&reject, Scope::Own);
                    self.send_error(Kind::Presence, Some(to.as_str().into()), id.as_deref(), &refusal);
                }
                self.settle(ticket);
            }
            (None, Err(reject)) => self.refuse_passed(replied.about, &reject),
            (None, Ok(_)) => {}
        }
    }

    fn answer_pending(&mut self, asked: Asked<'_>, expect: Expect, outcome: Result<Reply, Reject>) {
        let Asked { id, from, ticket } = asked;
        match (expect, outcome) {
            (Expect::Then(then), outcome) => return self.act_on(asked, then(outcome)),
            (_, Err(reject)) => {
                self.send_error(
                    Kind::Iq,
                    from.map(Jid::from),
                    Some(id),
                    &Refusal::from_reject(&reject, Scope::Own),
                );
            }
            (Expect::Roster, Ok(Reply::Roster(view))) if view.complete => {
                self.send_iq("result", from, Some(id), roster::print_view(&view).as_bytes());
            }
            (Expect::Roster, Ok(Reply::Roster(view))) => {
                self.send_iq("result", from, Some(id), b"");
                view.changes.iter().for_each(|change| self.push(&roster::print_change(change)));
            }
            (_, Ok(_)) => self.send_iq("result", from, Some(id), b""),
        }
        self.settle(ticket);
    }

    /// Does what is to be done for an `<iq/>`, at first and after each answer of the account.
    pub(super) fn act_on(&mut self, asked: Asked<'_>, answer: Answer) {
        let Asked { id, from, ticket } = asked;
        match answer {
            Answer::Result(content) => self.send_iq("result", from, Some(id), content.as_bytes()),
            Answer::Refuse(refusal) => {
                self.send_error(Kind::Iq, from.map(Jid::from), Some(id), &refusal);
            }
            Answer::Change(change) => {
                self.change(change);
                self.send_iq("result", from, Some(id), b"");
            }
            Answer::Then(request, then) => return self.ask_for(asked, *request, Expect::Then(then)),
            Answer::Ask(request, expect) => {
                if matches!(expect, Expect::Roster) {
                    self.change(SessionChange::FollowsRoster(true));
                }
                return self.ask_for(asked, *request, expect);
            }
            Answer::FollowBlocks(then) => {
                self.follows_blocks = true;
                return self.act_on(asked, *then);
            }
            Answer::Messages(contents, result) => {
                self.send_messages(&contents);
                self.send_iq("result", from, Some(id), result.as_bytes());
            }
            Answer::Work(work) => return self.begin(asked, work),
        }
        self.settle(ticket);
    }

    /// Sends messages in the name of the account.
    pub(super) fn send_messages(&mut self, contents: &[Vec<u8>]) {
        for content in contents {
            let head = Head {
                kind: Kind::Message,
                from: Some(Jid::from(&self.session.party().address)),
                to: Some(self.session.party().into()),
                ..Head::default()
            };
            let before = self.out.len();
            head.print(&[content], &mut self.out);
            self.note_sent(before);
        }
    }

    fn ask_for(&mut self, asked: Asked<'_>, request: Request, expect: Expect) {
        let Asked { id, from, ticket } = asked;
        let tag = self.expect(Pending::Iq { id: id.into(), from: from.map(Into::into), expect, ticket });
        self.session.ask_tagged(request, Some(tag));
    }

    /// Something that was passed on for the client found nobody who takes it.
    fn refuse_passed(&mut self, about: Option<About>, reject: &Reject) {
        let refusal = Refusal::from_reject(reject, Scope::Routed);
        match about {
            Some(About::Message(message)) => self.refuse_message(&message, &refusal),
            Some(About::Query(query)) => self.refuse_query(&query, &refusal),
            Some(About::Presence { to, origin_id }) => {
                let from = Some(Jid::from(&*to));
                self.send_error(Kind::Presence, from, origin_id.as_deref(), &refusal);
            }
            None => {}
        }
    }

    fn refuse_message(&mut self, message: &Message, refusal: &Refusal) {
        if message.kind != MessageKind::Error {
            let from = Some(Jid::from(&message.to));
            self.send_error(Kind::Message, from, message.origin_id.as_deref(), refusal);
        }
    }

    fn refuse_query(&mut self, query: &Query, refusal: &Refusal) {
        if query.kind.is_question() {
            self.send_error(Kind::Iq, Some(Jid::from(&query.to)), Some(&query.id), refusal);
        }
    }

    /// Whether more may be read: what waits for the account's answer is bounded.
    pub(super) fn takes_input(&self) -> bool {
        self.pending.len() < MOST_PENDING && self.has_hands()
    }

    /// What was written is on its way.
    pub(super) fn note_written(&mut self) {
        self.unconfirmed.drain(..).for_each(Delivery::confirm);
    }
}

/// The client has it by another way.
fn drop_confirmed(parcel: Parcel) {
    if let Parcel::Message(delivery) = parcel {
        delivery.confirm();
    }
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
        CloseReason::Ended => StreamError::with_text(Condition::PolicyViolation, "ended by an administrator"),
        CloseReason::Shutdown => Condition::SystemShutdown.into(),
        CloseReason::Fault => Condition::InternalServerError.into(),
    }
}

/// Requests that may wait for the account's answer before the client is read no further.
const MOST_PENDING: usize = 1000;
/// What a stanza counts that is kept as a number only.
const SMALL: usize = 16;

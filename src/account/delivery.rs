//! Where a message goes: RFC 6121 §8.5 for every protocol, forking, copies, the offline file.

use std::sync::Arc;

use smallvec::smallvec;

use super::{
    About, Answer, Copy, Effect, Event, Reply, ReplyTo, Sent,
    automation::{HOPS, Inbound},
    endpoints::{Endpoint, Sessions},
    policy::Verdict,
    session::SessionKind,
    state::{Account, Effects},
};
use crate::{
    presence::Standing,
    signal::{
        Address, Contact, Keep, Message, MessageKind, Query, Reason, Reject, SessionId, Signal, SignalKind,
        Stage, Timestamp,
    },
    storage::{Retraction, Write},
};

/// What is done with a message, and nothing else: the decision of [`Account::place`].
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// To these sessions, whichever confirms first.
    Sessions(Sessions),
    /// Nobody is there: into the offline file.
    Offline,
    /// Older ones are on their way to who is there: behind them, into the offline file.
    Behind,
    /// Nobody is there, and it is of no use later.
    Drop,
    /// Nobody is there, and the sender must know.
    Bounce,
}

impl Place {
    /// Whether it is where messages end that nobody is there for.
    fn is_absent(&self) -> bool {
        matches!(self, Self::Offline | Self::Bounce)
    }
}

impl Account {
    /// The owner sends a message from `session`, or without one.
    pub(super) fn handle_send(
        &mut self,
        session: Option<SessionId>,
        message: Arc<Message>,
        reply: Option<ReplyTo>,
        effects: &mut Effects,
    ) {
        if message.from.address != self.address {
            answer(reply, &message, Err(Reason::Forbidden.into()), effects);
            return;
        }
        if let Err(reject) = self.may_tell(&message.to.address) {
            answer(reply, &message, Err(reject), effects);
            return;
        }
        if message.content.body().is_some() || message.content.receipt.is_some() {
            self.note_answered(&message.to.address, effects);
        }
        let with = message.to.address.clone();
        // Whether the receiver keeps it is for him to say.
        let own = self.as_archived(Arc::clone(&message), &with);
        let to_herself = with == self.address;
        if own.keep.archive {
            retract(&own, &with, Side::Owner, effects);
            effects.push(Effect::Store(Write::Archive { message: Arc::clone(&own), with, outgoing: true }));
        }
        if message.keep.carbons && !to_herself {
            let wanted =
                |other: &Endpoint| Some(other.session) != session && self.takes_copies(other, Copy::Sent);
            copy_to(self.endpoints.ids(wanted), &own, Copy::Sent, effects);
        }
        effects.push(Effect::Route { signal: Signal::Message(message), reply });
    }

    /// The owner passes a question or an answer on.
    pub(super) fn pass_query(&self, query: Arc<Query>, reply: Option<ReplyTo>, effects: &mut Effects) {
        match self.may_tell(&query.to.address) {
            Ok(()) => effects.push(Effect::Route { signal: Signal::Query(query), reply }),
            Err(reject) => {
                if let Some(to) = reply {
                    let about = Some(About::Query(query));
                    effects.push(Effect::Answer(Answer { to, about, outcome: Err(reject) }));
                }
            }
        }
    }

    /// A message for the owner arrives: her policy says whether, her rules how, her sessions where.
    pub(super) fn handle_message(
        &mut self,
        inbound: &Inbound<'_>,
        mut reply: Option<ReplyTo>,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let message = inbound.message;
        if message.kind != MessageKind::Error
            && let Some(outcome) = self.refusal_of(message, now, effects)
        {
            answer(reply, message, outcome, effects);
            return;
        }
        let Some(leave) = self.apply_rules(inbound, Stage::AtOnce, &mut reply, now, effects) else { return };
        let place = if leave.store { Place::Offline } else { self.place(message, leave.quiet) };
        let dormant = if leave.store { Sessions::new() } else { self.dormant_for(&place, message) };
        // Whose connection broke is as good as there.
        if !leave.store
            && place.is_absent()
            && dormant.is_empty()
            && self.apply_rules(inbound, Stage::Offline, &mut reply, now, effects).is_none()
        {
            return;
        }
        if !leave.store && !leave.quiet && place != Place::Bounce {
            self.rouse(message, now, effects);
        }
        let message = &self.as_archived(Arc::clone(message), &message.from.address);
        if message.keep.archive && place != Place::Bounce {
            let with = message.from.address.clone();
            retract(message, &with, Side::Other, effects);
            let message = Arc::clone(message);
            effects.push(Effect::Store(Write::Archive { message, with, outgoing: false }));
        }
        if let Place::Sessions(sessions) = &place
            && message.keep.carbons
        {
            let is_wanted = |other: &Endpoint| !leave.quiet || other.spec.kind != SessionKind::Device;
            let wanted = |other: &Endpoint| {
                let has_it = sessions.contains(&other.session) || dormant.contains(&other.session);
                !has_it && self.takes_copies(other, Copy::Received) && is_wanted(other)
            };
            copy_to(self.endpoints.ids(wanted), message, Copy::Received, effects);
        }
        copy_to(dormant, message, Copy::Original, effects);
        self.put(place, Arc::clone(message), reply, 0, effects);
    }

    /// What the sender of a message is told that the policy does not let through.
    fn refusal_of(
        &self,
        message: &Message,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Option<Result<Reply, Reject>> {
        let sender = &message.from.address;
        let (why, outcome) = match self.may_write(sender, now) {
            Verdict::Accept(_) => return None,
            Verdict::Refuse(why) => (why.clone(), Err(why.as_reject())),
            Verdict::Swallow(why) => (why, Ok(Reply::Sent(Sent::Accepted))),
        };
        // Of passing notes there are too many, and nobody misses one.
        if let Some(reason) = why.as_refusal().filter(|_| message.content.body().is_some()) {
            self.note_refusal(sender, SignalKind::Message, reason, now, effects);
        }
        Some(outcome)
    }

    /// The message as it says whether it goes into the owner's archive: not where she does not want that.
    fn as_archived(&self, message: Arc<Message>, with: &Address) -> Arc<Message> {
        if !message.keep.archive || self.archives(with) {
            return message;
        }
        let keep = Keep { archive: false, ..message.keep };
        Arc::new(Message { keep, ..(*message).clone() })
    }

    /// No session confirmed the message. Devices had their chance; what else is there takes it.
    pub(super) fn handle_returned(
        &mut self,
        message: Arc<Message>,
        reply: Option<ReplyTo>,
        tries: u8,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let mut reply = reply;
        let others = self.endpoints.ids(|endpoint| {
            endpoint.takes_unasked() && matches!(endpoint.spec.kind, SessionKind::Client | SessionKind::Page)
        });
        let place = if others.is_empty() || tries >= TRIES {
            self.place_absent(&message)
        } else {
            Place::Sessions(others)
        };
        if place.is_absent() {
            // How it came here is not known any more, so it is passed on to nobody.
            let via = vec![self.address.clone(); HOPS];
            let inbound = Inbound { message: &message, via: &via, is_automatic: true };
            if self.apply_rules(&inbound, Stage::Offline, &mut reply, now, effects).is_none() {
                return;
            }
        }
        if place != Place::Bounce {
            self.rouse(&message, now, effects);
        }
        self.put(place, message, reply, tries, effects);
    }

    /// A question or answer for one session of the owner (RFC 6121 §8.5.3).
    pub(super) fn handle_query(&mut self, query: Arc<Query>, reply: Option<ReplyTo>, effects: &mut Effects) {
        let target = query.to.resource.as_ref().and_then(|resource| self.endpoints.named(resource));
        let is_blocked = self.is_blocked(&query.from.address);
        let shares = |endpoint: &Endpoint| {
            if is_blocked {
                return false;
            }
            !query.kind.is_question()
                || self.standing(&query.from.address) == Standing::Allowed
                || endpoint.is_directed_at(&query.from.address)
                || self.is_server_of_watcher(&query.from.address)
        };
        match target.filter(|endpoint| endpoint.spec.kind == SessionKind::Client && shares(endpoint)) {
            Some(endpoint) => {
                let session = endpoint.session;
                effects.push(Effect::Tell { session, event: Event::Query(query) });
                if let Some(to) = reply.filter(ReplyTo::wants_success) {
                    effects.push(Effect::Answer(Answer { to, about: None, outcome: Ok(Reply::Done) }));
                }
            }
            None if query.kind.is_question() => {
                if let Some(to) = reply {
                    let about = Some(About::Query(query));
                    let outcome = Err(Reason::NoSession.into());
                    effects.push(Effect::Answer(Answer { to, about, outcome }));
                }
            }
            None => {}
        }
    }

    /// Whether somebody is the server of a contact who sees the owner: it asks what her sessions want to hear of
    /// (XEP-0115 §8.4 has it ask in the contact's name, and some do not).
    fn is_server_of_watcher(&self, somebody: &Address) -> bool {
        let is_there = |contact: &Contact| contact.from && contact.address.domain() == somebody.domain();
        somebody.is_domain() && self.roster.iter().any(is_there)
    }

    /// Decides where a message goes.
    fn place(&self, message: &Message, quiet: bool) -> Place {
        // News of what people publish, say, are for programs.
        let suits = |endpoint: &Endpoint| endpoint.spec.kind == SessionKind::Client || !is_wordless(message);
        if let Some(resource) = &message.to.resource {
            let named = self.endpoints.named(resource);
            match named.filter(|endpoint| endpoint.spec.takes_messages) {
                Some(endpoint) if !suits(endpoint) => return Place::Drop,
                Some(endpoint) if endpoint.is_dormant() => return self.place_dormant(message),
                Some(endpoint) => return Place::Sessions(smallvec![endpoint.session]),
                None => {}
            }
            match message.kind {
                MessageKind::Chat => {}
                MessageKind::Error => return Place::Drop,
                _ => return Place::Bounce,
            }
        }
        match message.kind {
            MessageKind::Error => return Place::Drop,
            MessageKind::Group => return Place::Bounce,
            MessageKind::Chat | MessageKind::Normal | MessageKind::Headline => {}
        }
        let makes_noise = |endpoint: &Endpoint| quiet && endpoint.spec.kind == SessionKind::Device;
        let takes =
            |endpoint: &Endpoint| self.takes_unasked(endpoint) && !makes_noise(endpoint) && suits(endpoint);
        let sessions = self.endpoints.ids(takes);
        if sessions.is_empty() {
            self.place_absent(message)
        } else if self.waits_its_turn(&sessions, message) {
            match self.place_absent(message) {
                Place::Offline => Place::Behind,
                other => other,
            }
        } else {
            Place::Sessions(sessions)
        }
    }

    /// Whether older messages are on their way to the only session there is: this one must not
    /// overtake them, so it goes behind them into the file and follows at once.
    fn waits_its_turn(&self, sessions: &[SessionId], message: &Message) -> bool {
        self.offline.is_taker(sessions) && message.keep.offline && self.preferences.offline_storage
    }

    /// Decides what becomes of a message for which no session is there.
    fn place_absent(&self, message: &Message) -> Place {
        let lasting = matches!(message.kind, MessageKind::Chat | MessageKind::Normal);
        if lasting && message.keep.offline && self.preferences.offline_storage {
            return Place::Offline;
        }
        let says_something = message.content.body().is_some() || message.keep.offline;
        if lasting && says_something { Place::Bounce } else { Place::Drop }
    }

    /// Decides what becomes of a message for one session by name whose connection is broken. What is kept
    /// at all is kept safely; the rest waits with the session.
    fn place_dormant(&self, message: &Message) -> Place {
        match self.place_absent(message) {
            Place::Bounce => Place::Drop,
            place => place,
        }
    }

    /// The sessions whose connection is broken and that would have got the message. Whoever else has to have
    /// it gets it as if they were not there, so they may get twice what then waits in the offline file.
    fn dormant_for(&self, place: &Place, message: &Message) -> Sessions {
        match &message.to.resource {
            Some(resource) if self.endpoints.named(resource).is_some_and(Endpoint::is_dormant) => {
                self.endpoints.ids(|endpoint| endpoint.resource() == resource && endpoint.spec.takes_messages)
            }
            Some(_) if matches!(place, Place::Sessions(_)) => Sessions::new(),
            _ if matches!(place, Place::Bounce) => Sessions::new(),
            _ => self.endpoints.ids(Endpoint::misses_unasked),
        }
    }

    fn put(
        &mut self,
        place: Place,
        message: Arc<Message>,
        reply: Option<ReplyTo>,
        tries: u8,
        effects: &mut Effects,
    ) {
        match place {
            Place::Sessions(sessions) => {
                effects.push(Effect::Deliver { sessions, message, reply, tries });
            }
            Place::Offline | Place::Behind => {
                self.offline.note_append();
                effects.push(Effect::Store(Write::OfflineAppend(Arc::clone(&message))));
                self.count_waiting(effects);
                answer(reply, &message, Ok(Reply::Sent(Sent::Stored)), effects);
            }
            Place::Drop => answer(reply, &message, Ok(Reply::Sent(Sent::Accepted)), effects),
            Place::Bounce => answer(reply, &message, Err(Reason::NoSession.into()), effects),
        }
    }

    /// Whether a session takes messages for the account as a whole. Phones do if the owner wants it.
    pub(super) fn takes_unasked(&self, endpoint: &Endpoint) -> bool {
        endpoint.takes_unasked()
            && (endpoint.spec.kind != SessionKind::Device || self.preferences.device_messages)
    }

    pub(super) fn takes_copies(&self, endpoint: &Endpoint, copy: Copy) -> bool {
        let wanted = match endpoint.spec.kind {
            SessionKind::Device => {
                copy == Copy::Sent
                    && endpoint.is_available()
                    && self.preferences.device_copies
                    && self.preferences.device_messages
            }
            _ => true,
        };
        endpoint.spec.takes_copies && wanted
    }
}

/// Whether a message passes by and has nothing in it for people.
fn is_wordless(message: &Message) -> bool {
    let content = &message.content;
    message.kind == MessageKind::Headline && content.bodies.is_empty() && content.subjects.is_empty()
}

/// Whose message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Owner,
    Other,
}

/// Who takes an earlier message of his back takes it out of the owner's archive, where the message that says so goes
/// into it (XEP-0424 §5: from the same address, to the same conversation).
fn retract(message: &Message, with: &Address, from: Side, effects: &mut Effects) {
    if let Some(of) = message.retracts() {
        effects.push(Effect::Store(Write::Retract(Retraction {
            with: with.clone(),
            outgoing: from == Side::Owner,
            of: of.clone(),
            id: message.id,
            by: message.name(),
            at: message.sent,
        })));
    }
}

pub(super) fn copy_to(sessions: Sessions, message: &Arc<Message>, copy: Copy, effects: &mut Effects) {
    if !sessions.is_empty() {
        effects.push(Effect::Copy { sessions, message: Arc::clone(message), copy });
    }
}

pub(super) fn answer(
    reply: Option<ReplyTo>,
    message: &Arc<Message>,
    outcome: Result<Reply, Reject>,
    effects: &mut Effects,
) {
    if let Some(to) = reply {
        let about = Some(About::Message(Arc::clone(message)));
        effects.push(Effect::Answer(Answer { to, about, outcome }));
    }
}

/// How often a message may come back before no session is tried any more.
const TRIES: u8 = 3;

//! Contacts: adding, removing, asking, granting (RFC 6121 §2 and §3).

use std::sync::Arc;

use compact_str::CompactString;
use smallvec::SmallVec;

use super::{
    Answer, Effect, Event, Question, Reply, ReplyTo,
    announce::tell,
    automation::ContactFate,
    endpoints::Endpoint,
    state::{Account, Effects},
    subscription::{State, inbound, outbound},
    watcher_list::{listed_contact, listed_request},
};
use crate::{
    signal::{
        Address, Contact, ContactEvent, ContactFailure, ContactRequest, ContactSignal, Native, Reason,
        Reject, SessionId, Signal, Text, Timestamp, WatcherEvent,
    },
    storage::Write,
};

/// What the owner says to somebody about seeing presence.
pub(super) struct Said {
    pub(super) event: ContactEvent,
    pub(super) note: Option<Text>,
    pub(super) native: Native,
    pub(super) origin_id: Option<CompactString>,
    /// Who hears when he to whom it is said has it on disk, where that is known and it is said at all.
    pub(super) reply: Option<ReplyTo>,
}

impl Said {
    /// Said by the account itself, or where there is nothing more to say.
    pub(super) fn plain(event: ContactEvent) -> Self {
        Self { event, note: None, native: Native::None, origin_id: None, reply: None }
    }
}

/// What is left of something that was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    All,
    /// It is on its way to somebody of this server, who will answer.
    Waits,
}

impl Account {
    /// The owner gives a contact its name and groups.
    pub(super) fn set_contact(
        &mut self,
        address: Address,
        name: Option<CompactString>,
        mut groups: SmallVec<[CompactString; 2]>,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        groups.sort();
        groups.dedup();
        self.check_contact(&address, name.as_ref(), &groups)?;
        let mut contact = match self.roster.find(&address) {
            Some(contact) => contact.clone(),
            None => self.new_contact(address)?,
        };
        contact.name = name.filter(|name| !name.is_empty());
        contact.groups = groups;
        self.keep(contact, effects);
        Ok(Reply::Done)
    }

    /// Whether there can be a contact of that name and these groups.
    pub(super) fn check_contact(
        &self,
        address: &Address,
        name: Option<&CompactString>,
        groups: &[CompactString],
    ) -> Result<(), Reject> {
        let too_long = |text: &CompactString| text.len() > TEXT_BYTES;
        if groups.len() > GROUPS || groups.iter().any(too_long) || name.is_some_and(too_long) {
            return Err(Reject::with_text(Reason::NotAcceptable, "name or groups too long"));
        }
        if groups.iter().any(|group| group.is_empty()) {
            return Err(Reject::with_text(Reason::NotAcceptable, "a group needs a name"));
        }
        if *address == self.address {
            return Err(Reject::with_text(Reason::NotAcceptable, "nobody is a contact of herself"));
        }
        Ok(())
    }

    /// The owner removes a contact; what presence was shared ends (RFC 6121 §2.5.2).
    pub(super) fn remove_contact(
        &mut self,
        address: &Address,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        let Some(contact) = self.roster.find(address).cloned() else { return Err(Reason::NotFound.into()) };
        if contact.to || contact.ask {
            self.pass(address, Said::plain(ContactEvent::Unsubscribe), effects);
        }
        if contact.from {
            self.hide_from(address, now, effects);
            self.watchers.note_ended(listed_contact(address), WatcherEvent::Rejected, now);
        }
        if contact.from || self.requests.contains_key(address) {
            self.settle(address, WatcherEvent::Rejected, now, effects);
            self.pass(address, Said::plain(ContactEvent::Unsubscribed), effects);
        }
        if let Some((write, change)) = self.roster.remove(address) {
            effects.push(Effect::Store(write));
            self.documents.touch();
            self.push_roster(change, effects);
        }
        self.review_contact(address, now);
        self.review_abroad(address, effects);
        self.review_watchers(address, now, effects);
        Ok(Reply::Done)
    }

    /// The owner says something about presence, and hears of it once it is on disk: with him to whom she says it too,
    /// where he lives here.
    pub(super) fn handle_contact_request(
        &mut self,
        to: Address,
        mut said: Said,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let reply = said.reply.take();
        if !self.is_abroad(&to) {
            said.reply.clone_from(&reply);
        }
        let outcome = self.may_tell(&to).and_then(|()| self.say(to, said, now, effects));
        let outcome = match outcome {
            Ok(Told::Waits) => return,
            Ok(Told::All) => Ok(Reply::Done),
            Err(reject) => Err(reject),
        };
        if let Some(to) = reply {
            effects.push(Effect::Answer(Answer { to, about: None, outcome }));
        }
    }

    /// The owner asks, grants, gives up or denies: tables 2 to 5.
    pub(super) fn say(
        &mut self,
        to: Address,
        said: Said,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Told, Reject> {
        let event = said.event;
        let told = if said.reply.is_some() { Told::Waits } else { Told::All };
        if to == self.address {
            return Err(Reject::with_text(Reason::NotAcceptable, "nobody is a contact of herself"));
        }
        let before = self.subscription(&to);
        let row = outbound(event, before);
        let mut contact = match self.roster.find(&to) {
            Some(contact) => contact.clone(),
            None if event == ContactEvent::Subscribe || event == ContactEvent::Subscribed => {
                self.new_contact(to.clone())?
            }
            None => Contact::new(to.clone()),
        };
        // §3.4: a yes before the question waits for it; a no takes it back.
        contact.approved = match event {
            ContactEvent::Subscribed => !row.pass && !contact.from,
            ContactEvent::Unsubscribed => false,
            _ => contact.approved,
        };
        self.move_to(contact, before, row.next, effects);
        self.review_contact(&to, now);
        if before.is_pending_in() && !row.next.is_pending_in() {
            let granted = event == ContactEvent::Subscribed;
            let answer = if granted { WatcherEvent::Approved } else { WatcherEvent::Rejected };
            self.settle(&to, answer, now, effects);
        }
        let ((_, saw, _), (_, sees, _)) = (before.flags(), row.next.flags());
        // §3.2.2: he sees her leave before he hears why, and §3.1.5: sees her come after it.
        if saw && !sees {
            self.hide_from(&to, now, effects);
            self.watchers.note_ended(listed_contact(&to), WatcherEvent::Rejected, now);
        }
        if row.pass {
            self.pass(&to, said, effects);
        }
        if sees && !saw {
            self.show_all_to(&to.clone().into(), effects);
        }
        match event {
            ContactEvent::Unsubscribed => {
                if before.is_pending_in() || saw || self.watchers.has_of(&to) {
                    self.note_refused(&to, now, effects);
                }
                self.reject_watchers(&to, now, effects);
            }
            ContactEvent::Subscribe | ContactEvent::Subscribed => self.forget_refused(&to, effects),
            ContactEvent::Unsubscribe => {}
        }
        self.review_abroad(&to, effects);
        self.review_watchers(&to, now, effects);
        Ok(if row.pass { told } else { Told::All })
    }

    /// A contact, or a stranger, says something about presence: tables 6 to 9.
    pub(super) fn handle_contact_signal(
        &mut self,
        signal: &Arc<ContactSignal>,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        // Whoever is blocked must not learn it: his question is never answered.
        if signal.event == ContactEvent::Subscribe && self.is_blocked(&signal.from) {
            return;
        }
        let before = self.subscription(&signal.from);
        if signal.event == ContactEvent::Subscribe && !before.flags().1 {
            let approved = self.roster.find(&signal.from).is_some_and(|contact| contact.approved);
            match self.answer_of_rules(&signal.from, now) {
                Some(false) => {
                    return self.pass(&signal.from, Said::plain(ContactEvent::Unsubscribed), effects);
                }
                Some(true) => return self.grant_at_once(signal, now, effects),
                None if approved => return self.grant_at_once(signal, now, effects),
                None => {}
            }
        }
        if signal.event == ContactEvent::Subscribe && !before.flags().1 && !before.is_pending_in() {
            match self.rules_on_contact(&signal.from, now, effects) {
                ContactFate::Open => {}
                ContactFate::Grant => return self.grant_at_once(signal, now, effects),
                ContactFate::Deny => {
                    return self.pass(&signal.from, Said::plain(ContactEvent::Unsubscribed), effects);
                }
                ContactFate::Ignore => return,
            }
        }
        if signal.event == ContactEvent::Subscribe {
            self.note_contact_request(&signal.from, effects);
        }
        let row = inbound(signal.event, before);
        if row.next.is_pending_in() && !before.is_pending_in() && !self.note_request(signal, now, effects) {
            return;
        }
        let is_withdrawn = before.is_pending_in() && !row.next.is_pending_in();
        // §3.1.6, §3.2.3, §3.3.3: what was said comes before what follows from it.
        if row.pass && !self.is_blocked(&signal.from) {
            let is_told = |endpoint: &Endpoint| match signal.event {
                ContactEvent::Subscribe => endpoint.takes_questions(),
                _ => endpoint.spec.follows_roster || (is_withdrawn && endpoint.takes_questions()),
            };
            tell(self.endpoints.ids(is_told), Event::Contact(Arc::clone(signal)), effects);
        }
        if let Some(contact) = self.roster.find(&signal.from).cloned() {
            self.move_to(contact, before, row.next, effects);
            self.review_contact(&signal.from, now);
        }
        if is_withdrawn {
            self.settle(&signal.from, WatcherEvent::Timeout, now, effects);
        }
        let ((_, saw, _), (_, sees, _)) = (before.flags(), row.next.flags());
        if !before.flags().0 && row.next.flags().0 {
            self.catch_up_with(&signal.from, effects);
            // Other servers look at what sessions want to hear of (XEP-0163 §4) when these show themselves to
            // somebody whom they may see; some did so before they might.
            if sees && self.is_abroad(&signal.from) {
                self.show_all_to(&signal.from.clone().into(), effects);
            }
        }
        if saw && !sees {
            self.hide_from(&signal.from, now, effects);
            self.watchers.note_ended(listed_contact(&signal.from), WatcherEvent::Timeout, now);
        }
        self.review_abroad(&signal.from, effects);
        if let Some(event) = row.reply {
            self.pass(&signal.from, Said::plain(event), effects);
        }
        self.review_watchers(&signal.from, now, effects);
    }

    /// The owner's question could not be passed on, or the contact's server does not take it (RFC 6121 §3.1.2): it is
    /// not open any more, and her sessions are told why.
    pub(super) fn handle_contact_failure(
        &mut self,
        failure: &Arc<ContactFailure>,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let before = self.subscription(&failure.from);
        let contact = self.roster.find(&failure.from).filter(|contact| contact.ask).cloned();
        // Errors answer much else that a server says for its people, of which they need not know.
        let Some(contact) = contact else { return };
        let row = outbound(ContactEvent::Unsubscribe, before);
        self.move_to(contact, before, row.next, effects);
        self.review_contact(&failure.from, now);
        let is_told = |endpoint: &Endpoint| endpoint.spec.follows_roster || endpoint.takes_questions();
        tell(self.endpoints.ids(is_told), Event::ContactFailure(Arc::clone(failure)), effects);
    }

    /// The owner said yes in advance (RFC 6121 §3.4.2), or her rules do.
    pub(super) fn grant_at_once(&mut self, signal: &ContactSignal, now: Timestamp, effects: &mut Effects) {
        let known = self.roster.find(&signal.from).cloned();
        let Some(mut contact) = known.or_else(|| self.new_contact(signal.from.clone()).ok()) else { return };
        contact.from = true;
        contact.approved = false;
        self.keep(contact, effects);
        self.review_contact(&signal.from, now);
        self.settle(&signal.from, WatcherEvent::Approved, now, effects);
        self.pass(&signal.from, Said::plain(ContactEvent::Subscribed), effects);
        self.show_all_to(&signal.from.clone().into(), effects);
        self.review_watchers(&signal.from, now, effects);
    }

    /// Notes that somebody asks; tells whether there was room for it.
    pub(super) fn note_request(
        &mut self,
        signal: &ContactSignal,
        now: Timestamp,
        effects: &mut Effects,
    ) -> bool {
        if self.requests.len() >= self.shared.limits.contact_requests {
            return false;
        }
        let request = ContactRequest {
            from: signal.from.clone(),
            at: now,
            note: signal.note.clone(),
            native: signal.native.clone(),
            origin_id: signal.origin_id.clone(),
        };
        self.watchers.touch();
        self.requests.insert(request.from.clone(), request.clone());
        effects.push(Effect::Store(Write::Request(request)));
        true
    }

    /// Shows a session the questions that wait.
    pub(super) fn show_requests(&self, session: SessionId, effects: &mut Effects) {
        for request in self.requests.values() {
            let signal = ContactSignal {
                from: request.from.clone(),
                to: self.address.clone(),
                event: ContactEvent::Subscribe,
                note: request.note.clone(),
                native: request.native.clone(),
                origin_id: request.origin_id.clone(),
            };
            effects.push(Effect::Tell { session, event: Event::Contact(Arc::new(signal)) });
        }
    }

    /// The state of the tables between the owner and somebody.
    pub(super) fn subscription(&self, somebody: &Address) -> State {
        State::of(self.roster.find(somebody), self.requests.contains_key(somebody))
    }

    /// Forgets the question of `from`, wherever it is shown: it was answered, or is over.
    pub(super) fn settle(
        &mut self,
        from: &Address,
        answer: WatcherEvent,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        self.end_waiting(from, answer, now, effects);
        let Some(request) = self.requests.remove(from) else { return };
        let granted = answer == WatcherEvent::Approved;
        if !granted && !self.watchers.has_of(from) {
            self.watchers.note_ended(listed_request(from, request.at), answer, now);
        }
        effects.push(Effect::Store(Write::RequestRemoved { from: from.clone() }));
        let sessions = self.endpoints.ids(|endpoint| endpoint.takes_questions());
        // Nobody but the asker himself lets it end otherwise than by an answer.
        let withdrawn = answer == WatcherEvent::Timeout;
        tell(sessions, Event::ContactSettled { from: from.clone(), granted, withdrawn }, effects);
        self.review_face(from, effects);
    }

    /// Writes the next state into the entry and, where that changes it, tells who follows.
    fn move_to(&mut self, mut contact: Contact, before: State, next: State, effects: &mut Effects) {
        (contact.to, contact.from, contact.ask) = next.flags();
        let known = self.roster.find(&contact.address);
        let changed = known.is_some_and(|known| *known != contact);
        let wanted = known.is_none() && (before.flags() != next.flags() || contact.approved);
        if changed || wanted {
            self.keep(contact, effects);
        }
    }

    fn new_contact(&self, address: Address) -> Result<Contact, Reject> {
        if address == self.address {
            return Err(Reject::with_text(Reason::NotAcceptable, "nobody is a contact of herself"));
        }
        if self.roster.len() >= self.shared.limits.contacts {
            return Err(Reject::with_text(Reason::PolicyViolation, "too many contacts"));
        }
        Ok(Contact::new(address))
    }

    fn keep(&mut self, contact: Contact, effects: &mut Effects) {
        self.watchers.touch();
        self.documents.touch();
        let (write, change) = self.roster.set(contact);
        effects.push(Effect::Store(write));
        self.push_roster(change, effects);
    }

    fn push_roster(&self, change: super::ContactChange, effects: &mut Effects) {
        let sessions = self.endpoints.ids(|endpoint| endpoint.spec.follows_roster);
        tell(sessions, Event::Roster(Arc::new(change)), effects);
    }

    fn pass(&self, to: &Address, said: Said, effects: &mut Effects) {
        let Said { event, note, native, origin_id, reply } = said;
        let from = self.address.clone();
        let question = || Question { from: from.clone(), to: to.clone(), origin_id: origin_id.clone() };
        let is_question = event == ContactEvent::Subscribe && self.is_abroad(to);
        let reply = if is_question { Some(ReplyTo::Question(Box::new(question()))) } else { reply };
        let signal = ContactSignal { from, to: to.clone(), event, note, native, origin_id };
        effects.push(Effect::Route { signal: Signal::Contact(Arc::new(signal)), reply });
    }
}

/// Longest name of a contact or group, in bytes.
const TEXT_BYTES: usize = 1023;
/// Most groups of one contact.
const GROUPS: usize = 50;

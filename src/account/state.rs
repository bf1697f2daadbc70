//! The rules: one account's state and what each input does to it.
//!
//! [`Account::handle`] is a pure function of the state: no await, no clock, no randomness. The rules
//! are spread over files by what they are about; this one holds the state and hands out the inputs.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;

use super::{
    Answer, CloseReason, Config, Effect, Input, Opened, Reply, ReplyTo, Request, SessionView, Summary,
    abroad::Abroad,
    automation::{Automated, Inbound, Scopes},
    config::Authorization,
    contacts::Said,
    documents::Documents,
    endpoints::{Endpoint, Endpoints, Sessions},
    personal::Personal,
    roster::Roster,
    rules::Own,
    session::{SessionKind, SessionSpec},
    temporary::OnBehalf,
    watchers::Watchers,
};
use crate::{
    presence::{Standing, standing},
    signal::{
        Address, ContactRequest, Enquiry, Party, Presence, Probe, Reason, Reject, SessionId, Signal,
        Timestamp,
    },
    storage::{AccountRecord, Preferences, Write},
};

/// One account.
pub(super) struct Account {
    pub(super) address: Address,
    pub(super) shared: Arc<Shared>,
    pub(super) preferences: Preferences,
    pub(super) roster: Roster,
    pub(super) own: Option<Box<Own>>,
    pub(super) personal: Option<Box<Personal>>,
    pub(super) automated: Option<Box<Automated>>,
    /// Who asked to see the owner's presence and waits for her answer.
    pub(super) requests: BTreeMap<Address, ContactRequest>,
    pub(super) endpoints: Endpoints,
    /// When the last session went that was shown to anybody; zero where none did yet.
    pub(super) seen: Timestamp,
    pub(super) watchers: Watchers,
    pub(super) abroad: Abroad,
    pub(super) offline: super::offline::Offline,
    pub(super) documents: Documents,
    pub(super) on_behalf: OnBehalf,
    /// The state as a whole after the last input.
    pub(super) aggregate: Arc<Presence>,
}

/// What the rules of every account know.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) limits: Config,
    /// The domains of this server: whose users have proved who they are.
    pub(super) home: Arc<[Address]>,
    /// The automated rules that administrators set.
    pub(super) automation: Arc<ArcSwap<Scopes>>,
}

/// Where rules put what is to be done.
pub(super) type Effects = Vec<Effect>;

impl Account {
    pub(super) fn new(mut record: AccountRecord, shared: Arc<Shared>, now: Timestamp) -> Self {
        let roster = Roster::new(&mut record);
        let requests = record.requests.into_iter().map(|request| (request.from.clone(), request)).collect();
        let seen = super::last_seen::take(&mut record.shelves);
        let mut account = Self {
            address: record.address,
            shared,
            preferences: record.preferences,
            roster,
            own: Own::new(
                record.rules,
                record.message_rules,
                record.call_rules,
                record.hard_state,
                record.blocked,
            ),
            automated: Automated::new(record.automation, record.replies, record.late),
            personal: Personal::new(record.shelves),
            requests,
            endpoints: Endpoints::default(),
            seen,
            watchers: Watchers::new(record.waiting),
            abroad: Abroad::default(),
            offline: super::offline::Offline::new(record.has_offline),
            documents: Documents::new(record.documents, record.documents_version, now),
            on_behalf: OnBehalf::default(),
            aggregate: Arc::new(Presence::offline(now)),
        };
        account.take_stock(now);
        account.find_sights(now);
        account
    }

    /// Finds the state as a whole.
    pub(super) fn take_stock(&mut self, now: Timestamp) {
        self.aggregate = self.endpoints.aggregate(self.hard_state(), now);
    }

    /// Whether nothing would be lost if this state were forgotten and read anew.
    pub(super) fn is_idle(&self) -> bool {
        self.endpoints.is_empty()
            && self.watchers.is_empty()
            && !self.follows_abroad()
            && self.offline.is_idle()
            && !self.has_late()
            && !self.has_due_calls()
    }

    /// Whether one more session like this may open.
    pub(super) fn may_open(&self, spec: &SessionSpec) -> Result<(), Reject> {
        let replaces = self.endpoints.named(&spec.resource).is_some();
        if self.endpoints.len() >= self.shared.limits.sessions && !replaces {
            return Err(Reject::with_text(Reason::PolicyViolation, "too many sessions"));
        }
        Ok(())
    }

    /// Takes one input and says what is to be done.
    pub(super) fn handle(&mut self, input: Input, now: Timestamp, effects: &mut Effects) {
        let (revision, roster) = (self.documents.revision(), self.roster.version());
        match input {
            Input::Open { session, spec } => self.handle_open(session, *spec, now, effects),
            Input::Close { session } => self.handle_close(session, now, effects),
            Input::Presence { session, presence } => self.handle_presence(session, presence, now, effects),
            Input::Direct { session, direct } => self.handle_direct(session, *direct, effects),
            Input::Change { session, change } => self.handle_change(session, change, now, effects),
            Input::Send { session, message, reply } => self.handle_send(session, message, reply, effects),
            Input::Request { session, request, reply } => {
                self.handle_request(session, *request, reply, now, effects);
            }
            Input::Signal { signal, reply } => self.handle_signal(signal, reply, now, effects),
            Input::Returned { message, reply, tries } => {
                self.handle_returned(message, reply, tries, now, effects);
            }
            Input::Missed { session, messages } => self.handle_missed(session, &messages, now, effects),
            Input::Roused { at, outcome } => self.handle_roused(&at, outcome, effects),
            Input::Watch { watch, spec } => self.handle_watch(watch, *spec, now, effects),
            Input::Follow { watch, of } => self.handle_follow(watch, of, effects),
            Input::Reach { domain, reach } => self.handle_reach(domain.domain(), reach, now, effects),
            Input::WatchRenewed { watch, until } => self.watchers.renew(watch, until),
            Input::Unwatch { watch } => self.handle_unwatch(watch, now),
            Input::OfflineRead { session, messages, more } => {
                self.handle_offline_read(session, messages, more, effects);
            }
            Input::OfflineCounted { asked, count } => self.handle_offline_count(asked, count, effects),
            Input::Fetched { purpose, found } => self.handle_fetched(*purpose, found, now, effects),
            Input::Tick => self.handle_tick(now, effects),
            Input::OfflineTaken { session, through } => self.handle_offline_taken(session, through, effects),
            Input::Preferences(preferences) => self.adopt(*preferences, now, effects),
            Input::Evict { reason, which } => self.handle_evict(reason, which, now, effects),
        }
        self.show_list(now, effects);
        if roster != self.roster.version() {
            self.show_readers(effects);
        }
        if revision != self.documents.revision() {
            self.show_documents(effects);
        }
    }

    /// A time has come at which something may be over.
    fn handle_tick(&mut self, now: Timestamp, effects: &mut Effects) {
        self.note_woken();
        if self.has_timed_rules() {
            self.review_all(now, effects);
        }
        self.forget_waiting(now, effects);
        self.ask_due(now, effects);
        self.rouse_due(now, effects);
        if let Some(next) = self.next_forgotten() {
            self.wake_at(next, effects);
        }
    }

    /// Whether it is to be woken, though nothing was asked of it since it was read.
    pub(super) fn is_to_be_woken(&self) -> bool {
        self.next_forgotten().is_some() || self.has_timed_rules() || self.has_late()
    }

    fn handle_open(&mut self, session: SessionId, spec: SessionSpec, now: Timestamp, effects: &mut Effects) {
        if let Some(older) = self.endpoints.named(&spec.resource).map(|endpoint| endpoint.session) {
            effects.push(Effect::End { session: older, reason: CloseReason::Replaced });
            self.close(older, now, effects);
        }
        let here = matches!(spec.kind, SessionKind::Device | SessionKind::Page);
        let since = spec.since;
        self.endpoints.add(Endpoint::new(session, spec));
        if here {
            self.handle_presence(session, Arc::new(Presence::online(since)), now, effects);
        }
    }

    /// An administrator ends the sessions of this name, or all.
    fn end_sessions(&mut self, name: Option<&str>, now: Timestamp, effects: &mut Effects) -> Reply {
        let is_meant = |session: &str| name.is_none_or(|name| name == session);
        let sessions = self.endpoints.ids(|endpoint| is_meant(endpoint.spec.resource.as_str()));
        let count = sessions.len();
        for session in sessions {
            effects.push(Effect::End { session, reason: CloseReason::Ended });
            self.handle_close(session, now, effects);
        }
        Reply::Ended(count)
    }

    fn handle_evict(&mut self, reason: CloseReason, which: Opened, now: Timestamp, effects: &mut Effects) {
        for session in self.endpoints.ids(|endpoint| endpoint.spec.is_opened(which)) {
            effects.push(Effect::End { session, reason });
            match reason {
                // There is nothing left to write to.
                CloseReason::AccountGone => drop(self.close(session, now, effects)),
                _ => self.handle_close(session, now, effects),
            }
        }
        if let (CloseReason::CredentialsChanged, Opened::ByClient(client)) = (reason, which) {
            self.forget_sleepers_of(client, effects);
        }
        if reason == CloseReason::AccountGone {
            self.watchers.end_all(super::WatchState::Gone, effects);
        }
    }

    fn handle_request(
        &mut self,
        session: Option<SessionId>,
        request: Request,
        reply: Option<ReplyTo>,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let outcome = match request {
            Request::Send(message) => return self.handle_send(session, message, reply, effects),
            Request::Query(query) if query.from.address != self.address => Err(Reason::Forbidden.into()),
            Request::Query(query) => return self.pass_query(query, reply, effects),
            Request::MayTell(somebody) => self.may_tell(&somebody).map(|()| Reply::Done),
            Request::Enquire { of, wanted } if of == self.address => {
                let from = Party::from(of);
                return self.handle_enquiry(&from, &wanted, reply, now, effects);
            }
            Request::Enquire { of, wanted } => {
                if let Err(reject) = self.may_tell(&of) {
                    return refuse(reply, reject, effects);
                }
                let (from, wanted) = (self.party_of(session), self.name_picture(&of, wanted));
                let enquiry = Arc::new(Enquiry { from, to: of, wanted });
                effects.push(Effect::Route { signal: Signal::Enquiry(enquiry), reply });
                return;
            }
            Request::ChangeNode { node, change } => self.change_node(&node, change, now, effects),
            Request::SetProfile(profile) => self.set_profile(profile, now, effects),
            Request::SetAvatar(picture) => self.set_avatar(picture.as_ref(), now, effects),
            Request::StageAvatar(picture) => self.stage_avatar(&picture, now, effects),
            Request::ShowAvatar { is_open } => Ok(self.show_avatar(is_open, effects)),
            Request::Archive(reading) => {
                let Some(reply) = reply else { return };
                effects.push(Effect::ReadArchive { reading, reply });
                return;
            }
            Request::WearAvatar(hash) => match self.put_on_staged(hash, reply.clone(), effects) {
                Ok(()) => return,
                Err(reject) => Err(reject),
            },
            Request::Roster { since } => Ok(Reply::Roster(Arc::new(self.roster.view(since)))),
            Request::SetContact { address, name, groups } => self.set_contact(address, name, groups, effects),
            Request::RemoveContact { address } => self.remove_contact(&address, now, effects),
            Request::Contact { to, event, note, native, origin_id } => {
                let said = Said { event, note, native, origin_id, reply };
                return self.handle_contact_request(to, said, now, effects);
            }
            Request::Probe { to, origin_id } => {
                if let Err(reject) = self.may_tell(&to.address) {
                    return refuse(reply, reject, effects);
                }
                let from = Arc::new(self.party_of(session));
                let signal = Signal::Probe(Box::new(Probe { from, to, origin_id }));
                effects.push(Effect::Route { signal, reply: None });
                Ok(Reply::Done)
            }
            Request::ContactRequests => Ok(Reply::ContactRequests(self.requests.values().cloned().collect())),
            Request::Preferences => Ok(Reply::Preferences(self.preferences.clone())),
            Request::SetPreferences(change) => self.replace_preferences(*change, now, effects),
            Request::Rules => Ok(Reply::Rules(self.rules().cloned())),
            Request::SetRules(rules) => self.set_rules(rules, now, effects),
            Request::MessageRules => Ok(Reply::Rules(self.message_rules().cloned())),
            Request::SetMessageRules(rules) => self.set_message_rules(rules, effects),
            Request::Automation => {
                let rules = self.own_rules().map(|list| Box::new(list.rules.clone()));
                Ok(Reply::Automation(rules))
            }
            Request::SetAutomation(rules) => self.set_automation(rules.map(|rules| *rules), effects),
            Request::Try(trial) => self.try_rules(&trial, now).map(|tried| Reply::Tried(Box::new(tried))),
            Request::RemoveRefusals => {
                effects.push(Effect::Store(Write::RefusalsRemoved));
                Ok(Reply::Done)
            }
            Request::HardState => Ok(Reply::HardState(self.hard_state().cloned())),
            Request::SetHardState(presence) => Ok(self.set_hard_state(presence, now, effects)),
            Request::Blocked => Ok(Reply::Blocked(self.blocked().cloned().collect())),
            Request::Block(addresses) => self.block(&addresses, now, effects),
            Request::Unblock(addresses) => Ok(self.unblock(addresses.as_deref(), now, effects)),
            Request::Facts { unless } => Ok(Reply::Facts(self.facts(unless))),
            Request::Amend(amendment) => self.amend(*amendment, now, effects),
            Request::AddWakeAddress { at, terms } => self.add_wake_address(session, at, terms, effects),
            Request::RemoveWakeAddresses { service, node } => {
                Ok(self.remove_wake_addresses(&service, node.as_deref(), effects))
            }
            Request::Watchers => Ok(Reply::Watchers(self.watcher_list(now))),
            Request::EndSessions { name } => Ok(self.end_sessions(name.as_deref(), now, effects)),
            Request::Summary => Ok(Reply::Summary(Box::new(self.summary()))),
        };
        if let Some(to) = reply {
            effects.push(Effect::Answer(Answer { to, about: None, outcome }));
        }
    }

    fn handle_signal(
        &mut self,
        signal: Signal,
        reply: Option<ReplyTo>,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        match signal {
            Signal::Message(message) => {
                self.handle_message(&Inbound::straight(&message), reply, now, effects);
            }
            Signal::Passed(passed) => {
                self.handle_message(&Inbound::passed(&passed), reply, now, effects);
            }
            Signal::Query(query) => self.handle_query(query, reply, effects),
            Signal::Contact(contact) => {
                self.handle_contact_signal(&contact, now, effects);
                note_done(reply, effects);
            }
            Signal::ContactFailure(failure) => {
                self.handle_contact_failure(&failure, now, effects);
                note_done(reply, effects);
            }
            Signal::Presence { to, notice } => self.handle_notice(&to, notice, now, effects),
            Signal::Probe(probe) => self.handle_probe(*probe, effects),
            Signal::Enquiry(enquiry) => {
                self.handle_enquiry(&enquiry.from, &enquiry.wanted, reply, now, effects);
            }
            Signal::Personal { to, news } => self.handle_personal(&to, news, effects),
            Signal::Face(news) => self.handle_face(&news, effects),
            Signal::Call(offer) => self.handle_call(&offer, reply, now, effects),
        }
    }

    fn summary(&self) -> Summary {
        let view = |endpoint: &Endpoint| SessionView {
            session: endpoint.session,
            spec: endpoint.spec.clone(),
            presence: endpoint.shown.clone(),
        };
        Summary {
            has_directory: self.shared.limits.directory,
            invites_newcomers: self.shared.limits.everybody_invites(),
            address: self.address.clone(),
            aggregate: Arc::clone(&self.aggregate),
            sessions: self.endpoints.iter().map(view).collect(),
        }
    }

    /// The owner, on this session.
    fn party_of(&self, session: Option<SessionId>) -> Party {
        match session.and_then(|session| self.endpoints.find(session)) {
            Some(endpoint) => Party::full(self.address.clone(), endpoint.resource().clone()),
            None => Party::from(self.address.clone()),
        }
    }

    /// Every session there is.
    pub(super) fn sessions(&self) -> Sessions {
        self.endpoints.ids(|_| true)
    }

    /// Where somebody stands towards the owner's presence.
    pub(super) fn standing(&self, somebody: &Address) -> Standing {
        let is_owner = *somebody == self.address;
        match self.shared.limits.authorization {
            Authorization::None => Standing::Allowed,
            Authorization::Implicit => standing(is_owner, None),
            Authorization::Rules if self.is_hidden_from(somebody) => Standing::Undecided,
            Authorization::Rules => standing(is_owner, self.roster.find(somebody)),
        }
    }
}

fn refuse(reply: Option<ReplyTo>, reject: Reject, effects: &mut Effects) {
    if let Some(to) = reply {
        effects.push(Effect::Answer(Answer { to, about: None, outcome: Err(reject) }));
    }
}

/// Tells whoever wants to know that all was done, once it is on disk.
fn note_done(reply: Option<ReplyTo>, effects: &mut Effects) {
    if let Some(to) = reply.filter(ReplyTo::wants_success) {
        effects.push(Effect::Answer(Answer { to, about: None, outcome: Ok(Reply::Done) }));
    }
}

#[cfg(test)]
#[path = "tests/mod.rs"]
mod tests;

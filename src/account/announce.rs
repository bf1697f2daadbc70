//! How the owner's presence reaches others, and theirs her (RFC 6121 §4).

use std::sync::Arc;

use thin_vec::ThinVec;

use super::{
    About, Answer, Direct, Effect, Event, ReplyTo, SessionChange,
    config::Authorization,
    endpoints::{Directed, Endpoint, Sessions},
    rules::Sight,
    session::SessionKind,
    state::{Account, Effects},
};
use crate::{
    presence::{Standing, seen_by},
    signal::{
        Address, Contact, News, Party, Presence, PresenceNotice, Resource, SessionId, Signal, Timestamp, View,
    },
};

impl Account {
    /// A session says how its person is.
    pub(super) fn handle_presence(
        &mut self,
        session: SessionId,
        presence: Arc<Presence>,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let Some(endpoint) = self.endpoints.find_mut(session) else { return };
        if !presence.is_available() {
            let left = endpoint.stays_closed().then(|| Arc::clone(&presence));
            if self.say_goodbye(session, presence, left, now, effects) {
                self.note_gone(now, effects);
            }
            return;
        }
        let is_first = !endpoint.is_available();
        endpoint.say(Some(presence));
        self.spread(session, now, effects);
        if is_first {
            self.note_awake(session, effects);
            self.welcome(session, effects);
            let topics = self.endpoints.find(session).map_or(&[][..], Endpoint::topics);
            self.catch_up(session, topics, now, effects);
        }
        self.collect_offline(session, effects);
    }

    /// A session is over.
    pub(super) fn handle_close(&mut self, session: SessionId, now: Timestamp, effects: &mut Effects) {
        if self.close(session, now, effects) {
            self.note_gone(now, effects);
        }
    }

    /// A session is over, and another one takes its place or nothing is kept. Tells whether it was shown to others.
    pub(super) fn close(&mut self, session: SessionId, now: Timestamp, effects: &mut Effects) -> bool {
        let was_shown = self.say_goodbye(session, Arc::new(Presence::offline(now)), None, now, effects);
        self.endpoints.remove(session);
        self.forget_abroad();
        was_shown
    }

    /// A session changes what it takes.
    pub(super) fn handle_change(
        &mut self,
        session: SessionId,
        change: SessionChange,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let Some(endpoint) = self.endpoints.find_mut(session) else { return };
        let new_topics = match &change {
            SessionChange::Follows(topics) => {
                topics.iter().filter(|topic| !endpoint.topics().contains(topic)).cloned().collect()
            }
            _ => Vec::new(),
        };
        let may_wake = matches!(change, SessionChange::Dormant(false) | SessionChange::Attended(true));
        if endpoint.change(change) {
            self.spread(session, now, effects);
        }
        if may_wake {
            self.note_awake(session, effects);
        }
        self.catch_up(session, &new_topics, now, effects);
        self.collect_offline(session, effects);
    }

    /// A session shows its presence to one party, or takes that back (RFC 6121 §4.6.3).
    pub(super) fn handle_direct(&mut self, session: SessionId, direct: Direct, effects: &mut Effects) {
        let Direct { to, presence, wants, origin_id } = direct;
        if let Err(reject) = self.may_tell(&to.address) {
            let reply = ReplyTo::Session { account: self.address.clone(), session, request: None };
            let about = Some(About::Presence { to: Box::new(to), origin_id });
            effects.push(Effect::Answer(Answer { to: reply, about, outcome: Err(reject) }));
            return;
        }
        let told_anyway = self.endpoints.find(session).is_some_and(|it| self.is_shown_to(it, &to.address));
        let Some(endpoint) = self.endpoints.find_mut(session) else { return };
        let from = Party::full(self.address.clone(), endpoint.resource().clone());
        endpoint.directed.retain(|one| one.to != to);
        if presence.is_available() && !told_anyway {
            endpoint.note_directed(Directed { to: to.clone(), occasion: None });
        }
        let wants = wants.filter(|_| presence.is_available());
        let notice = PresenceNotice::new(from, presence, None).with_avatar(self.avatar_mark()).meant_for(&to);
        let notice = Arc::new(PresenceNotice { wants, ..notice });
        effects.push(Effect::Route { signal: Signal::Presence { to, notice }, reply: None });
    }

    /// Somebody shows the owner his presence.
    pub(super) fn handle_notice(
        &mut self,
        to: &Party,
        notice: Arc<PresenceNotice>,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        if self.is_blocked(&notice.from.address) {
            return;
        }
        if !notice.presence.is_available() {
            self.end_shared(|one| one.to == notice.from, now, effects);
            self.endpoints.forget_gone(&notice.from);
        }
        let notice = self.note_abroad(notice, effects);
        let sessions = match &to.resource {
            Some(resource) => self.endpoints.ids(|endpoint| {
                endpoint.resource() == resource
                    && matches!(endpoint.spec.kind, SessionKind::Client | SessionKind::Page)
            }),
            None => self.endpoints.ids(|endpoint| endpoint.follows_presence()),
        };
        let asks = notice.wants.map(|occasion| (notice.from.clone(), occasion));
        tell(sessions, Event::Presence(notice), effects);
        if let Some((from, occasion)) = asks {
            self.share_back(to.resource.as_ref(), &from, occasion, now, effects);
        }
    }

    /// Shows `to` every available session: the contact was granted presence (RFC 6121 §3.1.5).
    pub(super) fn show_all_to(&self, to: &Party, effects: &mut Effects) {
        if self.standing(&to.address) == Standing::Allowed {
            route_notices(to, self.notices_for(&to.address), effects);
        }
    }

    /// Takes every available session back from somebody who lost what he was granted, and what was shown to
    /// him alone with it (RFC 6121 §3.2.2, §4.6.1).
    pub(super) fn hide_from(&mut self, somebody: &Address, now: Timestamp, effects: &mut Effects) {
        self.endpoints.forget_directed(somebody);
        let notices = self.notices_for(somebody);
        let notices = notices.into_iter().map(|notice| gone(notice.from.clone(), now)).collect();
        route_notices(&Party::from(somebody.clone()), notices, effects);
    }

    /// Whether a session is among those that somebody is shown without further ado.
    pub(super) fn is_shown_to(&self, endpoint: &Endpoint, somebody: &Address) -> bool {
        let sees = || self.part_for(somebody).is_none_or(|view| endpoint.is_seen(view));
        endpoint.is_available() && self.standing(somebody) == Standing::Allowed && sees()
    }

    /// The sessions that somebody who sees so much sees.
    pub(super) fn seen_sessions(&self, sight: Option<&Sight>) -> Vec<Resource> {
        let is_seen = |endpoint: &&Endpoint| match sight {
            None => true,
            Some(Sight::Part(view)) => endpoint.is_seen(view),
            Some(Sight::Hidden) => false,
        };
        let available = self.endpoints.iter().filter(|endpoint| endpoint.is_available());
        available.filter(is_seen).map(|endpoint| endpoint.resource().clone()).collect()
    }

    /// Shows a contact what he may see from now on, and takes back the sessions in `seen` that he may
    /// not see any more.
    pub(super) fn show_changed_sight(
        &self,
        somebody: &Address,
        seen: &[Resource],
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let left = self.seen_sessions(self.sight(somebody));
        let lost = seen.iter().filter(|resource| !left.contains(resource));
        let lost = lost.map(|resource| gone(Party::full(self.address.clone(), resource.clone()), now));
        let to = Party::from(somebody.clone());
        route_notices(&to, lost.collect(), effects);
        if !self.is_hidden_from(somebody) {
            route_notices(&to, self.notices_for(somebody), effects);
        }
    }

    /// Tells everybody who may know what every session shows: something that goes with all of them changed.
    pub(super) fn spread_all(&mut self, now: Timestamp, effects: &mut Effects) {
        for session in self.endpoints.ids(Endpoint::is_available) {
            self.spread(session, now, effects);
        }
    }

    /// Tells everybody who may know what `session` shows now.
    fn spread(&mut self, session: SessionId, now: Timestamp, effects: &mut Effects) {
        self.take_stock(now);
        self.review_sphere(now, effects);
        let Some(endpoint) = self.endpoints.find(session) else { return };
        let Some(presence) = endpoint.shown.clone() else { return };
        let notice = Arc::new(self.notice(endpoint, presence));
        // Whom it was shown alone is told only when it goes (RFC 6121 §4.6.3).
        self.route_to_watching_contacts(session, &notice, effects);
        let own = self.endpoints.ids(|endpoint| endpoint.follows_presence());
        tell(own, Event::Presence(notice), effects);
        self.show_watchers(effects);
    }

    /// Takes the session's presence back from everybody who had it; `left` is what it says from now on. Tells whether
    /// anybody had it.
    fn say_goodbye(
        &mut self,
        session: SessionId,
        presence: Arc<Presence>,
        left: Option<Arc<Presence>>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> bool {
        let own = self.endpoints.ids(|endpoint| endpoint.follows_presence());
        let Some(endpoint) = self.endpoints.find(session) else { return false };
        let directed = endpoint.directed.iter().filter(|one| !self.is_shown_to(endpoint, &one.to.address));
        let directed: Vec<_> = directed.cloned().collect();
        let Some(endpoint) = self.endpoints.find_mut(session) else { return false };
        endpoint.directed = ThinVec::new();
        let was_available = endpoint.is_available();
        let is_seen = was_available || endpoint.is_closed() || left.is_some();
        let from = Party::full(self.address.clone(), endpoint.resource().clone());
        endpoint.say(left);
        self.take_stock(now);
        self.review_sphere(now, effects);
        let aggregate = Some(Arc::clone(&self.aggregate));
        let notice = PresenceNotice::new(from, presence, aggregate);
        for Directed { to, .. } in directed {
            let notice = Arc::new(notice.clone().meant_for(&to));
            effects.push(Effect::Route { signal: Signal::Presence { to, notice }, reply: None });
        }
        let notice = Arc::new(notice);
        if was_available {
            self.route_to_watching_contacts(session, &notice, effects);
            tell(own, Event::Presence(notice), effects);
        }
        if is_seen {
            self.show_watchers(effects);
        }
        self.review_on_behalf(now, effects);
        was_available
    }

    /// What a session is told when it becomes available: who else is there, who asks for the owner.
    fn welcome(&mut self, session: SessionId, effects: &mut Effects) {
        let Some(endpoint) = self.endpoints.find(session) else { return };
        if !endpoint.follows_presence() {
            return;
        }
        let takes_questions = endpoint.takes_questions();
        let from = Arc::new(Party::full(self.address.clone(), endpoint.resource().clone()));
        let is_here = |contact: &Contact| contact.to && !self.is_abroad(&contact.address);
        self.route_to_contacts(is_here, News::Probe(from), effects);
        self.welcome_abroad(session, effects);
        self.show_faces(session, effects);
        for notice in self.notices(|other| other.session != session) {
            effects.push(Effect::Tell { session, event: Event::Presence(notice) });
        }
        if takes_questions {
            self.show_requests(session, effects);
        }
    }

    /// What there is to tell of a session that shows this.
    fn notice(&self, endpoint: &Endpoint, presence: Arc<Presence>) -> PresenceNotice {
        let from = Party::full(self.address.clone(), endpoint.resource().clone());
        let notice = PresenceNotice::new(from, presence, Some(Arc::clone(&self.aggregate)));
        let is_spoken_for = endpoint.is_spoken_for();
        PresenceNotice { is_spoken_for, ..notice.with_avatar(self.avatar_mark()) }
    }

    /// One notice for each available session that is `wanted`.
    fn notices(&self, wanted: impl Fn(&Endpoint) -> bool) -> Vec<Arc<PresenceNotice>> {
        let notice =
            |endpoint: &Endpoint| Some(Arc::new(self.notice(endpoint, Arc::clone(endpoint.shown.as_ref()?))));
        self.endpoints.iter().filter(|endpoint| wanted(endpoint)).filter_map(notice).collect()
    }

    /// What `somebody` sees of each available session.
    pub(super) fn notices_for(&self, somebody: &Address) -> Vec<Arc<PresenceNotice>> {
        let Some(view) = self.part_for(somebody) else { return self.notices(|_| true) };
        let notices = self.notices(|endpoint| endpoint.is_seen(view));
        notices.iter().map(|notice| part_of(notice, view)).collect()
    }

    /// Tells the contacts of a change of one session, each as much as he may see.
    fn route_to_watching_contacts(
        &self,
        session: SessionId,
        notice: &Arc<PresenceNotice>,
        effects: &mut Effects,
    ) {
        if self.shared.limits.authorization == Authorization::Implicit {
            return;
        }
        let sees_all = |contact: &Contact| contact.from && self.sight(&contact.address).is_none();
        self.route_to_contacts(sees_all, News::Presence(Arc::clone(notice)), effects);
        let Some(endpoint) = self.endpoints.find(session) else { return };
        for view in self.parts().into_iter().filter(|view| endpoint.is_seen(view)) {
            let sees_part = |contact: &Contact| {
                contact.from && self.part_for(&contact.address).is_some_and(|own| **own == *view)
            };
            self.route_to_contacts(sees_part, News::Presence(part_of(notice, &view)), effects);
        }
    }

    fn route_to_contacts(&self, told: impl Fn(&Contact) -> bool, news: News, effects: &mut Effects) {
        let to: Vec<_> = self
            .roster
            .iter()
            .filter(|contact| told(contact))
            .map(|contact| contact.address.clone())
            .collect();
        if !to.is_empty() {
            effects.push(Effect::RouteAll { to, news });
        }
    }
}

/// Tells several sessions the same; none is told nothing.
pub(super) fn tell(sessions: Sessions, event: Event, effects: &mut Effects) {
    if !sessions.is_empty() {
        effects.push(Effect::TellAll { sessions, event });
    }
}

/// A session that somebody does not see any more.
pub(super) fn gone(from: Party, now: Timestamp) -> Arc<PresenceNotice> {
    let gone = Arc::new(Presence::offline(now));
    Arc::new(PresenceNotice::new(from, Arc::clone(&gone), Some(gone)))
}

/// A notice as somebody with this view sees it.
fn part_of(notice: &PresenceNotice, view: &View) -> Arc<PresenceNotice> {
    let aggregate = notice.aggregate.as_ref().map(|aggregate| Arc::new(seen_by(view, aggregate)));
    let presence = Arc::new(seen_by(view, &notice.presence));
    let part = PresenceNotice::new(notice.from.clone(), presence, aggregate);
    let is_spoken_for = notice.is_spoken_for;
    Arc::new(PresenceNotice { is_spoken_for, ..part.with_avatar(notice.avatar) })
}

pub(super) fn route_notices(to: &Party, notices: Vec<Arc<PresenceNotice>>, effects: &mut Effects) {
    for notice in notices {
        let signal = Signal::Presence { to: to.clone(), notice };
        effects.push(Effect::Route { signal, reply: None });
    }
}

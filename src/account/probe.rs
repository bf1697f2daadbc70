//! Somebody asks how the owner is: presence probes, every branch of RFC 6121 §4.3.2 and §4.6.6.
//!
//! Answers go to whoever asked. What he is told of her he may see anyway; all others learn the same as if
//! there were nobody.

use std::sync::Arc;

use compact_str::CompactString;

use super::{
    Effect,
    announce::route_notices,
    endpoints::Endpoint,
    state::{Account, Effects},
};
use crate::{
    presence::{Standing, seen_by},
    signal::{
        Address, ContactEvent, ContactSignal, Party, Presence, PresenceNotice, Probe, Resource, Signal,
    },
};

impl Account {
    /// Somebody asks for the owner's presence now, or for that of one session of hers. Where no session
    /// answers for itself, the answer bears the name of the question (§4.3.2.1).
    pub(super) fn handle_probe(&self, probe: Probe, effects: &mut Effects) {
        let Probe { from, to, origin_id } = probe;
        let asker = &from.address;
        let notices = match (&to.resource, self.standing(asker)) {
            (None, Standing::Allowed) => self.notices_for(asker),
            (Some(resource), Standing::Allowed) => self.mere_notices(|endpoint| {
                endpoint.resource() == resource && self.is_shown_to(endpoint, asker)
            }),
            (resource, Standing::Undecided) => self.mere_notices(|endpoint| {
                is_named(endpoint, resource.as_ref()) && endpoint.is_directed_at(asker)
            }),
        };
        if !notices.is_empty() {
            return route_notices(&from, notices, effects);
        }
        let is_granted = self.roster.find(asker).is_some_and(|contact| contact.from);
        if self.standing(asker) == Standing::Allowed {
            let is_whole = to.resource.is_none();
            let state = if is_whole { self.whole_for(asker) } else { self.offline() };
            // §4.3.2: since when nobody has been there, for those who may know.
            let happened = self.seen().filter(|_| is_whole && !state.is_available());
            let notice = PresenceNotice { happened, ..named(to, state, origin_id) };
            route_notices(&from, vec![Arc::new(notice)], effects);
        } else if is_granted || self.requests.contains_key(asker) {
            // Who is hidden from must not learn it; and a no to who still waits for an answer would end his
            // question on his side alone. Both find nobody there.
            let account = self.address.clone().into();
            route_notices(&from, vec![Arc::new(named(account, self.offline(), origin_id))], effects);
        } else {
            self.refuse_probe(asker, origin_id, effects);
        }
    }

    /// The state as a whole for a contact who sees no session.
    fn whole_for(&self, asker: &Address) -> Presence {
        match self.part_for(asker) {
            None => (*self.aggregate).clone(),
            // Of sessions that he may not see he must not learn here.
            Some(_) if self.endpoints.iter().any(Endpoint::is_available) => self.offline(),
            Some(view) => seen_by(view, &self.aggregate),
        }
    }

    fn offline(&self) -> Presence {
        Presence::offline(self.aggregate.since)
    }

    /// That these sessions are there, and nothing more.
    fn mere_notices(&self, wanted: impl Fn(&Endpoint) -> bool) -> Vec<Arc<PresenceNotice>> {
        let mere = |endpoint: &Endpoint| {
            let from = Party::full(self.address.clone(), endpoint.resource().clone());
            Arc::new(named(from, Presence::online(endpoint.shown_since()), None))
        };
        self.endpoints.iter().filter(|endpoint| wanted(endpoint)).map(mere).collect()
    }

    /// Who asks believes to be a contact and is none: tell, so that both sides agree again.
    fn refuse_probe(&self, asker: &Address, origin_id: Option<CompactString>, effects: &mut Effects) {
        let no = ContactEvent::Unsubscribed;
        let signal = ContactSignal::plain(self.address.clone(), asker.clone(), no);
        let signal = ContactSignal { origin_id, ..signal };
        effects.push(Effect::Route { signal: Signal::Contact(Arc::new(signal)), reply: None });
    }
}

fn is_named(endpoint: &Endpoint, resource: Option<&Resource>) -> bool {
    resource.is_none_or(|resource| endpoint.resource() == resource)
}

/// A notice that bears a name.
fn named(from: Party, presence: Presence, origin_id: Option<CompactString>) -> PresenceNotice {
    let presence = Arc::new(Presence { origin_id, ..presence });
    let aggregate = from.resource.is_none().then(|| Arc::clone(&presence));
    PresenceNotice::new(from, presence, aggregate)
}

//! Temporary presence: who is no contact asks to see that the owner is there, for one conversation, and is shown
//! just that where she chose so: her sessions as they are named and what they can do, and where only phones reach
//! her, the account itself. It ends with what was shown, when either side takes it back, or with her choice.
//!
//! Nobody learns here whether she chose anything: who is not answered finds silence, as if nobody were there.

use std::sync::Arc;

use thin_vec::ThinVec;

use super::{
    announce::{gone, route_notices},
    endpoints::{Directed, Endpoint},
    session::SessionKind,
    state::{Account, Effects},
};
use crate::{
    presence::Standing,
    signal::{
        Address, Granted, Handling, Native, Occasion, Party, Presence, PresenceNotice, Reason, Reject,
        Resource, Timestamp, View,
    },
};

/// Who was answered in the name of the account, for the phones that it has; at most [`ON_BEHALF`]. Hardly any
/// account has one.
#[derive(Debug, Default)]
pub(super) struct OnBehalf(ThinVec<Directed>);

impl OnBehalf {
    pub(super) fn has(&self, somebody: &Address) -> bool {
        self.0.iter().any(|one| one.to.address == *somebody)
    }

    fn note(&mut self, one: Directed) -> bool {
        self.0.retain(|other| other.to != one.to);
        let has_room = self.0.len() < ON_BEHALF;
        if has_room {
            self.0.push(one);
        }
        has_room
    }

    fn take(&mut self, is_over: impl Fn(&Directed) -> bool) -> Vec<Party> {
        self.0.extract_if(.., |one| is_over(one)).map(|one| one.to).collect()
    }
}

impl Account {
    /// Somebody showed his presence and asks to see hers, of all her sessions or of `resource`.
    pub(super) fn share_back(
        &mut self,
        resource: Option<&Resource>,
        from: &Party,
        occasion: Occasion,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        // A contact sees more than this anyway.
        let is_known = self.standing(&from.address) == Standing::Allowed;
        if is_known || !self.may_glimpse(&from.address, occasion, now) {
            return;
        }
        let one = Directed { to: from.clone(), occasion: Some(occasion) };
        let address = self.address.clone();
        let is_meant = |endpoint: &&mut Endpoint| resource.is_none_or(|it| endpoint.resource() == it);
        let shared = |endpoint: &mut Endpoint| {
            let since = endpoint.shown_since();
            let name = Party::full(address.clone(), endpoint.resource().clone());
            endpoint.note_directed(one.clone()).then(|| bare(name, since, endpoint.native(), from))
        };
        let present = self.endpoints.iter_mut().filter(|endpoint| is_present(endpoint));
        let mut notices: Vec<_> = present.filter(is_meant).filter_map(shared).collect();
        let is_reached_by_phones_only = !self.endpoints.iter().any(is_present) && resource.is_none();
        if is_reached_by_phones_only
            && let Some(since) = self.phone_for(occasion)
            && self.on_behalf.note(one)
        {
            notices.push(bare(self.address.clone().into(), since, Native::None, from));
        }
        route_notices(from, notices, effects);
    }

    /// Whether somebody who is no contact may learn that the owner is there.
    pub(super) fn may_glimpse(&self, somebody: &Address, occasion: Occasion, now: Timestamp) -> bool {
        let choice = &self.preferences.temporary_presence;
        let is_chosen = choice.permits(somebody, &self.address, occasion);
        let is_open =
            || matches!(self.permission(somebody, now).handling, Handling::Confirm | Handling::Allow);
        is_chosen && *somebody != self.address && !somebody.is_anonymous() && is_open()
    }

    /// Whether somebody sees her, be it for a while.
    pub(super) fn is_shown_anything(&self, somebody: &Address) -> bool {
        self.standing(somebody) == Standing::Allowed
            || self.on_behalf.has(somebody)
            || self.endpoints.iter().any(|endpoint| endpoint.is_directed_at(somebody))
    }

    /// What she could take from somebody who is about to call or write, as far as he may know.
    pub(super) fn reach(&self, somebody: &Address, now: Timestamp) -> Result<Takes, Reject> {
        let may = |occasion| self.may_glimpse(somebody, occasion, now);
        let (calls, messages) = (may(Occasion::Media), may(Occasion::Text));
        if !calls && !messages {
            return Err(Reason::Forbidden.into());
        }
        let is_there = |wanted: fn(&Endpoint) -> bool| {
            self.endpoints.iter().any(|endpoint| endpoint.is_available() && wanted(endpoint))
        };
        Ok(Takes {
            calls: calls && is_there(|endpoint| endpoint.spec.takes_calls),
            messages: messages && is_there(|endpoint| endpoint.takes_unasked()),
        })
    }

    /// Ends what was shown to those for whom it is over.
    pub(super) fn end_shared(
        &mut self,
        is_over: impl Fn(&Directed) -> bool,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        for endpoint in self.endpoints.iter_mut() {
            let name = Party::full(self.address.clone(), endpoint.resource().clone());
            let over = endpoint.directed.extract_if(.., |one| one.occasion.is_some() && is_over(one));
            for one in over {
                take_back(&name, &one.to, now, effects);
            }
        }
        for to in self.on_behalf.take(is_over) {
            take_back(&self.address.clone().into(), &to, now, effects);
        }
    }

    /// The owner chose anew, or blocked somebody: what is not permitted any more ends.
    pub(super) fn review_shared(&mut self, now: Timestamp, effects: &mut Effects) {
        let mut over = Vec::new();
        let shared = self.endpoints.iter().flat_map(|endpoint| &endpoint.directed);
        for one in shared.chain(&self.on_behalf.0) {
            let is_permitted = |occasion| self.may_glimpse(&one.to.address, occasion, now);
            if !over.contains(one) && one.occasion.is_some_and(|occasion| !is_permitted(occasion)) {
                over.push(one.clone());
            }
        }
        if !over.is_empty() {
            self.end_shared(|one| over.contains(one), now, effects);
        }
    }

    /// A session is over: so is what was said in the name of phones that are gone now.
    pub(super) fn review_on_behalf(&mut self, now: Timestamp, effects: &mut Effects) {
        if !self.on_behalf.0.is_empty() {
            let all = [Occasion::Media, Occasion::Text, Occasion::Untold];
            let served: Vec<_> = all.into_iter().filter(|one| self.phone_for(*one).is_some()).collect();
            let is_over = |one: &Directed| !one.occasion.is_some_and(|occasion| served.contains(&occasion));
            for to in self.on_behalf.take(is_over) {
                take_back(&self.address.clone().into(), &to, now, effects);
            }
        }
    }

    /// Since when a phone is there for that.
    fn phone_for(&self, occasion: Occasion) -> Option<Timestamp> {
        let serves = |endpoint: &&Endpoint| {
            let spec = &endpoint.spec;
            spec.kind == SessionKind::Device
                && endpoint.is_available()
                && match occasion {
                    Occasion::Media => spec.takes_calls,
                    Occasion::Text => spec.takes_messages,
                    Occasion::File => false,
                    Occasion::Untold => spec.takes_calls || spec.takes_messages,
                }
        };
        self.endpoints.iter().filter(serves).map(Endpoint::shown_since).min()
    }
}

/// What an account could take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Takes {
    pub calls: bool,
    pub messages: bool,
}

/// All that one may see who is shown that she is there and nothing more.
pub(super) fn glimpse() -> View {
    View { services: Granted::All, ..View::nothing() }
}

fn is_present(endpoint: &Endpoint) -> bool {
    endpoint.is_available() && matches!(endpoint.spec.kind, SessionKind::Client | SessionKind::Page)
}

fn bare(from: Party, since: Timestamp, native: Native, to: &Party) -> Arc<PresenceNotice> {
    let presence = Arc::new(Presence { native, ..Presence::online(since) });
    let notice = PresenceNotice::new(from, presence, None).meant_for(to);
    Arc::new(PresenceNotice { is_bare: true, ..notice })
}

fn take_back(from: &Party, to: &Party, now: Timestamp, effects: &mut Effects) {
    let notice = PresenceNotice::clone(&gone(from.clone(), now)).meant_for(to);
    let notice = PresenceNotice { aggregate: None, ..notice };
    route_notices(to, vec![Arc::new(notice)], effects);
}

/// Most who are answered in the name of the account at a time.
const ON_BEHALF: usize = 200;

//! The owner's rules on who may see her presence, and the state that she set by hand: what they are, and
//! what follows at once when they, the time or her sphere change.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Effect, Reply,
    contacts::Said,
    state::{Account, Effects},
};
use crate::{
    presence::{Context, Verdict, Why, next_change, verdict},
    signal::{
        Address, Condition, ContactEvent, Handling, Presence, Reason, Reject, Ruleset, RulesetLimits,
        Timestamp, View, WatcherEvent,
    },
    storage::Write,
};

/// What the owner set herself. Boxed: most accounts have nothing of it.
#[derive(Debug, Default)]
pub(super) struct Own {
    rules: Option<Arc<Ruleset>>,
    /// Who may write to her.
    pub(super) message_rules: Option<Arc<Ruleset>>,
    /// Who may follow her calls.
    call_rules: Option<Arc<Ruleset>>,
    /// What is shown while no session shows anything.
    hard: Option<Arc<Presence>>,
    /// Whom she blocked.
    pub(super) blocked: BTreeSet<Address>,
    /// Contacts who were granted presence and do not see all of it now.
    sights: BTreeMap<Address, Sight>,
    /// The sphere that the rules were asked with last.
    sphere: Option<Box<str>>,
    /// Views that watches have, each once.
    views: Vec<Arc<View>>,
}

/// How a contact sees the owner, who does not see all of her.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sight {
    /// She is never there.
    Hidden,
    /// As far as this goes.
    Part(Arc<View>),
}

impl Own {
    pub(super) fn new(
        rules: Option<Ruleset>,
        message_rules: Option<Ruleset>,
        call_rules: Option<Ruleset>,
        hard: Option<Presence>,
        blocked: Vec<Address>,
    ) -> Option<Box<Self>> {
        let has_rules = rules.is_some() || message_rules.is_some() || call_rules.is_some();
        if !has_rules && hard.is_none() && blocked.is_empty() {
            return None;
        }
        Some(Box::new(Self {
            rules: rules.map(Arc::new),
            message_rules: message_rules.map(Arc::new),
            call_rules: call_rules.map(Arc::new),
            hard: hard.map(Arc::new),
            blocked: blocked.into_iter().collect(),
            ..Self::default()
        }))
    }

    /// Whether she set anything that may hide her from a contact.
    fn hides(&self) -> bool {
        self.rules.is_some() || !self.blocked.is_empty()
    }
}

impl Account {
    /// The rules as they are.
    pub(super) fn rules(&self) -> Option<&Arc<Ruleset>> {
        self.own.as_ref()?.rules.as_ref()
    }

    /// The rules on who may follow the owner's calls.
    pub(super) fn call_rules(&self) -> Option<&Arc<Ruleset>> {
        self.own.as_ref()?.call_rules.as_ref()
    }

    /// What the owner set by hand to be shown while no session shows anything.
    pub(super) fn hard_state(&self) -> Option<&Arc<Presence>> {
        self.own.as_ref()?.hard.as_ref()
    }

    /// The owner sets her rules, or takes them back.
    pub(super) fn set_rules(
        &mut self,
        rules: Option<Arc<Ruleset>>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        check_size(rules.as_deref())?;
        effects.push(Effect::Store(Write::Rules(rules.clone())));
        self.own.get_or_insert_default().rules = rules;
        self.documents.touch();
        self.review_all(now, effects);
        Ok(Reply::Done)
    }

    /// The owner sets her rules on who may follow her calls, or takes them back.
    pub(super) fn set_call_rules(
        &mut self,
        rules: Option<Arc<Ruleset>>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        check_size(rules.as_deref())?;
        effects.push(Effect::Store(Write::CallRules(rules.clone())));
        self.own.get_or_insert_default().call_rules = rules;
        self.documents.touch();
        self.review_all(now, effects);
        Ok(Reply::Done)
    }

    /// The owner sets what is shown while no session shows anything (RFC 4827), or takes it back.
    pub(super) fn set_hard_state(
        &mut self,
        presence: Option<Arc<Presence>>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Reply {
        effects.push(Effect::Store(Write::HardState(presence.clone())));
        self.own.get_or_insert_default().hard = presence;
        self.documents.touch();
        let before = Arc::clone(&self.aggregate);
        self.take_stock(now);
        if before != self.aggregate {
            self.show_watchers(effects);
        }
        Reply::Done
    }

    /// What the rules alone say of somebody; `None` where there are none, or none of them says it.
    pub(super) fn rules_on(&self, somebody: &Address, now: Timestamp) -> Option<Verdict> {
        self.verdict_of(self.rules()?, somebody, now)
    }

    /// What the rules on calls say of somebody; `None` where there are none, or none of them says it.
    pub(super) fn call_rules_on(&self, somebody: &Address, now: Timestamp) -> Option<Verdict> {
        self.verdict_of(self.call_rules()?, somebody, now)
    }

    fn verdict_of(&self, rules: &Ruleset, somebody: &Address, now: Timestamp) -> Option<Verdict> {
        let own = self.own.as_ref()?;
        let context = Context {
            sphere: own.sphere.as_deref(),
            is_granted: self.is_granted(somebody),
            is_blocked: self.is_blocked(somebody),
        };
        let named = Some(somebody).filter(|somebody| !somebody.is_anonymous());
        let verdict = verdict(rules, named, context, now);
        (verdict.why != Why::NoRule).then_some(verdict)
    }

    /// Whether the rules let somebody watch who asks to; `None` where the owner is to be asked.
    pub(super) fn answer_of_rules(&self, somebody: &Address, now: Timestamp) -> Option<bool> {
        match self.rules_on(somebody, now)?.handling {
            Handling::Confirm => None,
            Handling::Block => Some(false),
            Handling::PoliteBlock | Handling::Allow => Some(true),
        }
    }

    /// The one copy of a view.
    pub(super) fn shared_view(&mut self, view: Arc<View>) -> Arc<View> {
        let Some(own) = &mut self.own else { return view };
        if let Some(known) = own.views.iter().find(|known| **known == view) {
            return Arc::clone(known);
        }
        own.views.retain(|known| Arc::strong_count(known) > 1);
        own.views.push(Arc::clone(&view));
        view
    }

    /// How a contact sees the owner; `None` for one who sees all that was granted.
    pub(super) fn sight(&self, somebody: &Address) -> Option<&Sight> {
        self.own.as_ref()?.sights.get(somebody)
    }

    /// Whether a contact who was granted presence must not see it now.
    pub(super) fn is_hidden_from(&self, somebody: &Address) -> bool {
        self.sight(somebody) == Some(&Sight::Hidden)
    }

    /// The different parts of the owner that contacts see, each once.
    pub(super) fn parts(&self) -> Vec<Arc<View>> {
        let mut parts: Vec<Arc<View>> = Vec::new();
        for sight in self.own.iter().flat_map(|own| own.sights.values()) {
            if let Sight::Part(view) = sight
                && !parts.contains(view)
            {
                parts.push(Arc::clone(view));
            }
        }
        parts
    }

    /// What part of the owner somebody sees who does not see all.
    pub(super) fn part_for(&self, somebody: &Address) -> Option<&Arc<View>> {
        match self.sight(somebody)? {
            Sight::Part(view) => Some(view),
            Sight::Hidden => None,
        }
    }

    /// Asks the rules about everybody again.
    pub(super) fn review_all(&mut self, now: Timestamp, effects: &mut Effects) {
        let Some(own) = &mut self.own else { return };
        own.sphere = self.endpoints.sphere().map(Into::into);
        let asking: Vec<Address> = self.requests.keys().cloned().collect();
        for somebody in asking {
            self.answer_by_rules(&somebody, now, effects);
        }
        for somebody in self.watchers.addresses() {
            self.review_watchers(&somebody, now, effects);
        }
        self.review_contacts(now, effects);
        self.wake_for_rules(now, effects);
        self.watchers.touch();
    }

    /// Asks the rules again where the owner's sphere is another one and they care.
    pub(super) fn review_sphere(&mut self, now: Timestamp, effects: &mut Effects) {
        let mut rules = self.all_rules().flat_map(|rules| &rules.rules);
        let is_sphere = |condition: &Condition| matches!(condition, Condition::Sphere(_));
        let cares = rules.any(|rule| rule.conditions.iter().any(is_sphere));
        drop(rules);
        let before = self.own.as_ref().and_then(|own| own.sphere.as_deref());
        if cares && before != self.endpoints.sphere() {
            self.review_all(now, effects);
        }
    }

    /// Has the account woken when a rule begins or ends to hold.
    pub(super) fn wake_for_rules(&mut self, now: Timestamp, effects: &mut Effects) {
        let next = self.all_rules().filter_map(|rules| next_change(rules, now)).min();
        if let Some(next) = next {
            self.wake_at(next, effects);
        }
    }

    /// Whether some rule depends on the time.
    pub(super) fn has_timed_rules(&self) -> bool {
        self.all_rules().any(|rules| next_change(rules, Timestamp(i64::MIN)).is_some())
    }

    /// The rules on who may watch, in whatever way.
    fn all_rules(&self) -> impl Iterator<Item = &Arc<Ruleset>> {
        self.rules().into_iter().chain(self.call_rules())
    }

    /// Finds out who among the contacts does not see all, without telling anybody.
    pub(super) fn find_sights(&mut self, now: Timestamp) {
        if self.own.as_ref().is_some_and(|own| own.hides()) {
            let sights = self.contacts_sights(now);
            self.own.get_or_insert_default().sights = sights;
        }
    }

    /// A contact was granted presence, or lost it: the rules may hide the owner from him, or a part.
    pub(super) fn review_contact(&mut self, somebody: &Address, now: Timestamp) {
        // What hid the owner may be gone.
        if self.own.as_ref().is_none_or(|own| !own.hides() && own.sights.is_empty()) {
            return;
        }
        let granted = self.roster.find(somebody).is_some_and(|contact| contact.from);
        let sight = if granted { self.find_sight(somebody, now) } else { None };
        let Some(own) = &mut self.own else { return };
        match sight {
            Some(sight) => own.sights.insert(somebody.clone(), sight),
            None => own.sights.remove(somebody),
        };
    }

    /// Shows every contact what he may see now and did not before, or takes it back.
    fn review_contacts(&mut self, now: Timestamp, effects: &mut Effects) {
        let after = self.contacts_sights(now);
        let Some(own) = &mut self.own else { return };
        let before = std::mem::replace(&mut own.sights, after.clone());
        // Who is no contact any more was told so already.
        let granted = self.roster.iter().filter(|contact| contact.from).map(|contact| &contact.address);
        let changed: Vec<_> = granted.filter(|one| before.get(*one) != after.get(*one)).cloned().collect();
        for somebody in changed {
            let gone = self.seen_sessions(before.get(&somebody));
            self.show_changed_sight(&somebody, &gone, now, effects);
        }
    }

    fn contacts_sights(&self, now: Timestamp) -> BTreeMap<Address, Sight> {
        let granted = self.roster.iter().filter(|contact| contact.from).map(|contact| &contact.address);
        granted.filter_map(|one| Some((one.clone(), self.find_sight(one, now)?))).collect()
    }

    /// `None` where somebody sees all.
    fn find_sight(&self, somebody: &Address, now: Timestamp) -> Option<Sight> {
        let permission = self.permission(somebody, now);
        if permission.handling != Handling::Allow {
            return Some(Sight::Hidden);
        }
        (!permission.is_everything()).then_some(Sight::Part(permission.view))
    }

    /// The rules answer the question of `from` in the owner's place.
    fn answer_by_rules(&mut self, from: &Address, now: Timestamp, effects: &mut Effects) {
        let Some(yes) = self.answer_of_rules(from, now) else { return };
        if self.watchers.asks_to_watch_only(from) {
            let answer = if yes { WatcherEvent::Approved } else { WatcherEvent::Rejected };
            return self.settle(from, answer, now, effects);
        }
        let event = if yes { ContactEvent::Subscribed } else { ContactEvent::Unsubscribed };
        // Where there is no room for one more contact, the question stays.
        let _ = self.say(from.clone(), Said::plain(event), now, effects);
    }
}

/// Refuses rules that are too many.
pub(super) fn check_size(rules: Option<&Ruleset>) -> Result<(), Reject> {
    match rules {
        Some(rules) if !rules.is_within(&RulesetLimits::default()) => {
            Err(Reject::with_text(Reason::TooLarge, "too many rules"))
        }
        _ => Ok(()),
    }
}

//! The owner's preferences: chosen in one place, whoever brings the choice.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Accounts, Effect, Event, Reply, Request,
    session::SessionKind,
    state::{Account, Effects},
};
use crate::{
    signal::{Address, Reason, Reject, Timestamp},
    storage::{Preferences, Write},
};

/// What somebody read, and what he makes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreferencesChange {
    pub was: Preferences,
    pub now: Preferences,
}

impl Accounts {
    /// Changes preferences by what they are now; gives what they are then, durably. Where somebody else changes them in
    /// that moment `change` is made anew, so that nobody's choice is lost.
    ///
    /// # Errors
    /// What `change` refuses, and what [`Accounts::ask`] does.
    pub async fn change_preferences<E: From<Reject>>(
        &self,
        address: &Address,
        change: impl Fn(Preferences) -> Result<Preferences, E>,
    ) -> Result<Preferences, E> {
        loop {
            let Reply::Preferences(was) = self.ask(address, Request::Preferences).await? else {
                return Err(Reject::from(Reason::Internal).into());
            };
            let now = change(was.clone())?;
            let request = Request::SetPreferences(Box::new(PreferencesChange { was, now: now.clone() }));
            match self.ask(address, request).await {
                Ok(_) => return Ok(now),
                // Whoever was first is done, so this comes to an end.
                Err(reject) if reject.reason == Reason::Conflict => {}
                Err(reject) => return Err(reject.into()),
            }
        }
    }
}

impl Account {
    /// The owner chooses otherwise, by what he read.
    pub(super) fn replace_preferences(
        &mut self,
        change: PreferencesChange,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        if change.was != self.preferences {
            return Err(Reject::with_text(Reason::Conflict, "the preferences are others by now"));
        }
        Ok(self.set_preferences(change.now, now, effects))
    }

    /// The owner chooses otherwise.
    pub(super) fn set_preferences(
        &mut self,
        preferences: Preferences,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Reply {
        effects.push(Effect::Store(Write::Preferences(preferences.clone())));
        self.adopt(preferences, now, effects);
        Reply::Done
    }

    /// Takes over preferences that are kept already.
    pub(super) fn adopt(&mut self, preferences: Preferences, now: Timestamp, effects: &mut Effects) {
        if preferences.accepted_senders != self.preferences.accepted_senders {
            self.documents.touch();
        }
        self.preferences = preferences;
        self.review_shared(now, effects);
        let sessions = self.endpoints.ids(|endpoint| endpoint.spec.kind == SessionKind::Page);
        if !sessions.is_empty() {
            let event = Event::Preferences(Arc::new(self.preferences.clone()));
            effects.push(Effect::TellAll { sessions, event });
        }
    }
}

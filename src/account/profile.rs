//! What the owner tells of herself in general. It is read seldom, and so kept in the store alone.

use std::sync::Arc;

use super::{
    Effect, Reply, ReplyTo,
    avatar::OWN,
    personal::{Fetch, Purpose},
    state::{Account, Effects},
};
use crate::{
    signal::{Party, Piece, Profile, Reason, Reject, Timestamp},
    storage::{Pick, Shelved, Write},
};

impl Account {
    /// The owner says what she tells of herself.
    pub(super) fn set_profile(
        &mut self,
        profile: Arc<Profile>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        if !profile.is_within_limits() {
            return Err(Reject::with_text(Reason::TooLarge, "the profile is too large"));
        }
        let record = postcard::to_allocvec(&*profile).map_err(|_| Reason::Internal)?;
        let it = Shelved::new(OWN.into(), PROFILE.into(), 0, record.into());
        effects.push(Effect::Store(Write::Shelve(it)));
        self.tell_personal(Piece::Profile(profile), None, now, effects);
        Ok(Reply::Done)
    }

    /// Has it read for whoever asked.
    pub(super) fn fetch_profile(&self, reply: &ReplyTo, effects: &mut Effects) {
        self.push_fetch(Purpose::Profile { reply: reply.clone() }, effects);
    }

    /// Has it read for a session that follows it.
    pub(super) fn tell_profile(&self, to: &Party, effects: &mut Effects) {
        self.push_fetch(Purpose::TellProfile { to: to.clone() }, effects);
    }

    fn push_fetch(&self, purpose: Purpose, effects: &mut Effects) {
        let pick = Pick::Named(vec![PROFILE.into()]);
        effects.push(Effect::Fetch(Box::new(Fetch { shelf: OWN.into(), pick, purpose })));
    }
}

/// A profile as it was read.
pub(super) fn profile_from(found: Vec<Shelved>) -> Option<Profile> {
    parse_profile(&found.into_iter().next()?.content?)
}

/// A profile as it is kept.
pub(super) fn parse_profile(content: &[u8]) -> Option<Profile> {
    postcard::from_bytes(content).ok()
}

/// There among what there is one of per account.
pub(super) const PROFILE: &str = "profile";

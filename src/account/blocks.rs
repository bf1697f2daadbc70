//! Whom the owner blocked: nothing of his reaches her, nothing of hers reaches him, and for him she is never there.
//!
//! One list for every protocol. What a block means for presence is [`Account::permission`]'s to say, for
//! messages [`Account::may_write`]'s, and for what she says herself [`Account::may_tell`]'s.

use std::sync::Arc;

use super::{
    BlockChange, Effect, Event, Reply,
    announce::tell,
    state::{Account, Effects},
};
use crate::{
    signal::{Address, Reason, Reject, Timestamp, WatcherEvent},
    storage::Write,
};

impl Account {
    /// Whom the owner blocked, in the order of their addresses.
    pub(super) fn blocked(&self) -> impl Iterator<Item = &Address> {
        self.own.iter().flat_map(|own| &own.blocked)
    }

    /// Whether somebody is blocked, by himself or with all of his domain.
    pub(super) fn is_blocked(&self, somebody: &Address) -> bool {
        let Some(own) = self.own.as_ref().filter(|own| !own.blocked.is_empty()) else { return false };
        own.blocked.contains(somebody)
            || own.blocked.iter().any(|one| one.is_domain() && one.domain() == somebody.domain())
    }

    /// The owner blocks these.
    pub(super) fn block(
        &mut self,
        addresses: &[Address],
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        addresses.iter().try_for_each(|one| self.check_block(one))?;
        self.check_room_for_blocks(addresses.len())?;
        let own = self.own.get_or_insert_default();
        let is_new = |one: &&Address| own.blocked.insert((*one).clone());
        let added: Vec<Address> = addresses.iter().filter(is_new).cloned().collect();
        for one in &added {
            effects.push(Effect::Store(Write::Blocked(one.clone())));
        }
        // What he asked is over, and he is not told.
        let asking: Vec<_> = self.requests.keys().filter(|from| self.is_blocked(from)).cloned().collect();
        for from in asking {
            self.settle(&from, WatcherEvent::Rejected, now, effects);
        }
        self.spread_blocks(BlockChange { added, removed: Vec::new() }, now, effects);
        self.review_shared(now, effects);
        Ok(Reply::Done)
    }

    /// Whether somebody can be blocked.
    pub(super) fn check_block(&self, somebody: &Address) -> Result<(), Reject> {
        if *somebody == self.address {
            return Err(Reject::with_text(Reason::NotAcceptable, "nobody blocks herself"));
        }
        Ok(())
    }

    /// Whether so many more can be blocked.
    pub(super) fn check_room_for_blocks(&self, more: usize) -> Result<(), Reject> {
        if more > 0 && self.own.as_ref().map_or(0, |own| own.blocked.len()) + more > BLOCKED {
            return Err(Reject::with_text(Reason::PolicyViolation, "too many are blocked"));
        }
        Ok(())
    }

    /// The owner takes blocks back; all without `addresses`.
    pub(super) fn unblock(
        &mut self,
        addresses: Option<&[Address]>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Reply {
        let Some(own) = &mut self.own else { return Reply::Done };
        let is_meant = |one: &Address| addresses.is_none_or(|all| all.contains(one));
        let removed: Vec<Address> = own.blocked.iter().filter(|one| is_meant(one)).cloned().collect();
        own.blocked.retain(|one| !is_meant(one));
        for one in &removed {
            effects.push(Effect::Store(Write::Unblocked(one.clone())));
        }
        self.spread_blocks(BlockChange { added: Vec::new(), removed }, now, effects);
        Reply::Done
    }

    /// Lets everybody see at once what the change means.
    fn spread_blocks(&mut self, change: BlockChange, now: Timestamp, effects: &mut Effects) {
        if change.added.is_empty() && change.removed.is_empty() {
            return;
        }
        self.documents.touch();
        self.review_all(now, effects);
        tell(self.sessions(), Event::Blocked(Arc::new(change)), effects);
    }
}

/// Most that one account may have blocked.
const BLOCKED: usize = 10_000;

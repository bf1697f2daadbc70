//! When the owner was last there: kept on the disk, so that it is known after a restart as well, and told to whom
//! she shows whether she is there now.

use bytes::Bytes;

use super::{
    Effect, Reply,
    endpoints::Endpoint,
    state::{Account, Effects},
};
use crate::{
    presence::Standing,
    signal::{Address, Reason, Reject, Timestamp},
    storage::{Shelved, Write},
};

/// Takes what is known of it out of what was read with the account; [`NEVER`] where that is nothing.
pub(super) fn take(shelves: &mut Vec<Shelved>) -> Timestamp {
    let found = shelves.iter().position(|it| it.shelf == SHELF);
    let number = found.map(|found| shelves.remove(found).number);
    number.and_then(|number| i64::try_from(number).ok()).map_or(NEVER, Timestamp)
}

impl Account {
    /// A session that was shown to others is gone: the last one leaves a trace.
    pub(super) fn note_gone(&mut self, now: Timestamp, effects: &mut Effects) {
        if self.endpoints.iter().any(Endpoint::is_available) {
            return;
        }
        self.seen = now;
        let number = u64::try_from(now.0).unwrap_or_default();
        let seen = Shelved::new(SHELF.into(), SHELF.into(), number, Bytes::new());
        effects.push(Effect::Store(Write::Shelve(seen)));
    }

    /// When the last session of the owner went that was shown to others; `None` where none ever did.
    pub(super) fn seen(&self) -> Option<Timestamp> {
        Some(self.seen).filter(|seen| *seen != NEVER)
    }

    /// Tells somebody for how many seconds the owner has not been there.
    pub(super) fn last_seen(&self, somebody: &Address, now: Timestamp) -> Result<Reply, Reject> {
        if self.standing(somebody) != Standing::Allowed || self.is_hidden_from(somebody) {
            return Err(Reason::Forbidden.into());
        }
        let is_there = !self.seen_sessions(self.sight(somebody)).is_empty();
        let away = self.seen().map(|seen| now.0.saturating_sub(seen.0).max(0).unsigned_abs() / 1000);
        Ok(Reply::LastSeen { seconds: if is_there { Some(0) } else { away } })
    }
}

/// She was never there, as far as is known.
const NEVER: Timestamp = Timestamp(0);
/// The shelf for that alone, and the name of the one thing on it.
const SHELF: &str = "last-seen";

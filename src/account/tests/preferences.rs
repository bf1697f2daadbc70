//! What the owner prefers, chosen in several places at once.

use super::*;
use crate::{account::AcceptedSenders, signal::Reason};

#[test]
fn who_read_something_else_undoes_nobodys_choice() {
    let mut world = World::of(&["alice"]);
    let was = world.account("alice").preferences.clone();
    let choose =
        |now: Preferences| Request::SetPreferences(Box::new(PreferencesChange { was: was.clone(), now }));
    let listed = Preferences { listed: true, ..was.clone() };
    assert!(world.ask("alice", None, choose(listed.clone())).is_ok());
    let closed = Preferences { accepted_senders: AcceptedSenders::Nobody, ..was.clone() };
    let refused = world.ask("alice", None, choose(closed)).expect_err("it was read before");
    assert_eq!(refused.reason, Reason::Conflict);
    assert_eq!(world.account("alice").preferences, listed);
}

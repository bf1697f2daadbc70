//! When somebody was last there.

use super::*;
use crate::signal::{Enquiry, Wanted};

impl World {
    /// What `from` learns of `of`: seconds, or why not.
    fn away(&mut self, from: &str, of: &str) -> Result<Option<u64>, Reason> {
        let reply = Some(ReplyTo::Waiter(RequestId(self.number())));
        let enquiry = Enquiry { from: address(from).into(), to: address(of), wanted: Wanted::LastSeen };
        self.answers.clear();
        self.input(of, Input::Signal { signal: Signal::Enquiry(Arc::new(enquiry)), reply });
        match self.answers.pop().expect("an answer").outcome {
            Ok(Reply::LastSeen { seconds }) => Ok(seconds),
            Ok(other) => panic!("{other:?}"),
            Err(reject) => Err(reject.reason),
        }
    }
}

#[test]
fn who_may_see_somebody_learns_how_long_he_is_away() {
    let mut world = World::of(&["alice", "bob", "eve"]);
    world.befriend("alice", "bob");
    assert_eq!(world.away("alice", "bob"), Ok(None), "he was never there");
    let [desk, phone] = ["desk", "phone"].map(|resource| world.client("bob", resource));
    assert_eq!(world.away("alice", "bob"), Ok(Some(0)));
    world.close("bob", desk);
    assert_eq!(world.away("alice", "bob"), Ok(Some(0)), "one of two");
    world.announce("bob", phone, Availability::Offline, 0);
    world.now = world.now.plus_seconds(60);
    assert_eq!(world.away("alice", "bob"), Ok(Some(60)));
    world.close("bob", phone);
    assert_eq!(world.away("bob", "bob"), Ok(Some(60)), "saying goodbye was what counts");
    assert_eq!(world.away("eve", "bob"), Err(Reason::Forbidden));
    world.reload("bob");
    world.now = world.now.plus_seconds(60);
    assert_eq!(world.away("bob", "bob"), Ok(Some(120)), "it is on the disk");
}

#[test]
fn an_account_that_is_taken_away_leaves_no_trace() {
    let mut world = World::of(&["bob"]);
    world.client("bob", "desk");
    world.forget();
    let gone = Input::Evict {
        reason: crate::account::CloseReason::AccountGone,
        which: crate::account::Opened::Anyhow,
    };
    world.input("bob", gone);
    assert!(world.stored.is_empty(), "{:?}", world.stored);
}

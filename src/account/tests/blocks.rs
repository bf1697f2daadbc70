//! Blocks: nothing comes from whom the owner blocked, and for him she is never there.

use super::*;
use crate::signal::{CallId, CallOffer, Condition, Entity, Handling, Identity, Rule, Ruleset, Signal};

fn somebody(text: &str) -> Address {
    if text.contains('.') { Address::domain_only(text).unwrap() } else { address(text) }
}

fn block(world: &mut World, whom: &str) -> Result<Reply, Reject> {
    world.ask("alice", None, Request::Block(vec![somebody(whom)]))
}

#[test]
fn blocked_contact_sees_the_owner_leave_and_come_back() {
    for whom in ["bob", "example.org"] {
        let mut world = World::of(&["alice", "bob"]);
        world.befriend("alice", "bob");
        world.client("alice", "desk");
        let bob = world.client("bob", "lair");
        let watch = world.watch("bob", "alice");
        world.heard(bob);
        assert_eq!(block(&mut world, whom), Ok(Reply::Done));
        assert!(world.is_stored(&Write::Blocked(somebody(whom))));
        assert_eq!(world.heard(bob), ["alice@example.org/desk is Offline, all Some(Offline)"]);
        let (state, snapshot) = world.last_shown(watch);
        assert_eq!(state, WatchState::Active);
        assert!(snapshot.unwrap().resources.is_empty());
        assert_eq!(world.ask("alice", None, Request::Blocked), Ok(Reply::Blocked(vec![somebody(whom)])));
        world.ask("alice", None, Request::Unblock(None)).unwrap();
        assert!(world.is_stored(&Write::Unblocked(somebody(whom))));
        assert_eq!(world.heard(bob), ["alice@example.org/desk is Online, all Some(Online)"]);
        assert_eq!(world.last_shown(watch).1.unwrap().resources.len(), 1);
    }
}

#[test]
fn nothing_of_the_blocked_reaches_the_owner() {
    let mut world = World::of(&["alice", "bob"]);
    world.befriend("alice", "bob");
    let desk = world.client("alice", "desk");
    world.open("alice", SessionKind::Device, "phone");
    block(&mut world, "bob").unwrap();
    world.heard(desk);
    world.client("bob", "lair");
    assert!(world.send("bob/lair", "alice", "hi").is_err());
    world.say("bob", "alice", ContactEvent::Unsubscribe);
    world.say("bob", "alice", ContactEvent::Subscribe);
    let offer = CallOffer::new(CallId("1".into()), party("bob"), party("alice"));
    let reply = Some(ReplyTo::Waiter(RequestId(1)));
    world.answers.clear();
    world.input("alice", Input::Signal { signal: Signal::Call(offer.into()), reply });
    assert_eq!(world.answers[0].outcome, Err(Reason::NoSession.into()));
    let heard = world.heard(desk);
    assert!(heard.iter().all(|words| !words.contains("says") && !words.contains("hi")), "{heard:?}");
    assert!(heard.iter().all(|words| !words.starts_with("bob")), "{heard:?}");
}

#[test]
fn question_of_the_blocked_is_gone_and_no_rule_brings_it_back() {
    let mut world = World::of(&["alice", "eve"]);
    let desk = world.client("alice", "desk");
    let eve = world.client("eve", "lair");
    world.say("eve", "alice", ContactEvent::Subscribe);
    world.forget();
    block(&mut world, "eve").unwrap();
    assert!(world.heard(desk).contains(&"eve@example.org settled false".to_owned()));
    let named = Condition::Identity(vec![Identity::One(Entity::Account(address("eve")))]);
    let rule = |handling| Rule { id: "1".into(), conditions: vec![named.clone()], handling, view: None };
    let rules = |handling| {
        let rules = Ruleset { rules: vec![rule(Some(handling))], ..Ruleset::default() };
        Request::SetRules(Some(Arc::new(rules)))
    };
    world.ask("alice", None, rules(Handling::Allow)).unwrap();
    let watch = world.watch("eve", "alice");
    let (state, snapshot) = world.last_shown(watch);
    assert_eq!((state, snapshot.unwrap().resources.len()), (WatchState::Active, 0));
    world.ask("alice", None, rules(Handling::Block)).unwrap();
    assert_eq!(world.last_shown(watch).0, WatchState::Rejected);
    assert!(world.heard(eve).iter().all(|words| !words.contains("Online")));
}

#[test]
fn blocks_are_as_before_after_a_restart_and_nobody_blocks_herself() {
    let mut world = World::of(&["alice", "bob"]);
    assert!(block(&mut world, "alice").is_err());
    block(&mut world, "bob").unwrap();
    let contact = crate::signal::Contact { from: true, ..crate::signal::Contact::new(address("bob")) };
    let roster = vec![crate::storage::RosterRow { contact, version: 1 }];
    let again = AccountRecord { blocked: vec![address("bob")], roster, ..record(&address("alice")) };
    let shared = Arc::clone(&world.account("alice").shared);
    let now = world.now;
    world.accounts.insert(address("alice"), Account::new(again, shared, now));
    let bob = world.client("bob", "lair");
    world.client("alice", "desk");
    assert!(world.heard(bob).iter().all(|words| !words.contains("alice")));
}

#[test]
fn yes_in_advance_lets_somebody_watch() {
    let mut world = World::of(&["alice", "bob"]);
    world.say("alice", "bob", ContactEvent::Subscribed);
    let watch = world.watch("bob", "alice");
    assert_eq!(world.last_shown(watch).0, WatchState::Active);
}

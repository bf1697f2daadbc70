//! Blocks: nothing comes from whom the owner blocked, and for him she is never there.

use super::*;
use crate::signal::{
    CallId, CallOffer, Condition, Entity, Handling, Identity, Query, QueryKind, Rule, Ruleset, Signal, Wanted,
};

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
fn nothing_of_the_owner_reaches_the_blocked_and_she_is_told_why() {
    for whom in ["bob", "example.org"] {
        let mut world = World::of(&["alice", "bob"]);
        world.befriend("alice", "bob");
        let desk = world.client("alice", "desk");
        let lair = world.client("bob", "lair");
        block(&mut world, whom).unwrap();
        world.forget();
        let why = |outcome: Result<Reply, Reject>| outcome.map_err(|reject| reject.reason);
        assert_eq!(why(world.send("alice/desk", "bob", "hi")), Err(Reason::Blocked));
        assert_eq!(world.archived("alice"), 0, "what is not sent is not kept");
        for event in [ContactEvent::Subscribe, ContactEvent::Subscribed] {
            let to = address("bob");
            let request = Request::Contact { to, event, note: None, native: Native::None, origin_id: None };
            assert_eq!(why(world.ask("alice", Some(desk), request)), Err(Reason::Blocked));
        }
        let query = Query {
            id: "q".into(),
            from: party("alice/desk"),
            to: party("bob/lair"),
            kind: QueryKind::Ask,
            native: Native::None,
        };
        let of = address("bob");
        for request in [
            Request::Query(query.into()),
            Request::Enquire { of: of.clone(), wanted: Wanted::Profile },
            Request::Probe { to: party("bob"), origin_id: None },
            Request::MayTell(of),
        ] {
            assert_eq!(
                why(world.ask("alice", Some(desk), request.clone())),
                Err(Reason::Blocked),
                "{request:?}"
            );
        }
        world.answers.clear();
        let here =
            Box::new(Direct { origin_id: Some("p".into()), ..*shown_to(party("bob/lair"), online(), None) });
        world.input("alice", Input::Direct { session: desk, direct: here });
        let [Answer { about: Some(About::Presence { to, origin_id }), outcome: Err(reject), .. }] =
            &world.answers[..]
        else {
            panic!("{:?}", world.answers)
        };
        assert_eq!((&**to, origin_id.as_deref()), (&party("bob/lair"), Some("p")));
        assert_eq!(reject.reason, Reason::Blocked);
        assert_eq!(world.heard(lair), Vec::<String>::new());
        // Herself she still reaches, and taking him out of her contacts is no talk.
        assert!(world.send("alice/desk", "alice", "note").is_ok());
        assert_eq!(
            world.ask("alice", None, Request::RemoveContact { address: address("bob") }),
            Ok(Reply::Done)
        );
    }
}

fn online() -> Arc<Presence> {
    Arc::new(Presence::online(Timestamp(1)))
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

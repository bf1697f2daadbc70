//! The owner's picture.

use bytes::Bytes;

use super::*;
use crate::{
    account::SessionChange,
    signal::{AvatarHash, Condition, Entity, Handling, Identity, Rule, Ruleset, Topic, Wanted},
};

fn gif(last: u8) -> Bytes {
    Bytes::from([b"GIF89a\x08\0\x04\0".as_slice(), &[last]].concat())
}

fn ask(world: &mut World, name: &str, request: Request) -> Result<Reply, Reject> {
    world.ask(name, None, request)
}

fn picture_of(world: &mut World, asker: &str, of: &str) -> Result<Bytes, Reason> {
    let wanted = Wanted::Picture { hash: None };
    match ask(world, asker, Request::Enquire { of: address(of), wanted }) {
        Ok(Reply::Picture { avatar, bytes }) => {
            assert_eq!(avatar.hash, AvatarHash::of(&bytes));
            Ok(bytes)
        }
        Ok(other) => panic!("{other:?}"),
        Err(reject) => Err(reject.reason),
    }
}

fn following(world: &mut World, name: &str) -> SessionId {
    let session = world.client(name, "one");
    let change = SessionChange::Follows(Arc::from([Topic::Avatar]));
    world.input(name, Input::Change { session, change });
    world.forget();
    session
}

#[test]
fn a_picture_goes_to_those_who_follow_and_into_the_presence_of_every_session() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    world.befriend("alice", "bob");
    let alice = following(&mut world, "alice");
    let bob = following(&mut world, "bob");
    let carol = following(&mut world, "carol");
    ask(&mut world, "alice", Request::SetAvatar(Some(gif(1)))).unwrap();
    let hash = AvatarHash::of(&gif(1));
    for session in [alice, bob] {
        let heard = world.heard(session);
        assert!(heard.contains(&format!("avatar of alice@example.org: {hash}")), "{heard:?}");
        assert!(heard.iter().any(|words| words.contains(&format!("wearing {hash}"))), "{heard:?}");
    }
    assert_eq!(world.heard(carol), Vec::<String>::new());
    ask(&mut world, "alice", Request::SetAvatar(None)).unwrap();
    assert!(world.heard(bob).contains(&"avatar of alice@example.org: none".to_owned()));
    assert_eq!(picture_of(&mut world, "bob", "alice"), Err(Reason::NotFound));
}

#[test]
fn who_follows_later_hears_of_what_is_there() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    world.befriend("alice", "bob");
    ask(&mut world, "alice", Request::SetAvatar(Some(gif(1)))).unwrap();
    let hash = AvatarHash::of(&gif(1));
    for (name, hears) in [("alice", true), ("bob", true), ("carol", false)] {
        let session = world.client(name, "two");
        world.forget();
        let change = SessionChange::Follows(Arc::from([Topic::Avatar]));
        world.input(name, Input::Change { session, change: change.clone() });
        let expect = if hears { vec![format!("avatar of alice@example.org: {hash}")] } else { Vec::new() };
        assert_eq!(world.heard(session), expect, "{name}");
        world.input(name, Input::Change { session, change });
        assert_eq!(world.heard(session), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn everybody_may_see_a_picture_who_is_not_blocked() {
    let mut world = World::of(&["alice", "carol"]);
    ask(&mut world, "alice", Request::SetAvatar(Some(gif(1)))).unwrap();
    assert_eq!(picture_of(&mut world, "carol", "alice"), Ok(gif(1)));
    let rule = Rule {
        id: "1".into(),
        conditions: vec![Condition::Identity(vec![Identity::One(Entity::Account(address("carol")))])],
        handling: Some(Handling::Block),
        view: None,
    };
    let rules = Ruleset { rules: vec![rule], ..Ruleset::default() };
    ask(&mut world, "alice", Request::SetRules(Some(Arc::new(rules)))).unwrap();
    assert_eq!(picture_of(&mut world, "carol", "alice"), Err(Reason::NoSession));
    assert_eq!(picture_of(&mut world, "alice", "alice"), Ok(gif(1)));
}

#[test]
fn a_picture_is_brought_first_and_put_on_afterwards() {
    let mut world = World::of(&["alice"]);
    let hash = |last| AvatarHash::of(&gif(last));
    for last in 1..=5 {
        ask(&mut world, "alice", Request::StageAvatar(gif(last))).unwrap();
    }
    assert_eq!(picture_of(&mut world, "alice", "alice"), Err(Reason::NotFound));
    let wear = |world: &mut World, last| {
        ask(world, "alice", Request::WearAvatar(hash(last))).map(|_| ()).map_err(|reject| reject.reason)
    };
    assert_eq!(wear(&mut world, 1), Err(Reason::NotFound), "the oldest is forgotten");
    assert_eq!(wear(&mut world, 4), Ok(()));
    assert_eq!(picture_of(&mut world, "alice", "alice"), Ok(gif(4)));
    assert_eq!(wear(&mut world, 5), Err(Reason::NotFound), "no other is kept");
    assert_eq!(wear(&mut world, 4), Ok(()));
}

#[test]
fn what_is_no_picture_or_too_large_is_refused() {
    let limits = Config { avatar_bytes: 1024, ..Config::default() };
    let mut world = World::with(&["alice"], limits);
    let large = Bytes::from([gif(1).as_ref(), &[0; 1024]].concat());
    for (bytes, reason) in
        [(Bytes::from_static(b"<svg/>"), Reason::UnsupportedMedia), (large, Reason::TooLarge)]
    {
        for request in [Request::SetAvatar(Some(bytes.clone())), Request::StageAvatar(bytes)] {
            assert_eq!(ask(&mut world, "alice", request).map_err(|reject| reject.reason), Err(reason));
        }
    }
    assert!(world.stored.is_empty());
}

#[test]
fn a_picture_is_there_again_when_the_account_is_read_anew() {
    let mut world = World::of(&["alice"]);
    ask(&mut world, "alice", Request::SetAvatar(Some(gif(1)))).unwrap();
    ask(&mut world, "alice", Request::StageAvatar(gif(2))).unwrap();
    world.reload("alice");
    assert_eq!(picture_of(&mut world, "alice", "alice"), Ok(gif(1)));
    ask(&mut world, "alice", Request::WearAvatar(AvatarHash::of(&gif(2)))).unwrap();
    ask(&mut world, "alice", Request::SetAvatar(None)).unwrap();
    world.reload("alice");
    assert_eq!(world.account("alice").avatar_mark(), AvatarMark::Without);
}

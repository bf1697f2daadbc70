//! Adding, asking, granting, from any session and seen on all.

use super::*;

#[test]
fn a_question_goes_to_every_session_and_leaves_all_when_one_answers() {
    let mut world = World::of(&["alice", "bob"]);
    let alice = world.client("alice", "desk");
    let desk = world.client("bob", "desk");
    let page = world.open("bob", SessionKind::Page, "page");
    world.forget();
    world.say("alice", "bob", ContactEvent::Subscribe);
    assert_eq!(world.heard(alice), ["roster bob@example.org [ask]"]);
    for session in [desk, page] {
        assert_eq!(world.heard(session), ["alice@example.org says Subscribe"]);
    }
    world.say("bob", "alice", ContactEvent::Subscribed);
    for session in [desk, page] {
        assert_eq!(
            world.heard(session),
            ["roster alice@example.org [from]", "alice@example.org settled true"]
        );
    }
    let heard = world.heard(alice);
    assert_eq!(heard[..2], ["bob@example.org says Subscribed", "roster bob@example.org [to]"]);
    assert_eq!(heard.len(), 4, "and the presence of both of Bob's sessions: {heard:?}");
}

#[test]
fn a_question_waits_for_the_absent() {
    let mut world = World::of(&["alice", "bob"]);
    world.say("alice", "bob", ContactEvent::Subscribe);
    world.say("alice", "bob", ContactEvent::Subscribe);
    let desk = world.client("bob", "desk");
    let asked = |heard: Vec<String>| heard.iter().filter(|words| words.contains("says Subscribe")).count();
    assert_eq!(asked(world.heard(desk)), 1);
    world.say("bob", "alice", ContactEvent::Unsubscribed);
    let later = world.client("bob", "later");
    assert_eq!(asked(world.heard(later)), 0);
    assert!(!world.account("alice").roster.find(&address("bob")).unwrap().ask);
}

#[test]
fn a_yes_in_advance_answers_the_question() {
    let mut world = World::of(&["alice", "bob"]);
    let desk = world.client("bob", "desk");
    world.say("bob", "alice", ContactEvent::Subscribed);
    assert!(world.account("bob").roster.find(&address("alice")).unwrap().approved);
    world.forget();
    world.say("alice", "bob", ContactEvent::Subscribe);
    assert_eq!(world.heard(desk), ["roster alice@example.org [from]"]);
    assert!(world.account("alice").roster.find(&address("bob")).unwrap().to);
}

#[test]
fn removing_a_contact_ends_what_was_shared() {
    let mut world = World::of(&["alice", "bob"]);
    world.befriend("alice", "bob");
    world.client("alice", "desk");
    let desk = world.client("bob", "desk");
    world.forget();
    world.ask("alice", None, Request::RemoveContact { address: address("bob") }).unwrap();
    let heard = world.heard(desk);
    assert!(heard.contains(&"roster alice@example.org []".to_owned()), "{heard:?}");
    assert!(heard.iter().any(|words| words.contains("is Offline")), "{heard:?}");
    assert!(world.account("alice").roster.find(&address("bob")).is_none());
    let missing = world.ask("alice", None, Request::RemoveContact { address: address("bob") });
    assert_eq!(missing.unwrap_err().reason, Reason::NotFound);
}

#[test]
fn a_version_brings_only_what_changed() {
    let mut world = World::of(&["alice"]);
    let mut set = |name: &str| {
        let request = Request::SetContact { address: address(name), name: None, groups: Default::default() };
        world.ask("alice", None, request).unwrap();
    };
    set("bob");
    set("carol");
    set("dave");
    world.ask("alice", None, Request::RemoveContact { address: address("bob") }).unwrap();
    let view = |since| world.accounts[&address("alice")].roster.view(since);
    assert_eq!((view(None).contacts.len(), view(None).complete), (2, true));
    let changes = view(Some(2));
    assert_eq!((changes.version, changes.complete), (4, false));
    let words = |change: &crate::account::ContactChange| {
        (change.contact.address.to_string(), change.version, change.removed)
    };
    let words: Vec<_> = changes.changes.iter().map(words).collect();
    assert_eq!(words, [("dave@example.org".to_owned(), 3, false), ("bob@example.org".to_owned(), 4, true)]);
    assert!(view(Some(9)).complete, "a version from the future is not ours");
}

#[test]
fn what_is_no_contact_is_refused() {
    let mut world = World::of(&["alice"]);
    let long = "x".repeat(1024);
    for (who, name, group) in [("alice", "me", "g"), ("bob", long.as_str(), "g"), ("bob", "b", "")] {
        let request = Request::SetContact {
            address: address(who),
            name: Some(name.into()),
            groups: [group.into()].into_iter().collect(),
        };
        assert_eq!(world.ask("alice", None, request).unwrap_err().reason, Reason::NotAcceptable, "{who}");
    }
}

#[test]
fn contacts_and_questions_are_bounded() {
    let mut world = World::of(&["alice", "bob"]);
    Arc::make_mut(&mut world.account("alice").shared).limits.contacts = 1;
    Arc::make_mut(&mut world.account("bob").shared).limits.contact_requests = 0;
    world.say("alice", "bob", ContactEvent::Subscribe);
    assert!(world.account("bob").requests.is_empty());
    let more = Request::SetContact { address: address("carol"), name: None, groups: Default::default() };
    assert_eq!(world.ask("alice", None, more).unwrap_err().reason, Reason::PolicyViolation);
}

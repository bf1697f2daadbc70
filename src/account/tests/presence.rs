//! Presence: to contacts, own sessions, watchers.

use super::*;

#[test]
fn contacts_see_each_session_and_the_whole() {
    let mut world = World::of(&["alice", "bob"]);
    world.befriend("alice", "bob");
    let desk = world.client("alice", "desk");
    world.forget();
    let client = world.client("bob", "desk");
    assert_eq!(world.heard(desk), ["bob@example.org/desk is Online, all Some(Online)"]);
    let phone = world.open("bob", SessionKind::Device, "phone");
    world.announce("bob", phone, Availability::Busy, 0);
    assert_eq!(
        world.heard(desk),
        [
            "bob@example.org/phone is Online, all Some(Online)",
            "bob@example.org/phone is Busy, all Some(Busy)"
        ]
    );
    world.close("bob", phone);
    world.close("bob", client);
    assert_eq!(
        world.heard(desk),
        [
            "bob@example.org/phone is Offline, all Some(Online)",
            "bob@example.org/desk is Offline, all Some(Offline)"
        ]
    );
}

#[test]
fn who_comes_online_learns_who_is_there() {
    let mut world = World::of(&["alice", "bob"]);
    world.befriend("alice", "bob");
    world.client("bob", "desk");
    world.client("alice", "old");
    let new = world.client("alice", "new");
    let heard = world.heard(new);
    assert!(heard.contains(&"alice@example.org/old is Online, all Some(Online)".to_owned()), "{heard:?}");
    assert!(heard.contains(&"bob@example.org/desk is Online, all Some(Online)".to_owned()), "{heard:?}");
}

#[test]
fn strangers_see_nothing_and_learn_that_they_are_none() {
    let mut world = World::of(&["alice", "eve"]);
    world.client("alice", "desk");
    let eve = world.client("eve", "lair");
    world.forget();
    let probe = Signal::Probe(Box::new(Probe {
        from: party("eve/lair").into(),
        to: party("alice"),
        origin_id: None,
    }));
    world.input("alice", Input::Signal { signal: probe, reply: None });
    assert!(world.heard(eve).iter().all(|words| !words.contains("Online")));
}

#[test]
fn a_call_shows_as_busy_and_ends_with_it() {
    let mut world = World::of(&["alice", "bob"]);
    world.befriend("alice", "bob");
    let desk = world.client("alice", "desk");
    let phone = world.open("bob", SessionKind::Device, "phone");
    world.forget();
    let calls = |count| Input::Change { session: phone, change: crate::account::SessionChange::Calls(count) };
    world.input("bob", calls(1));
    world.input("bob", calls(2));
    world.input("bob", calls(0));
    assert_eq!(
        world.heard(desk),
        [
            "bob@example.org/phone is Busy, all Some(Busy)",
            "bob@example.org/phone is Online, all Some(Online)"
        ]
    );
}

#[test]
fn directed_presence_is_taken_back_at_the_end_and_not_renewed() {
    let mut world = World::of(&["alice", "eve"]);
    let desk = world.client("alice", "desk");
    let eve = world.client("eve", "lair");
    world.forget();
    let presence = Arc::new(Presence::online(Timestamp(0)));
    world
        .input("alice", Input::Direct { session: desk, direct: shown_to(party("eve/lair"), presence, None) });
    world.announce("alice", desk, Availability::Away, 0);
    world.close("alice", desk);
    assert_eq!(
        world.heard(eve),
        [
            "alice@example.org/desk is Online, all None",
            "alice@example.org/desk is Offline, all Some(Offline)"
        ]
    );
}

#[test]
fn a_watcher_waits_for_the_owner_and_follows_her_decisions() {
    let mut world = World::of(&["alice", "bob"]);
    let owner = world.client("bob", "desk");
    world.forget();
    let watch = world.watch("alice", "bob");
    assert_eq!(world.last_shown(watch), (WatchState::Pending, None));
    assert_eq!(world.heard(owner), ["alice@example.org says Subscribe"]);
    world.say("bob", "alice", ContactEvent::Subscribed);
    let (state, snapshot) = world.last_shown(watch);
    assert_eq!(state, WatchState::Active);
    assert_eq!(snapshot.unwrap().aggregate.availability, Availability::Online);
    world.announce("bob", owner, Availability::Away, 0);
    assert_eq!(world.last_shown(watch).1.unwrap().resources.len(), 1);
    world.say("bob", "alice", ContactEvent::Unsubscribed);
    assert_eq!(world.last_shown(watch), (WatchState::Rejected, None));
}

#[test]
fn the_owner_sees_herself() {
    let mut world = World::of(&["bob"]);
    let watch = world.watch("bob", "bob");
    let (state, snapshot) = world.last_shown(watch);
    assert_eq!(
        (state, snapshot.unwrap().aggregate.availability),
        (WatchState::Active, Availability::Offline)
    );
}

#[test]
fn a_second_session_of_one_name_replaces_the_first() {
    let mut world = World::of(&["alice"]);
    let first = world.client("alice", "desk");
    let second = world.client("alice", "desk");
    assert!(world.heard(first).contains(&"closed Replaced".to_owned()));
    assert_eq!(world.account("alice").sessions().as_slice(), [second]);
}

#[test]
fn the_owner_reads_her_contacts_and_nobody_else_does() {
    let mut world = World::of(&["alice", "bob"]);
    let reader = world.read_contacts("alice", "alice");
    let contacts = |world: &World, watch| {
        let (state, shown) = world.shown[&watch].last().expect("the reader was told").clone();
        let contacts = shown.map(|shown| match shown {
            Shown::Contacts(contacts) => contacts
                .iter()
                .map(|contact| (contact.address.to_string(), contact.ask, contact.to))
                .collect(),
            other => panic!("a reader of contacts was shown {other:?}"),
        });
        (state, contacts.unwrap_or_else(Vec::new))
    };
    assert_eq!(contacts(&world, reader), (WatchState::Active, Vec::new()));
    world.say("alice", "bob", ContactEvent::Subscribe);
    let bob = "bob@example.org".to_owned();
    assert_eq!(contacts(&world, reader), (WatchState::Active, vec![(bob.clone(), true, false)]));
    world.say("bob", "alice", ContactEvent::Subscribed);
    assert_eq!(contacts(&world, reader), (WatchState::Active, vec![(bob, false, true)]));
    assert!(!world.account("alice").is_idle());
    let stranger = world.read_contacts("bob", "alice");
    assert_eq!(contacts(&world, stranger), (WatchState::Rejected, Vec::new()));
    world.input("alice", Input::Unwatch { watch: reader });
    world.ask("alice", None, Request::RemoveContact { address: address("bob") }).expect("she is a contact");
    assert_eq!(contacts(&world, reader).1.len(), 1, "nothing is shown any more");
    assert!(world.account("alice").is_idle());
}

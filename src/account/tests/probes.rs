//! Presence probes and directed presence: every branch of RFC 6121 §4.3.2 and §4.6.

use super::*;

/// What Bob's session is told when he asks about `to`, as `(from, availability, bare, name)`, or the no.
fn probed(world: &mut World, bob: SessionId, from: &str, to: &str) -> Vec<String> {
    world.forget();
    let origin_id = Some("q".into());
    let signal = Signal::Probe(Box::new(Probe { from: party(from).into(), to: party(to), origin_id }));
    let owner = to.split('/').next().expect("a name").to_owned();
    world.input(&owner, Input::Signal { signal, reply: None });
    world.heard(bob)
}

/// Whether all that is told is that she is away, and since when: before a minute had passed.
fn is_gone(heard: &[String]) -> bool {
    let told = heard
        .first()
        .and_then(|told| told.strip_prefix("alice@example.org is Offline, all Some(Offline) since "));
    let since =
        told.and_then(|told| told.strip_suffix(" named q")).and_then(|since| since.parse::<i64>().ok());
    heard.len() == 1 && since.is_some_and(|since| (1_000_000..1_060_000).contains(&since))
}

fn befriended() -> (World, SessionId, SessionId) {
    let mut world = World::of(&["alice", "bob"]);
    world.befriend("alice", "bob");
    let bob = world.client("bob", "nest");
    let desk = world.client("alice", "desk");
    (world, bob, desk)
}

#[test]
fn a_contact_is_told_of_every_session_or_of_the_one_he_names() {
    let (mut world, bob, desk) = befriended();
    let phone = world.client("alice", "phone");
    world.announce("alice", phone, Availability::Busy, 0);
    assert_eq!(
        probed(&mut world, bob, "bob/nest", "alice"),
        [
            "alice@example.org/desk is Online, all Some(Busy)",
            "alice@example.org/phone is Busy, all Some(Busy)"
        ]
    );
    // §4.3.2: of one that he names he learns that it is there, and nothing more.
    assert_eq!(
        probed(&mut world, bob, "bob/nest", "alice/phone"),
        ["alice@example.org/phone is Online, all None"]
    );
    assert_eq!(
        probed(&mut world, bob, "bob/nest", "alice/none"),
        ["alice@example.org/none is Offline, all None named q"]
    );
    world.close("alice", desk);
    world.close("alice", phone);
    let heard = probed(&mut world, bob, "bob/nest", "alice");
    assert!(is_gone(&heard), "{heard:?}");
}

/// §4.3.2, rule 3: since when nobody has been there, for who may see it.
#[test]
fn a_contact_is_told_since_when_nobody_is_there() {
    let (mut world, bob, desk) = befriended();
    world.close("alice", desk);
    world.now = world.now.plus_seconds(60);
    let gone = probed(&mut world, bob, "bob/nest", "alice");
    assert!(is_gone(&gone), "{gone:?}");
    let one = ["alice@example.org/desk is Offline, all None named q"];
    assert_eq!(probed(&mut world, bob, "bob/nest", "alice/desk"), one, "of that session it is not known");
    // From whom she hides learns nothing.
    world.ask("alice", None, Request::Block(vec![address("bob")])).unwrap();
    let heard = probed(&mut world, bob, "bob/nest", "alice");
    assert!(heard.iter().all(|told| !told.contains("since")), "{heard:?}");
}

#[test]
fn a_stranger_learns_that_he_is_none_and_one_who_waits_nothing() {
    let mut world = World::of(&["alice", "bob"]);
    let bob = world.client("bob", "nest");
    world.client("alice", "desk");
    for to in ["alice", "alice/desk", "alice/none"] {
        let heard = probed(&mut world, bob, "bob/nest", to);
        assert!(heard.is_empty(), "his account asked for nothing, so that the no changes nothing: {heard:?}");
    }
    let mut effects = Vec::new();
    let signal = Signal::Probe(Box::new(Probe {
        from: party("bob/nest").into(),
        to: party("alice"),
        origin_id: None,
    }));
    world.account("alice").handle(Input::Signal { signal, reply: None }, Timestamp(5), &mut effects);
    let is_no = |effect: &Effect| match effect {
        Effect::Route { signal: Signal::Contact(signal), .. } => signal.event == ContactEvent::Unsubscribed,
        _ => false,
    };
    assert!(effects.iter().any(is_no), "{effects:?}");

    world.say("bob", "alice", ContactEvent::Subscribe);
    assert_eq!(
        probed(&mut world, bob, "bob/nest", "alice"),
        ["alice@example.org is Offline, all Some(Offline) named q"]
    );
    assert!(world.account("bob").roster.find(&address("alice")).is_some_and(|contact| contact.ask));
}

#[test]
fn to_whom_a_session_was_shown_alone_learns_that_it_is_there_and_nothing_more() {
    let mut world = World::of(&["alice", "bob"]);
    let bob = world.client("bob", "nest");
    let desk = world.client("alice", "desk");
    world.client("alice", "phone");
    let presence = Presence { availability: Availability::Busy, ..Presence::online(Timestamp(0)) };
    let presence = Arc::new(presence);
    world
        .input("alice", Input::Direct { session: desk, direct: shown_to(party("bob/nest"), presence, None) });
    for to in ["alice", "alice/desk"] {
        let heard = probed(&mut world, bob, "bob/nest", to);
        assert_eq!(heard, ["alice@example.org/desk is Online, all None"], "{to}");
    }
    assert!(probed(&mut world, bob, "bob/nest", "alice/phone").is_empty());
    let gone = Arc::new(Presence::offline(Timestamp(0)));
    world.input("alice", Input::Direct { session: desk, direct: shown_to(party("bob/nest"), gone, None) });
    assert!(probed(&mut world, bob, "bob/nest", "alice/desk").is_empty());
}

fn direct(world: &mut World, session: SessionId, to: &str, availability: Availability) {
    let presence = Arc::new(Presence { availability, ..Presence::default() });
    world.input("alice", Input::Direct { session, direct: shown_to(party(to), presence, None) });
}

#[test]
fn presence_shown_to_one_is_neither_renewed_nor_forgotten() {
    // §4.6.3: the first session never said anything to all, the second did.
    for is_available in [false, true] {
        let mut world = World::of(&["alice", "eve"]);
        let eve = world.client("eve", "lair");
        let desk = world.open("alice", SessionKind::Client, "desk");
        if is_available {
            world.announce("alice", desk, Availability::Online, 0);
        }
        direct(&mut world, desk, "eve", Availability::Away);
        world.forget();
        world.announce("alice", desk, Availability::Busy, 0);
        assert!(world.heard(eve).is_empty());
        world.announce("alice", desk, Availability::Offline, 0);
        assert_eq!(world.heard(eve), ["alice@example.org/desk is Offline, all Some(Offline)"]);
        world.close("alice", desk);
        assert!(world.heard(eve).is_empty(), "once is enough");
    }
}

#[test]
fn presence_taken_back_from_one_or_shown_to_one_who_left_is_not_taken_back_again() {
    let mut world = World::of(&["alice", "eve"]);
    let eve = world.client("eve", "lair");
    let desk = world.client("alice", "desk");
    direct(&mut world, desk, "eve/lair", Availability::Online);
    direct(&mut world, desk, "eve/lair", Availability::Offline);
    world.forget();
    world.close("alice", desk);
    assert!(world.heard(eve).is_empty());

    let desk = world.client("alice", "desk");
    direct(&mut world, desk, "eve/lair", Availability::Online);
    let gone = Arc::new(Presence::offline(Timestamp(0)));
    world.input("eve", Input::Direct { session: eve, direct: shown_to(party("alice/desk"), gone, None) });
    world.forget();
    world.close("alice", desk);
    assert!(world.heard(eve).is_empty(), "§4.6.1: she said that she goes");
}

#[test]
fn a_subscription_counts_for_more_than_what_was_shown_to_one() {
    let mut world = World::of(&["alice", "bob"]);
    let bob = world.client("bob", "nest");
    let desk = world.client("alice", "desk");
    direct(&mut world, desk, "bob", Availability::Online);
    world.befriend("alice", "bob");
    world.announce("alice", desk, Availability::Away, 0);
    assert_eq!(world.heard(bob), ["alice@example.org/desk is Away, all Some(Away)"]);
    world.say("alice", "bob", ContactEvent::Unsubscribed);
    let heard = world.heard(bob);
    assert_eq!(heard.iter().filter(|words| words.contains("is Offline")).count(), 1, "{heard:?}");
    world.close("alice", desk);
    assert!(world.heard(bob).is_empty(), "the end of the subscription ended that, too");
}

#[test]
fn a_contact_who_was_shown_presence_alone_hears_of_the_end_once() {
    let (mut world, bob, desk) = befriended();
    direct(&mut world, desk, "bob/nest", Availability::Away);
    world.forget();
    world.close("alice", desk);
    assert_eq!(world.heard(bob), ["alice@example.org/desk is Offline, all Some(Offline)"]);
}

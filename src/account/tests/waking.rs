//! Devices that sleep are called.

use super::*;
use crate::account::{SessionChange, WakeAddress, WakeOutcome};

fn at(node: &str) -> WakeAddress {
    WakeAddress { service: Party::parse("push.example.net").expect("a party"), node: node.into() }
}

impl World {
    fn leave(&mut self, name: &str, session: SessionId, node: &str) -> Result<Reply, Reject> {
        self.ask(name, Some(session), Request::AddWakeAddress { at: at(node), terms: "t".into() })
    }

    fn change(&mut self, name: &str, session: SessionId, change: SessionChange) {
        self.input(name, Input::Change { session, change });
    }

    /// The nodes that were called since the last time, each with what it missed.
    fn called(&mut self) -> Vec<(String, u32)> {
        let called = std::mem::take(&mut self.roused);
        called.into_iter().map(|wake| (wake.at.node.to_string(), wake.missed)).collect()
    }

    /// So many seconds later, the account is woken.
    fn sleep_through(&mut self, name: &str, seconds: i64) {
        self.now = self.now.plus_seconds(seconds);
        self.input(name, Input::Tick);
    }
}

fn calls(expected: &[(&str, u32)]) -> Vec<(String, u32)> {
    expected.iter().map(|(node, missed)| ((*node).to_owned(), *missed)).collect()
}

/// Bob has a phone that may be called.
fn with_phone() -> (World, SessionId) {
    let mut world = World::of(&["alice", "bob"]);
    world.client("alice", "desk");
    let phone = world.client("bob", "phone");
    world.leave("bob", phone, "n").expect("there is room");
    (world, phone)
}

fn say(world: &mut World) {
    world.send("alice/desk", "bob", "hello").expect("bob takes it");
}

#[test]
fn a_device_is_called_while_it_sleeps_in_any_way() {
    for (asleep, awake) in [
        (SessionChange::Dormant(true), SessionChange::Dormant(false)),
        (SessionChange::Attended(false), SessionChange::Attended(true)),
    ] {
        let (mut world, phone) = with_phone();
        say(&mut world);
        assert_eq!(world.called(), calls(&[]), "{asleep:?}");
        world.change("bob", phone, asleep.clone());
        say(&mut world);
        assert_eq!(world.called(), calls(&[("n", 1)]), "{asleep:?}");
        world.change("bob", phone, awake);
        world.sleep_through("bob", 10);
        say(&mut world);
        world.change("bob", phone, asleep);
        say(&mut world);
        assert_eq!(world.called(), calls(&[("n", 1)]), "what it saw is not counted");
        world.close("bob", phone);
        world.sleep_through("bob", 10);
        say(&mut world);
        assert_eq!(world.called(), calls(&[("n", 2)]));
        // Somebody else is awake, and the phone is called all the same.
        world.client("bob", "desk");
        world.sleep_through("bob", 10);
        say(&mut world);
        assert_eq!(world.called(), calls(&[("n", 3)]));
    }
}

#[test]
fn calls_have_pauses_and_what_came_meanwhile_is_told_together() {
    let (mut world, phone) = with_phone();
    world.close("bob", phone);
    for _ in 0..20 {
        say(&mut world);
    }
    assert_eq!(world.called(), calls(&[("n", 1)]));
    assert!(!world.account("bob").is_idle(), "a call is due");
    world.sleep_through("bob", 1);
    assert_eq!(world.called(), calls(&[]));
    world.sleep_through("bob", 5);
    assert_eq!(world.called(), calls(&[("n", 20)]));
    assert!(world.account("bob").is_idle());
    world.sleep_through("bob", 60);
    assert_eq!(world.called(), calls(&[]), "nothing more came");
    for _ in 0..2 {
        say(&mut world);
    }
    assert_eq!(world.called(), calls(&[("n", 21)]));
    world.client("bob", "phone");
    world.sleep_through("bob", 60);
    assert_eq!(world.called(), calls(&[]), "it is awake, and sees the rest");
}

#[test]
fn what_was_missed_is_known_after_the_account_left_the_memory() {
    let (mut world, phone) = with_phone();
    world.close("bob", phone);
    for _ in 0..3 {
        say(&mut world);
        world.sleep_through("bob", 60);
    }
    assert_eq!(world.called(), calls(&[("n", 1), ("n", 2), ("n", 3)]));
    let last = world.message(MessageKind::Chat, Keep::ALL, "alice", "bob", "hi");
    world.input("bob", Input::Signal { signal: Signal::Message(Arc::clone(&last)), reply: None });
    assert!(world.account("bob").is_idle());
    world.reload("bob");
    world.input("bob", Input::Returned { message: last, reply: None, tries: 1 });
    assert_eq!(world.called(), calls(&[("n", 4)]), "what it was told of is not told again");
    say(&mut world);
    assert_eq!(world.called(), calls(&[("n", 5)]));

    let phone = world.client("bob", "phone");
    world.close("bob", phone);
    world.reload("bob");
    say(&mut world);
    assert_eq!(world.called(), calls(&[("n", 1)]), "it was awake meanwhile");
}

#[test]
fn only_what_somebody_wants_to_know_wakes() {
    let (mut world, phone) = with_phone();
    world.close("bob", phone);
    let offline = Keep { archive: false, ..Keep::ALL };
    let mut send = |kind, keep, from: &str, text: &str, receipt: bool| {
        let mut message = Arc::unwrap_or_clone(world.message(kind, keep, from, "bob", text));
        if receipt {
            message.content.receipt =
                Some(crate::signal::Receipt { kind: crate::signal::ReceiptKind::Delivered, of: "1".into() });
        }
        world.input("bob", Input::Signal { signal: Signal::Message(Arc::new(message)), reply: None });
        world.now = world.now.plus_seconds(60);
        world.called().len()
    };
    assert_eq!(send(MessageKind::Chat, Keep::ALL, "alice", "hi", false), 1);
    assert_eq!(send(MessageKind::Normal, Keep::ALL, "alice", "", false), 1, "what only programs understand");
    assert_eq!(send(MessageKind::Chat, offline, "alice", "", true), 0, "a receipt");
    assert_eq!(send(MessageKind::Chat, Keep::PASSING, "alice", "", false), 0, "typing");
    assert_eq!(send(MessageKind::Chat, Keep::NONE, "alice", "hush", false), 0, "to be kept nowhere");
    assert_eq!(send(MessageKind::Headline, Keep::ALL, "alice", "news", false), 0);
    assert_eq!(send(MessageKind::Error, Keep::ALL, "alice", "oh", false), 0);
    assert_eq!(send(MessageKind::Chat, Keep::ALL, "bob/desk", "a note to myself", false), 0);
}

#[test]
fn what_was_on_its_way_when_the_connection_broke_is_missed_once() {
    let (mut world, phone) = with_phone();
    let message = world.message(MessageKind::Chat, Keep::ALL, "alice", "bob", "hi");
    world.change("bob", phone, SessionChange::Dormant(true));
    world.input("bob", Input::Missed { session: phone, messages: vec![Arc::clone(&message)] });
    assert_eq!(world.called(), calls(&[("n", 1)]));
    world.input("bob", Input::Returned { message, reply: None, tries: 1 });
    world.sleep_through("bob", 60);
    assert_eq!(world.called(), calls(&[]));
    // Without resumption it only comes back.
    let (mut world, phone) = with_phone();
    let message = world.message(MessageKind::Chat, Keep::ALL, "alice", "bob", "hi");
    world.close("bob", phone);
    world.input("bob", Input::Returned { message, reply: None, tries: 1 });
    assert_eq!(world.called(), calls(&[("n", 1)]));
}

#[test]
fn addresses_are_kept_bounded_and_taken_back() {
    let mut world = World::with(&["alice", "bob"], Config { wake_addresses: 2, ..Config::default() });
    world.client("alice", "desk");
    let phone = world.client("bob", "phone");
    for node in ["a", "b", "a", "c"] {
        world.leave("bob", phone, node).expect("there is room");
    }
    let long = "x".repeat(AT_HAND);
    let refused = world.leave("bob", phone, &long).expect_err("too long");
    assert_eq!(refused.reason, Reason::TooLarge);
    world.reload("bob");
    say(&mut world);
    assert_eq!(world.called(), calls(&[("a", 1), ("c", 1)]), "the oldest went");
    let service = at("").service;
    let remove = |node: Option<&str>| Request::RemoveWakeAddresses {
        service: service.clone(),
        node: node.map(Into::into),
    };
    world.ask("bob", None, remove(Some("a"))).expect("it is there");
    world.sleep_through("bob", 60);
    say(&mut world);
    assert_eq!(world.called(), calls(&[("c", 2)]));
    world.ask("bob", None, remove(None)).expect("done");
    world.reload("bob");
    say(&mut world);
    assert_eq!(world.called(), calls(&[]));
}

#[test]
fn an_address_that_is_no_good_is_forgotten() {
    let roused = |outcome| Input::Roused { at: at("n"), outcome };
    let (mut world, phone) = with_phone();
    world.close("bob", phone);
    for _ in 0..15 {
        world.input("bob", roused(WakeOutcome::InVain));
        world.reload("bob");
    }
    world.input("bob", roused(WakeOutcome::Taken));
    world.input("bob", roused(WakeOutcome::InVain));
    say(&mut world);
    assert!(world.roused[0].was_in_vain);
    assert_eq!(world.called().len(), 1);
    for _ in 0..15 {
        world.input("bob", roused(WakeOutcome::InVain));
    }
    world.sleep_through("bob", 60);
    say(&mut world);
    assert_eq!(world.called().len(), 0, "sixteen in a row");

    let (mut world, phone) = with_phone();
    world.close("bob", phone);
    world.input("bob", roused(WakeOutcome::Refused));
    world.reload("bob");
    say(&mut world);
    assert_eq!(world.called().len(), 0);
}

#[test]
fn a_program_that_lost_its_access_is_called_no_more() {
    let mut world = World::of(&["alice", "bob"]);
    world.client("alice", "desk");
    let session = SessionId(world.number());
    let spec = SessionSpec { client: Some(7), ..spec_of("phone", world.now) };
    world.input("bob", Input::Open { session, spec: Box::new(spec) });
    world.leave("bob", session, "n").expect("there is room");
    let evict = |which, reason| Input::Evict { reason, which };
    let again = evict(crate::account::Opened::ByClient(7), crate::account::CloseReason::Replaced);
    world.input("bob", again);
    say(&mut world);
    assert_eq!(world.called(), calls(&[("n", 1)]));
    let revoked = evict(crate::account::Opened::ByClient(7), crate::account::CloseReason::CredentialsChanged);
    world.input("bob", revoked);
    world.sleep_through("bob", 60);
    say(&mut world);
    assert_eq!(world.called(), calls(&[]));
}

fn spec_of(resource: &str, since: Timestamp) -> SessionSpec {
    SessionSpec {
        kind: SessionKind::Client,
        resource: Resource::new(resource).expect("a resource"),
        since,
        device: None,
        client: None,
        contact: None,
        takes_messages: true,
        takes_calls: false,
        takes_copies: true,
        follows_roster: true,
    }
}

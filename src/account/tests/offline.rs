//! The offline file: who takes what waits, and what may go.

use super::*;

fn appended(world: &World) -> Vec<Arc<Message>> {
    let message = |(_, write): &(Address, Write)| match write {
        Write::OfflineAppend(message) => Some(Arc::clone(message)),
        _ => None,
    };
    world.stored.iter().filter_map(message).collect()
}

fn trims(world: &World) -> Vec<MessageId> {
    let through = |(_, write): &(Address, Write)| match write {
        Write::OfflineTrim { through } => Some(*through),
        _ => None,
    };
    world.stored.iter().filter_map(through).collect()
}

fn with_two_waiting() -> (World, Vec<Arc<Message>>) {
    let mut world = World::of(&["alice", "bob"]);
    world.send("alice", "bob", "one").unwrap();
    world.send("alice", "bob", "two").unwrap();
    let waiting = appended(&world);
    assert_eq!(waiting.len(), 2);
    world.forget();
    (world, waiting)
}

#[test]
fn the_first_session_takes_all_in_order_and_only_then_it_goes() {
    let (mut world, waiting) = with_two_waiting();
    let desk = world.client("bob", "desk");
    assert_eq!(world.reads, [(address("bob"), desk)]);
    world.client("bob", "late");
    assert_eq!(world.reads.len(), 1, "one takes it at a time");
    world.forget();
    world.input("bob", Input::OfflineRead { session: desk, messages: waiting.clone(), more: false });
    assert_eq!(world.heard(desk), ["Offline: one", "Offline: two"]);
    assert!(trims(&world).is_empty(), "nothing goes before it is confirmed");
    world.input("bob", Input::OfflineTaken { session: desk, through: Some(waiting[1].id) });
    assert_eq!(trims(&world), [waiting[1].id]);
    assert!(world.account("bob").offline.is_idle());
}

#[test]
fn what_a_dying_session_did_not_confirm_goes_to_the_next() {
    let (mut world, waiting) = with_two_waiting();
    let first = world.client("bob", "first");
    let second = world.client("bob", "second");
    world.input("bob", Input::OfflineRead { session: first, messages: waiting.clone(), more: false });
    world.close("bob", first);
    world.input("bob", Input::OfflineTaken { session: first, through: Some(waiting[0].id) });
    assert_eq!(trims(&world), [waiting[0].id]);
    assert_eq!(world.reads.last(), Some(&(address("bob"), second)));
}

#[test]
fn a_message_stored_meanwhile_is_read_too() {
    let (mut world, waiting) = with_two_waiting();
    let desk = world.client("bob", "desk");
    world.input("bob", Input::OfflineRead { session: desk, messages: waiting.clone(), more: false });
    world.heard(desk);
    world.send("alice", "bob", "three").unwrap();
    assert_eq!(world.heard(desk), [""; 0], "it does not overtake");
    world.input("bob", Input::OfflineTaken { session: desk, through: Some(waiting[1].id) });
    assert_eq!(world.reads.len(), 2);
}

#[test]
fn only_sessions_that_take_messages_unasked_collect() {
    let (mut world, _) = with_two_waiting();
    let shy = world.open("bob", SessionKind::Client, "shy");
    world.announce("bob", shy, Availability::Online, -1);
    assert!(world.reads.is_empty());
    world.announce("bob", shy, Availability::Online, 0);
    assert_eq!(world.reads, [(address("bob"), shy)]);
}

#[test]
fn a_phone_collects_when_it_registers_and_when_it_registers_again() {
    let (mut world, _) = with_two_waiting();
    let phone = world.open("bob", SessionKind::Device, "phone");
    assert_eq!(world.reads, [(address("bob"), phone)]);
    world.input("bob", Input::OfflineTaken { session: phone, through: None });
    assert_eq!(world.reads.len(), 1, "a phone that failed is not tried again at once");
    world.input("bob", Input::Change { session: phone, change: crate::account::SessionChange::Collect });
    assert_eq!(world.reads.len(), 2);
}

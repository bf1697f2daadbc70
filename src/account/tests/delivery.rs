//! RFC 6121 §8.5 and what stands around it.

use super::*;
use crate::account::{Sent, SessionChange};

fn outcome(result: &Result<Reply, Reject>) -> &'static str {
    match result {
        Ok(Reply::Sent(Sent::Delivered)) => "delivered",
        Ok(Reply::Sent(Sent::Stored)) => "stored",
        Ok(Reply::Sent(Sent::Accepted)) => "accepted",
        Err(reject) if reject.reason == Reason::NoSession => "no session",
        Err(reject) if reject.reason == Reason::Forbidden => "forbidden",
        Err(reject) if reject.reason == Reason::NotFound => "not found",
        other => panic!("unexpected outcome {other:?}"),
    }
}

#[test]
fn table_1_of_rfc_6121_holds() {
    use MessageKind::{Chat, Group, Headline, Normal};
    // Which sessions Bob has: none, one of negative priority, one, two. To whom, kind, outcome.
    for (sessions, to, kind, expected) in [
        (&[][..], "bob", Normal, "stored"),
        (&[], "bob", Chat, "stored"),
        (&[], "bob", Group, "no session"),
        (&[], "bob", Headline, "accepted"),
        (&[], "bob/a", Normal, "no session"),
        (&[], "bob/a", Chat, "stored"),
        (&[], "bob/a", Group, "no session"),
        (&[], "bob/a", Headline, "no session"),
        (&[("a", -1)], "bob", Normal, "stored"),
        (&[("a", -1)], "bob", Chat, "stored"),
        (&[("a", -1)], "bob", Group, "no session"),
        (&[("a", -1)], "bob", Headline, "accepted"),
        (&[("a", -1)], "bob/a", Normal, "delivered"),
        (&[("a", -1)], "bob/a", Group, "delivered"),
        (&[("a", -1)], "bob/x", Chat, "stored"),
        (&[("a", -1)], "bob/x", Normal, "no session"),
        (&[("a", 0)], "bob", Normal, "delivered"),
        (&[("a", 0)], "bob", Chat, "delivered"),
        (&[("a", 0)], "bob", Group, "no session"),
        (&[("a", 0)], "bob", Headline, "delivered"),
        (&[("a", 0)], "bob/x", Chat, "delivered"),
        (&[("a", 0)], "bob/x", Normal, "no session"),
        (&[("a", 0)], "bob/x", Headline, "no session"),
        (&[("a", 0), ("b", 5)], "bob", Normal, "delivered"),
        (&[("a", 0), ("b", 5)], "bob/b", Headline, "delivered"),
    ] {
        let mut world = World::of(&["alice", "bob"]);
        for (resource, priority) in sessions {
            let session = world.open("bob", SessionKind::Client, resource);
            world.announce("bob", session, Availability::Online, *priority);
        }
        let result = world.send_as(kind, Keep::ALL, "alice", to, "hi");
        assert_eq!(outcome(&result), expected, "{sessions:?} {to} {kind:?}");
    }
}

#[test]
fn a_message_forks_to_all_sessions_and_the_senders_others_get_copies() {
    let mut world = World::of(&["alice", "bob"]);
    let desk = world.client("alice", "desk");
    let page = world.open("alice", SessionKind::Page, "page");
    let phone = world.open("alice", SessionKind::Device, "phone");
    let bobs = [
        world.client("bob", "desk"),
        world.open("bob", SessionKind::Page, "page"),
        world.open("bob", SessionKind::Device, "phone"),
    ];
    world.forget();
    assert_eq!(outcome(&world.send("alice/desk", "bob", "hi")), "delivered");
    for session in bobs {
        assert_eq!(world.heard(session), ["Original: hi"]);
    }
    assert_eq!(world.heard(desk), [""; 0]);
    assert_eq!(world.heard(page), ["Sent: hi"]);
    assert_eq!(world.heard(phone), ["Sent: hi"]);
    assert_eq!((world.archived("alice"), world.archived("bob")), (1, 1));
}

#[test]
fn a_message_to_one_session_is_copied_to_the_others_that_want_it() {
    let mut world = World::of(&["alice", "bob"]);
    let desk = world.client("bob", "desk");
    let page = world.open("bob", SessionKind::Page, "page");
    let phone = world.open("bob", SessionKind::Device, "phone");
    world.forget();
    assert_eq!(outcome(&world.send("alice", "bob/desk", "hi")), "delivered");
    assert_eq!(world.heard(desk), ["Original: hi"]);
    assert_eq!(world.heard(page), ["Received: hi"]);
    assert_eq!(world.heard(phone), [""; 0], "phones get copies of what the owner sent only");
    world.send_as(MessageKind::Chat, Keep::NONE, "alice", "bob/desk", "private").unwrap();
    assert_eq!(world.heard(page), [""; 0]);
}

#[test]
fn phones_take_messages_only_if_the_owner_wants_it() {
    let mut world = World::of(&["alice", "bob"]);
    world.open("bob", SessionKind::Device, "phone");
    assert_eq!(outcome(&world.send("alice", "bob", "hi")), "delivered");
    world.prefer("bob", |preferences| preferences.device_messages = false);
    assert_eq!(outcome(&world.send("alice", "bob", "hi")), "stored");
}

#[test]
fn a_message_nobody_confirms_finds_another_way() {
    let mut world = World::of(&["alice", "bob"]);
    let phone = world.open("bob", SessionKind::Device, "phone");
    world.deaf.push(phone);
    assert_eq!(outcome(&world.send("alice", "bob", "stored then")), "stored");
    assert_eq!(world.archived("bob"), 1, "the way back does not archive again");
    world.prefer("bob", |preferences| preferences.offline_storage = false);
    assert_eq!(outcome(&world.send("alice", "bob", "bounced then")), "no session");
}

#[test]
fn a_session_that_keeps_refusing_is_not_asked_for_ever() {
    let mut world = World::of(&["alice", "bob"]);
    let desk = world.client("bob", "desk");
    world.deaf.push(desk);
    assert_eq!(outcome(&world.send("alice", "bob", "hi")), "stored");
}

#[test]
fn without_offline_storage_the_sender_gets_no_address_found() {
    let mut world = World::of(&["alice", "bob"]);
    world.prefer("bob", |preferences| preferences.offline_storage = false);
    assert_eq!(outcome(&world.send("alice", "bob", "hi")), "no session");
    assert_eq!(world.archived("bob"), 0);
    assert_eq!(outcome(&world.send("alice", "nobody", "hi")), "not found");
}

#[test]
fn passing_notes_for_the_absent_vanish_silently() {
    let mut world = World::of(&["alice", "bob"]);
    assert_eq!(outcome(&world.send_as(MessageKind::Chat, Keep::PASSING, "alice", "bob", "")), "accepted");
    assert!(world.stored.is_empty());
}

#[test]
fn accepted_senders_besides_buddies() {
    use crate::storage::AcceptedSenders::{Authenticated, Everybody, Nobody, SameDomain};
    for (choice, sender, expected) in [
        (Everybody, "alice@example.org", "stored"),
        (Authenticated, "alice@example.org", "stored"),
        (Authenticated, "carol@example.net", "stored"),
        (SameDomain, "alice@example.org", "stored"),
        (SameDomain, "carol@example.net", "forbidden"),
        (Nobody, "alice@example.org", "forbidden"),
        (Nobody, "buddy@example.net", "stored"),
        (Nobody, "bob@example.org", "stored"),
    ] {
        let mut world = World::of(&["bob", "alice", "carol@example.net", "buddy@example.net"]);
        world.prefer("bob", |preferences| preferences.accepted_senders = choice);
        world.befriend("bob", "buddy@example.net");
        let message = world.message(MessageKind::Chat, Keep::ALL, sender, "bob", "hi");
        let reply = Some(ReplyTo::Waiter(RequestId(0)));
        let signal = Signal::Message(message);
        world.input("bob", Input::Signal { signal, reply });
        assert_eq!(outcome(&world.answers[0].outcome), expected, "{choice:?} {sender}");
        if expected == "forbidden" {
            let is_note = |(_, write): &(_, Write)| matches!(write, Write::Refused(_));
            assert!(world.stored.iter().all(is_note), "nothing is stored of what is refused");
        }
    }
}

#[test]
fn a_stranger_cannot_send_in_the_owners_name() {
    let mut world = World::of(&["alice", "bob"]);
    let message = world.message(MessageKind::Chat, Keep::ALL, "bob", "alice", "hi");
    assert_eq!(outcome(&world.ask("alice", None, Request::Send(message))), "forbidden");
}

#[test]
fn questions_reach_a_session_only_from_those_who_may_see_it() {
    let mut world = World::of(&["alice", "bob", "eve"]);
    let desk = world.client("bob", "desk");
    world.befriend("alice", "bob");
    for (from, reached) in [("alice/x", true), ("bob/x", true), ("eve/x", false)] {
        let query = Arc::new(crate::signal::Query {
            from: party(from),
            to: party("bob/desk"),
            id: "q1".into(),
            kind: crate::signal::QueryKind::Ask,
            native: Native::None,
        });
        let reply = Some(ReplyTo::Waiter(RequestId(7)));
        world.forget();
        world.input("bob", Input::Signal { signal: Signal::Query(query), reply });
        assert_eq!(!world.heard(desk).is_empty(), reached, "{from}");
        let outcomes: Vec<bool> = world.answers.iter().map(|answer| answer.outcome.is_ok()).collect();
        assert_eq!(outcomes, [reached], "{from}");
    }
}

#[test]
fn a_session_whose_connection_broke_misses_nothing_and_holds_nothing_up() {
    use MessageKind::{Chat, Group, Headline, Normal};
    // Whether Bob has another session, to whom, kind; the outcome, and what the broken session is to be told.
    for (has_other, to, kind, expected, told) in [
        (false, "bob", Chat, "stored", "Original: hi"),
        (false, "bob/desk", Chat, "stored", "Original: hi"),
        (false, "bob/desk", Normal, "stored", "Original: hi"),
        (false, "bob/desk", Group, "accepted", "Original: hi"),
        (false, "bob/desk", Headline, "accepted", "Original: hi"),
        (false, "bob/other", Headline, "no session", ""),
        (true, "bob", Chat, "delivered", "Original: hi"),
        (true, "bob/desk", Chat, "stored", "Original: hi"),
        (true, "bob/other", Chat, "delivered", "Received: hi"),
    ] {
        let mut world = World::of(&["alice", "bob"]);
        let desk = world.client("bob", "desk");
        world.input("bob", Input::Change { session: desk, change: SessionChange::Dormant(true) });
        if has_other {
            world.client("bob", "other");
        }
        world.heard(desk);
        let result = world.send_as(kind, Keep::ALL, "alice", to, "hi");
        assert_eq!(outcome(&result), expected, "{has_other} {to} {kind:?}");
        let words: Vec<&str> = (!told.is_empty()).then_some(told).into_iter().collect();
        assert_eq!(world.heard(desk), words, "{has_other} {to} {kind:?}");
    }
}

#[test]
fn what_was_stored_meanwhile_is_read_when_the_connection_is_back() {
    let mut world = World::of(&["alice", "bob"]);
    let desk = world.client("bob", "desk");
    world.input("bob", Input::Change { session: desk, change: SessionChange::Dormant(true) });
    world.send("alice", "bob", "hi").unwrap();
    assert!(world.reads.is_empty());
    world.input("bob", Input::Change { session: desk, change: SessionChange::Dormant(false) });
    assert_eq!(world.reads, [(address("bob"), desk)]);
}

//! Who may write and call: the owner's blocks, message rules, contacts and preference, together.

use super::*;
use crate::{
    signal::{
        CallId, CallOffer, Condition, Entity, Handling, Identity, Period, Rule, Ruleset, Signal, SignalKind,
    },
    storage::{AcceptedSenders, RefusalReason},
};

fn one(name: &str) -> Condition {
    Condition::Identity(vec![Identity::One(Entity::Account(address(name)))])
}

fn many(domain: Option<&str>) -> Condition {
    Condition::Identity(vec![Identity::Many { domain: domain.map(Into::into), except: Vec::new() }])
}

fn rule(id: &str, conditions: &[Condition], handling: Handling) -> Rule {
    Rule { id: id.into(), conditions: conditions.to_vec(), handling: Some(handling), view: None }
}

fn ruleset(rules: &[Rule]) -> Option<Arc<Ruleset>> {
    Some(Arc::new(Ruleset { rules: rules.to_vec(), ..Ruleset::default() }))
}

/// What becomes of a message from alice to bob, and what bob's list of refusals says of it.
fn fate(world: &mut World) -> String {
    world.stored.clear();
    let outcome = match world.send("alice", "bob", "hi") {
        Ok(Reply::Sent(sent)) => format!("{sent:?}"),
        Err(reject) => format!("{:?}", reject.reason),
        other => panic!("unexpected {other:?}"),
    };
    let noted = world.stored.iter().find_map(|(_, write)| match write {
        Write::Refused(refusal) => Some(refusal.clone()),
        _ => None,
    });
    match noted {
        None => outcome,
        Some(refusal) => {
            assert_eq!((refusal.from, refusal.kind), (address("alice"), SignalKind::Message));
            match refusal.reason {
                RefusalReason::Blocked => format!("{outcome}: blocked"),
                RefusalReason::MessageRule { id } => format!("{outcome}: rule {id}"),
                RefusalReason::AcceptedSenders { choice } => format!("{outcome}: {choice}"),
                RefusalReason::Rule { id, .. } => format!("{outcome}: automated {id}"),
            }
        }
    }
}

#[test]
fn what_the_owner_said_about_senders_decides_together() {
    use Handling::{Allow, Block, Confirm, PoliteBlock};
    let past = Condition::Validity(vec![Period { from: Timestamp(0), until: Timestamp(1) }]);
    // Rules on presence, rules on messages, whether alice is a contact, who else may write; the fate.
    for (presence, messages, is_contact, choice, expect) in [
        (vec![], vec![], false, AcceptedSenders::Everybody, "Delivered"),
        (vec![], vec![], false, AcceptedSenders::Nobody, "Forbidden: nobody"),
        (vec![], vec![], true, AcceptedSenders::Nobody, "Delivered"),
        (
            vec![rule("p", &[one("alice")], Block)],
            vec![],
            true,
            AcceptedSenders::Everybody,
            "NoSession: blocked",
        ),
        (
            vec![rule("p", &[one("alice")], Block)],
            vec![rule("m", &[one("alice")], Allow)],
            true,
            AcceptedSenders::Everybody,
            "NoSession: blocked",
        ),
        (
            vec![rule("p", &[one("alice")], Block), rule("q", &[one("alice")], Allow)],
            vec![],
            false,
            AcceptedSenders::Everybody,
            "Delivered",
        ),
        (vec![rule("p", &[many(None)], Block)], vec![], false, AcceptedSenders::Everybody, "Delivered"),
        (
            vec![rule("p", &[one("alice")], PoliteBlock)],
            vec![],
            false,
            AcceptedSenders::Everybody,
            "Delivered",
        ),
        (
            vec![],
            vec![rule("m", &[one("alice")], Block)],
            true,
            AcceptedSenders::Everybody,
            "Forbidden: rule m",
        ),
        (
            vec![],
            vec![rule("m", &[many(Some("example.org"))], PoliteBlock)],
            true,
            AcceptedSenders::Everybody,
            "Accepted: rule m",
        ),
        (vec![], vec![rule("m", &[one("alice")], Allow)], false, AcceptedSenders::Nobody, "Delivered"),
        (
            vec![],
            vec![rule("m", &[one("alice")], Confirm)],
            false,
            AcceptedSenders::Nobody,
            "Forbidden: nobody",
        ),
        (vec![], vec![rule("m", &[past], Block)], false, AcceptedSenders::Everybody, "Delivered"),
        (vec![], vec![rule("m", &[one("carol")], Block)], false, AcceptedSenders::Everybody, "Delivered"),
        (
            vec![],
            vec![rule("m", &[many(None)], Block), rule("n", &[one("alice")], Allow)],
            false,
            AcceptedSenders::Nobody,
            "Delivered",
        ),
    ] {
        let mut world = World::of(&["alice", "bob"]);
        world.client("bob", "desk");
        world.prefer("bob", |preferences| preferences.accepted_senders = choice);
        if is_contact {
            let (address, groups) = (address("alice"), smallvec::SmallVec::new());
            world.ask("bob", None, Request::SetContact { address, name: None, groups }).unwrap();
        }
        world.ask("bob", None, Request::SetRules(ruleset(&presence))).unwrap();
        world.ask("bob", None, Request::SetMessageRules(ruleset(&messages))).unwrap();
        assert_eq!(fate(&mut world), expect, "{presence:?} {messages:?} {is_contact} {choice}");
    }
}

#[test]
fn message_rules_are_taken_back_and_the_owner_is_never_refused() {
    let mut world = World::of(&["alice", "bob"]);
    world.client("bob", "desk");
    let rules = ruleset(&[rule("all", &[], Handling::Block)]);
    world.ask("bob", None, Request::SetMessageRules(rules.clone())).unwrap();
    assert_eq!(world.ask("bob", None, Request::MessageRules), Ok(Reply::Rules(rules)));
    assert_eq!(fate(&mut world), "Forbidden: rule all");
    assert!(world.send("bob", "bob", "note").is_ok());
    world.ask("bob", None, Request::SetMessageRules(None)).unwrap();
    assert_eq!(fate(&mut world), "Delivered");
}

#[test]
fn passing_notes_are_refused_without_a_word_to_the_owner() {
    let mut world = World::of(&["alice", "bob"]);
    world.prefer("bob", |preferences| preferences.accepted_senders = AcceptedSenders::Nobody);
    assert!(world.send_as(MessageKind::Chat, Keep::PASSING, "alice", "bob", "").is_err());
    assert!(world.stored.is_empty());
}

#[test]
fn who_is_blocked_finds_no_phone_and_others_do() {
    let mut world = World::of(&["bob"]);
    let phone = world.open("bob", SessionKind::Device, "phone");
    let rules = ruleset(&[rule("p", &[one("mallory")], Handling::Block)]);
    world.ask("bob", None, Request::SetRules(rules)).unwrap();
    for (caller, expect) in [("mallory", Err(Reason::NoSession.into())), ("alice", Ok(vec![phone]))] {
        let offer = CallOffer::new(CallId("c".into()), party(caller), party("bob"));
        world.forget();
        let reply = Some(ReplyTo::Waiter(RequestId(7)));
        world.input("bob", Input::Signal { signal: Signal::Call(Arc::new(offer)), reply });
        let outcome = match world.answers[0].outcome.clone() {
            Ok(Reply::Ring(ring)) => Ok(ring.sessions),
            other => Err(other.expect_err("a ring")),
        };
        assert_eq!(outcome, expect);
        let noted = world.stored.iter().any(|(_, write)| matches!(write, Write::Refused(_)));
        assert_eq!(noted, caller == "mallory");
    }
}

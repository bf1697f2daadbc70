//! Calls go through their states, and everybody in them is told.

use super::*;

fn address(name: &str) -> Address {
    Address::parse(&format!("{name}@example.org")).unwrap()
}

fn calling() -> CallStates {
    let mut states = CallStates::default();
    let beginning = Beginning {
        caller: address("alice"),
        called: address("bob"),
        call_id: "c1".into(),
        caller_tag: "a".into(),
        caller_session: Some(SessionId(1)),
        caller_name: Some("Alice".into()),
        caller_target: None,
        replaces: None,
        referred_by: None,
        at: Timestamp(0),
    };
    assert_eq!(states.begin("t", beginning).accounts.as_slice(), [address("alice"), address("bob")]);
    states
}

fn heard(tag: &str) -> Heard {
    Heard { tag: tag.into(), target: Some(format_compact!("sip:{tag}@192.0.2.1")) }
}

fn seen(
    states: &CallStates,
    name: &str,
    touched: Option<&Touched>,
) -> Vec<(Direction, State, Option<Event>)> {
    let dialogs = states.of(&address(name), touched).dialogs.into_iter();
    dialogs.map(|dialog| (dialog.direction, dialog.state, dialog.event)).collect()
}

#[test]
fn a_call_goes_through_its_states_and_both_ends_see_it() {
    use Direction::{Initiator, Recipient};
    let mut states = calling();
    assert_eq!(seen(&states, "alice", None), [(Initiator, State::Trying, None)]);
    for (tag, is_talking, state, count) in [
        (None, false, State::Proceeding, 1),
        (Some("b"), false, State::Early, 1),
        (Some("d"), false, State::Early, 2),
        (Some("d"), false, State::Early, 2),
        (Some("b"), true, State::Confirmed, 1),
    ] {
        states.hear("t", tag.map(heard), Some(SessionId(2)), is_talking);
        assert_eq!(seen(&states, "bob", None), vec![(Recipient, state, None); count]);
    }
    let dialog = states.of(&address("bob"), None).dialogs.remove(0);
    assert_eq!((dialog.local_tag.as_deref(), dialog.remote_tag.as_deref()), (Some("b"), Some("a")));
    assert_eq!(dialog.remote.display.as_deref(), Some("Alice"));
    assert_eq!(states.fail("t", Some(487)), Touched::default(), "somebody took it");

    let touched = states.hang_up("t", "b", End::Called);
    assert_eq!(
        seen(&states, "alice", Some(&touched)),
        [(Initiator, State::Terminated, Some(Event::RemoteBye))]
    );
    let last = states.of(&address("bob"), Some(&touched)).dialogs.remove(0);
    assert_eq!(last.local_tag.as_deref(), Some("b"), "the end names the call");
    assert_eq!(seen(&states, "bob", Some(&touched)), [(Recipient, State::Terminated, Some(Event::LocalBye))]);
    assert_eq!(seen(&states, "bob", None), []);
    assert!(states.calls.is_empty() && states.by_account.is_empty());
}

/// RFC 3891 §3: another phone takes the call that rings, by the ids that the package told it.
#[test]
fn each_phone_that_rings_is_a_dialog_that_can_be_replaced() {
    let mut states = calling();
    states.hear("t", Some(heard("b")), Some(SessionId(2)), false);
    states.hear("t", Some(heard("d")), Some(SessionId(3)), false);
    let ringing = states.of(&address("bob"), None).dialogs;
    let ids: Vec<_> = ringing.iter().map(|dialog| (&*dialog.id, dialog.local_tag.as_deref())).collect();
    assert_eq!(ids, [("ti", Some("b")), ("ti1", Some("d"))]);
    let taken = ringing[1].clone();
    let replaced = Identifier {
        call_id: taken.call_id,
        local_tag: taken.remote_tag.unwrap(),
        remote_tag: taken.local_tag,
    };
    let beginning = Beginning {
        caller: address("carol"),
        called: address("alice"),
        call_id: "c2".into(),
        caller_tag: "x".into(),
        caller_session: None,
        caller_name: None,
        caller_target: None,
        replaces: Some(replaced.clone()),
        referred_by: None,
        at: Timestamp(1),
    };
    states.begin("u", beginning);
    states.hear("u", Some(heard("y")), Some(SessionId(1)), true);
    let touched = states.fail("t", Some(487));
    let seen = states.of(&address("alice"), Some(&touched)).dialogs;
    let ended: Vec<_> = seen.iter().filter_map(|dialog| dialog.event).collect();
    assert_eq!(ended, [Event::Replaced, Event::Replaced]);
    let new = seen.iter().find(|dialog| dialog.state == State::Confirmed).unwrap();
    assert_eq!((&new.replaces, new.local.target.as_deref()), (&Some(replaced), Some("sip:y@192.0.2.1")));
}

#[test]
fn calls_that_nobody_takes_say_why() {
    for (status, event) in
        [(Some(486), Event::Rejected), (Some(487), Event::Cancelled), (None, Event::Timeout)]
    {
        let mut states = calling();
        states.hear("t", Some(heard("b")), Some(SessionId(2)), false);
        let touched = states.fail("t", status);
        let dialogs = states.of(&address("bob"), Some(&touched)).dialogs;
        assert_eq!((dialogs[0].event, dialogs[0].code), (Some(event), status));
    }
}

#[test]
fn a_phone_that_is_gone_talks_no_more() {
    for (name, session) in [("alice", 1), ("bob", 2)] {
        let mut states = calling();
        states.hear("t", Some(heard("b")), Some(SessionId(2)), true);
        let all = states.leave(&address(name), SessionId(session));
        assert_eq!(all.len(), 1, "{name}");
        assert_eq!(all[0].ended[0].1.event, Some(Event::Error));
        assert_eq!(states.leave(&address(name), SessionId(session)), []);
    }
    let mut states = calling();
    states.hear("t", Some(heard("b")), Some(SessionId(2)), true);
    assert_eq!(states.expire("t").ended[0].1.event, Some(Event::Timeout));
}

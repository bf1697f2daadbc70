//! Every row of the tables of RFC 6121 appendix A, read from the RFC's own text: what is passed on, what is told
//! and in which order, what the next state is.

use super::*;
use crate::{
    account::subscription::State,
    signal::{Contact, ContactRequest, ContactSignal},
};

/// One row.
struct Line {
    is_outbound: bool,
    event: ContactEvent,
    state: State,
    /// It is routed, or delivered.
    passes: bool,
    /// The last column.
    outcome: String,
}

impl Line {
    fn next(&self) -> State {
        state_of(&self.outcome).unwrap_or(self.state)
    }
}

fn lines() -> Vec<Line> {
    let mut table = None;
    let mut lines = Vec::new();
    for line in include_str!("../../../tests/data/rfc6121_subscriptions.txt").lines().skip(1) {
        if let Some((direction, event)) = line.split_once(' ').filter(|_| !line.starts_with(' ')) {
            let event = match event {
                "subscribe" => ContactEvent::Subscribe,
                "subscribed" => ContactEvent::Subscribed,
                "unsubscribe" => ContactEvent::Unsubscribe,
                "unsubscribed" => ContactEvent::Unsubscribed,
                other => panic!("no table is about {other}"),
            };
            table = Some((direction == "outbound", event));
        } else if let Some((is_outbound, event)) = table.filter(|_| !line.is_empty()) {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let mut cell = || cells.next().expect("three columns").trim_matches('"').to_owned();
            let state = state_of(&cell()).expect("a state");
            let passes = cell() == "MUST";
            lines.push(Line { is_outbound, event, state, passes, outcome: cell() });
        }
    }
    assert_eq!(lines.len(), 2 * 4 * 9);
    lines
}

fn state_of(name: &str) -> Option<State> {
    Some(match name {
        "None" => State::Nothing,
        "None + Pending Out" => State::NonePendingOut,
        "None + Pending In" => State::NonePendingIn,
        "None + Pending Out+In" => State::NonePendingOutIn,
        "To" => State::To,
        "To + Pending In" => State::ToPendingIn,
        "From" => State::From,
        "From + Pending Out" => State::FromPendingOut,
        "Both" => State::Both,
        _ => return None,
    })
}

/// Alice in this state towards Bob, who knows nothing of it; both are there.
fn world_in(state: State) -> (World, SessionId, SessionId) {
    let mut world = World::of(&["alice", "bob"]);
    let alice = world.client("alice", "desk");
    let bob = world.client("bob", "nest");
    let mut contact = Contact::new(address("bob"));
    (contact.to, contact.from, contact.ask) = state.flags();
    let account = world.account("alice");
    if state.flags() != (false, false, false) {
        account.roster.set(contact);
    }
    if state.is_pending_in() {
        let (from, at) = (address("bob"), Timestamp(1));
        let request = ContactRequest { from, at, note: None, native: Native::None, origin_id: None };
        account.requests.insert(address("bob"), request);
    }
    world.forget();
    (world, alice, bob)
}

/// What the account does on one input, routed contact signals and told sessions alone, in words.
fn done(world: &mut World, input: Input) -> Vec<String> {
    let mut effects = Vec::new();
    world.account("alice").handle(input, Timestamp(2_000_000), &mut effects);
    let words = effects.into_iter().filter_map(|effect| match effect {
        Effect::Route { signal: Signal::Contact(signal), .. } => {
            assert_eq!((signal.from.clone(), signal.to.clone()), (address("alice"), address("bob")));
            Some(format!("route {:?}", signal.event))
        }
        Effect::Route { signal: Signal::Presence { notice, .. }, .. } => {
            Some(format!("show {:?}", notice.presence.availability))
        }
        Effect::TellAll { event: event @ (Event::Contact(_) | Event::Roster(_)), .. } => {
            Some(event_words(&event))
        }
        _ => None,
    });
    words.collect()
}

fn roster_words(state: State, approved: bool) -> String {
    let (to, from, ask) = state.flags();
    let flags = [(to, "to"), (from, "from"), (ask, "ask"), (approved, "approved")];
    let flags: Vec<_> = flags.iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect();
    format!("roster bob@example.org [{}]", flags.join(" "))
}

#[test]
fn every_row_of_the_outbound_tables() {
    for line in lines().into_iter().filter(|line| line.is_outbound) {
        let (mut world, ..) = world_in(line.state);
        let what = format!("{:?} in {:?}", line.event, line.state);
        let request = Request::Contact {
            to: address("bob"),
            event: line.event,
            note: None,
            native: Native::None,
            origin_id: None,
        };
        let input = Input::of_request(None, request, None);
        let done = done(&mut world, input);
        let is_approval = line.outcome == "pre-approval";
        let mut expected = Vec::new();
        if line.state.flags() != line.next().flags() || is_approval {
            expected.push(roster_words(line.next(), is_approval));
        }
        let ((_, saw, _), (_, sees, _)) = (line.state.flags(), line.next().flags());
        if saw && !sees {
            expected.push("show Offline".to_owned());
        }
        if line.passes {
            expected.push(format!("route {:?}", line.event));
        }
        if sees && !saw {
            expected.push("show Online".to_owned());
        }
        assert_eq!(done, expected, "{what}");
        assert_eq!(world.account("alice").subscription(&address("bob")), line.next(), "{what}");
        let approved = world.account("alice").roster.find(&address("bob")).is_some_and(|it| it.approved);
        assert_eq!(approved, is_approval, "{what}");
    }
}

#[test]
fn every_row_of_the_inbound_tables() {
    for line in lines().into_iter().filter(|line| !line.is_outbound) {
        let (mut world, ..) = world_in(line.state);
        let what = format!("{:?} in {:?}", line.event, line.state);
        let signal = ContactSignal::plain(address("bob"), address("alice"), line.event);
        let signal = Signal::Contact(Arc::new(signal));
        let done = done(&mut world, Input::Signal { signal, reply: None });
        let ((_, saw, _), (_, sees, _)) = (line.state.flags(), line.next().flags());
        let mut expected = Vec::new();
        if line.passes {
            expected.push(format!("bob@example.org says {:?}", line.event));
        }
        if line.state.flags() != line.next().flags() {
            expected.push(roster_words(line.next(), false));
        }
        if saw && !sees {
            expected.push("show Offline".to_owned());
        }
        // The footnotes of tables 6 and 7.
        match line.event {
            ContactEvent::Subscribe if saw => expected.push("route Subscribed".to_owned()),
            ContactEvent::Unsubscribe if line.passes => expected.push("route Unsubscribed".to_owned()),
            _ => {}
        }
        assert_eq!(done, expected, "{what}");
        assert_eq!(world.account("alice").subscription(&address("bob")), line.next(), "{what}");
        assert_eq!(
            world.account("alice").roster.find(&address("bob")).is_some(),
            line.state.flags() != (false, false, false),
            "{what}: whom the owner did not add is not added (§3.1.3)"
        );
    }
}

#[test]
fn a_yes_in_advance_is_given_in_every_state_that_has_room_for_it_and_taken_back() {
    for state in [State::Nothing, State::NonePendingOut, State::To] {
        let (mut world, alice, bob) = world_in(state);
        world.say("alice", "bob", ContactEvent::Subscribed);
        world.say("alice", "bob", ContactEvent::Unsubscribed);
        let contact = world.account("alice").roster.find(&address("bob")).cloned();
        assert!(contact.is_some_and(|contact| !contact.approved), "{state:?}");
        assert_eq!(
            world.heard(alice),
            [roster_words(state, true), roster_words(state, false)],
            "{state:?}: both are pushed"
        );
        assert!(world.heard(bob).is_empty(), "{state:?}: and neither is passed on");

        world.say("alice", "bob", ContactEvent::Subscribed);
        world.forget();
        world.say("bob", "alice", ContactEvent::Subscribe);
        let (to, _, ask) = state.flags();
        let contact = world.account("alice").roster.find(&address("bob")).cloned().expect("a contact");
        assert_eq!((contact.to, contact.from, contact.ask), (to, true, ask), "{state:?}");
        assert!(world.heard(alice).iter().all(|words| !words.contains("says Subscribe")), "{state:?}");
        let heard = world.heard(bob);
        assert!(heard.contains(&"alice@example.org says Subscribed".to_owned()), "{state:?}: {heard:?}");
    }
}

#[test]
fn who_asked_twice_is_shown_once_and_no_probe_ends_a_yes_in_advance() {
    let (mut world, ..) = world_in(State::Nothing);
    world.say("alice", "bob", ContactEvent::Subscribed);
    let probe = Signal::Probe(Box::new(Probe {
        from: party("bob/nest").into(),
        to: party("alice"),
        origin_id: None,
    }));
    world.input("alice", Input::Signal { signal: probe, reply: None });
    assert!(world.account("alice").roster.find(&address("bob")).is_some_and(|contact| contact.approved));
}

#[test]
fn removing_a_contact_in_any_state_ends_what_was_shared_in_order() {
    for line in lines().into_iter().filter(|line| line.is_outbound && line.event == ContactEvent::Subscribe) {
        let (to, from, ask) = line.state.flags();
        let (mut world, ..) = world_in(line.state);
        let request = Request::RemoveContact { address: address("bob") };
        let done = done(&mut world, Input::of_request(None, request, None));
        let mut expected = Vec::new();
        let is_contact = to || from || ask;
        if to || ask {
            expected.push("route Unsubscribe");
        }
        if from {
            expected.push("show Offline");
        }
        if from || (is_contact && line.state.is_pending_in()) {
            expected.push("route Unsubscribed");
        }
        let gone = done.last().is_some_and(|words| words.contains("gone"));
        assert_eq!(gone, is_contact, "{:?}: {done:?}", line.state);
        assert_eq!(done[..done.len() - usize::from(gone)], expected, "{:?}", line.state);
        assert!(!is_contact || world.account("alice").subscription(&address("bob")) == State::Nothing);
    }
}

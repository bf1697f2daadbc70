//! The owner's rules and her roster as one policy, and what changes at once with them; the state that she
//! sets by hand.

use super::*;
use crate::signal::{Condition, Entity, Granted, Handling, Identity, Native, Period, Rule, Ruleset, View};

fn one(name: &str) -> Condition {
    Condition::Identity(vec![Identity::One(Entity::Account(address(name)))])
}

fn rule(id: &str, conditions: &[Condition], handling: Handling) -> Rule {
    Rule { id: id.into(), conditions: conditions.to_vec(), handling: Some(handling), view: None }
}

impl World {
    fn set_rules(&mut self, rules: &[Rule]) {
        let ruleset = Ruleset { rules: rules.to_vec(), ..Ruleset::default() };
        let reply = self.ask("bob", None, Request::SetRules(Some(Arc::new(ruleset))));
        assert_eq!(reply, Ok(Reply::Done));
    }

    fn state(&self, watch: WatchId) -> WatchState {
        self.last_shown(watch).0
    }

    fn times_shown(&self, watch: WatchId) -> usize {
        self.shown.get(&watch).map_or(0, Vec::len)
    }

    fn availability(&self, watch: WatchId) -> Availability {
        self.last_shown(watch).1.expect("a snapshot").aggregate.availability
    }

    fn view(&self, watch: WatchId) -> Arc<View> {
        match self.shown[&watch].last() {
            Some((_, Some(Shown::Presence { view, .. }))) => Arc::clone(view),
            other => panic!("no view but {other:?}"),
        }
    }
}

/// OMA's condition for those who do not say who they are; without one they wait, and nobody is asked.
#[test]
fn rules_for_anonymous_requests_decide_about_those() {
    let anonymous = |world: &mut World| {
        let watch = WatchId(world.number());
        let until = Timestamp(world.now.0 + 1000);
        let spec = WatchSpec { watcher: Address::anonymous(), name: None, kind: WatchKind::Presence, until };
        world.input("bob", Input::Watch { watch, spec: Box::new(spec) });
        watch
    };
    let mut world = World::of(&["bob"]);
    let owner = world.client("bob", "desk");
    world.heard(owner);
    let watch = anonymous(&mut world);
    assert_eq!(world.state(watch), WatchState::Pending);
    assert_eq!(world.heard(owner), [""; 0], "an answer would be none to the next one");
    for (handling, state) in [(Handling::Allow, WatchState::Active), (Handling::Confirm, WatchState::Pending)]
    {
        let everybody = rule("2", &[Condition::OtherIdentity], Handling::Block);
        world.set_rules(&[rule("1", &[Condition::AnonymousRequest], handling), everybody]);
        assert_eq!(world.state(watch), state);
    }
    world.set_rules(&[rule("1", &[Condition::AnonymousRequest], Handling::Block)]);
    assert_eq!(world.state(watch), WatchState::Rejected);
    let watch = anonymous(&mut world);
    assert_eq!(world.state(watch), WatchState::Rejected);
}

#[test]
fn rules_act_on_live_watches_at_once() {
    let mut world = World::of(&["bob"]);
    let desk = world.client("bob", "desk");
    let watch = world.watch("alice", "bob");
    assert_eq!(world.state(watch), WatchState::Pending);
    world.set_rules(&[rule("1", &[one("alice")], Handling::Allow)]);
    assert_eq!((world.state(watch), world.availability(watch)), (WatchState::Active, Availability::Online));
    world.set_rules(&[rule("1", &[one("alice")], Handling::Confirm)]);
    assert_eq!(world.last_shown(watch), (WatchState::Pending, None));
    world.announce("bob", desk, Availability::Away, 0);
    assert_eq!(world.last_shown(watch), (WatchState::Pending, None));
    world.set_rules(&[rule("1", &[one("alice")], Handling::PoliteBlock)]);
    assert_eq!((world.state(watch), world.availability(watch)), (WatchState::Active, Availability::Offline));
    assert!(world.last_shown(watch).1.unwrap().resources.is_empty());
    let times = world.times_shown(watch);
    world.announce("bob", desk, Availability::Busy, 0);
    assert_eq!(world.times_shown(watch), times, "nothing changes for him");
    world.set_rules(&[rule("1", &[one("alice")], Handling::Allow)]);
    assert_eq!(world.availability(watch), Availability::Busy);
    world.set_rules(&[rule("1", &[one("alice")], Handling::Block)]);
    assert_eq!(world.last_shown(watch), (WatchState::Rejected, None));
    let again = world.watch("alice", "bob");
    assert_eq!(world.last_shown(again), (WatchState::Rejected, None));
    world.ask("bob", None, Request::SetRules(None)).unwrap();
    let again = world.watch("alice", "bob");
    assert_eq!(world.state(again), WatchState::Pending);
}

#[test]
fn a_granted_contact_sees_unless_a_rule_blocks_him() {
    for (handling, seen) in [
        (Handling::Block, false),
        (Handling::PoliteBlock, false),
        (Handling::Confirm, true),
        (Handling::Allow, true),
    ] {
        let mut world = World::of(&["alice", "bob"]);
        world.befriend("alice", "bob");
        let alice = world.client("alice", "desk");
        let bob = world.client("bob", "desk");
        world.forget();
        world.set_rules(&[rule("1", &[one("alice")], handling)]);
        let unavailable = "bob@example.org/desk is Offline, all Some(Offline)".to_owned();
        assert_eq!(world.heard(alice), if seen { vec![] } else { vec![unavailable] }, "{handling:?}");
        world.announce("bob", bob, Availability::Away, 0);
        assert_eq!(world.heard(alice).is_empty(), !seen, "{handling:?}");
        let probe = Signal::Probe(Box::new(Probe {
            from: party("alice/desk").into(),
            to: party("bob"),
            origin_id: None,
        }));
        world.input("bob", Input::Signal { signal: probe, reply: None });
        let answer = world.heard(alice);
        let expected = if seen {
            "bob@example.org/desk is Away, all Some(Away)"
        } else {
            "bob@example.org is Offline, all Some(Offline)"
        };
        assert_eq!(answer, [expected], "{handling:?}");
        world.set_rules(&[]);
        let back = "bob@example.org/desk is Away, all Some(Away)".to_owned();
        assert_eq!(world.heard(alice), if seen { vec![] } else { vec![back] }, "{handling:?}");
    }
}

#[test]
fn rules_answer_those_who_ask_to_be_contacts() {
    let mut world = World::of(&["alice", "bob", "carol", "dave"]);
    let owner = world.client("bob", "desk");
    world.say("carol", "bob", ContactEvent::Subscribe);
    world.forget();
    world.set_rules(&[
        rule("1", &[one("alice")], Handling::Allow),
        rule("2", &[one("carol")], Handling::Allow),
        rule("3", &[one("dave")], Handling::Block),
    ]);
    assert!(world.heard(owner).contains(&"carol@example.org settled true".to_owned()));
    assert!(world.account("carol").roster.find(&address("bob")).unwrap().to);
    world.say("alice", "bob", ContactEvent::Subscribe);
    assert_eq!(world.heard(owner), ["roster alice@example.org [from]"]);
    assert!(world.account("alice").roster.find(&address("bob")).unwrap().to);
    world.say("dave", "bob", ContactEvent::Subscribe);
    assert_eq!(world.heard(owner), [""; 0]);
    assert!(!world.account("dave").roster.find(&address("bob")).unwrap().ask);
}

#[test]
fn a_rule_begins_and_ends_to_hold_in_time() {
    let mut world = World::of(&["bob"]);
    world.client("bob", "desk");
    let watch = world.watch("alice", "bob");
    let (from, until) = (world.now.plus_seconds(100), world.now.plus_seconds(200));
    world.set_rules(&[rule(
        "1",
        &[one("alice"), Condition::Validity(vec![Period { from, until }])],
        Handling::Allow,
    )]);
    assert_eq!(world.state(watch), WatchState::Pending);
    for (expected, state) in [(from, WatchState::Active), (until, WatchState::Pending)] {
        let at = world.wakes.pop().unwrap().1;
        assert_eq!(at, expected);
        world.now = at;
        world.input("bob", Input::Tick);
        assert_eq!(world.state(watch), state);
    }
}

#[test]
fn the_sphere_of_all_publications_decides() {
    let mut world = World::of(&["bob"]);
    let watch = world.watch("alice", "bob");
    world.set_rules(&[rule("1", &[one("alice"), Condition::Sphere(vec!["work".into()])], Handling::Allow)]);
    let phone = world.open("bob", SessionKind::Device, "phone");
    let other = world.open("bob", SessionKind::Publication, "desk");
    let mut say = |session, sphere: Option<&str>| {
        let presence = Presence { sphere: sphere.map(Into::into), ..Presence::online(Timestamp(1)) };
        world.input("bob", Input::Presence { session, presence: Arc::new(presence) });
        world.state(watch)
    };
    assert_eq!(say(phone, Some("Work")), WatchState::Active);
    assert_eq!(say(other, None), WatchState::Active);
    assert_eq!(say(other, Some("home")), WatchState::Pending);
    assert_eq!(say(other, Some("work")), WatchState::Active);
}

#[test]
fn equal_views_are_one() {
    let mut world = World::of(&["bob"]);
    let services = |id: &str| Rule {
        view: Some(View { services: Granted::All, ..View::nothing() }),
        ..rule(id, &[one(id)], Handling::Allow)
    };
    world.set_rules(&[services("alice"), services("carol"), rule("dave", &[one("dave")], Handling::Allow)]);
    let [alice, carol, dave] = ["alice", "carol", "dave"].map(|name| world.watch(name, "bob"));
    assert!(Arc::ptr_eq(&world.view(alice), &world.view(carol)));
    assert_eq!(world.view(alice).services, Granted::All);
    assert_ne!(world.view(alice), world.view(dave));
    // What may be seen changes, and nothing else.
    world.set_rules(&[rule("alice", &[one("alice")], Handling::Allow), services("carol")]);
    assert_eq!(*world.view(alice), View::everything());
    assert_eq!(
        (world.times_shown(alice), world.times_shown(carol), world.state(dave)),
        (2, 1, WatchState::Pending)
    );
}

#[test]
fn rules_are_durable_bounded_and_read_again() {
    let mut world = World::of(&["alice", "bob"]);
    world.befriend("alice", "bob");
    let rules = [rule("1", &[one("alice")], Handling::PoliteBlock)];
    world.set_rules(&rules);
    let ruleset = Ruleset { rules: rules.to_vec(), ..Ruleset::default() };
    let stored = Write::Rules(Some(Arc::new(ruleset.clone())));
    assert!(world.stored.contains(&(address("bob"), stored)));
    let reply = world.ask("bob", None, Request::Rules);
    assert_eq!(reply, Ok(Reply::Rules(Some(Arc::new(ruleset.clone())))));
    let many = Ruleset { rules: vec![rule("1", &[], Handling::Allow); 1001], ..Ruleset::default() };
    let reply = world.ask("bob", None, Request::SetRules(Some(Arc::new(many))));
    assert_eq!(reply.unwrap_err().reason, Reason::TooLarge);
    let mut contact = crate::signal::Contact::new(address("alice"));
    contact.from = true;
    let roster = vec![crate::storage::RosterRow { contact, version: 1 }];
    let again = AccountRecord { rules: Some(ruleset), roster, ..record(&address("bob")) };
    let shared = Arc::clone(&world.account("bob").shared);
    world.accounts.insert(address("bob"), Account::new(again, shared, world.now));
    let alice = world.client("alice", "desk");
    world.client("bob", "desk");
    assert!(world.heard(alice).iter().all(|words| !words.contains("bob@example.org/desk is Online")));
}

#[test]
fn what_the_owner_set_by_hand_is_shown_while_no_session_shows_anything() {
    let mut world = World::of(&["bob"]);
    let watch = world.watch("bob", "bob");
    let note = |text: &str| Presence { notes: vec![Text::plain(text)], ..Presence::offline(Timestamp(1)) };
    let hard = Arc::new(note("on holiday"));
    world.ask("bob", None, Request::SetHardState(Some(Arc::clone(&hard)))).unwrap();
    assert_eq!(world.last_shown(watch).1.unwrap().aggregate, hard);
    let desk = world.client("bob", "desk");
    assert_eq!(world.availability(watch), Availability::Online);
    world.close("bob", desk);
    assert_eq!(world.last_shown(watch).1.unwrap().aggregate, hard);
    assert_eq!(world.ask("bob", None, Request::HardState), Ok(Reply::HardState(Some(hard))));
    world.ask("bob", None, Request::SetHardState(None)).unwrap();
    assert!(world.last_shown(watch).1.unwrap().aggregate.notes.is_empty());
}

#[test]
fn what_a_phone_publishes_as_closed_is_kept_as_it_is() {
    let mut world = World::of(&["alice", "bob"]);
    world.befriend("alice", "bob");
    let alice = world.client("alice", "desk");
    let watch = world.watch("bob", "bob");
    let phone = world.open("bob", SessionKind::Publication, "phone");
    let closed = Presence {
        notes: vec![Text::plain("invisible")],
        native: Native::Mime { content_type: "a/b".into(), headers: Vec::new(), body: "x".into() },
        ..Presence::offline(Timestamp(1))
    };
    world.forget();
    world.input("bob", Input::Presence { session: phone, presence: Arc::new(closed.clone()) });
    let snapshot = world.last_shown(watch).1.unwrap();
    assert_eq!(*snapshot.resources[0].presence, closed);
    assert_eq!(snapshot.aggregate.notes, closed.notes);
    assert_eq!(world.heard(alice), [""; 0], "who was never there is not gone");
    let desk = world.client("bob", "desk");
    let snapshot = world.last_shown(watch).1.unwrap();
    assert_eq!((snapshot.resources.len(), snapshot.aggregate.availability), (2, Availability::Online));
    world.close("bob", desk);
    world.close("bob", phone);
    let snapshot = world.last_shown(watch).1.unwrap();
    assert_eq!((snapshot.resources.len(), snapshot.aggregate.notes.len()), (0, 0));
}

#[test]
fn a_contact_is_told_as_much_as_his_view_shows() {
    let mut world = World::of(&["alice", "bob", "carol"]);
    world.befriend("alice", "bob");
    world.befriend("carol", "bob");
    let [alice, carol] = ["alice", "carol"].map(|name| world.client(name, "desk"));
    let bob = world.client("bob", "desk");
    let part = |services| Rule {
        view: Some(View { services, ..View::nothing() }),
        ..rule("1", &[one("alice")], Handling::Allow)
    };
    world.announce("bob", bob, Availability::Busy, 0);
    world.forget();
    world.set_rules(&[part(Granted::All)]);
    assert_eq!(
        world.heard(alice),
        ["bob@example.org/desk is Online, all Some(Online)"],
        "no more than there"
    );
    assert_eq!(world.heard(carol), [""; 0]);
    world.announce("bob", bob, Availability::Away, 0);
    assert_eq!(world.heard(alice), ["bob@example.org/desk is Online, all Some(Online)"]);
    assert_eq!(world.heard(carol), ["bob@example.org/desk is Away, all Some(Away)"]);
    // The session is not shown to her any more, and then is again.
    let probe = |world: &mut World| {
        let probe = Signal::Probe(Box::new(Probe {
            from: party("alice/desk").into(),
            to: party("bob"),
            origin_id: None,
        }));
        world.input("bob", Input::Signal { signal: probe, reply: None });
        world.heard(alice)
    };
    world.set_rules(&[part(Granted::Some([].into()))]);
    assert_eq!(world.heard(alice), ["bob@example.org/desk is Offline, all Some(Offline)"]);
    world.announce("bob", bob, Availability::Busy, 0);
    assert_eq!(world.heard(alice), [""; 0]);
    assert_eq!(probe(&mut world), ["bob@example.org is Offline, all Some(Offline)"]);
    world.set_rules(&[part(Granted::All)]);
    assert_eq!(world.heard(alice), ["bob@example.org/desk is Online, all Some(Online)"]);
    assert_eq!(probe(&mut world), ["bob@example.org/desk is Online, all Some(Online)"]);
    world.set_rules(&[]);
    assert_eq!(world.heard(alice), ["bob@example.org/desk is Busy, all Some(Busy)"]);
    world.input("bob", Input::Close { session: bob });
    assert_eq!(world.heard(alice), ["bob@example.org/desk is Offline, all Some(Offline)"]);
}

fn call_rules(rules: &[Rule]) -> crate::account::FactChange {
    crate::account::FactChange::CallRules(Some(Arc::new(Ruleset {
        rules: rules.to_vec(),
        ..Ruleset::default()
    })))
}

impl World {
    fn set_call_rules(&mut self, rules: &[Rule]) {
        let Ok(Reply::Facts(Some(facts))) = self.ask("bob", None, Request::Facts { unless: None }) else {
            panic!("no facts")
        };
        let facts = crate::account::Amendment {
            revision: facts.revision,
            documents: Vec::new(),
            facts: vec![call_rules(rules)],
        };
        self.ask("bob", None, Request::Amend(Box::new(facts))).unwrap();
    }

    fn follow_calls(&mut self, watcher: &str) -> WatchId {
        self.follow(watcher, "bob", WatchKind::Calls, 3_600_000)
    }

    /// Where the watch stands, and whether it is shown the calls.
    fn calls(&self, watch: WatchId) -> (WatchState, Option<bool>) {
        match self.shown[&watch].last().cloned().expect("something was shown") {
            (state, Some(Shown::Calls { is_open })) => (state, Some(is_open)),
            (state, None) => (state, None),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn calls_are_followed_as_their_own_rules_say_and_else_as_presence() {
    use WatchState::{Active, Pending, Rejected};
    let people = ["alice", "carol", "dave", "eve", "frank"];
    let mut world = World::of(&["alice", "bob", "carol", "dave", "eve", "frank"]);
    world.say("bob", "frank", ContactEvent::Subscribed);
    let watches = people.map(|name| world.follow_calls(name));
    let states = |world: &World| watches.map(|watch| world.calls(watch));
    let asked = (Pending, None);
    assert_eq!(states(&world), [asked, asked, asked, asked, (Active, Some(true))]);
    let all = [
        rule("a", &[one("alice")], Handling::Allow),
        rule("c", &[one("carol")], Handling::PoliteBlock),
        rule("d", &[one("dave")], Handling::Confirm),
        rule("f", &[one("frank")], Handling::Block),
    ];
    world.set_call_rules(&all);
    assert_eq!(states(&world), [(Active, Some(true)), (Active, Some(false)), asked, asked, (Rejected, None)]);
    let presence = world.watch("frank", "bob");
    assert_eq!(world.state(presence), Active, "his sight of her presence is another thing");
    // What the presence rules say counts where those on calls are silent, and nowhere else.
    world
        .set_rules(&[rule("e", &[one("eve")], Handling::Allow), rule("a", &[one("alice")], Handling::Block)]);
    assert_eq!(world.calls(watches[3]), (Active, Some(true)));
    assert_eq!(world.calls(watches[0]), (Active, Some(true)));
    world.ask("bob", None, Request::Block(vec![address("alice")])).unwrap();
    assert_eq!(world.calls(watches[0]), (Active, Some(false)), "whom she blocked sees nothing");
}

//! Contacts of other domains: what their servers tell, and what is kept of it.

use super::*;
use crate::{
    account::DomainReach,
    signal::{ContactFailure, ContactSignal, FaceNews, FacePart, PresenceNotice},
};

const CAROL: &str = "carol@other.example";

/// Alice follows carol, and has these sessions.
fn world_with(resources: &[&str]) -> (World, Vec<SessionId>) {
    let mut world = World::of(&["alice"]);
    let to = Address::parse(CAROL).unwrap();
    let request = Request::Contact {
        to,
        event: ContactEvent::Subscribe,
        note: None,
        native: Native::None,
        origin_id: None,
    };
    world.input("alice", Input::Request { session: None, request: Box::new(request), reply: None });
    answer(&mut world, ContactEvent::Subscribed);
    let sessions = resources.iter().map(|resource| world.client("alice", resource)).collect();
    world.told.clear();
    (world, sessions)
}

fn answer(world: &mut World, event: ContactEvent) {
    let (from, to) = (Address::parse(CAROL).unwrap(), address("alice"));
    let signal = ContactSignal::plain(from, to, event);
    world.input("alice", Input::Signal { signal: Signal::Contact(Arc::new(signal)), reply: None });
}

fn show(world: &mut World, resource: &str, availability: Availability) {
    let from = Party::parse(&format!("{CAROL}{resource}")).unwrap();
    let presence = Presence { availability, since: world.now, ..Presence::default() };
    let notice = Arc::new(PresenceNotice::new(from, Arc::new(presence), None));
    let signal = Signal::Presence { to: address("alice").into(), notice };
    world.input("alice", Input::Signal { signal, reply: None });
}

fn probes(world: &mut World) -> usize {
    world.sent.drain(..).filter(|signal| matches!(signal, Signal::Probe(_))).count()
}

#[test]
fn server_is_asked_once_and_the_next_session_hears_what_it_told() {
    let (mut world, sessions) = world_with(&["desk"]);
    assert_eq!(probes(&mut world), 1);
    show(&mut world, "/a", Availability::Away);
    show(&mut world, "/b", Availability::Online);
    let heard = [
        "carol@other.example/a is Away, all Some(Away)",
        "carol@other.example/b is Online, all Some(Online)",
    ];
    assert_eq!(world.heard(sessions[0]), heard);
    let second = world.client("alice", "phone");
    assert_eq!(probes(&mut world), 0);
    let heard = world.heard(second);
    for words in [
        "carol@other.example/a is Away, all Some(Online)",
        "carol@other.example/b is Online, all Some(Online)",
    ] {
        assert!(heard.contains(&words.to_owned()), "{heard:?}");
    }
}

#[test]
fn sessions_that_go_are_forgotten_one_by_one_or_together() {
    let (mut world, sessions) = world_with(&["desk"]);
    show(&mut world, "/a", Availability::Online);
    show(&mut world, "/b", Availability::Away);
    world.told.clear();
    show(&mut world, "/a", Availability::Offline);
    assert_eq!(world.heard(sessions[0]), ["carol@other.example/a is Offline, all Some(Away)"]);
    show(&mut world, "", Availability::Offline);
    let second = world.client("alice", "phone");
    assert!(!world.heard(second).iter().any(|words| words.contains("carol")));
}

#[test]
fn lost_domain_takes_its_people_along_and_is_asked_when_it_is_back() {
    let (mut world, sessions) = world_with(&["desk"]);
    show(&mut world, "/a", Availability::Online);
    world.told.clear();
    world.sent.clear();
    let domain = Address::parse("other.example").unwrap();
    let another = Address::parse("else.example").unwrap();
    for (domain, reach) in
        [(&another, DomainReach::Lost), (&domain, DomainReach::Lost), (&domain, DomainReach::Back)]
    {
        world.input("alice", Input::Reach { domain: domain.clone(), reach });
    }
    assert_eq!(world.heard(sessions[0]), ["carol@other.example/a is Offline, all Some(Offline)"]);
    assert_eq!(probes(&mut world), 1);
}

#[test]
fn nothing_is_kept_for_nobody() {
    let (mut world, sessions) = world_with(&["desk"]);
    show(&mut world, "/a", Availability::Online);
    world.close("alice", sessions[0]);
    show(&mut world, "/a", Availability::Away);
    assert!(world.account("alice").is_idle());
    world.sent.clear();
    world.client("alice", "desk");
    assert_eq!(probes(&mut world), 1);
}

#[test]
fn watch_follows_whom_the_owner_may_see() {
    let (mut world, _) = world_with(&[]);
    let watch = WatchId(77);
    world.input("alice", Input::Follow { watch, of: Address::parse(CAROL).unwrap() });
    assert_eq!(probes(&mut world), 1);
    show(&mut world, "/a", Availability::Busy);
    answer(&mut world, ContactEvent::Unsubscribed);
    show(&mut world, "/a", Availability::Online);
    let states = |told: &Told| match told {
        (state, Some(Shown::Presence { snapshot, .. })) => {
            format!("{state:?} {:?} {}", snapshot.aggregate.availability, snapshot.resources.len())
        }
        (state, _) => format!("{state:?}"),
    };
    let shown: Vec<String> = world.shown[&watch].iter().map(states).collect();
    assert_eq!(shown, ["Active Offline 0", "Active Busy 1", "Pending"]);
    assert!(!world.account("alice").is_idle());
    world.input("alice", Input::Unwatch { watch });
    assert!(world.account("alice").is_idle());
}

fn fail(world: &mut World) {
    let (from, to) = (Address::parse(CAROL).unwrap(), address("alice"));
    let why = Reason::RemoteNotFound.into();
    let failure = ContactFailure { from, to, why, native: Native::None, origin_id: None };
    world.input("alice", Input::Signal { signal: Signal::ContactFailure(Arc::new(failure)), reply: None });
}

#[test]
fn question_that_came_to_nothing_is_open_no_more() {
    let (mut world, sessions) = world_with(&["desk"]);
    let carol = Address::parse(CAROL).unwrap();
    let state = |world: &mut World| {
        let contact = world.account("alice").roster.find(&carol).unwrap();
        (contact.to, contact.ask)
    };
    // An error that answers something else.
    fail(&mut world);
    assert_eq!(state(&mut world), (true, false));
    answer(&mut world, ContactEvent::Unsubscribed);
    let request = Request::Contact {
        to: carol.clone(),
        event: ContactEvent::Subscribe,
        note: None,
        native: Native::None,
        origin_id: None,
    };
    world.input("alice", Input::Request { session: None, request: Box::new(request), reply: None });
    assert_eq!(state(&mut world), (false, true));
    world.forget();
    fail(&mut world);
    assert_eq!(state(&mut world), (false, false));
    let heard = ["roster carol@other.example []", "carol@other.example cannot be asked: RemoteNotFound"];
    assert_eq!(world.heard(sessions[0]), heard);
}

#[test]
fn face_is_kept_of_contacts_and_shown_to_pages() {
    let (mut world, _) = world_with(&["desk"]);
    let (carol, dave) = (Address::parse(CAROL).unwrap(), Address::parse("dave@other.example").unwrap());
    for from in [&carol, &dave] {
        let news = FaceNews::new(from.clone(), address("alice"), FacePart::nickname("Caro"));
        world.input("alice", Input::Signal { signal: Signal::Face(news), reply: None });
    }
    let page = world.open("alice", SessionKind::Page, "page");
    let faces = |world: &mut World, page| {
        let heard = world.heard(page).into_iter();
        heard.filter(|words| words.starts_with("face")).collect::<Vec<_>>()
    };
    assert_eq!(faces(&mut world, page), ["face of carol@other.example: Caro"]);
    for name in ["Caro", "Carola"] {
        let news = FaceNews::new(carol.clone(), address("alice"), FacePart::nickname(name));
        world.input("alice", Input::Signal { signal: Signal::Face(news), reply: None });
    }
    assert_eq!(faces(&mut world, page), ["face of carol@other.example: Carola"]);
    let (kept, carol) = (world.shelves.clone(), carol.clone());
    let request = Box::new(Request::RemoveContact { address: carol });
    world.input("alice", Input::Request { session: None, request, reply: None });
    let page = world.open("alice", SessionKind::Page, "page");
    assert!(faces(&mut world, page).is_empty());
    assert_ne!(world.shelves, kept);
    world.shelves = kept;
    world.reload("alice");
    let page = world.open("alice", SessionKind::Page, "page");
    assert_eq!(faces(&mut world, page), ["face of carol@other.example: Carola"]);
}

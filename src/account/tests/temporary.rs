//! Who is no contact asks to see that the owner is there, for one conversation (XEP-0276).

use super::*;
use crate::signal::{Audience, Occasion, TemporaryPresence};

const CAPS: &[u8] = b"<c node='n' ver='v'/>";

impl World {
    fn ask_back(&mut self, name: &str, session: SessionId, to: &str, wants: Option<Occasion>) {
        let presence = Arc::new(Presence::online(Timestamp(0)));
        self.input(name, Input::Direct { session, direct: shown_to(party(to), presence, wants) });
    }

    fn share_with(&mut self, name: &str, to: Audience, also: &[&str]) {
        let also = also.iter().map(|name| address(name)).collect();
        self.prefer(name, |preferences| {
            preferences.temporary_presence = TemporaryPresence { to, also, ..TemporaryPresence::default() };
        });
    }
}

fn busy_in_the_library(world: &mut World) -> SessionId {
    let library = world.open("alice", SessionKind::Client, "library");
    let presence = Presence {
        availability: Availability::Busy,
        priority: 7,
        notes: vec![Text::plain("researching")],
        native: Native::Elements { payload: CAPS.into(), lang: None },
        ..Presence::default()
    };
    world.input("alice", Input::Presence { session: library, presence: Arc::new(presence) });
    library
}

#[test]
fn nobody_is_answered_by_default_and_nothing_shows_it() {
    let mut world = World::of(&["alice", "eve"]);
    let eve = world.client("eve", "lair");
    let library = busy_in_the_library(&mut world);
    world.forget();
    for wants in [None, Some(Occasion::Media), Some(Occasion::Untold)] {
        world.ask_back("eve", eve, "alice", wants);
    }
    assert!(world.heard(eve).is_empty());
    let heard = world.heard(library);
    assert_eq!(heard.len(), 3, "her client sees what was asked, and may answer itself: {heard:?}");
}

#[test]
fn each_session_is_shown_bare_to_the_asking_session_until_either_side_ends_it() {
    let mut world = World::of(&["alice", "eve"]);
    let eve = world.client("eve", "lair");
    let other = world.client("eve", "den");
    let library = busy_in_the_library(&mut world);
    world.client("alice", "garden");
    world.share_with("alice", Audience::Everybody, &[]);
    world.ask_back("eve", eve, "alice", Some(Occasion::Media));
    assert_eq!(
        world.heard(eve),
        ["alice@example.org/library is Online, all None", "alice@example.org/garden is Online, all None"]
    );
    assert!(world.heard(other).is_empty(), "only who asked");

    // What is seen once does not follow what she does.
    world.announce("alice", library, Availability::Away, 0);
    assert!(world.heard(eve).is_empty());
    world.announce("alice", library, Availability::Offline, 0);
    assert_eq!(world.heard(eve), ["alice@example.org/library is Offline, all Some(Online)"]);

    // He ends it: so does she, and once.
    let gone = Arc::new(Presence::offline(Timestamp(0)));
    world.input("eve", Input::Direct { session: eve, direct: shown_to(party("alice"), gone, None) });
    assert_eq!(world.heard(eve), ["alice@example.org/garden is Offline, all None"]);
    let garden = world.account("alice").sessions()[1];
    world.close("alice", garden);
    assert!(world.heard(eve).is_empty());
}

#[test]
fn one_session_is_shown_where_one_is_named() {
    let mut world = World::of(&["alice", "eve"]);
    let eve = world.client("eve", "lair");
    busy_in_the_library(&mut world);
    world.client("alice", "garden");
    world.share_with("alice", Audience::SameDomain, &[]);
    world.ask_back("eve", eve, "alice/garden", Some(Occasion::Text));
    assert_eq!(world.heard(eve), ["alice@example.org/garden is Online, all None"]);
    world.ask_back("eve", eve, "alice/none", Some(Occasion::Text));
    assert!(world.heard(eve).is_empty());
}

#[test]
fn it_is_for_whom_she_chose_and_for_what() {
    let mut world = World::of(&["alice", "eve", "bob"]);
    let eve = world.client("eve", "lair");
    let bob = world.client("bob", "nest");
    busy_in_the_library(&mut world);
    world.share_with("alice", Audience::Nobody, &["eve"]);
    world.ask_back("eve", eve, "alice", Some(Occasion::File));
    world.ask_back("bob", bob, "alice", Some(Occasion::File));
    assert_eq!((world.heard(eve).len(), world.heard(bob).len()), (1, 0));

    // What she takes back ends at once, as does a block.
    world.prefer("alice", |preferences| preferences.temporary_presence.file = false);
    world.ask_back("eve", eve, "alice", Some(Occasion::File));
    assert!(world.heard(eve).is_empty());
    world.share_with("alice", Audience::Everybody, &[]);
    world.ask_back("bob", bob, "alice", Some(Occasion::Media));
    assert_eq!(world.heard(bob).len(), 1);
    world.ask("alice", None, Request::Block(vec![address("bob")])).expect("he can be blocked");
    let heard = world.heard(bob);
    assert!(heard.contains(&"alice@example.org/library is Offline, all None".to_owned()), "{heard:?}");
    world.ask_back("bob", bob, "alice", Some(Occasion::Media));
    assert!(world.heard(bob).is_empty());
}

#[test]
fn what_she_takes_back_is_taken_back_from_those_who_see_it() {
    let mut world = World::of(&["alice", "eve"]);
    let eve = world.client("eve", "lair");
    busy_in_the_library(&mut world);
    world.share_with("alice", Audience::Everybody, &[]);
    world.ask_back("eve", eve, "alice", Some(Occasion::Media));
    world.forget();
    let was = world.account("alice").preferences.clone();
    let now = Preferences { temporary_presence: TemporaryPresence::default(), ..was.clone() };
    let change = Request::SetPreferences(Box::new(PreferencesChange { was, now }));
    world.ask("alice", None, change).expect("preferences are taken");
    assert_eq!(world.heard(eve), ["alice@example.org/library is Offline, all None"]);
}

#[test]
fn a_contact_is_not_shown_less_than_he_sees() {
    let mut world = World::of(&["alice", "bob"]);
    world.befriend("alice", "bob");
    let bob = world.client("bob", "nest");
    busy_in_the_library(&mut world);
    world.share_with("alice", Audience::Everybody, &[]);
    world.ask_back("bob", bob, "alice", Some(Occasion::Media));
    assert!(world.heard(bob).is_empty());
}

#[test]
fn the_account_answers_for_phones_as_long_as_there_is_one() {
    let mut world = World::of(&["alice", "eve"]);
    let eve = world.client("eve", "lair");
    let phone = world.open("alice", SessionKind::Device, "phone");
    world.share_with("alice", Audience::Everybody, &[]);
    world.ask_back("eve", eve, "alice", Some(Occasion::File));
    assert!(world.heard(eve).is_empty(), "no phone takes files");
    world.ask_back("eve", eve, "alice", Some(Occasion::Media));
    assert_eq!(world.heard(eve), ["alice@example.org is Online, all None"]);
    let second = world.open("alice", SessionKind::Device, "second");
    world.close("alice", phone);
    assert!(world.heard(eve).is_empty());
    world.close("alice", second);
    assert_eq!(world.heard(eve), ["alice@example.org is Offline, all None"]);

    world.open("alice", SessionKind::Device, "phone");
    world.ask_back("eve", eve, "alice", Some(Occasion::Text));
    world.forget();
    world.close("eve", eve);
    assert!(!world.account("alice").is_shown_anything(&address("eve")), "it ends with his session");
}

#[test]
fn questions_pass_to_the_session_that_was_shown_and_to_no_other() {
    let mut world = World::of(&["alice", "eve"]);
    let eve = world.client("eve", "lair");
    let library = busy_in_the_library(&mut world);
    world.share_with("alice", Audience::Everybody, &[]);
    let ask = |world: &mut World| {
        let (from, to) = (party("eve/lair"), party("alice/library"));
        let kind = crate::signal::QueryKind::Ask;
        let query = crate::signal::Query { from, to, id: "q".into(), kind, native: Native::None };
        world.forget();
        world.input("eve", Input::of_request(Some(eve), Request::Query(Arc::new(query)), None));
        world.heard(library).len()
    };
    assert_eq!(ask(&mut world), 0);
    world.ask_back("eve", eve, "alice", Some(Occasion::Media));
    assert_eq!(ask(&mut world), 1);
}

#[test]
fn a_short_watch_sees_that_she_is_there_without_asking_her() {
    let mut world = World::of(&["alice", "eve"]);
    let library = busy_in_the_library(&mut world);
    world.share_with("alice", Audience::Everybody, &[]);
    world.forget();
    let look = world.follow("eve", "alice", WatchKind::Presence, 0);
    let (state, shown) = world.shown[&look].last().expect("he was told").clone();
    let Some(Shown::Presence { view, .. }) = shown else { panic!("{shown:?}") };
    assert_eq!(state, WatchState::Active);
    assert_eq!(*view, crate::account::temporary::glimpse());
    assert!(world.heard(library).is_empty(), "she is not asked");
    assert!(world.account("alice").requests.is_empty());

    let long = world.watch("eve", "alice");
    assert_eq!(world.last_shown(long).0, WatchState::Pending, "who wants to stay asks");
    world.share_with("alice", Audience::Nobody, &[]);
    let look = world.follow("eve", "alice", WatchKind::Presence, 0);
    assert_eq!(world.last_shown(look).0, WatchState::Pending);
}

//! A list through its life: what is told of it, when, and in how many pieces.

use super::*;
use crate::{
    formats::rlmi::Name,
    signal::{Address, Availability, Presence, Resource as SessionName, ResourceState, Timestamp},
};

const PIDF: pidf::Format = pidf::Format::Pidf;

fn list() -> List {
    List::new("sip:alice+presence@example.org".into(), "t0k", "example.org")
}

fn active(name: &str, availability: Availability) -> Known {
    let of = Address::parse(&format!("{name}@example.org")).unwrap();
    let presence = Arc::new(Presence { availability, ..Presence::offline(Timestamp(0)) });
    let resource = ResourceState {
        resource: SessionName::new("desk").unwrap(),
        contact: None,
        takes_messages: true,
        takes_calls: false,
        presence: Arc::clone(&presence),
    };
    let snapshot = Arc::new(Snapshot { of, aggregate: presence, resources: vec![resource], picture: None });
    Known::Active { snapshot, view: Arc::new(View::everything()) }
}

fn add(list: &mut List, name: &str) -> ResourceId {
    list.add(uri(name), Names::new()).unwrap()
}

fn uri(name: &str) -> CompactString {
    format_compact!("sip:{name}@example.org")
}

/// The next body as `full 0: bob active, carol`, and how many parts it has.
fn told(list: &mut List, version: u32, extent: Extent) -> Option<(String, usize)> {
    let document = list.write(version, extent, PIDF, &mut Documents::default())?;
    let text = String::from_utf8(document.body.to_vec()).unwrap();
    assert!(text.contains(&format!(" version=\"{version}\"")), "{text}");
    let words = |tag: &str, text: &str| {
        let (_, rest) = text.split_once(&format!("{tag}=\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let resources: Vec<_> = text
        .split("<resource ")
        .skip(1)
        .map(|resource| {
            let name = words("uri", resource).unwrap();
            let name = name.trim_start_matches("sip:").split('@').next().unwrap().to_owned();
            let resource = resource.split("</list>").next().unwrap();
            [Some(name), words("state", resource), words("reason", resource)]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
        })
        .map(|words| words.join(" "))
        .collect();
    let extent = if text.contains("fullState=\"true\"") { "full" } else { "part" };
    let parts = text.matches("Content-Type: application/pidf+xml").count();
    assert_eq!(parts, text.matches(" cid=\"").count());
    Some((format!("{extent}: {}", resources.join(", ")), parts))
}

fn partial(list: &mut List, version: u32) -> Option<String> {
    told(list, version, Extent::Partial).map(|(words, _)| words)
}

fn full(list: &mut List, version: u32) -> String {
    told(list, version, Extent::Full).unwrap().0
}

#[test]
fn an_empty_list_is_told_and_grows() {
    let mut list = list();
    assert_eq!(full(&mut list, 0), "full: ");
    assert_eq!(partial(&mut list, 1), None);
    let bob = add(&mut list, "bob");
    assert_eq!(list.add(uri("bob"), Names::new()), None, "he is in it");
    assert_eq!(partial(&mut list, 1).as_deref(), Some("part: bob"));
    list.show(bob, Known::Pending);
    assert_eq!(partial(&mut list, 2).as_deref(), Some("part: bob pending"));
    list.show(bob, active("bob", Availability::Online));
    assert_eq!(told(&mut list, 3, Extent::Partial), Some(("part: bob active".into(), 1)));
    assert!(!list.is_changed());
}

#[test]
fn only_what_changed_is_told_and_changes_are_gathered() {
    let mut list = list();
    let (bob, carol) = (add(&mut list, "bob"), add(&mut list, "carol"));
    list.show(bob, active("bob", Availability::Online));
    assert_eq!(full(&mut list, 0), "full: bob active, carol");
    list.show(carol, Known::Pending);
    list.show(bob, active("bob", Availability::Away));
    list.show(carol, active("carol", Availability::Away));
    assert_eq!(told(&mut list, 1, Extent::Partial), Some(("part: carol active, bob active".into(), 2)));
    list.show(bob, active("bob", Availability::Online));
    list.show(bob, active("bob", Availability::Away));
    assert_eq!(partial(&mut list, 2), None, "it reads as it was told");
    assert_eq!(full(&mut list, 2), "full: bob active, carol active");
}

#[test]
fn what_ended_is_told_once() {
    let mut list = list();
    let (bob, carol, dave) = (add(&mut list, "bob"), add(&mut list, "carol"), add(&mut list, "dave"));
    list.show(bob, Known::Rejected);
    list.show(dave, active("dave", Availability::Online));
    assert_eq!(full(&mut list, 0), "full: bob terminated rejected, carol, dave active");
    list.show(carol, Known::NoResource);
    assert_eq!(partial(&mut list, 1).as_deref(), Some("part: carol terminated noresource"));
    list.remove(dave);
    assert_eq!(partial(&mut list, 2).as_deref(), Some("part: dave terminated timeout"));
    assert_eq!(partial(&mut list, 3), None);
    assert_eq!(full(&mut list, 3), "full: bob, carol");
    assert_eq!(list.known(bob), Some(&Known::Rejected), "it is not forgotten that it ended");
    list.show(bob, active("bob", Availability::Online));
    assert_eq!(partial(&mut list, 4).as_deref(), Some("part: bob active"));
}

#[test]
fn who_leaves_before_he_was_named_was_never_there_and_who_returns_is() {
    let mut list = list();
    full(&mut list, 0);
    let bob = add(&mut list, "bob");
    list.remove(bob);
    assert_eq!(partial(&mut list, 1), None);
    let bob = add(&mut list, "bob");
    assert_eq!(partial(&mut list, 1).as_deref(), Some("part: bob"));
    list.remove(bob);
    let again = add(&mut list, "bob");
    assert_ne!(bob, again);
    list.show(bob, Known::Pending);
    assert_eq!(partial(&mut list, 2).as_deref(), Some("part: bob"), "an old watch says nothing");
}

#[test]
fn names_are_told_when_they_change() {
    let mut list = list();
    let bob = list.add(uri("bob"), [Name::new("Bob")].into_iter().collect()).unwrap();
    full(&mut list, 0);
    list.rename(bob, [Name::new("Bob")].into_iter().collect());
    assert!(!list.is_changed());
    list.rename(bob, [Name::new("Robert")].into_iter().collect());
    assert_eq!(partial(&mut list, 1).as_deref(), Some("part: bob"));
}

#[test]
fn what_finds_no_room_comes_later_and_everything_comes() {
    for is_reliable in [true, false] {
        let mut list = list();
        list.set_reliable(is_reliable);
        let count = if is_reliable { 1000 } else { 30 };
        let ids: Vec<_> = (0..count).map(|number| add(&mut list, &format!("user{number}"))).collect();
        for id in &ids {
            list.show(*id, active("somebody", Availability::Online));
        }
        assert!(list.fits_datagram());
        let documents = &mut Documents::default();
        let first = list.write(0, Extent::Full, PIDF, documents).unwrap();
        let text = String::from_utf8(first.body.to_vec()).unwrap();
        assert_eq!(text.matches("<resource ").count(), count, "a whole list names everybody");
        let mut seen = text.matches("state=\"active\"").count();
        let (mut version, mut last) = (1, first.tag);
        while let Some(next) = list.write(version, Extent::Partial, PIDF, documents) {
            let text = String::from_utf8(next.body.to_vec()).unwrap();
            let parts = text.matches("state=\"active\"").count();
            assert!(parts > 0 && (next.body.len() <= list.room || parts == 1), "{}", next.body.len());
            assert_ne!(next.tag, last);
            (seen, version, last) = (seen + parts, version + 1, next.tag);
        }
        assert_eq!(seen, count);
        assert!(version > 2 && !list.is_changed());
        let whole = list.write(version, Extent::Full, PIDF, documents).unwrap();
        assert_eq!(String::from_utf8(whole.body.to_vec()).unwrap().matches("<resource ").count(), count);
    }
}

#[test]
fn a_list_that_no_datagram_can_name_is_known() {
    let mut list = list();
    assert!(list.fits_datagram());
    for number in 0..2000 {
        add(&mut list, &format!("user{number}"));
    }
    assert!(!list.fits_datagram());
}

#[test]
fn a_tag_names_the_state_and_not_the_way_to_it() {
    let documents = &mut Documents::default();
    let mut one = list();
    let (bob, carol) = (add(&mut one, "bob"), add(&mut one, "carol"));
    one.show(bob, active("bob", Availability::Online));
    one.show(carol, Known::Pending);
    let before = one.tag(PIDF, documents);
    let told = one.write(0, Extent::Full, PIDF, documents).unwrap().tag;
    assert_eq!(before, told);
    let mut other = list();
    let (carol, bob) = (add(&mut other, "carol"), add(&mut other, "bob"));
    other.write(0, Extent::Full, PIDF, documents);
    assert_ne!(other.tag(PIDF, documents), told);
    other.show(carol, Known::Pending);
    other.write(1, Extent::Partial, PIDF, documents);
    other.show(bob, active("bob", Availability::Online));
    assert_eq!(other.tag(PIDF, documents), told, "what is not told yet counts");
    assert_eq!(other.write(2, Extent::Partial, PIDF, documents).unwrap().tag, told);
    other.remove(bob);
    assert_ne!(other.tag(PIDF, documents), told);
}

#[test]
fn the_first_words_are_waited_for() {
    let mut list = list();
    let (bob, carol, dave) = (add(&mut list, "bob"), add(&mut list, "carol"), add(&mut list, "dave"));
    assert!(list.is_settled(), "nobody is asked");
    for id in [bob, carol] {
        list.expect(id);
    }
    list.show(bob, Known::Pending);
    list.show(bob, Known::Rejected);
    list.show(dave, Known::Pending);
    assert!(!list.is_settled());
    list.remove(carol);
    assert!(list.is_settled());
}

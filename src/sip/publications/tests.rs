use std::time::Duration;

use super::*;
use crate::sip::transport::Protocol;

const SECOND: Duration = Duration::from_secs(1);

fn account(name: &str) -> Address {
    Address::parse(&format!("{name}@example.org")).unwrap()
}

fn flow(id: u64) -> Flow {
    Flow::for_test(Protocol::Tcp, ([192, 0, 2, 1], 5060).into(), id)
}

fn publication(tag: &str, since: i64, place: u32, now: Instant) -> Publication<u32> {
    Publication {
        account: account("alice"),
        key: tag.into(),
        tag: tag.into(),
        presence: Arc::new(Presence::online(Timestamp(since))),
        published: Timestamp(since),
        name: Some("t".into()),
        contact: None,
        flow: Some(flow(1)),
        phone: None,
        device: None,
        mark: 0,
        expires: now + 100 * SECOND,
        place,
    }
}

fn renewal(tag: &str, now: Instant) -> Renewal {
    Renewal { tag: tag.into(), expires: now + 200 * SECOND, flow: flow(1), content: None }
}

#[test]
fn every_success_makes_a_new_tag_and_the_old_one_is_unknown() {
    let now = Instant::now();
    let mut book = Book::default();
    let id = book.add(publication("a", 0, 1, now), 9).unwrap();
    assert_eq!(book.renew(&account("alice"), "a", renewal("b", now)).unwrap().0, id);
    assert!(book.renew(&account("alice"), "a", renewal("c", now)).is_none());
    assert!(book.remove(&account("alice"), "a").is_none());
    assert_eq!(book.remove(&account("alice"), "b").unwrap().tag, "b");
    assert!(book.remove(&account("alice"), "b").is_none());
}

#[test]
fn a_tag_means_nothing_to_another_account() {
    let now = Instant::now();
    let mut book = Book::default();
    book.add(publication("a", 0, 1, now), 9).unwrap();
    assert!(book.renew(&account("mallory"), "a", renewal("b", now)).is_none());
    assert!(book.remove(&account("mallory"), "a").is_none());
    assert!(book.find(&account("alice"), "a").is_some());
}

#[test]
fn expiry_looks_whether_it_was_refreshed() {
    let now = Instant::now();
    let mut book = Book::default();
    let id = book.add(publication("a", 0, 1, now), 9).unwrap();
    book.renew(&account("alice"), "a", renewal("b", now));
    assert_eq!(book.expire(id, now + 100 * SECOND), Expiry::Later(now + 200 * SECOND));
    assert!(matches!(book.expire(id, now + 200 * SECOND), Expiry::Ended(ended) if ended.tag == "b"));
    assert_eq!(book.expire(id, now + 201 * SECOND), Expiry::Gone);
    assert_eq!(book.of(&account("alice")).count(), 0);
}

#[test]
fn an_account_has_so_many_and_no_more() {
    let now = Instant::now();
    let mut book = Book::default();
    assert!(book.add(publication("a", 0, 1, now), 1).is_ok());
    assert!(book.add(publication("b", 0, 1, now), 1).is_err());
    assert!(book.find(&account("alice"), "b").is_none());
}

#[test]
fn what_came_by_a_connection_ends_with_it() {
    let now = Instant::now();
    let mut book = Book::default();
    book.add(publication("a", 0, 1, now), 9).unwrap();
    book.add(publication("b", 0, 2, now), 9).unwrap();
    book.renew(&account("alice"), "b", Renewal { flow: flow(2), ..renewal("c", now) });
    let ended: Vec<_> = book.remove_flow(&flow(1)).into_iter().map(|ended| ended.tag).collect();
    assert_eq!(ended, ["a"]);
    assert_eq!(book.remove_flow(&flow(1)).len(), 0);
    assert_eq!(book.remove_flow(&flow(2)).len(), 1);
}

#[test]
fn the_newest_at_a_place_counts_and_what_is_left_shows_again() {
    let now = Instant::now();
    let mut book = Book::default();
    book.add(publication("new", 20, 1, now), 9).unwrap();
    book.add(publication("old", 10, 1, now), 9).unwrap();
    let since = |book: &Book<u32>| book.shown_at(&account("alice"), &1).map(|shown| shown.since.0);
    assert_eq!(since(&book), Some(20));
    book.remove(&account("alice"), "new");
    assert_eq!(since(&book), Some(10));
    book.remove(&account("alice"), "old");
    assert_eq!(since(&book), None);
}

/// Has the phone `phone-1` on a flow show its publications at a place; gives the tags that moved.
fn register(book: &mut Book<u32>, flow_id: Option<u64>, place: u32) -> Vec<CompactString> {
    let resource = Resource::new("phone-1").unwrap();
    let phone = Phone { resource: &resource, flow: flow_id.map(flow), place: &place };
    book.move_to(&account("alice"), phone).into_iter().map(|moved| moved.tag).collect()
}

#[test]
fn a_phone_that_registers_takes_over_what_it_published_before() {
    let now = Instant::now();
    let mut book = Book::default();
    book.add(publication("a", 5, 1, now), 9).unwrap();
    assert!(register(&mut book, Some(2), 8).is_empty(), "another flow is another phone");
    assert_eq!(register(&mut book, Some(1), 7), ["a"]);
    assert!(register(&mut book, Some(1), 7).is_empty(), "it is there already");
    assert_eq!(book.shown_at(&account("alice"), &7).unwrap().since.0, 5);
    assert_eq!(book.remove_place(&account("alice"), &7).len(), 1);
}

#[test]
fn a_phone_finds_its_publication_after_a_restart_by_its_name() {
    let now = Instant::now();
    let mut book = Book::default();
    let mut restored = publication("a", 5, 0, now);
    restored.flow = None;
    restored.phone = Resource::new("phone-1").ok();
    book.add(restored.clone(), 9).unwrap();
    book.add(Publication { phone: Resource::new("phone-2").ok(), tag: "b".into(), ..restored }, 9).unwrap();
    assert_eq!(register(&mut book, None, 7), ["a"]);
    assert_eq!(book.newest_at(&account("alice"), &0).unwrap().tag, "b");
}

#[test]
fn a_phone_shows_one_device_and_not_another_that_publishes_by_its_connection() {
    let now = Instant::now();
    let mut book = Book::default();
    for (tag, since, name) in [("a", 5, "desk"), ("b", 6, "lamp"), ("c", 4, "lamp")] {
        book.add(Publication { name: Some(name.into()), ..publication(tag, since, 1, now) }, 9).unwrap();
    }
    assert_eq!(register(&mut book, Some(1), 7), ["b", "c"]);
    assert!(register(&mut book, Some(1), 7).is_empty());
    assert_eq!(book.newest_at(&account("alice"), &1).unwrap().tag, "a");
}

//! What is kept, acknowledged and written again on streams of either side.

use super::*;
use crate::xmpp::stanza::{Event, Limits, Scanner};

fn custody() -> Custody {
    Custody::new(&Config { queue: 2, ..Config::default() })
}

fn item(text: &str) -> Item {
    Item::new(text.as_bytes().to_vec(), None)
}

fn hear_all(custody: &mut Custody, text: &str) -> (String, Vec<String>) {
    let mut scanner = Scanner::between_servers(Limits::default());
    scanner.feed(b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>");
    scanner.feed(text.as_bytes());
    let _ = scanner.next_event();
    let Ok(Some(Event::Stanza(element))) = scanner.next_event() else { panic!("{text}") };
    let heard = custody.handle_element(&element, Some(("id", 9)), Instant::now()).unwrap();
    let left = heard.left.into_iter().map(|item| String::from_utf8(item.stanza).unwrap());
    (String::from_utf8(heard.answer).unwrap(), left.collect())
}

fn hear(custody: &mut Custody, text: &str) -> String {
    let (answer, left) = hear_all(custody, text);
    assert!(left.is_empty(), "{left:?}");
    answer
}

fn want(custody: &mut Custody) -> String {
    String::from_utf8(custody.want(Instant::now())).unwrap()
}

/// A stream of ours that can be resumed, with these on their way, after its connection broke.
fn broken(items: &[&str]) -> Custody {
    let mut custody = custody();
    want(&mut custody);
    hear(&mut custody, "<enabled xmlns='urn:xmpp:sm:3' id='a&amp;b' resume='true'/>");
    assert!(custody.has_id());
    custody.keep(items.iter().copied().map(item).collect(), Instant::now());
    custody
}

#[test]
fn what_is_not_acknowledged_is_left_when_the_stream_ends() {
    let mut custody = custody();
    let now = Instant::now();
    assert_eq!(want(&mut custody), "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    let (asked, left) = custody.keep(vec![item("a"), item("b"), item("c")], now);
    assert_eq!((asked, left.len()), (&b"<r xmlns='urn:xmpp:sm:3'/>"[..], 0));
    assert_eq!(custody.keep(vec![item("d")], now).0, b"");
    assert!(!custody.has_room());
    assert!(custody.due().is_some());
    assert_eq!(hear(&mut custody, "<enabled xmlns='urn:xmpp:sm:3'/>"), "");
    let again = hear(&mut custody, "<a xmlns='urn:xmpp:sm:3' h='3'/>");
    assert_eq!(again, "<r xmlns='urn:xmpp:sm:3'/>");
    assert!(custody.has_room() && !custody.is_empty());
    let left: Vec<_> = custody.end().into_iter().map(|item| item.stanza).collect();
    assert_eq!(left, [b"d"]);
    assert!(custody.due().is_none() && custody.is_empty());
}

#[test]
fn what_they_write_is_counted_once_both_know() {
    let mut wanted = custody();
    want(&mut wanted);
    assert_eq!(wanted.note_received(), None);
    hear(&mut wanted, "<enabled xmlns='urn:xmpp:sm:3'/>");
    assert!(wanted.note_received().is_some());

    let mut asked = custody();
    assert_eq!(asked.note_received(), None);
    let enabled = hear(&mut asked, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    assert_eq!(enabled, "<enabled xmlns='urn:xmpp:sm:3' resume='true' id='id' max='9'/>");
    let ticket = asked.note_received().unwrap();
    assert_eq!(hear(&mut asked, "<r xmlns='urn:xmpp:sm:3'/>"), "<a xmlns='urn:xmpp:sm:3' h='0'/>");
    assert!(!asked.is_settled());
    assert_eq!(asked.note_settled(ticket).unwrap(), b"<a xmlns='urn:xmpp:sm:3' h='1'/>");
    assert!(asked.is_settled());
}

#[test]
fn who_does_not_know_it_is_believed_what_the_socket_says() {
    let mut custody = custody();
    let (asked, left) = custody.keep(vec![item("a")], Instant::now());
    assert_eq!((asked, left.len()), (&b""[..], 1));
    want(&mut custody);
    custody.keep(vec![item("b")], Instant::now());
    let failed = "<failed xmlns='urn:xmpp:sm:3'><service-unavailable xmlns='urn:x'/></failed>";
    assert_eq!(hear(&mut custody, failed), "");
    assert!(custody.is_empty() && custody.due().is_none());
    assert_eq!(custody.keep(vec![item("c")], Instant::now()).1.len(), 1);
}

#[test]
fn stream_of_ours_goes_on_with_what_the_other_server_lacks() {
    let mut custody = broken(&["a", "b", "c"]);
    assert_eq!(want(&mut custody), "<resume xmlns='urn:xmpp:sm:3' h='0' previd='a&amp;b'/>");
    assert!(!custody.has_room() && custody.due().is_some());
    let again = hear(&mut custody, "<resumed xmlns='urn:xmpp:sm:3' h='2' previd='a&amp;b'/>");
    assert_eq!(again, "c<r xmlns='urn:xmpp:sm:3'/>");
    assert!(custody.has_room() && custody.has_id());
    assert_eq!(hear(&mut custody, "<a xmlns='urn:xmpp:sm:3' h='3'/>"), "");
    assert!(custody.is_empty() && custody.due().is_none());
}

#[test]
fn what_a_stream_had_that_cannot_go_on_is_left() {
    let failed = "<failed xmlns='urn:xmpp:sm:3' h='1'><item-not-found xmlns='urn:x'/></failed>";
    for (failed, expect) in [(failed.to_owned(), vec!["b"]), (failed.replace(" h='1'", ""), vec!["a", "b"])] {
        let mut custody = broken(&["a", "b"]);
        want(&mut custody);
        let (answer, left) = hear_all(&mut custody, &failed);
        assert_eq!(
            (answer.as_str(), left),
            ("<enable xmlns='urn:xmpp:sm:3' resume='true'/>", owned(&expect))
        );
        assert!(custody.is_wanted() && !custody.has_id() && custody.is_empty());
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().copied().map(str::to_owned).collect()
}

#[test]
fn stream_without_an_id_cannot_go_on() {
    for enabled in
        ["<enabled xmlns='urn:xmpp:sm:3' resume='true'/>", "<enabled xmlns='urn:xmpp:sm:3' id='x'/>"]
    {
        let mut custody = custody();
        want(&mut custody);
        hear(&mut custody, enabled);
        assert!(custody.is_on() && !custody.has_id(), "{enabled}");
    }
}

#[test]
fn stream_that_brings_nothing_any_further_does_not_go_on_for_ever() {
    let mut custody = broken(&["a"]);
    for _ in 0..RESUMPTIONS {
        assert!(!custody.is_barren());
        want(&mut custody);
        hear(&mut custody, "<resumed xmlns='urn:xmpp:sm:3' h='0' previd='a&amp;b'/>");
    }
    assert!(custody.is_barren());
    hear(&mut custody, "<a xmlns='urn:xmpp:sm:3' h='1'/>");
    assert!(!custody.is_barren());
}

#[test]
fn stream_of_theirs_goes_on_with_what_they_lack() {
    let mut custody = custody();
    hear(&mut custody, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
    let ticket = custody.note_received().unwrap();
    custody.note_settled(ticket);
    custody.keep(vec![item("a"), item("b")], Instant::now());
    let resumed = custody.resume("x", 1, Instant::now()).unwrap();
    let expect = "<resumed xmlns='urn:xmpp:sm:3' h='1' previd='x'/>b<r xmlns='urn:xmpp:sm:3'/>";
    assert_eq!(String::from_utf8(resumed).unwrap(), expect);
    assert!(custody.resume("x", 3, Instant::now()).is_err());
}

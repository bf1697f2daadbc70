//! What builder and splice write.

use super::*;

/// What was written must read back the same through the scan.
fn reread(message: &Message) -> Message {
    let again =
        Message::parse_datagram(message.bytes().clone(), &Limits::default()).expect("what we write we read");
    let offsets = |message: &Message| format!("{:?}", message.head);
    assert_eq!(offsets(message), offsets(&again), "{:?}", message.bytes());
    again
}

#[test]
fn a_response_copies_what_must_be_copied() {
    let request = request_with("Timestamp: 54\nSubject: no\nVia: SIP/2.0/TCP two;branch=2\n");
    let answer = Builder::response_to(&request, 200, "t1").header(HeaderName::Expires, 60).finish();
    assert_eq!(
        answer.bytes(),
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:alice@example.org>;tag=a\r\n\
         To: <sip:bob@example.org>;tag=t1\r\nCall-ID: c1\r\nCSeq: 1 OPTIONS\r\nVia: SIP/2.0/TCP two;branch=2\r\n\
         Expires: 60\r\nContent-Length: 0\r\n\r\n"
    );
    reread(&answer);
    let trying = Builder::response_to(&request, 100, "t1").finish();
    assert_eq!(trying.to().unwrap().tag(), None);
    assert!(trying.has(HeaderName::Timestamp));
}

#[test]
fn an_existing_to_tag_stays() {
    let request = parse("BYE sip:b@h SIP/2.0\nt: sip:b@h;tag=old\n\n").unwrap();
    let answer = Builder::response_to(&request, 481, "new").reason("No\r\nSuch: call").finish();
    assert_eq!(
        answer.bytes(),
        "SIP/2.0 481 No  Such: call\r\nt: sip:b@h;tag=old\r\nContent-Length: 0\r\n\r\n"
    );
    reread(&answer);
}

#[test]
fn a_request_is_built_header_by_header() {
    let uri = Uri::parse("sip:bob@example.org").unwrap();
    let request = Builder::request(&Method::Message, &uri)
        .header(HeaderName::CSeq, CSeq { number: 1, method: Method::Message })
        .extension("X-Note", "a\r\nInjected: b")
        .extension("bad name", "x")
        .body("text/plain", "hello")
        .finish();
    assert_eq!(
        request.bytes(),
        "MESSAGE sip:bob@example.org SIP/2.0\r\nCSeq: 1 MESSAGE\r\nX-Note: a  Injected: b\r\n\
         Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
    );
    reread(&request);
}

#[test]
fn forwarding_touches_nothing_but_what_it_names() {
    let text = "INVITE sip:b@old SIP/2.0\nSubject :  odd   spacing\nv: SIP/2.0/UDP a;branch=1 ,\n SIP/2.0/UDP b\n\
                Route: <sip:me;lr>,<sip:next;lr>\nMax-Forwards: 070\nX-Un-Known: ;;,\nL: 4\n\nbody";
    let message = parse(text).unwrap();
    let via = Via::new("TCP", Host::parse("proxy").unwrap(), Some(5060), "z9hG4bKx");
    let mut stamped = message.top_via().unwrap();
    stamped.stamp("192.0.2.9:7".parse().unwrap());
    let forwarded = message
        .splice()
        .request_uri(&Uri::parse("sip:b@new").unwrap())
        .top_via(&stamped)
        .push_via(&via)
        .push_record_route("<sip:proxy;lr>")
        .pop_route()
        .max_forwards(69)
        .finish();
    let expected = "INVITE sip:b@new SIP/2.0\nRecord-Route: <sip:proxy;lr>\nSubject :  odd   spacing\n\
                    Via: SIP/2.0/TCP proxy:5060;branch=z9hG4bKx\n\
                    v: SIP/2.0/UDP a;branch=1;received=192.0.2.9, SIP/2.0/UDP b\nRoute: <sip:next;lr>\n\
                    Max-Forwards: 69\nX-Un-Known: ;;,\nL: 4\n\nbody";
    assert_eq!(forwarded.bytes(), &expected.replace('\n', "\r\n"));
    reread(&forwarded);
}

#[test]
fn the_top_via_of_a_response_comes_off_alone_or_from_a_list() {
    for (before, after) in [
        ("Via: SIP/2.0/UDP a\nVia: SIP/2.0/UDP b\n", "Via: SIP/2.0/UDP b\n"),
        ("Via: SIP/2.0/UDP a, SIP/2.0/UDP b\n", "Via: SIP/2.0/UDP b\n"),
        ("Via: SIP/2.0/UDP a;x=\"1,2\" ,\n\tSIP/2.0/UDP b\n", "Via: SIP/2.0/UDP b\n"),
        ("Via: SIP/2.0/UDP a\n", ""),
    ] {
        let message = parse(&format!("SIP/2.0 200 OK\n{before}CSeq: 1 BYE\nl: 0\n\n")).unwrap();
        let popped = message.splice().pop_via().finish();
        let expected = format!("SIP/2.0 200 OK\n{after}CSeq: 1 BYE\nl: 0\n\n").replace('\n', "\r\n");
        assert_eq!(popped.bytes(), &expected);
        reread(&popped);
    }
}

#[test]
fn edits_apply_in_the_order_of_the_calls() {
    let message = parse("BYE sip:b@h SIP/2.0\nRoute: <sip:1>, <sip:2>\nRoute: <sip:3>\nl: 0\n\n").unwrap();
    let twice = message.splice().pop_route().pop_route().finish();
    assert_eq!(twice.bytes(), "BYE sip:b@h SIP/2.0\r\nRoute: <sip:3>\r\nl: 0\r\n\r\n");
    let all = message.splice().pop_route().pop_route().pop_route().pop_route().finish();
    assert_eq!(all.bytes(), "BYE sip:b@h SIP/2.0\r\nl: 0\r\n\r\n");
    let replaced = message.splice().replace_first(HeaderName::Route, "<sip:x>").pop_route().finish();
    assert_eq!(replaced.bytes(), "BYE sip:b@h SIP/2.0\r\nRoute: <sip:2>\r\nRoute: <sip:3>\r\nl: 0\r\n\r\n");
    let set = message.splice().set(HeaderName::Route, "<sip:only>").push_route("<sip:0>").finish();
    assert_eq!(set.bytes(), "BYE sip:b@h SIP/2.0\r\nRoute: <sip:0>\r\nRoute: <sip:only>\r\nl: 0\r\n\r\n");
    reread(&set);
}

#[test]
fn content_length_is_made_right() {
    let message = parse("MESSAGE sip:b@h SIP/2.0\nContent-Type: text/plain\n\nhello").unwrap();
    let forwarded = message.splice().finish();
    assert_eq!(
        forwarded.bytes(),
        "MESSAGE sip:b@h SIP/2.0\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
    );
    let changed = forwarded.splice().body("text/html", "<p/>").add(HeaderName::Subject, "x").finish();
    assert_eq!(
        changed.bytes(),
        "MESSAGE sip:b@h SIP/2.0\r\nContent-Type: text/html\r\nContent-Length: 4\r\nSubject: x\r\n\r\n<p/>"
    );
    reread(&changed);
}

//! Messages other stacks stumble over: each must be understood, or refused, rightly.

use super::*;

fn request_to(uri: &str) -> Message {
    parse(&format!("OPTIONS {uri} SIP/2.0\nCSeq: 1 OPTIONS\n\n")).expect(uri)
}

#[test]
fn users_and_hosts_of_request_uris_are_told_apart() {
    for (uri, user, host, port) in [
        ("sip:alice.jones@h", Some("alice.jones"), "h", None),
        ("sip:h", None, "h", None),
        ("sips:a@[2001:db8::1]:5061", Some("a"), "[2001:db8::1]", Some(5061)),
        ("sip:a%3Ab@h", Some("a:b"), "h", None),
        ("sip:a;x=1?y@h;transport=tcp", Some("a;x=1?y"), "h", None),
        ("sip:a@h:5060;lr?subject=x", Some("a"), "h", Some(5060)),
        ("SIP:A@H", Some("A"), "h", None),
    ] {
        let found = request_to(uri).request_uri().expect(uri);
        assert_eq!(found.user().as_deref(), user, "{uri}");
        assert_eq!(found.host(), Some(&Host::parse(host).unwrap()), "{uri}");
        assert_eq!((found.port(), found.as_str()), (port, uri));
    }
}

#[test]
fn uri_params_and_headers_are_not_part_of_the_host() {
    let uri = Uri::parse("sip:a@h;transport=tcp;lr;m%65thod=x?subject=a%20b&priority=urgent").unwrap();
    assert_eq!(uri.param("Transport").as_deref(), Some("tcp"));
    assert!(uri.has_param("lr") && uri.has_param("method"));
    let headers: Vec<_> = uri.headers().collect();
    assert_eq!(headers, [("subject", Some("a%20b")), ("priority", Some("urgent"))]);
}

#[test]
fn other_schemes_are_kept_whole() {
    for (uri, scheme) in [
        ("tel:+1-201-555-0123;phone-context=example.com", Scheme::Tel),
        ("urn:service:sos", Scheme::Urn),
        ("soap.beep://192.0.2.103:3002", Scheme::Other),
    ] {
        let found = request_to(uri).request_uri().expect(uri);
        assert_eq!((found.scheme(), found.as_str(), found.host()), (scheme, uri, None));
    }
}

#[test]
fn malformed_uris_are_refused() {
    for bad in [
        "",
        "sip",
        "sip:",
        "sip:@h",
        "sip:a@",
        "sip:a@b@h",
        "sip:a@h:99999",
        "sip:a%4@h",
        "sip:a b@h",
        "1x:y",
        "sip:a@[::1",
        "sip:a@2001:db8::1",
        "<sip:a@h>",
        "sip:a@h\r\n",
    ] {
        assert!(Uri::parse(bad).is_err(), "{bad}");
    }
}

/// The examples of RFC 3261 §19.1.4.
#[test]
fn uris_are_compared_as_the_rfc_says() {
    for (one, two, are_equivalent) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on", true),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            true,
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            true,
        ),
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false),
        ("sip:a%3Bb@h", "sip:a;b@h", false),
        ("sip:a@h", "sips:a@h", false),
        ("tel:+1-201-555-0123", "tel:+12015550123", true),
        ("urn:service:sos", "URN:service:SOS", true),
    ] {
        let (first, second) = (Uri::parse(one).unwrap(), Uri::parse(two).unwrap());
        assert_eq!(first.is_equivalent(&second), are_equivalent, "{one} {two}");
        assert_eq!(second.is_equivalent(&first), are_equivalent, "{two} {one}");
    }
}

#[test]
fn uris_are_made_and_changed_with_escapes() {
    let host = Host::parse("example.org").unwrap();
    let uri = Uri::sip(Some("a b@c"), &host, Some(5070));
    assert_eq!(uri.as_str(), "sip:a%20b%40c@example.org:5070");
    assert_eq!(uri, Uri::parse(uri.as_str()).unwrap());
    let uri = Uri::parse("sips:a:pw@h:5061;x=y?z=1").unwrap();
    assert_eq!(uri.password(), Some("pw"));
    assert_eq!(uri.without_params().as_str(), "sips:a@h:5061");
    assert_eq!(
        uri.with_param("ob", None).with_param("t", Some("a b")).as_str(),
        "sips:a:pw@h:5061;x=y;ob;t=a%20b?z=1"
    );
}

#[test]
fn folded_and_compact_and_spaced_headers_are_read() {
    let message = parse(
        "OPTIONS sip:b@h SIP/2.0\nv : SIP/2.0/UDP [2001:db8::9]:5060;branch=z9hG4bK1,\n SIP/2.0/TCP h2\n\
         f\t:\n  Alice\n\t<sip:a@h> ;\n tag=1\nT: sip:b@h\nI:c1\nCSEQ: 1\n OPTIONS\nk: path, gruu\nl: 0\n\n",
    )
    .unwrap();
    message.check_request().unwrap();
    let vias = message.vias().unwrap();
    assert_eq!(vias.len(), 2);
    assert_eq!((vias[0].host.to_string().as_str(), vias[0].port), ("[2001:db8::9]", Some(5060)));
    assert_eq!(vias[1].transport, "TCP");
    let from = message.from().unwrap();
    assert_eq!((from.display.as_deref(), from.tag()), (Some("Alice"), Some("1")));
    assert!(message.has_token(HeaderName::Supported, "GRUU"));
    assert_eq!(message.extension("cseq").map(|field| field.raw()), None, "known names are no extensions");
}

#[test]
fn several_contacts_on_one_line_are_several() {
    let message = request_with(
        "m: \"A, B\" <sip:a@h1;x=1>;q=0.5;expires=60, sip:b@h2;expires=99999999999\n\
         Contact: <sip:c@h3>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\";reg-id=1\n",
    );
    let Contacts::List(list) = message.contacts().unwrap() else { panic!("a list") };
    let uris: Vec<_> = list.iter().map(|contact| contact.uri.as_str()).collect();
    assert_eq!(uris, ["sip:a@h1;x=1", "sip:b@h2", "sip:c@h3"]);
    assert_eq!(list[0].q().map(Quality::thousandths), Some(500));
    assert_eq!((list[0].expires(), list[1].expires(), list[2].expires()), (Some(60), Some(u32::MAX), None));
    assert_eq!(list[2].instance().as_deref(), Some("urn:uuid:00000000-0000-1000-8000-000A95A0E128"));
    assert_eq!(list[2].reg_id(), Some(1));
}

#[test]
fn the_asterisk_contact_stands_alone() {
    assert_eq!(request_with("Contact: *\n").contacts(), Ok(Contacts::Wildcard));
    assert_eq!(request_with("").contacts(), Ok(Contacts::List(Vec::new())));
    for bad in ["Contact: *, <sip:a@h>\n", "Contact: <sip:a@h>\nContact: *\n", "Contact: *\nContact: *\n"] {
        assert!(request_with(bad).contacts().is_err(), "{bad}");
    }
}

#[test]
fn a_uri_inside_a_quoted_display_name_is_not_the_address() {
    for (text, display, uri) in [
        (r#""Boss <sip:boss@h>" <sip:mallory@h>"#, Some("Boss <sip:boss@h>"), "sip:mallory@h"),
        (r#""a \" <sip:x@h>" <sip:y@h>;tag=1"#, Some("a \" <sip:x@h>"), "sip:y@h"),
        ("caller<sip:caller@h>", Some("caller"), "sip:caller@h"),
        ("<sip:a@h;lr>", None, "sip:a@h;lr"),
        ("sip:a@h;tag=1", None, "sip:a@h"),
        ("\"\" <sip:a@h>", None, "sip:a@h"),
        ("Jörg Müller <sip:j@h>", Some("Jörg Müller"), "sip:j@h"),
        ("<tel:+123>", None, "tel:+123"),
    ] {
        let found = NameAddr::parse(text).expect(text);
        assert_eq!((found.display.as_deref(), found.uri.as_str()), (display, uri));
        assert_eq!(NameAddr::parse(&found.to_string()).unwrap(), found);
    }
    for bad in [
        "\"open <sip:a@h>",
        "<sip:a@h",
        "sip:a@h>",
        "a, b <sip:a@h>",
        "<sip:a@h>x",
        "<sip:a@h>;;",
        "sip:a@h?x=y",
        "",
        "\"a\" sip:a@h",
        "<>",
        "Bell, Alexander <sip:a@h>",
    ] {
        assert!(NameAddr::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn via_keeps_its_branch_beside_a_received_ipv6_address() {
    for received in ["[2001:db8:9::255]", "2001:db8:9::255"] {
        let text = format!("SIP/2.0/UDP [2001:db8::9:1];received={received};rport=9;branch=z9hG4bKas3-111");
        let via = Via::parse(&text).expect(received);
        assert_eq!(via.received(), Some("2001:db8:9::255".parse().unwrap()));
        assert_eq!((via.branch(), via.rport()), (Some("z9hG4bKas3-111"), Some(9)));
    }
    let via = Via::parse("SIP / 2.0 / SCTP   h ; maddr = 224.0.1.75 ; ttl=16; rport").unwrap();
    assert_eq!(
        (via.transport.as_str(), via.ttl(), via.has_rport(), via.rport()),
        ("SCTP", Some(16), true, None)
    );
    assert_eq!(via.maddr().map(|host| host.to_string()).as_deref(), Some("224.0.1.75"));
    for bad in [
        "",
        "SIP/2.0/UDP",
        "SIP/3.0/UDP h",
        "SIP/2.0 h",
        "SIP/2.0/UDP h;;",
        "SIP/2.0/UDP h:x",
        "SIP/2.0/U@P h",
    ] {
        assert!(Via::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn stamping_never_believes_the_sender() {
    for (via, from, expected) in [
        ("SIP/2.0/UDP 192.0.2.1;branch=b", "192.0.2.1:5060", "SIP/2.0/UDP 192.0.2.1;branch=b"),
        ("SIP/2.0/UDP 10.0.0.1;branch=b", "192.0.2.1:9", "SIP/2.0/UDP 10.0.0.1;branch=b;received=192.0.2.1"),
        ("SIP/2.0/UDP h;rport;branch=b", "[::1]:9", "SIP/2.0/UDP h;rport=9;branch=b;received=::1"),
        ("SIP/2.0/UDP 192.0.2.1;received=6.6.6.6", "192.0.2.1:9", "SIP/2.0/UDP 192.0.2.1"),
        ("SIP/2.0/UDP 192.0.2.1", "[::ffff:192.0.2.1]:9", "SIP/2.0/UDP 192.0.2.1"),
    ] {
        let mut found = Via::parse(via).unwrap();
        found.stamp(from.parse().unwrap());
        assert_eq!(found.to_string(), expected);
    }
}

#[test]
fn unknown_methods_transports_headers_and_phrases_are_kept() {
    let message =
        parse("FROBNICATE sip:b@h SIP/2.0\nVia: SIP/2.0/QUIC h;branch=1\nX-Odd: ;;,,;,;\n\n").unwrap();
    assert_eq!(message.method(), Some(&Method::Other("FROBNICATE".into())));
    assert_eq!(message.top_via().unwrap().transport, "QUIC");
    assert_eq!(message.extension("x-odd").unwrap().raw(), b";;,,;,;");
    let answer = parse("SIP/2.0 299 Odd but fine\nCSeq: 1 INVITE\n\n").unwrap();
    assert_eq!(answer.start(), StartLine::Response { status: 299, reason: b"Odd but fine" });
}

#[test]
fn the_body_of_a_datagram_follows_content_length_or_takes_the_rest() {
    for (head, body, expected) in [
        ("", "abc", Ok("abc")),
        ("Content-Length: 3\n", "abc", Ok("abc")),
        ("Content-Length: 2\n", "abc", Ok("ab")),
        ("Content-Length : 0\n", "abc", Ok("")),
        ("l:\n 3\n", "abc", Ok("abc")),
        ("Content-Length: 4\n", "abc", Err(ParseError::BodyTooShort)),
        ("Content-Length: 3\nContent-Length: 3\n", "abc", Err(ParseError::RepeatedContentLength)),
        ("Content-Length: 3\nl: 2\n", "abc", Err(ParseError::RepeatedContentLength)),
        ("Content-Length: 18446744073709551615\n", "abc", Err(ParseError::BodyTooLarge)),
        ("Content-Length: 18446744073709551616\n", "abc", Err(ParseError::ContentLength)),
        ("Content-Length: -1\n", "abc", Err(ParseError::ContentLength)),
        ("Content-Length: +3\n", "abc", Err(ParseError::ContentLength)),
        ("Content-Length: 3, 3\n", "abc", Err(ParseError::ContentLength)),
        ("Content-Length:\n", "abc", Err(ParseError::ContentLength)),
        ("Content-Length: five\n", "abc", Err(ParseError::ContentLength)),
    ] {
        let found = parse(&format!("OPTIONS sip:b@h SIP/2.0\n{head}\n{body}"));
        assert_eq!(
            found.map(|message| message.body()),
            expected.map(|body| body.as_bytes().into()),
            "{head}"
        );
    }
}

#[test]
fn bytes_that_are_not_utf8_hurt_only_their_own_header() {
    let mut bytes =
        b"MESSAGE sip:b@h SIP/2.0\r\nSubject: caf\xe9\r\nCall-ID: c1\r\nContent-Length: 3\r\n\r\n".to_vec();
    bytes.extend([0xff, 0x00, 0xfe]);
    let message = Message::parse_datagram(bytes.clone().into(), &Limits::default()).unwrap();
    assert_eq!(message.field(HeaderName::Subject).unwrap().raw(), b"caf\xe9");
    assert_eq!(message.text(HeaderName::Subject).as_deref(), Some("caf\u{fffd}"));
    assert_eq!(message.call_id(), Ok("c1"));
    assert_eq!(&message.body()[..], [0xff, 0x00, 0xfe]);
    assert_eq!(message.splice().finish().bytes(), &bytes);
}

#[test]
fn bare_line_feeds_and_leading_line_breaks_are_read() {
    let message = Message::parse_datagram(
        "\r\n\r\nOPTIONS sip:b@h SIP/2.0\nCall-ID: c1\n\nbody".into(),
        &Limits::default(),
    )
    .unwrap();
    assert_eq!((message.call_id(), &message.body()[..]), (Ok("c1"), &b"body"[..]));
}

#[test]
fn malformed_heads_are_refused() {
    for (text, error) in [
        ("", ParseError::Unfinished),
        ("OPTIONS sip:b@h SIP/2.0\n", ParseError::Unfinished),
        ("OPTIONS sip:b@h SIP/2.0\nCall-ID: 1\n", ParseError::Unfinished),
        ("OPTIONS sip:b@h\n\n", ParseError::StartLine),
        ("OPTIONS  sip:b@h SIP/2.0\n\n", ParseError::StartLine),
        ("OPTIONS sip:b@h SIP/2.0 \n\n", ParseError::StartLine),
        ("OPTIONS sip:b@h SIP/7.0\n\n", ParseError::Version),
        ("GET / HTTP/1.1\n\n", ParseError::StartLine),
        ("SIP/2.0 99 x\n\n", ParseError::StartLine),
        ("SIP/2.0 4294967301 x\n\n", ParseError::StartLine),
        ("OPTIONS sip:b@h SIP/2.0\nno colon\n\n", ParseError::HeaderLine),
        ("OPTIONS sip:b@h SIP/2.0\n: no name\n\n", ParseError::HeaderLine),
        ("OPTIONS sip:b@h SIP/2.0\n folded first\n\n", ParseError::HeaderLine),
        ("OPTIONS sip:b@h SIP/2.0\nX: a\rVia: b\n\n", ParseError::HeaderLine),
    ] {
        assert_eq!(parse(text).map(|_| ()), Err(error), "{text}");
    }
}

#[test]
fn limits_hold() {
    let limits = Limits { head: 400, body: 10, line: 100, headers: 5 };
    let parse = |text: String| Message::parse_datagram(text.into_bytes().into(), &limits).map(|_| ());
    let start = "OPTIONS sip:b@h SIP/2.0\r\n";
    assert_eq!(parse(format!("{start}{}\r\n", "A: b\r\n".repeat(5))), Ok(()));
    assert_eq!(parse(format!("{start}{}\r\n", "A: b\r\n".repeat(6))), Err(ParseError::HeadTooLarge));
    assert_eq!(parse(format!("{start}A: {}\r\n\r\n", "b".repeat(100))), Err(ParseError::HeadTooLarge));
    assert_eq!(parse(format!("{start}A: b{}\r\n\r\n", "\r\n b".repeat(30))), Err(ParseError::HeadTooLarge));
    assert_eq!(
        parse(format!("{start}{}", format!("A: {}\r\n", "b".repeat(90)).repeat(5))),
        Err(ParseError::HeadTooLarge)
    );
    assert_eq!(parse(format!("{start}\r\n{}", "x".repeat(11))), Err(ParseError::BodyTooLarge));
    assert_eq!(parse(format!("{start}Content-Length: 11\r\n\r\n")), Err(ParseError::BodyTooLarge));
}

#[test]
fn thousands_of_headers_are_refused_early() {
    let text = format!("OPTIONS sip:b@h SIP/2.0\n{}\n", "X: y\n".repeat(3000));
    assert_eq!(parse(&text).map(|_| ()), Err(ParseError::HeadTooLarge));
}

#[test]
fn typed_values_are_read() {
    let message = request_with(
        "Event: presence;id=7\nSubscription-State: terminated;reason=timeout;expires=0\nExpires: 3600\n\
         Content-Type: Multipart/Mixed;boundary=\"a;b\"\nAccept: text/plain;q=0.5, application/*, */*;q=0.1\n\
         Date: Sat, 13 Nov 2010 23:29:00 GMT\nSIP-If-Match: dx200xyz\nMin-Expires: 60\nAllow: INVITE, ACK,BYE\n\
         Authorization: Digest username=\"a, b\", realm=\"x\\\"y\", nc=0000000a, uri=\"sip:h;a=b\"\n",
    );
    let event = message.event().unwrap().unwrap();
    assert_eq!((event.token.as_str(), event.id()), ("presence", Some("7")));
    let state = message.subscription_state().unwrap().unwrap();
    assert_eq!(
        (state.token.as_str(), state.reason(), state.expires()),
        ("terminated", Some("timeout"), Some(0))
    );
    assert_eq!((message.expires(), message.min_expires()), (Some(3600), Some(60)));
    let content = message.content_type().unwrap().unwrap();
    assert!(content.is("multipart/mixed"));
    assert_eq!(
        (content.essence().as_str(), content.param("Boundary").as_deref()),
        ("multipart/mixed", Some("a;b"))
    );
    let accept = message.accept().unwrap().unwrap();
    assert!(accept[1].covers("application/pidf+xml") && !accept[1].covers("text/plain"));
    assert_eq!(accept.iter().map(|range| range.q().thousandths()).collect::<Vec<_>>(), [500, 1000, 100]);
    assert_eq!(print_date(message.date().unwrap()), "Sat, 13 Nov 2010 23:29:00 GMT");
    assert_eq!(message.text(HeaderName::SipIfMatch).as_deref(), Some("dx200xyz"));
    assert_eq!(message.tokens(HeaderName::Allow).collect::<Vec<_>>(), ["INVITE", "ACK", "BYE"]);
    let digest = &message.auth_params(HeaderName::Authorization).unwrap()[0];
    assert_eq!(digest.scheme, "Digest");
    assert_eq!(digest.value("username").as_deref(), Some("a, b"));
    assert_eq!(digest.value("realm").as_deref(), Some("x\"y"));
    assert_eq!(
        (digest.value("nc").as_deref(), digest.value("uri").as_deref()),
        (Some("0000000a"), Some("sip:h;a=b"))
    );
    assert_eq!(digest.params.raw("uri"), Some("\"sip:h;a=b\""));
}

#[test]
fn an_empty_accept_is_not_an_absent_one() {
    assert_eq!(request_with("").accept(), Ok(None));
    assert_eq!(request_with("Accept:\n").accept(), Ok(Some(Vec::new())));
}

#[test]
fn mandatory_headers_are_checked() {
    let base = "OPTIONS sip:b@h SIP/2.0\nVia: SIP/2.0/UDP h;branch=1\nFrom: <sip:a@h>;tag=1\nTo: <sip:b@h>\n\
                Call-ID: 1\nCSeq: 1 OPTIONS\n\n";
    assert_eq!(parse(base).unwrap().check_request().map(|_| ()), Ok(()));
    for (line, error) in [
        ("Via: SIP/2.0/UDP h;branch=1\n", HeaderError::Missing(HeaderName::Via)),
        ("From: <sip:a@h>;tag=1\n", HeaderError::Missing(HeaderName::From)),
        ("To: <sip:b@h>\n", HeaderError::Missing(HeaderName::To)),
        ("Call-ID: 1\n", HeaderError::Missing(HeaderName::CallId)),
        ("CSeq: 1 OPTIONS\n", HeaderError::Missing(HeaderName::CSeq)),
    ] {
        assert_eq!(parse(&base.replace(line, "")).unwrap().check_request().map(|_| ()), Err(error));
    }
    let repeated = parse(&base.replace("To:", "To: <sip:c@h>\nTo:")).unwrap();
    assert_eq!(repeated.check_request().map(|_| ()), Err(HeaderError::Repeated(HeaderName::To)));
    let mismatch = parse(&base.replace("CSeq: 1 OPTIONS", "CSeq: 1 options")).unwrap();
    assert_eq!(mismatch.check_request().map(|_| ()), Err(HeaderError::MethodMismatch));
    let hops = parse(&base.replace("Call-ID", "Max-Forwards: 256\nCall-ID")).unwrap();
    assert_eq!(hops.check_request().map(|_| ()), Err(HeaderError::Malformed(HeaderName::MaxForwards)));
}

#[test]
fn a_refused_request_can_still_be_answered() {
    let bytes = "OPTIONS sip:b@h SIP/7.0\r\nVia: SIP/2.0/UDP h;branch=1\r\nbroken\r\nCall-ID: 1\r\nContent-Length: -1\r\n\r\nx";
    let salvaged = Message::salvage(&bytes.into(), &Limits::default()).unwrap();
    assert_eq!(salvaged.call_id(), Ok("1"));
    let answer = Builder::response_to(&salvaged, ParseError::Version.status(), "t").finish();
    assert_eq!(
        answer.bytes(),
        "SIP/2.0 505 Version Not Supported\r\nVia: SIP/2.0/UDP h;branch=1\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n"
    );
    assert!(Message::salvage(&"garbage".into(), &Limits::default()).is_none());
    assert!(
        Message::salvage(&"OPTIONS sip:b@h SIP/2.0\r\nCall-ID: 1\r\n\r\n".into(), &Limits::default())
            .is_none()
    );
}

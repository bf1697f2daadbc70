//! The torture tests of RFC 4475 (bit-exact, from its appendix) and RFC 5118 (with `Content-Length` put
//! right where the RFC miscounts), every one with its verdict.

use std::{fs, path::PathBuf};

use super::*;

/// What must become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Read and well-formed in what every message must have.
    Sound,
    /// Refused by the parser.
    Parse(ParseError),
    /// Read, but refused by the check of mandatory headers.
    Check(HeaderError),
}

use HeaderName::{CSeq, From, To, Via};
use Verdict::{Check, Parse, Sound};

/// RFC 4475 §3.1.1 to §3.4, in its order. A refused request is answered with 400, `badvers` with 505.
const RFC_4475: [(&str, Verdict); 49] = [
    ("wsinv", Sound),
    ("intmeth", Sound),
    ("esc01", Sound),
    ("escnull", Sound),
    ("esc02", Sound),
    ("lwsdisp", Sound),
    ("longreq", Sound),
    ("dblreq", Sound),
    ("semiuri", Sound),
    ("transports", Sound),
    ("mpart01", Sound),
    ("unreason", Sound),
    ("noreason", Sound),
    ("badinv01", Check(HeaderError::Malformed(Via))),
    ("clerr", Parse(ParseError::BodyTooShort)),
    ("ncl", Parse(ParseError::ContentLength)),
    ("scalar02", Check(HeaderError::Malformed(CSeq))),
    ("scalarlg", Check(HeaderError::Malformed(CSeq))),
    ("quotbal", Check(HeaderError::Malformed(To))),
    ("ltgtruri", Parse(ParseError::StartLine)),
    ("lwsruri", Parse(ParseError::StartLine)),
    ("lwsstart", Parse(ParseError::StartLine)),
    ("trws", Parse(ParseError::StartLine)),
    ("escruri", Check(HeaderError::RequestUri)),
    // Nobody here needs the date, so it makes no message fail.
    ("baddate", Sound),
    // Only who reads the contact refuses it; see below.
    ("regbadct", Sound),
    // The RFC allows to be liberal with white space inside the brackets.
    ("badaspec", Sound),
    // The empty line is missing too in the archive of the RFC.
    ("baddn", Parse(ParseError::Unfinished)),
    ("badvers", Parse(ParseError::Version)),
    ("mismatch01", Check(HeaderError::MethodMismatch)),
    ("mismatch02", Check(HeaderError::MethodMismatch)),
    ("bigcode", Parse(ParseError::StartLine)),
    // A matter of the transaction layer.
    ("badbranch", Sound),
    ("insuf", Check(HeaderError::Missing(From))),
    ("unkscm", Sound),
    ("novelsc", Sound),
    ("unksm2", Sound),
    ("bext01", Sound),
    ("invut", Sound),
    ("regaut01", Sound),
    ("multi01", Check(HeaderError::Repeated(From))),
    ("mcl01", Parse(ParseError::RepeatedContentLength)),
    ("bcast", Sound),
    ("zeromf", Sound),
    ("cparam01", Sound),
    ("cparam02", Sound),
    ("regescrt", Sound),
    ("sdp01", Sound),
    // Well-formed; the transaction layer wants a branch of RFC 3261.
    ("inv2543", Sound),
];

const RFC_5118: [(&str, Verdict); 12] = [
    ("ipv6-good", Sound),
    ("ipv6-bad", Check(HeaderError::RequestUri)),
    ("port-ambiguous", Sound),
    ("port-unambiguous", Sound),
    ("via-received-param-with-delim", Sound),
    ("via-received-param-no-delim", Sound),
    ("ipv6-in-sdp", Sound),
    ("mult-ip-in-header", Sound),
    ("mult-ip-in-sdp", Sound),
    ("ipv4-mapped-ipv6", Sound),
    ("ipv6-bug-abnf-3-colons", Check(HeaderError::Malformed(To))),
    ("ipv6-correct-abnf-2-colons", Sound),
];

fn folder(rfc: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/torture").join(rfc)
}

fn bytes(rfc: &str, name: &str) -> Vec<u8> {
    fs::read(folder(rfc).join(name).with_extension("dat")).expect(name)
}

fn message(name: &str) -> Message {
    Message::parse_datagram(bytes("rfc4475", name).into(), &Limits::default()).expect(name)
}

fn verdict(bytes: Vec<u8>) -> Verdict {
    let message = match Message::parse_datagram(bytes.into(), &Limits::default()) {
        Ok(message) => message,
        Err(error) => return Parse(error),
    };
    let checked = if message.is_request() {
        message.check_request().map(|_| ())
    } else {
        message.check_response().map(|_| ())
    };
    checked.map_or_else(Check, |_| Sound)
}

#[test]
fn every_torture_message_gets_its_verdict() {
    for (rfc, cases) in [("rfc4475", &RFC_4475[..]), ("rfc5118", &RFC_5118[..])] {
        for (name, expected) in cases {
            assert_eq!(verdict(bytes(rfc, name)), *expected, "{rfc} {name}");
        }
        assert_eq!(fs::read_dir(folder(rfc)).unwrap().count(), cases.len(), "{rfc}: all are listed");
    }
}

#[test]
fn sound_torture_messages_are_forwarded_byte_for_byte() {
    for (rfc, cases) in [("rfc4475", &RFC_4475[..]), ("rfc5118", &RFC_5118[..])] {
        for (name, _) in cases.iter().filter(|(name, verdict)| *verdict == Sound && *name != "inv2543") {
            let original = bytes(rfc, name);
            let message = Message::parse_datagram(original.clone().into(), &Limits::default()).unwrap();
            assert!(original.starts_with(&message.splice().finish().bytes()[..]), "{name}");
        }
    }
}

#[test]
fn every_refused_request_can_be_answered() {
    let limits = Limits::default();
    for (name, verdict) in RFC_4475 {
        let Parse(_) = verdict else { continue };
        let is_request = !bytes("rfc4475", name).starts_with(b"SIP/2.0");
        assert_eq!(Message::salvage(&bytes("rfc4475", name).into(), &limits).is_some(), is_request, "{name}");
    }
}

#[test]
fn tortuous_white_space_is_seen_through() {
    let message = message("wsinv");
    assert_eq!(message.request_uri().unwrap().params().collect::<Vec<_>>(), [("unknownparam", None)]);
    assert_eq!(message.to().unwrap().tag(), Some("1918181833n"));
    let from = message.from().unwrap();
    assert_eq!((from.display.as_deref(), from.tag()), (Some("J Rosenberg \\\""), Some("98asjd8")));
    assert_eq!(message.max_forwards(), Ok(Some(68)));
    assert_eq!(message.cseq().unwrap().to_string(), "9 INVITE");
    let vias = message.vias().unwrap();
    let branches: Vec<_> = vias.iter().map(|via| via.branch().unwrap()).collect();
    assert_eq!(branches, ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]);
    let transports: Vec<_> = vias.iter().map(|via| via.transport.as_str()).collect();
    assert_eq!(transports, ["UDP", "TCP", "UDP"]);
    assert_eq!(message.text(HeaderName::Subject).as_deref(), Some(""));
    let odd = message.extension("newfangledheader").unwrap();
    assert_eq!(odd.text(), "newfangled value continued newfangled value");
    assert_eq!(message.extension("UnknownHeaderWithUnusualValue").unwrap().raw(), b";;,,;;,;");
    assert!(message.routes().unwrap()[0].uri.has_param("unknown-no-value"));
    let contact = message.contact().unwrap();
    assert_eq!(
        (contact.display.as_deref(), contact.uri.as_str()),
        (Some("Quoted string \"\""), "sip:jdrosen@example.com")
    );
    assert_eq!(
        (contact.params.raw("newparam"), contact.q().map(Quality::thousandths)),
        (Some("newvalue"), Some(330))
    );
    assert_eq!(message.body().len(), 150);
}

#[test]
fn a_wide_range_of_characters_is_taken() {
    let message = message("intmeth");
    let method = "!interesting-Method0123456789_*+`.%indeed'~";
    assert_eq!(message.method(), Some(&Method::Other(method.into())));
    let uri = message.request_uri().unwrap();
    assert_eq!(uri.raw_user(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(uri.password(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
    assert_eq!(message.to().unwrap().display.as_deref(), Some("BEL:\u{7} NUL:\0 DEL:\u{7f}"));
    let from = message.from().unwrap();
    assert_eq!(from.display.as_deref(), Some("token1~` token2'+_ token3*%!.-"));
    assert_eq!(from.params.value("fromParam''~+*_!.-%").as_deref(), Some("работающий"));
    assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
    assert_eq!(message.call_id(), Ok("intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"));
    assert_eq!(message.top_via().unwrap().branch(), Some("z9hG4bK-.!%66*_+`'~"));
    assert_eq!(message.extension("extensionHeader-!.%*+_`'~").unwrap().text(), "\u{feff}大停電");
}

#[test]
fn escapes_are_undone_where_they_are_escapes() {
    let first = message("esc01");
    assert_eq!(first.request_uri().unwrap().user().as_deref(), Some("sips:user@example.com"));
    assert_eq!(first.to().unwrap().uri.user().as_deref(), Some("user"));
    assert_eq!(first.from().unwrap().uri.user().as_deref(), Some("I have spaces"));
    let contact = first.contact().unwrap().uri;
    assert!(contact.has_param("lr"));
    assert_eq!(contact.param("name").as_deref(), Some("value%41"));

    let nulls = message("escnull");
    assert_eq!(nulls.to().unwrap().uri.user().as_deref(), Some("null-\0-null"));
    let Contacts::List(list) = nulls.contacts().unwrap() else { panic!("a list") };
    assert!(!list[0].uri.is_equivalent(&list[1].uri));

    let second = message("esc02");
    assert_eq!(second.method(), Some(&Method::Other("RE%47IST%45R".into())));
    assert_eq!(second.to().unwrap().display.as_deref(), Some("%Z%45"));
    assert_eq!(
        second.contacts().unwrap(),
        Contacts::List(vec![
            NameAddr::parse("<sip:alias1@host1.example.com>").unwrap(),
            NameAddr::parse("<sip:alias3@host3.example.com>").unwrap(),
        ])
    );
}

#[test]
fn long_values_and_a_second_request_in_a_datagram_do_not_matter() {
    let long = message("longreq");
    assert_eq!(long.from().unwrap().tag().map(str::len), Some(2 + 150 + 3));
    assert_eq!(long.vias().unwrap().len(), 34);
    assert_eq!(long.body().len(), 150);
    let double = message("dblreq");
    assert_eq!((double.method(), double.body().len()), (Some(&Method::Register), 0));
}

#[test]
fn users_with_parameters_and_odd_transports_are_read() {
    let message = message("semiuri");
    assert_eq!(message.request_uri().unwrap().user().as_deref(), Some("user;par=u@example.net"));
    assert_eq!(message.accept().unwrap().map(|accept| accept.len()), Some(6));
    let transports = self::message("transports");
    let found: Vec<_> = transports.vias().unwrap().into_iter().map(|via| via.transport).collect();
    assert_eq!(found, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
}

#[test]
fn reason_phrases_may_be_odd_or_empty() {
    let odd = "= 2**3 * 5**2 но сто девяносто девять - простое";
    assert_eq!(message("unreason").start(), StartLine::Response { status: 200, reason: odd.as_bytes() });
    assert_eq!(message("noreason").start(), StartLine::Response { status: 100, reason: b"" });
}

#[test]
fn binary_bodies_are_whole() {
    let message = message("mpart01");
    assert!(message.content_type().unwrap().unwrap().is("multipart/mixed"));
    assert_eq!(message.body().len(), 553);
    assert!(message.body().ends_with(b"--7a9cbec02ceef655--\r\n"));
}

#[test]
fn what_only_some_read_fails_only_there() {
    assert_eq!(message("baddate").date(), None);
    assert_eq!(message("regbadct").contacts(), Err(HeaderError::Malformed(HeaderName::Contact)));
    assert_eq!(message("badaspec").to().unwrap().uri.as_str(), "sip:t.watson@example.org");
    assert_eq!(message("unkscm").request_uri().unwrap().scheme(), Scheme::Other);
    assert_eq!(message("novelsc").request_uri().unwrap().as_str(), "soap.beep://192.0.2.103:3002");
    assert_eq!(message("unksm2").to().unwrap().uri.scheme(), Scheme::Other);
    let required: Vec<_> = message("bext01").tokens(HeaderName::Require).collect();
    assert_eq!(required, ["nothingSupportsThis", "nothingSupportsThisEither"]);
    assert_eq!(
        message("regaut01").auth_params(HeaderName::Authorization).unwrap()[0].scheme,
        "NoOneKnowsThisScheme"
    );
    assert_eq!(message("zeromf").max_forwards(), Ok(Some(0)));
    assert!(!message("sdp01").accept().unwrap().unwrap()[0].covers("application/sdp"));
    assert_eq!(message("bcast").vias().unwrap()[1].host, Host::parse("255.255.255.255").unwrap());
}

#[test]
fn overlarge_numbers_of_a_registration_are_the_largest() {
    let message = message("scalar02");
    assert_eq!(message.expires(), Some(u32::MAX));
    assert_eq!(message.contact().unwrap().expires(), Some(u32::MAX));
    assert_eq!(message.max_forwards(), Err(HeaderError::Malformed(HeaderName::MaxForwards)));
}

#[test]
fn contact_and_uri_parameters_are_told_apart() {
    let of_contact = message("cparam01").contact().unwrap();
    assert!(of_contact.params.has("unknownparam") && !of_contact.uri.has_param("unknownparam"));
    let of_uri = message("cparam02").contact().unwrap();
    assert!(!of_uri.params.has("unknownparam") && of_uri.uri.has_param("unknownparam"));
    let escaped = message("regescrt").contact().unwrap().uri;
    assert_eq!(escaped.headers().collect::<Vec<_>>(), [("Route", Some("%3Csip:sip.example.com%3E"))]);
}

#[test]
fn a_message_of_rfc_2543_is_read() {
    let message = message("inv2543");
    assert_eq!((message.top_via().unwrap().branch(), message.from().unwrap().tag()), (None, None));
    assert_eq!((message.max_forwards(), message.body().len()), (Ok(None), 105));
    assert_eq!(message.from().unwrap().params.raw("user"), None, "it stands inside the brackets");
}

#[test]
fn ipv6_addresses_are_told_from_ports() {
    let message =
        |name: &str| Message::parse_datagram(bytes("rfc5118", name).into(), &Limits::default()).unwrap();
    let host = |name: &str| {
        let uri = message(name).request_uri().unwrap();
        (uri.host().unwrap().to_string(), uri.port())
    };
    assert_eq!(host("port-ambiguous"), ("[2001:db8::10:5070]".into(), None));
    assert_eq!(host("port-unambiguous"), ("[2001:db8::10]".into(), Some(5070)));
    for name in ["via-received-param-with-delim", "via-received-param-no-delim"] {
        assert_eq!(message(name).top_via().unwrap().received(), Some("2001:db8::9:255".parse().unwrap()));
        assert!(message(name).top_via().unwrap().branch().unwrap().starts_with("z9hG4bKas3"));
    }
    let vias = message("mult-ip-in-header").vias().unwrap();
    assert_eq!((vias[0].port, vias[2].received()), (Some(6050), Some("192.0.2.200".parse().unwrap())));
    assert_eq!(
        message("ipv4-mapped-ipv6").contact().unwrap().uri.host().unwrap().to_string(),
        "[::ffff:192.0.2.2]"
    );
}

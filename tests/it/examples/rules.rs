//! RFC 4745 and RFC 5025: what each watcher is told.
//!
//! The rules of RFC 4745 have neither actions nor transformations, which its applications define: here they
//! allow to watch, so that it shows which of them match.

use rollcall::{
    formats::{rules::parse, xml::Limits},
    presence::{Context, Verdict, Why, verdict},
    signal::{Address, Attribute, Granted, Handling, Ruleset, Selector, Timestamp, UserInput},
};

use crate::{
    support::{House, SipPhone, body},
    xcap::client_at,
};

fn read(text: &str) -> Ruleset {
    parse(text.as_bytes(), &Limits::default()).unwrap_or_else(|fault| panic!("{fault}: {text}"))
}

/// Rules that allow to watch.
fn allowing(text: &str) -> Ruleset {
    let action =
        "<actions><sub-handling xmlns='urn:ietf:params:xml:ns:pres-rules'>allow</sub-handling></actions>";
    read(&text.replace("<actions/>", action))
}

/// What becomes of a watcher, `-` for one who does not say who he is.
fn decide(rules: &Ruleset, watcher: &str, sphere: &str, now: &str) -> Verdict {
    let watcher = (watcher != "-").then(|| Address::parse(watcher).unwrap());
    let context = Context { sphere: Some(sphere).filter(|sphere| !sphere.is_empty()), ..Context::default() };
    verdict(rules, watcher.as_ref(), context, Timestamp::parse_rfc3339(now).unwrap())
}

/// The rule that lets a watcher watch; the owner is asked where there is none.
fn rule_for(rules: &Ruleset, watcher: &str, sphere: &str, now: &str) -> String {
    match decide(rules, watcher, sphere, now) {
        Verdict { handling: Handling::Allow, why: Why::Rule(id), .. } => id.to_string(),
        Verdict { handling: Handling::Confirm, why: Why::NoRule, .. } => "none".to_owned(),
        other => panic!("{other:?}"),
    }
}

const ONE: &str = include_str!("../../data/documents/rfc4745-1.xml");
const ANYBODY: &str = include_str!("../../data/documents/rfc4745-2.xml");
const EXCEPT: &str = include_str!("../../data/documents/rfc4745-3.xml");
const DOMAIN: &str = include_str!("../../data/documents/rfc4745-4.xml");
const SPHERES: &str = include_str!("../../data/documents/rfc4745-5.xml");
const VALIDITY: &str = include_str!("../../data/documents/rfc4745-6.xml");
const WHOLE: &str = include_str!("../../data/documents/rfc4745-7.xml");

/// RFC 4745 §7.1 to §7.4 and §12.
#[test]
fn rules_of_common_policy_match_whom_they_should() {
    let noon = "2003-12-24T12:00:00+01:00";
    let evening = "2003-12-24T17:30:00+01:00";
    for (document, watcher, sphere, now, expected) in [
        // §7.1.2. Watchers prove an address of SIP or XMPP: nobody proves to be a number or a mailbox.
        (ONE, "alice@example.com", "", noon, "f3g44r1"),
        (ONE, "bob@example.net", "", noon, "none"),
        (ONE, "bob@example.com", "", noon, "none"),
        (ONE, "-", "", noon, "none"),
        // §7.1.3.1.
        (ANYBODY, "carol@example.org", "", noon, "f3g44r5"),
        (ANYBODY, "-", "", noon, "none"),
        // §7.1.3.2.
        (EXCEPT, "carol@example.net", "work", evening, "f3g44r1"),
        (EXCEPT, "carol@bad.example.net", "work", evening, "f3g44r1"),
        (EXCEPT, "alice@bad.example.net", "work", evening, "none"),
        (EXCEPT, "bob@good.example.net", "work", evening, "none"),
        (EXCEPT, "alice@example.com", "work", evening, "none"),
        (EXCEPT, "carol@example.com", "work", evening, "none"),
        (EXCEPT, "carol@example.org", "work", evening, "none"),
        (EXCEPT, "carol@example.net", "home", evening, "none"),
        (EXCEPT, "carol@example.net", "", evening, "none"),
        (EXCEPT, "carol@example.net", "work", "2003-12-24T16:59:59+01:00", "none"),
        (EXCEPT, "carol@example.net", "work", "2003-12-24T17:00:00+01:00", "f3g44r1"),
        (EXCEPT, "carol@example.net", "work", "2003-12-24T18:59:59+01:00", "f3g44r1"),
        (EXCEPT, "carol@example.net", "work", "2003-12-24T19:00:00+01:00", "none"),
        (EXCEPT, "-", "work", evening, "none"),
        // §7.1.3.3.
        (DOMAIN, "carol@example.com", "", noon, "f3g44r1"),
        (DOMAIN, "alice@example.com", "", noon, "none"),
        (DOMAIN, "bob@example.com", "", noon, "none"),
        (DOMAIN, "carol@example.org", "", noon, "none"),
        (DOMAIN, "carol@sub.example.com", "", noon, "none"),
        // §7.3.
        (SPHERES, "andrew@example.com", "work", noon, "f3g44r2"),
        (SPHERES, "andrew@example.com", "Work", noon, "f3g44r2"),
        (SPHERES, "andrew@example.com", "home", noon, "none"),
        (SPHERES, "allison@example.com", "home", noon, "y6y55r2"),
        (SPHERES, "john@doe.example.com", "home", noon, "z6y55r2"),
        (SPHERES, "john@doe.example.com", "work", noon, "z6y55r2"),
        (SPHERES, "john@doe.example.com", "travel", noon, "none"),
        // §7.4.
        (VALIDITY, "carol@example.com", "", "2003-08-15T10:20:00.000-05:00", "f3g44r3"),
        (VALIDITY, "-", "", "2003-09-01T00:00:00Z", "f3g44r3"),
        (VALIDITY, "carol@example.com", "", "2003-08-15T15:19:59.999Z", "none"),
        (VALIDITY, "carol@example.com", "", "2003-09-15T10:20:00.000-05:00", "none"),
        // §12.
        (WHOLE, "bob@example.com", "work", evening, "f3g44r1"),
        (WHOLE, "bob@example.com", "home", evening, "none"),
        (WHOLE, "alice@example.com", "work", evening, "none"),
        (WHOLE, "bob@example.com", "work", noon, "none"),
    ] {
        let found = rule_for(&allowing(document), watcher, sphere, now);
        assert_eq!(found, expected, "{watcher} at {sphere:?}, {now}: {document}");
    }
}

/// RFC 4745 §10.3: X is here whether notes are shown, Y how the watcher is handled (3, 5, 10 and 12 from the least
/// to the most), Z how much is shown of whether the owner is idle (nothing for `-`, bare for `o`, all for `+`).
#[test]
fn permissions_of_common_policy_are_combined() {
    let (a1, a2) = ("2003-12-24T17:00:00+01:00", "2003-12-24T21:00:00+01:00");
    let a3 = "2003-12-24T23:30:00+01:00";
    let (b1, b2) = ("2003-12-22T17:00:00+01:00", "2003-12-23T17:00:00+01:00");
    let table = [
        ("bob", "home", a1, a2, Some(true), 10, "o"),
        ("alice", "work", a1, a2, Some(false), 5, "+"),
        ("bob", "work", a1, a2, Some(true), 3, "-"),
        ("tom", "work", a1, a2, Some(true), 5, "+"),
        ("bob", "work", a1, a3, None, 12, "o"),
        ("bob", "work", b1, b2, Some(false), 10, "-"),
    ];
    let mut text = String::from(
        "<ruleset xmlns='urn:ietf:params:xml:ns:common-policy' xmlns:p='urn:ietf:params:xml:ns:pres-rules'>",
    );
    for (number, (who, sphere, from, until, x, y, z)) in (1..).zip(table) {
        let handling = match y {
            3 => "block",
            5 => "confirm",
            10 => "polite-block",
            _ => "allow",
        };
        let input = match z {
            "-" => "false",
            "o" => "bare",
            _ => "full",
        };
        let notes = x.map_or_else(String::new, |x| format!("<p:provide-note>{x}</p:provide-note>"));
        text += &format!(
            "<rule id='{number}'><conditions><identity><one id='sip:{who}@example.com'/></identity>\
             <sphere value='{sphere}'/><validity><from>{from}</from><until>{until}</until></validity></conditions>\
             <actions><p:sub-handling>{handling}</p:sub-handling></actions><transformations>\
             <p:provide-user-input>{input}</p:provide-user-input>{notes}</transformations></rule>"
        );
    }
    text += "</ruleset>";
    let found = decide(&read(&text), "bob@example.com", "work", "2003-12-24T17:15:00+01:00");
    assert_eq!((found.handling, &found.why), (Handling::Allow, &Why::Rule("5".into())));
    assert!(found.view.attributes.has(Attribute::Note));
    assert_eq!(found.view.attributes.user_input(), UserInput::Bare);
}

/// RFC 5025 §3.3.1.1.
#[test]
fn devices_that_two_rules_name_are_one_set() {
    let rule = |id: &str, devices: &str| {
        format!(
            "<cr:rule id='{id}'><cr:conditions/><cr:actions><sub-handling>allow</sub-handling></cr:actions>\
             <cr:transformations>{devices}</cr:transformations></cr:rule>"
        )
    };
    let first = "<provide-devices><deviceID>urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6</deviceID>\
                 <class>biz</class></provide-devices>";
    let second = "<provide-devices><class>home</class><class>biz</class></provide-devices>";
    let text = format!(
        "<cr:ruleset xmlns='urn:ietf:params:xml:ns:pres-rules' xmlns:cr='urn:ietf:params:xml:ns:common-policy'>{}{}</cr:ruleset>",
        rule("a", first),
        rule("b", second)
    );
    let found = decide(&read(&text), "bob@example.com", "", "2007-12-01T00:00:00Z");
    let devices = [
        Selector::Class("home".into()),
        Selector::Class("biz".into()),
        Selector::DeviceId("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6".into()),
    ];
    assert_eq!(found.view.devices, Granted::Some(devices.into()));
}

/// RFC 5025 §9: who is allowed by one rule is not kept out by another.
#[test]
fn a_block_takes_nothing_from_what_others_allow() {
    let rule = |id: &str, who: &str, handling: &str| {
        format!(
            "<rule id='{id}'><conditions><identity>{who}</identity></conditions><actions>\
             <sub-handling xmlns='urn:ietf:params:xml:ns:pres-rules'>{handling}</sub-handling></actions></rule>"
        )
    };
    let text = format!(
        "<ruleset xmlns='urn:ietf:params:xml:ns:common-policy'>{}{}</ruleset>",
        rule("domain", "<many domain='example.com'/>", "allow"),
        rule("joe", "<one id='sip:joe@example.com'/>", "block")
    );
    assert_eq!(rule_for(&read(&text), "joe@example.com", "", "2007-12-01T00:00:00Z"), "domain");
}

/// What the owner of the rules of RFC 5025 §6 publishes: something of everything that they are about.
const PUBLISHED: &str = "<presence xmlns='urn:ietf:params:xml:ns:pidf' \
    xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' xmlns:r='urn:ietf:params:xml:ns:pidf:rpid' \
    xmlns:f='urn:vendor-specific:foo-namespace' entity='sip:alice@localhost'>\
    <tuple id='calls'><status><basic>open</basic></status><r:class>work</r:class>\
    <f:foo>shown</f:foo><f:bar>hidden</f:bar><r:user-input idle-threshold='600' last-input='2007-12-01T00:00:00Z'>idle\
    </r:user-input><contact>sip:alice@localhost</contact><note>hidden</note></tuple>\
    <tuple id='mail'><status><basic>open</basic></status><contact>mailto:alice@example.com</contact></tuple>\
    <tuple id='number'><status><basic>open</basic></status><contact>tel:+12125551234</contact></tuple>\
    <dm:person id='p'><r:activities><r:meeting/></r:activities><r:mood><r:happy/></r:mood>\
    <dm:note>hidden</dm:note></dm:person>\
    <dm:device id='d'><dm:deviceID>urn:device:hidden</dm:deviceID></dm:device></presence>";

/// RFC 5025 §6: services of two schemes, the person and no device; of these activities, whether somebody is idle,
/// and `foo`.
#[tokio::test(flavor = "multi_thread")]
async fn document_of_presence_authorization_shows_what_it_says() {
    let house = House::with_accounts(&["alice", "user"]).await;
    let mut rules = client_at(&house, "alice").await;
    let text = include_str!("../../data/documents/rfc5025-1.xml").replace("example.com", "localhost");
    let path = "/pres-rules/users/sip:alice@localhost/index";
    rules.put(path, "application/auth-policy+xml", &text).await.expect(201);
    assert_eq!(rules.get(path).await.expect(200).body, text);

    let mut alice = SipPhone::new("alice", house.sip_udp()).await;
    let headers = "Event: presence\r\nContent-Type: application/pidf+xml\r\n";
    let answer = alice.ask("PUBLISH", "sip:alice@localhost", "alice", headers, PUBLISHED).await;
    assert_eq!(answer.status(), Some(200), "{answer:?}");

    let mut user = SipPhone::connected("user", house.sip_tcp()).await;
    let headers = format!("Event: presence\r\nContact: <sip:user@{};transport=tcp>\r\n", user.address());
    let answer = user.ask("SUBSCRIBE", "sip:alice@localhost", "alice", &headers, "").await;
    assert_eq!(answer.status(), Some(200), "{answer:?}");
    let told = body(&user.serve(200).await);
    for shown in ["sip:alice@localhost</contact>", "mailto:alice@example.com", ":meeting/>", ">shown<"] {
        assert!(told.contains(shown), "{shown}: {told}");
    }
    let document = roxmltree::Document::parse(&told).unwrap();
    let inputs: Vec<_> =
        document.descendants().filter(|node| node.tag_name().name() == "user-input").collect();
    assert!(!inputs.is_empty(), "{told}");
    for input in inputs {
        assert_eq!((input.text(), input.attributes().count()), (Some("idle"), 0), "{told}");
    }
    for hidden in ["tel:", "hidden", "mood", "device", "class", "bar"] {
        assert!(!told.contains(hidden), "{hidden}: {told}");
    }
}

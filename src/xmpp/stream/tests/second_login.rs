//! Logins by XEP-0388, with XEP-0386, XEP-0198 and XEP-0484 inside.

use super::*;
use crate::auth::{FastBinding, FastToken, ScramTask};
use crate::signal::Timestamp;
use crate::xmpp::sasl::Hash;
use crate::xmpp::stream::{BindRequest, Resumable};

const SASL2: &str = "xmlns='urn:xmpp:sasl:2'";

/// A request to log in by a password, with wishes.
fn authenticate(wishes: &str) -> String {
    let response = BASE64.encode("\0alice\0secret");
    format!(
        "<authenticate {SASL2} mechanism='PLAIN'><initial-response>{response}</initial-response>{wishes}</authenticate>"
    )
}

/// A stream on which somebody who has wishes waits for the authenticator's word.
fn asked(wishes: &str) -> Pair {
    let mut pair = Pair::new(StartTls::Unavailable);
    pair.send(OPEN);
    assert_eq!(pair.send(&authenticate(wishes)), "");
    let ask = Ask::Password { address: alice(), password: "secret".into() };
    assert_eq!(std::mem::take(&mut pair.asked), [Action::Ask(ask)]);
    pair
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("utf-8")
}

fn phone() -> Party {
    Party::parse("alice@example.org/phone").expect("an address")
}

#[test]
fn a_login_goes_on_without_a_new_stream() {
    let mut pair = Pair::new(StartTls::Unavailable);
    let features = pair.send(OPEN);
    for feature in [
        "<authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-512</mechanism>",
        "<inline><bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:carbons:2'/>",
        "<sm xmlns='urn:xmpp:sm:3'/><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism></fast>",
        "<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes></limits>",
    ] {
        assert!(features.contains(feature), "{feature} in {features}");
    }
    pair.send(&authenticate(""));
    let answer = pair.login(Ok(()));
    let success = format!(
        "<success {SASL2}><authorization-identifier>alice@example.org</authorization-identifier></success>\
         <stream:features><bind "
    );
    assert!(answer.starts_with(&success), "{answer}");
    assert!(answer.contains("<max-bytes>20000</max-bytes><idle-seconds>30</idle-seconds>"), "{answer}");
    pair.asked.clear();
    pair.send("<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    assert_eq!(pair.asked, [Action::Bind(None)]);
}

#[test]
fn a_scram_login_has_its_data_in_its_own_elements() {
    let mut pair = Pair::new(StartTls::Unavailable);
    pair.send(OPEN);
    let first = BASE64.encode("n,,n=alice,r=abc");
    pair.send(&format!(
        "<authenticate {SASL2} mechanism='SCRAM-SHA-256'><initial-response>{first}</initial-response></authenticate>"
    ));
    let verifier = crate::xmpp::sasl::Verifier {
        salt: vec![1; 16],
        iterations: 4096,
        stored_key: vec![2; 32],
        server_key: vec![3; 32],
    };
    let actions = pair.machine.handle_verifier(Ok(verifier), "def");
    pair.perform(actions);
    let challenge = std::mem::take(&mut pair.written);
    let data = challenge.strip_prefix(&format!("<challenge {SASL2}>")).and_then(|it| it.split('<').next());
    let data = text(BASE64.decode(data.expect("a challenge")).expect("base64"));
    assert!(data.starts_with("r=abcdef,s=") && data.contains(",i=4096,h="), "{data}");
    let last = BASE64.encode(format!("c=biws,r=abcdef,p={}", BASE64.encode([0; 32])));
    let refusal =
        format!("<failure {SASL2}><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>");
    assert_eq!(pair.send(&format!("<response {SASL2}>{last}</response>")), refusal);
    assert!(!pair.is_closed);
}

#[test]
fn a_resource_and_its_features_come_with_the_login() {
    let mut pair = asked(
        "<user-agent id='u1'><software>Chat</software></user-agent><bind xmlns='urn:xmpp:bind:0'><tag>Chat</tag>\
         <enable xmlns='urn:xmpp:carbons:2'/><enable xmlns='urn:xmpp:sm:3' resume='true'/></bind>",
    );
    assert_eq!(pair.machine.visitor().map(|(agent, _)| agent.id.clone()), Some("u1".into()));
    assert_eq!(pair.login(Ok(())), "");
    let request = BindRequest {
        tag: Some("Chat".into()),
        copies: true,
        management: Some(Resumable::Yes),
        ..BindRequest::default()
    };
    assert_eq!(pair.asked, [Action::Bind2(request)]);
    let answer = text(pair.machine.handle_bound(&phone(), b"<x/>"));
    let expected = format!(
        "<success {SASL2}><authorization-identifier>alice@example.org/phone</authorization-identifier>\
         <bound xmlns='urn:xmpp:bind:0'><x/></bound></success><stream:features><sm "
    );
    assert!(answer.starts_with(&expected), "{answer}");
    assert!(!answer.contains("xmpp-bind'"), "nothing is left to be bound: {answer}");
    assert!(pair.machine.is_bound());
}

#[test]
fn an_account_that_takes_no_more_sessions_says_so_within_the_login() {
    let mut pair = asked("<bind xmlns='urn:xmpp:bind:0'/>");
    pair.login(Ok(()));
    let answer = text(pair.machine.handle_bind_refused());
    let expected = format!(
        "<success {SASL2}><authorization-identifier>alice@example.org</authorization-identifier>\
         <failed xmlns='urn:xmpp:bind:0'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>\
         </success><stream:features><bind "
    );
    assert!(answer.starts_with(&expected), "{answer}");
    assert!(!pair.machine.is_bound());
}

#[test]
fn an_earlier_stream_goes_on_within_the_login() {
    let wishes = "<resume xmlns='urn:xmpp:sm:3' previd='x' h='3'/><bind xmlns='urn:xmpp:bind:0'/>";
    let mut pair = asked(wishes);
    pair.login(Ok(()));
    assert_eq!(pair.asked, [Action::Resume(Resume { id: "x".into(), handled: 3 })]);
    let answer = text(pair.machine.handle_resumed(&phone(), "x", 5));
    let expected = format!(
        "<success {SASL2}><authorization-identifier>alice@example.org/phone</authorization-identifier>\
         <resumed xmlns='urn:xmpp:sm:3' h='5' previd='x'/></success><stream:features>"
    );
    assert!(answer.starts_with(&expected), "{answer}");
    assert!(!answer.contains("<sm "), "stream management goes on already: {answer}");
    assert!(pair.machine.is_bound());

    // Where that is not possible, a resource is bound, and both are told.
    let mut pair = asked(wishes);
    pair.login(Ok(()));
    pair.asked.clear();
    let actions = pair.machine.handle_resume_refused();
    pair.perform(actions);
    assert_eq!(pair.asked, [Action::Bind2(BindRequest::default())]);
    let answer = text(pair.machine.handle_bound(&phone(), b""));
    let failed = "<failed xmlns='urn:xmpp:sm:3'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>";
    assert!(
        answer.contains(&format!("{failed}<bound xmlns='urn:xmpp:bind:0'></bound></success>")),
        "{answer}"
    );

    // Without one that is all.
    let mut pair = asked("<resume xmlns='urn:xmpp:sm:3' previd='x' h='3'/>");
    pair.login(Ok(()));
    let actions = pair.machine.handle_resume_refused();
    pair.perform(actions);
    assert!(pair.written.contains(&format!("{failed}</success><stream:features><bind ")), "{}", pair.written);
}

#[test]
fn a_token_is_given_and_taken() {
    let agent = "<user-agent id='u1'/>";
    let mut pair =
        asked(&format!("{agent}<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"));
    let wishes = pair.machine.visitor().map(|(_, wishes)| wishes).expect("a visitor");
    assert_eq!((wishes.token, wishes.by_token, wishes.ends_tokens), (Some(FastBinding::None), false, false));
    let token = FastToken { text: "abc".into(), expires: Timestamp(0) };
    let actions = pair.machine.handle_login(Ok(Welcome { token: Some(token), ..welcome() }));
    pair.perform(actions);
    let given = "<token xmlns='urn:xmpp:fast:0' expiry='1970-01-01T00:00:00.000Z' token='abc'/></success>";
    assert!(pair.written.contains(given), "{}", pair.written);

    let mut pair = Pair::new(StartTls::Unavailable);
    pair.send(OPEN);
    let proof = BASE64.encode([b"alice\0".as_slice(), &[7; 32]].concat());
    let login = |wishes: &str| {
        format!(
            "<authenticate {SASL2} mechanism='HT-SHA-256-NONE'><initial-response>{proof}</initial-response>{wishes}\
             </authenticate>"
        )
    };
    pair.send(&login(&format!("{agent}<fast xmlns='urn:xmpp:fast:0' count='2' invalidate='true'/>")));
    let [Action::Ask(Ask::Token { address, agent: name, proof })] = pair.asked.as_slice() else {
        panic!("{:?}", pair.asked)
    };
    assert_eq!((address, name.as_str(), proof.count), (&alice(), "u1", Some(2)));
    assert_eq!((proof.binding, &proof.hashed[..]), (FastBinding::None, &[7; 32][..]));
    let wishes = pair.machine.visitor().map(|(_, wishes)| wishes).expect("a visitor");
    assert!(wishes.by_token && wishes.ends_tokens);
    let actions = pair.machine.handle_login(Ok(Welcome { answer: Some(vec![1, 2]), ..welcome() }));
    pair.perform(actions);
    assert!(pair.written.contains("<additional-data>AQI=</additional-data>"), "{}", pair.written);

    // A token is nothing without the name of the installation, nor where its mechanism is not on offer.
    for wishes in ["<fast xmlns='urn:xmpp:fast:0'/>", agent] {
        let mut pair = Pair::new(StartTls::Unavailable);
        pair.send(OPEN);
        assert!(pair.send(&login(wishes)).contains("<invalid-mechanism "), "{wishes}");
    }
}

#[test]
fn failures_name_their_reason_in_its_own_element() {
    let request = |more: &str| format!("<authenticate {SASL2} {more}</authenticate>");
    let cases = [
        (request(">"), "invalid-mechanism"),
        (request("mechanism='HT-SHA-256-UNIQ'>"), "invalid-mechanism"),
        (request("mechanism='PLAIN'><initial-response>!</initial-response>"), "incorrect-encoding"),
        (request("mechanism='PLAIN'><initial-response>AA==</initial-response>"), "malformed-request"),
        (format!("<abort {SASL2}/>"), "aborted"),
        (format!("<response {SASL2}/>"), "malformed-request"),
    ];
    for (sent, expected) in cases {
        let mut pair = Pair::new(StartTls::Unavailable);
        pair.send(OPEN);
        let condition = format!("<{expected} xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
        assert_eq!(pair.send(&sent), format!("<failure {SASL2}>{condition}</failure>"), "{sent}");
        assert!(!pair.is_closed);
    }
    let mut pair = Pair::new(StartTls::Required);
    pair.send(OPEN);
    assert!(pair.send(&authenticate("")).contains("<encryption-required "));
}

#[test]
fn who_the_stream_is_from_must_be_who_logs_in() {
    let from = |from: &str| OPEN.replace(" to=", &format!(" from='{from}' to="));
    let mut pair = Pair::new(StartTls::Unavailable);
    assert!(pair.send(&from("alice@elsewhere.example")).contains("<invalid-from "));
    for (stream, authzid, is_taken) in [
        ("alice@example.org", "alice@example.org", true),
        ("alice@example.org", "", true),
        ("bob@example.org", "alice@example.org", false),
    ] {
        let mut pair = Pair::new(StartTls::Unavailable);
        pair.send(&from(stream));
        let response = BASE64.encode(format!("{authzid}\0alice\0secret"));
        let answer = pair.send(&format!(
            "<authenticate {SASL2} mechanism='PLAIN'><initial-response>{response}</initial-response></authenticate>"
        ));
        assert_eq!(!answer.contains("<invalid-authzid "), is_taken, "{stream} {authzid}: {answer}");
    }
}

#[test]
fn one_way_to_log_in_is_not_continued_in_the_other() {
    let mut pair = Pair::new(StartTls::Unavailable);
    pair.send(OPEN);
    pair.send(&format!("<authenticate {SASL2} mechanism='PLAIN'/>"));
    let answer = pair.send("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>AA==</response>");
    assert!(answer.contains("<malformed-request"), "{answer}");
    pair.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>");
    let answer = pair.send(&format!("<response {SASL2}>AA==</response>"));
    assert!(answer.contains("<malformed-request"), "{answer}");
}

#[test]
fn a_second_login_ends_the_stream() {
    for is_answered in [false, true] {
        let mut pair = asked("");
        if is_answered {
            pair.login(Ok(()));
        }
        let answer = pair.send(&authenticate(""));
        assert!(pair.is_closed && answer.starts_with("<stream:error><policy-violation "), "{answer}");
    }
}

const TWO: &str = "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade>\
    <upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade>\
    <upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-UNKNOWN</upgrade>";

/// A login whose verifiers could be stronger.
fn weak() -> Welcome {
    let task = |hash| ScramTask { hash, salt: [0; 16], iterations: 9, password: Vec::new() };
    let tasks = [Hash::Sha1, Hash::Sha256, Hash::Sha512].map(task).to_vec();
    Welcome { answer: Some(vec![1, 2]), tasks, ..welcome() }
}

fn next(hash: &str) -> String {
    format!("<next {SASL2} task='UPGR-SCRAM-SHA-{hash}'/>")
}

fn salted(bytes: usize) -> String {
    let hash = BASE64.encode(vec![7; bytes]);
    format!("<task-data {SASL2}><hash xmlns='urn:xmpp:scram-upgrade:0'>{hash}</hash></task-data>")
}

#[test]
fn a_client_helps_with_its_verifiers_before_it_is_let_in() {
    let mut pair = asked(TWO);
    assert!(pair.machine.wants_tasks());
    let actions = pair.machine.handle_login(Ok(weak()));
    pair.perform(actions);
    let asked_for = format!(
        "<continue {SASL2}><additional-data>AQI=</additional-data><tasks><task>UPGR-SCRAM-SHA-256</task></tasks></continue>"
    );
    assert_eq!(std::mem::take(&mut pair.written), asked_for);
    assert!(!pair.machine.is_authenticated());
    let salt = format!(
        "<task-data {SASL2}><salt xmlns='urn:xmpp:scram-upgrade:0' iterations='9'>AAAAAAAAAAAAAAAAAAAAAA==</salt></task-data>"
    );
    assert_eq!(pair.send(&next("256")), salt);
    assert_eq!(pair.send(&salted(32)), "");
    let [Action::Ask(Ask::Task { address, task, salted: hash })] = pair.asked.as_slice() else {
        panic!("{:?}", pair.asked)
    };
    assert_eq!((address, task.hash, hash.as_slice()), (&alice(), Hash::Sha256, &[7; 32][..]));
    let actions = pair.machine.handle_task_done(Ok(()));
    pair.perform(actions);
    assert!(std::mem::take(&mut pair.written).contains("<task>UPGR-SCRAM-SHA-512</task>"));
    pair.send(&next("512"));
    pair.send(&salted(64));
    let actions = pair.machine.handle_task_done(Ok(()));
    pair.perform(actions);
    let success = format!("<success {SASL2}><authorization-identifier>alice@example.org<");
    assert!(pair.written.starts_with(&success), "{}", pair.written);
    assert!(pair.machine.is_authenticated());
}

#[test]
fn who_is_not_asked_for_help_is_let_in_at_once() {
    for (wishes, tasks) in [(TWO, Vec::new()), ("", weak().tasks)] {
        let mut pair = asked(wishes);
        let actions = pair.machine.handle_login(Ok(Welcome { tasks, ..welcome() }));
        pair.perform(actions);
        assert!(pair.written.starts_with("<success "), "{}", pair.written);
    }
}

#[test]
fn a_task_that_is_not_done_is_a_failed_login() {
    for (sent, condition) in [
        (next("512"), "malformed-request"),
        (salted(32), "malformed-request"),
        (format!("<abort {SASL2}/>"), "aborted"),
        (format!("{}{}", next("256"), salted(31)), "malformed-request"),
        (format!("{}{}", next("256"), next("256")), "malformed-request"),
    ] {
        let mut pair = asked(TWO);
        let actions = pair.machine.handle_login(Ok(weak()));
        pair.perform(actions);
        pair.written.clear();
        let answer = pair.send(&sent);
        assert!(answer.contains(&format!("<failure {SASL2}><{condition} ")), "{sent}: {answer}");
        assert!(!pair.machine.is_authenticated() && !pair.is_closed);
    }
    let mut pair = asked(TWO);
    let actions = pair.machine.handle_login(Ok(weak()));
    pair.perform(actions);
    assert!(pair.send(&authenticate("")).contains("<policy-violation "));
}

//! Temporary presence (XEP-0276) between XMPP clients, phones and the page.

use rollcall::{
    signal::{Audience, TemporaryPresence},
    sip::message::Message,
};
use serde_json::{Value, json};

use crate::support::{Baresip, Browser, House, PASSWORD, Phone, RawXmpp, SipPhone, Slixmpp, address, body};

const CAPS: &str = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:n' ver='v'/>";

async fn share(server: &House, local: &str, choice: TemporaryPresence) {
    server.prefer(local, |preferences| preferences.temporary_presence = choice).await;
}

fn everybody() -> TemporaryPresence {
    TemporaryPresence { to: Audience::Everybody, ..TemporaryPresence::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_learns_capabilities_and_can_ask_until_he_ends_it() {
    let server = House::with_accounts(&["juliet", "tybalt"]).await;
    let port = server.xmpp_plain();
    let mut juliet = RawXmpp::online("juliet", "balcony", port).await;
    let mut tybalt = RawXmpp::online("tybalt", "library", port).await;
    tybalt
        .send(&format!(
            "<presence><show>dnd</show><status>researching</status><priority>5</priority>{CAPS}</presence>"
        ))
        .await;
    tybalt.stanza("researching").await;
    let ask = |namespace: &str, name: &str| {
        format!(
            "<presence to='tybalt@localhost'>{CAPS}<{name} xmlns='{namespace}' reason='media'/></presence>"
        )
    };
    let plain = ask("urn:xmpp:temppres:0", "temppres");
    juliet.send(&plain).await;
    tybalt.stanza("temppres").await;
    juliet.has_not("tybalt@localhost").await;
    share(&server, "tybalt", everybody()).await;

    for (namespace, name) in [
        ("urn:xmpp:temppres:0", "temppres"),
        ("urn:xmpp:decloak:0", "decloak"),
        ("http://telepathy.freedesktop.org/xmpp/protocol/decloak", "decloak"),
    ] {
        juliet.send(&ask(namespace, name)).await;
        let shown = juliet.stanza("<presence from='tybalt@localhost/library'").await;
        assert!(
            shown.starts_with("<presence from='tybalt@localhost/library' to='juliet@localhost/balcony'>"),
            "{shown}"
        );
        assert!(shown.contains("http://jabber.org/protocol/caps") && shown.contains("urn:n"), "{shown}");
        for secret in ["show", "status", "priority", "photo", "temppres", "decloak"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        juliet.send("<iq type='get' id='q' to='tybalt@localhost/library'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>").await;
        tybalt.stanza("id='q'").await;
        juliet.send("<presence to='tybalt@localhost' type='unavailable'/>").await;
        juliet.stanza("<presence from='tybalt@localhost/library' to='juliet@localhost/balcony' type='unavailable'/>").await;
        let refused = juliet
            .ask("<iq type='get' id='r' to='tybalt@localhost/library'><x xmlns='urn:x'/></iq>", "r")
            .await;
        assert!(refused.contains("service-unavailable"), "{refused}");
    }

    juliet.send(&plain).await;
    juliet.stanza("<presence from='tybalt@localhost/library'").await;
    drop(tybalt);
    juliet
        .stanza("<presence from='tybalt@localhost/library' to='juliet@localhost/balcony' type='unavailable'")
        .await;
}

/// A client of `LOCAL@localhost` that says what it can do, in its presence and when asked.
async fn capable(house: &House, local: &str) -> Slixmpp {
    let mut client = Slixmpp::start(&format!("slixmpp of {local} that says what it can do"));
    let more = json!({"plugins": ["xep_0115"], "interests": [format!("urn:example:{local}")]});
    client.login(&format!("{local}@localhost"), PASSWORD, house.xmpp(), more).await;
    client.act(json!({"do": "presence", "show": "dnd", "status": "researching", "priority": 3})).await;
    let own = format!("{local}@localhost/");
    client.event("presence", |event| event["from"].as_str().is_some_and(|from| from.starts_with(&own))).await;
    client
}

/// Shows presence to Tybalt that asks for his.
fn asking(name: &str, namespace: &str, reason: &str) -> Value {
    let child = format!("<{name} xmlns='{namespace}' reason='{reason}'/>");
    json!({"do": "raw", "xml": format!("<presence to='tybalt@localhost'>{CAPS}{child}</presence>")})
}

fn is_of_tybalt(event: &Value, kind: &str) -> bool {
    event["type"] == kind && event["from"].as_str().is_some_and(|from| from.starts_with("tybalt@localhost"))
}

/// What the presence says of its capabilities is what the asker is told when he asks.
async fn checks_capabilities(asker: &mut Slixmpp, shown: &Value) {
    let xml = shown["xml"].as_str().expect("a stanza");
    let document = roxmltree::Document::parse(xml).unwrap();
    let is_caps =
        |node: &roxmltree::Node<'_, '_>| node.has_tag_name(("http://jabber.org/protocol/caps", "c"));
    let caps = document.descendants().find(is_caps).unwrap_or_else(|| panic!("{xml}"));
    let children = document.root_element().children().count();
    assert_eq!(children, 1, "capabilities and nothing more: {xml}");
    let node = format!("{}#{}", caps.attribute("node").unwrap(), caps.attribute("ver").unwrap());
    let told = asker.act(json!({"do": "caps", "to": shown["from"], "node": node})).await;
    assert_eq!(told["ver"].as_str(), caps.attribute("ver"), "{xml}");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_shown_and_asked_until_either_goes() {
    let house = House::with_accounts(&["juliet", "tybalt"]).await;
    let mut juliet = capable(&house, "juliet").await;
    let mut tybalt = capable(&house, "tybalt").await;
    // Nobody is answered in his name, but his client may answer itself.
    juliet.act(asking("temppres", "urn:xmpp:temppres:0", "text")).await;
    let asked = tybalt.event("presence", |event| event["xml"].to_string().contains("temppres")).await;
    tybalt.act(json!({"do": "presence", "to": asked["from"]})).await;
    juliet.event("presence", |event| is_of_tybalt(event, "available")).await;
    tybalt.act(json!({"do": "presence", "to": asked["from"], "type": "unavailable"})).await;
    juliet.event("presence", |event| is_of_tybalt(event, "unavailable")).await;

    share(&house, "tybalt", everybody()).await;
    juliet.act(asking("decloak", "urn:xmpp:decloak:0", "text")).await;
    let shown = juliet.event("presence", |event| is_of_tybalt(event, "available")).await;
    checks_capabilities(&mut juliet, &shown).await;
    // His client ends it by a word to her alone, then by going offline while it stays connected.
    tybalt.act(json!({"do": "presence", "to": asked["from"], "type": "unavailable"})).await;
    juliet.event("presence", |event| is_of_tybalt(event, "unavailable")).await;
    juliet.act(asking("temppres", "urn:xmpp:temppres:0", "file")).await;
    juliet.event("presence", |event| is_of_tybalt(event, "available")).await;
    tybalt.act(json!({"do": "presence", "type": "unavailable"})).await;
    juliet.event("presence", |event| is_of_tybalt(event, "unavailable")).await;
    // She goes: his client hears that, and may not be asked any more.
    tybalt.act(json!({"do": "presence"})).await;
    // Hers must not overtake his.
    tybalt.act(json!({"do": "ping"})).await;
    juliet.act(asking("temppres", "urn:xmpp:temppres:0", "media")).await;
    juliet.event("presence", |event| is_of_tybalt(event, "available")).await;
    juliet.act(json!({"do": "logout"})).await;
    let is_farewell = |event: &Value| {
        event["type"] == "unavailable"
            && event["from"].as_str().is_some_and(|from| from.starts_with("juliet@"))
    };
    tybalt.event("presence", is_farewell).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_answers_for_whom_only_phones_reach() {
    let house = House::with_accounts(&["juliet", "tybalt"]).await;
    let mut juliet = capable(&house, "juliet").await;
    let mut phone = SipPhone::registered("tybalt", house.sip_udp(), "Allow: INVITE, MESSAGE\r\n").await;
    share(&house, "tybalt", everybody()).await;
    for _ in 0..2 {
        juliet.act(asking("temppres", "urn:xmpp:temppres:0", "media")).await;
        let shown = juliet.event("presence", |event| is_of_tybalt(event, "available")).await;
        assert_eq!(shown["from"], "tybalt@localhost");
        checks_capabilities(&mut juliet, &shown).await;
        // The phone goes, and comes back.
        assert_eq!(phone.register(0, "").await.status(), Some(200));
        juliet.event("presence", |event| is_of_tybalt(event, "unavailable")).await;
        assert_eq!(phone.register(600, "Allow: INVITE, MESSAGE\r\n").await.status(), Some(200));
    }
    // A phone takes calls and messages, and no files.
    juliet.act(asking("temppres", "urn:xmpp:temppres:0", "file")).await;
    juliet.act(json!({"do": "ping"})).await;
    assert!(!juliet.has_heard(|event| is_of_tybalt(event, "available")));
    // She ends it: from then on it is as if there were nobody.
    juliet.act(asking("temppres", "urn:xmpp:temppres:0", "text")).await;
    juliet.event("presence", |event| is_of_tybalt(event, "available")).await;
    let question = json!({"do": "disco", "to": "tybalt@localhost"});
    juliet.act(question.clone()).await;
    juliet.act(json!({"do": "presence", "to": "tybalt@localhost", "type": "unavailable"})).await;
    assert_eq!(juliet.attempt(&question).await["error"], "service-unavailable");
}

/// What baresip of Juliet prints of the answer to OPTIONS: its status, or what is allowed.
async fn options(juliet: &mut Baresip, user: &str) -> String {
    juliet.command("options", &format!("sip:{user}@localhost")).await;
    let told = |line: &str| {
        let failed = line.split_once("OPTIONS failed: ").map(|(_, status)| status.trim().to_owned());
        failed.or_else(|| line.strip_prefix("Allow: ").map(str::to_owned))
    };
    juliet.program().hear("the answer to OPTIONS", told).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_learns_by_options_what_a_client_is_shown() {
    let house = House::with_accounts(&["juliet", "tybalt"]).await;
    let phone = Phone {
        address: "juliet@localhost",
        password: PASSWORD,
        server: house.sip_tcp(),
        transport: "tcp",
        parameters: "",
        contacts: &["<sip:tybalt@localhost>"],
    };
    let mut juliet = Baresip::registered(&phone).await;
    let unknown = options(&mut juliet, "tybalt").await;
    assert!(
        unknown.contains("INVITE") && unknown.contains("MESSAGE") && unknown.contains("PUBLISH"),
        "{unknown}"
    );
    assert_eq!(options(&mut juliet, "nobody").await, unknown, "what is not told looks the same for all");
    let mut tybalt = capable(&house, "tybalt").await;
    assert_eq!(options(&mut juliet, "tybalt").await, unknown, "off by default");

    share(&house, "tybalt", everybody()).await;
    let writes = options(&mut juliet, "tybalt").await;
    assert!(writes.contains("MESSAGE") && !writes.contains("INVITE"), "{writes}");
    // Those who write to him are answered, those who call are not.
    share(&house, "tybalt", TemporaryPresence { media: false, ..everybody() }).await;
    assert_eq!(options(&mut juliet, "tybalt").await, writes);
    share(&house, "tybalt", TemporaryPresence { text: false, ..everybody() }).await;
    assert!(options(&mut juliet, "tybalt").await.starts_with("480"), "nobody takes a call");
    share(&house, "tybalt", everybody()).await;
    let mut desk = SipPhone::registered("tybalt", house.sip_udp(), "Allow: INVITE, MESSAGE\r\n").await;
    let both = options(&mut juliet, "tybalt").await;
    assert!(both.contains("MESSAGE") && both.contains("INVITE"), "{both}");
    tybalt.act(json!({"do": "logout"})).await;
    desk.register(0, "").await;
    tybalt.event("disconnected", |_| true).await;
    assert!(options(&mut juliet, "tybalt").await.starts_with("480"), "nobody is there");
    share(
        &house,
        "tybalt",
        TemporaryPresence { also: vec![address("romeo")], ..TemporaryPresence::default() },
    )
    .await;
    assert_eq!(options(&mut juliet, "tybalt").await, unknown);
}

/// A look at the presence of Tybalt, for so many seconds.
async fn look(juliet: &mut SipPhone, seconds: u32) -> Message {
    let headers = format!(
        "Contact: <sip:juliet@{}>\r\nEvent: presence\r\nAccept: application/pidf+xml\r\nExpires: {seconds}\r\n",
        juliet.address()
    );
    let answer = juliet.ask("SUBSCRIBE", "sip:tybalt@localhost", "tybalt", &headers, "").await;
    assert!(matches!(answer.status(), Some(200 | 202)), "{answer:?}");
    juliet.serve(200).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_learns_by_a_short_look_what_a_client_is_shown() {
    let house = House::with_accounts(&["juliet", "tybalt"]).await;
    let mut tybalt = capable(&house, "tybalt").await;
    let mut juliet = SipPhone::registered("juliet", house.sip_udp(), "").await;
    share(&house, "tybalt", everybody()).await;
    let glimpse = look(&mut juliet, 0).await;
    assert!(body(&glimpse).contains("<basic>open</basic>"), "{}", body(&glimpse));
    for secret in ["researching", "dnd", "busy", "activities"] {
        assert!(!body(&glimpse).contains(secret), "{secret}: {}", body(&glimpse));
    }
    tybalt.act(json!({"do": "ping"})).await;
    assert!(!tybalt.has_heard(|event| event["type"] == "subscribe"), "nobody is asked whether she may look");
    // Where he chose nothing, whoever looks asks him, as ever, and sees nothing.
    share(&house, "tybalt", TemporaryPresence::default()).await;
    let nothing = look(&mut juliet, 0).await;
    assert!(
        !body(&nothing).contains("open") && !body(&nothing).contains("researching"),
        "{}",
        body(&nothing)
    );
    tybalt.event("presence", |event| event["type"] == "subscribe").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_chooses_on_the_page_who_is_shown() {
    let house = House::with_accounts(&["juliet", "tybalt"]).await;
    let mut juliet = capable(&house, "juliet").await;
    let mut page = Browser::start("Chromium of tybalt").await;
    page.open(&format!("https://localhost:{}/#/preferences", house.https().port())).await;
    page.fill("Address", "tybalt@localhost").await;
    page.fill("Password", PASSWORD).await;
    page.click("Log in").await;
    let choose = |words: &str| {
        let selector = format!("section[aria-label='Before a conversation'] label:has-text('{words}')");
        json!({"do": "click", "selector": selector})
    };
    page.see("Who wants what?").await;
    page.act(choose("Everybody")).await;
    page.see("Saved.").await;
    juliet.act(asking("temppres", "urn:xmpp:temppres:0", "text")).await;
    juliet.event("presence", |event| is_of_tybalt(event, "available")).await;
    // What he takes back is taken back from her.
    page.act(choose("To write to you")).await;
    juliet.event("presence", |event| is_of_tybalt(event, "unavailable")).await;
    for words in ["Nobody", "To write to you"] {
        page.see("Saved.").await;
        page.act(choose(words)).await;
    }
    page.see("Saved.").await;
    page.fill("And these addresses", "juliet@localhost").await;
    page.act(json!({"do": "press", "key": "Tab"})).await;
    page.see("Saved.").await;
    juliet.act(asking("decloak", "urn:xmpp:decloak:0", "text")).await;
    juliet.event("presence", |event| is_of_tybalt(event, "available")).await;
}

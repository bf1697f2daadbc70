//! One roster and one policy: an XMPP client (slixmpp), an XCAP client (Python's HTTP library), a program on the
//! web API and a phone. What one of them does, the others see.

use serde_json::{Value, json};

use crate::support::{House, PASSWORD, SipPhone, Slixmpp, Web, Xcap, soon};

const LISTS: &str = "/resource-lists/users/sip:alice@localhost/index";
const LISTS_TYPE: &str = "application/resource-lists+xml";
const RULES: &str = "/org.openmobilealliance.pres-rules/users/sip:alice@localhost/index";
const RULES_TYPE: &str = "application/auth-policy+xml";

/// A contact of Blink's address book with the lists that Blink derives from it.
fn blink_lists(policy: &str, granted: &str, blocked: &str) -> String {
    format!(
        "<?xml version='1.0' encoding='UTF-8'?>\n\
         <rl:resource-lists xmlns:rl=\"urn:ietf:params:xml:ns:resource-lists\" \
         xmlns:addressbook=\"urn:ag-projects:xml:ns:addressbook\"><rl:list name=\"oma_buddylist\"/>\
         <rl:list name=\"oma_grantedcontacts\">{granted}</rl:list>\
         <rl:list name=\"oma_blockedcontacts\">{blocked}</rl:list>\
         <rl:list name=\"sipsimple_presence_rls\"><rl:entry uri=\"bob%40localhost\"/></rl:list>\
         <rl:list name=\"sipsimple_addressbook\"><addressbook:contact id=\"cid1\">\
         <addressbook:name>Bob B</addressbook:name><addressbook:uris default=\"uid1\">\
         <addressbook:uri id=\"uid1\" uri=\"bob%40localhost\" type=\"SIP\"/></addressbook:uris>\
         <addressbook:dialog><addressbook:policy>default</addressbook:policy>\
         <addressbook:subscribe>false</addressbook:subscribe></addressbook:dialog><addressbook:presence>\
         <addressbook:policy>{policy}</addressbook:policy><addressbook:subscribe>true</addressbook:subscribe>\
         </addressbook:presence></addressbook:contact></rl:list></rl:resource-lists>"
    )
}

const BOB: &str = "<rl:entry uri=\"bob%40localhost\"/>";

async fn client(house: &House) -> Xcap {
    Xcap::start(&format!("http://{}/xcap-root", house.http()), "alice", "localhost").await
}

fn pushed<'a>(event: &'a Value, jid: &str) -> Option<&'a Value> {
    event["contacts"].as_array()?.iter().find(|contact| contact["jid"] == jid)
}

#[tokio::test(flavor = "multi_thread")]
async fn contact_of_an_xcap_client_is_in_the_roster_and_on_the_web() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let mut chat = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
    chat.act(json!({"do": "roster"})).await;
    let web = Web::log_in(&house, "alice").await;
    let mut xcap = client(&house).await;
    xcap.get(LISTS).await.expect(404);
    let mut bob = Slixmpp::online("bob@localhost", PASSWORD, house.xmpp()).await;

    let lists = blink_lists("allow", BOB, "");
    let headers = [("Content-Type", LISTS_TYPE), ("If-None-Match", "*")];
    let put = xcap.send("PUT", LISTS, &headers, Some(lists.as_bytes())).await.expect(201);
    chat.event("roster", |event| {
        pushed(event, "bob@localhost").is_some_and(|bob| bob["name"] == "Bob B" && bob["ask"] == "subscribe")
    })
    .await;
    // She asks him, in his client's words.
    bob.event("presence", |event| event["type"] == "subscribe" && event["from"] == "alice@localhost").await;
    let roster = web.get("/api/roster").await.expect(200).json();
    assert_eq!(roster["contacts"][0]["name"], "Bob B");
    assert_eq!(roster["contacts"][0]["approved"], true);
    let again = xcap.get(LISTS).await.expect(200);
    assert_eq!((again.tag(), again.body.as_str()), (put.tag(), lists.as_str()));

    // He was approved before he asked.
    bob.act(json!({"do": "subscribe", "to": "alice@localhost"})).await;
    let is_shown = |event: &Value| {
        event["type"] == "available" && event["from"].as_str().is_some_and(|from| from.starts_with("alice@"))
    };
    bob.event("presence", is_shown).await;

    // The contact goes where it came from.
    let without = lists.split_once("<addressbook:contact ").unwrap().0.replace(BOB, "")
        + "</rl:list></rl:resource-lists>";
    let tag = xcap.get(LISTS).await.expect(200).tag();
    let headers = [("Content-Type", LISTS_TYPE), ("If-Match", tag.as_str())];
    xcap.send("PUT", LISTS, &headers, Some(without.as_bytes())).await.expect(200);
    chat.event("roster", |event| {
        pushed(event, "bob@localhost").is_some_and(|bob| bob["subscription"] == "remove")
    })
    .await;
    assert_eq!(web.get("/api/roster").await.expect(200).json()["contacts"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_of_chat_and_web_are_in_the_documents_and_a_late_put_fails() {
    let house = House::with_accounts(&["alice", "bob", "carol", "dave"]).await;
    let mut chat = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
    let web = Web::log_in(&house, "alice").await;
    let mut xcap = client(&house).await;
    let first = xcap.put(LISTS, LISTS_TYPE, &blink_lists("allow", BOB, "")).await.expect(201);
    chat.act(json!({"do": "contact", "jid": "carol@localhost", "name": "Carol", "groups": ["Work"]})).await;
    chat.act(json!({"do": "subscribed", "to": "carol@localhost"})).await;
    web.put("/api/roster/dave@localhost", &json!({"name": "Dave", "subscribe": true})).await.expect(204);

    let headers = [("Content-Type", LISTS_TYPE), ("If-Match", &first.tag())];
    let late = blink_lists("default", "", "");
    soon("the document has changed", async {
        while xcap.get(LISTS).await.expect(200).tag() == first.tag() {}
    })
    .await;
    xcap.send("PUT", LISTS, &headers, Some(late.as_bytes())).await.expect(412);
    soon("all lists have them", async {
        loop {
            let text = xcap.get(LISTS).await.expect(200).body;
            let granted =
                format!("oma_grantedcontacts\">{BOB}<rl:entry uri=\"carol%40localhost\"/></rl:list>");
            let followed =
                format!("sipsimple_presence_rls\">{BOB}<rl:entry uri=\"dave%40localhost\"/></rl:list>");
            if text.contains(&granted) && text.contains(&followed) && text.contains(">Work<") {
                return;
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn block_is_one_whoever_sets_it() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let web = Web::log_in(&house, "alice").await;
    let mut chat = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
    let mut xcap = client(&house).await;
    let mut phone = SipPhone::registered("bob", house.sip_udp(), "").await;
    let plain = "Content-Type: text/plain\r\n";
    xcap.put(LISTS, LISTS_TYPE, &blink_lists("block", "", BOB)).await.expect(201);
    assert_eq!(web.get("/api/blocked").await.expect(200).json(), json!({"blocked": ["bob@localhost"]}));
    let refused = phone.ask("MESSAGE", "sip:alice@localhost", "alice", plain, "one").await;
    assert!(refused.status().is_some_and(|status| status >= 400), "{refused:?}");
    web.delete("/api/blocked/bob@localhost").await.expect(204);
    let taken = phone.ask("MESSAGE", "sip:alice@localhost", "alice", plain, "two").await;
    assert!(taken.status().is_some_and(|status| status < 300), "{taken:?}");
    chat.read("two").await;
    let text = xcap.get(LISTS).await.expect(200).body;
    assert!(!text.contains(">block<") && text.contains("oma_blockedcontacts\"></rl:list>"), "{text}");
    web.put("/api/blocked/bob@localhost", &json!({})).await.expect(204);
    let text = xcap.get(LISTS).await.expect(200).body;
    assert!(
        text.contains(">block<") && text.contains(&format!("oma_blockedcontacts\">{BOB}</rl:list>")),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_one_document_for_both_applications_and_the_web() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let web = Web::log_in(&house, "alice").await;
    let mut xcap = client(&house).await;
    xcap.get(RULES).await.expect(404);
    let rules = "<ruleset xmlns=\"urn:ietf:params:xml:ns:common-policy\" \
                 xmlns:pr=\"urn:ietf:params:xml:ns:pres-rules\"><rule id=\"a\"><conditions><identity>\
                 <one id=\"sip:bob@localhost\"/></identity></conditions><actions>\
                 <pr:sub-handling>allow</pr:sub-handling></actions></rule></ruleset>";
    xcap.put(RULES, RULES_TYPE, rules).await.expect(201);
    let other = RULES.replace("org.openmobilealliance.pres-rules", "pres-rules");
    assert_eq!(xcap.get(&other).await.expect(200).body, rules);
    assert_eq!(web.get("/api/presence-rules").await.expect(200).body, rules);
    let roster = web.get("/api/roster").await.expect(200).json();
    assert_eq!(roster["contacts"][0]["approved"], true);
    web.post("/api/roster/bob@localhost/deny", &json!({})).await.expect(204);
    let text = xcap.get(RULES).await.expect(200).body;
    assert!(!text.contains("bob"), "{text}");
    let xml = web.with("Content-Type", RULES_TYPE);
    xml.request("PUT", "/api/presence-rules", Some(rules)).await.expect(204);
    assert_eq!(xcap.get(RULES).await.expect(200).body, rules);
}

/// A client that puts its own rules on messages, and knows of no other, does not open what the owner closed.
#[tokio::test(flavor = "multi_thread")]
async fn choice_of_senders_survives_a_client_that_does_not_know_it() {
    const RULES: &str = "/im-rules/users/sip:alice@localhost/index";
    let house = House::with_accounts(&["alice", "bob"]).await;
    let web = Web::log_in(&house, "alice").await;
    let mut xcap = client(&house).await;
    let mut phone = SipPhone::registered("bob", house.sip_udp(), "").await;
    web.put("/api/preferences", &json!({"acceptedSenders": "nobody"})).await.expect(200);
    let plain = "Content-Type: text/plain\r\n";
    let refused = phone.ask("MESSAGE", "sip:alice@localhost", "alice", plain, "one").await;
    assert!(refused.status().is_some_and(|status| status >= 400), "{refused:?}");
    let first = xcap.get(RULES).await.expect(200);
    assert!(first.body.contains("id=\"accepted-senders\""), "{first:?}");

    let own = "<ruleset xmlns=\"urn:ietf:params:xml:ns:common-policy\" xmlns:im=\"urn:iptel:xml:ns:im-rules\">\
               <rule id=\"foe\"><conditions><identity><one id=\"sip:mallory@localhost\"/></identity></conditions>\
               <actions><im:im-handling>block</im:im-handling></actions></rule></ruleset>";
    let put = xcap.put(RULES, "application/auth-policy+xml", own).await.expect(200);
    let shown = xcap.get(RULES).await.expect(200);
    assert!(shown.body.contains("id=\"accepted-senders\"") && shown.body.contains("mallory"), "{shown:?}");
    assert!(shown.tag() != put.tag() && shown.tag() != first.tag());
    let root = format!("{RULES}/~~/ruleset");
    xcap.put(&root, "application/xcap-el+xml", own).await.expect(200);
    xcap.delete(RULES).await.expect(200);
    assert!(xcap.get(RULES).await.expect(200).body.contains("id=\"accepted-senders\""));
    let preferences = web.get("/api/preferences").await.expect(200).json();
    assert_eq!(preferences["acceptedSenders"], "nobody");
    let refused = phone.ask("MESSAGE", "sip:alice@localhost", "alice", plain, "two").await;
    assert!(refused.status().is_some_and(|status| status >= 400), "{refused:?}");

    xcap.delete(&format!("{root}/rule%5b@id=%22accepted-senders%22%5d")).await.expect(200);
    let preferences = web.get("/api/preferences").await.expect(200).json();
    assert_eq!(preferences["acceptedSenders"], "everybody");
    let taken = phone.ask("MESSAGE", "sip:alice@localhost", "alice", plain, "three").await;
    assert!(taken.status().is_some_and(|status| status < 300), "{taken:?}");
}

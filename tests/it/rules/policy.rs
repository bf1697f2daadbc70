//! Who may write: refused in each protocol's own words, with the reason on the owner's page.

use serde_json::json;

use crate::support::{House, PASSWORD, SipPhone, Slixmpp, Web};

const BLOCK: &str = r#"<cp:ruleset xmlns:cp="urn:ietf:params:xml:ns:common-policy"
 xmlns:pr="urn:ietf:params:xml:ns:pres-rules"><cp:rule id="blocked"><cp:conditions><cp:identity>
<cp:one id="sip:mallory@localhost"/></cp:identity></cp:conditions><cp:actions>
<pr:sub-handling>block</pr:sub-handling></cp:actions></cp:rule></cp:ruleset>"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_on_the_owners_page() {
    let mut house = House::with_accounts(&["alice", "bob", "mallory"]).await;
    let alice = Web::log_in(&house, "alice").await;
    assert_eq!(alice.get("/api/refusals").await.expect(200).json(), json!({"refusals": []}));
    alice.put("/api/preferences", &json!({"acceptedSenders": "nobody"})).await.expect(200);
    let xml = alice.with("Content-Type", "application/auth-policy+xml");
    xml.request("PUT", "/api/presence-rules", Some(BLOCK)).await.expect(204);

    let mut phone = SipPhone::registered("bob", house.sip_udp(), "").await;
    let text = "Content-Type: text/plain\r\n";
    for _ in 0..2 {
        let response = phone.ask("MESSAGE", "sip:alice@localhost", "alice", text, "hi").await;
        assert_eq!(response.status(), Some(403));
    }
    let mut mallory = Slixmpp::online("mallory@localhost", PASSWORD, house.xmpp()).await;
    mallory.act(json!({"do": "message", "to": "alice@localhost", "body": "hi"})).await;
    let error = mallory.event("message", |event| event["kind"] == "error" || event["type"] == "error").await;
    assert!(error.to_string().contains("service-unavailable"), "{error}");

    let refusals = alice.get("/api/refusals").await.expect(200).json();
    let brief: Vec<_> = refusals["refusals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["from"].clone(), one["kind"].clone(), one["reason"].clone(), one["count"].clone()))
        .collect();
    assert_eq!(
        brief,
        [
            (json!("mallory@localhost"), json!("message"), json!({"by": "blocked"}), json!(1)),
            (
                json!("bob@localhost"),
                json!("message"),
                json!({"by": "accepted-senders", "choice": "nobody"}),
                json!(2)
            ),
        ]
    );
    house.restart().await;
    let alice = Web::log_in(&house, "alice").await;
    assert_eq!(alice.get("/api/refusals").await.expect(200).json(), refusals);
    alice.delete("/api/refusals").await.expect(204);
    assert_eq!(alice.get("/api/refusals").await.expect(200).json(), json!({"refusals": []}));
    Web::stranger(&house).get("/api/refusals").await.expect(401);
}

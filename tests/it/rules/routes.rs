//! The web interface of rules: one's own, those of administrators, the dry run.

use serde_json::json;

use super::automate;
use crate::support::{House, SipPhone, Web, address};

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_kept_over_a_restart_and_bad_ones_are_refused_with_words() {
    let mut house = House::with_accounts(&["alice"]).await;
    let alice = Web::log_in(&house, "alice").await;
    assert_eq!(alice.get("/api/rules").await.expect(200).json(), json!({ "zone": null, "rules": [] }));
    let rule = json!({
        "id": "night", "name": "At night", "enabled": true, "order": "before", "stage": { "after": 20 },
        "when": [{ "hours": { "days": ["fri"], "from": "22:00", "until": "06:00" } }], "then": ["quiet"],
    });
    let rules = json!({ "zone": "Europe/Berlin", "rules": [rule] });
    alice.put("/api/rules", &rules).await.expect(204);
    house.restart().await;
    let alice = Web::log_in(&house, "alice").await;
    assert_eq!(alice.get("/api/rules").await.expect(200).json(), rules);
    for (wrong, status, words) in [
        (json!({ "rules": [{ "id": "r", "then": [] }] }), 422, "needs an action"),
        (json!({ "zone": "Nowhere", "rules": [] }), 422, "no time zone"),
        (json!({ "rules": [{ "id": "r", "then": ["explode"] }] }), 400, "explode"),
        (json!({ "rulez": [] }), 400, "rulez"),
    ] {
        let answer = alice.put("/api/rules", &wrong).await.expect(status);
        assert!(answer.body.contains(words), "{}", answer.body);
    }
    assert_eq!(alice.get("/api/rules").await.expect(200).json(), rules, "nothing has changed");
    Web::stranger(&house).get("/api/rules").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_the_domain_and_the_server_are_the_administrators() {
    let mut house = House::with_accounts(&["alice", "bob", "root"]).await;
    let rules = json!({ "zone": null, "rules": [
        { "id": "r", "when": [{ "text": ["casino"] }], "then": [{ "reject": { "reason": "forbidden" } }] },
    ] });
    let paths = ["/api/admin/rules/server", "/api/admin/rules/domains/localhost"];
    let alice = Web::log_in(&house, "alice").await;
    for path in paths {
        alice.get(path).await.expect(403);
        alice.put(path, &rules).await.expect(403);
    }
    house.server().authenticator().set_admin(&address("root"), true).await.unwrap();
    let root = Web::log_in(&house, "root").await;
    root.put("/api/admin/rules/domains/example.org", &rules).await.expect(404);
    root.get("/api/admin/rules/domains/example.org").await.expect(404);
    root.put(paths[0], &json!({ "rules": [{ "id": "", "then": ["accept"] }] })).await.expect(422);
    let text = "Content-Type: text/plain\r\n";
    for path in paths {
        let root = Web::log_in(&house, "root").await;
        let mut bob = SipPhone::registered("bob", house.sip_udp(), "").await;
        let offer = bob.ask("MESSAGE", "sip:alice@localhost", "alice", text, "a casino").await;
        assert_eq!(offer.status(), Some(202), "{path}");
        root.put(path, &rules).await.expect(204);
        let offer = bob.ask("MESSAGE", "sip:alice@localhost", "alice", text, "a casino").await;
        assert_eq!(offer.status(), Some(403), "{path}");
        let shown = root.get(path).await.expect(200).json();
        assert_eq!(shown["rules"][0]["id"], "r", "{shown}");
        house.restart().await;
        let root = Web::log_in(&house, "root").await;
        assert_eq!(root.get(path).await.expect(200).json(), shown, "they are kept");
        root.put(path, &json!({ "rules": [] })).await.expect(204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_would_happen() {
    let house = House::with_accounts(&["alice"]).await;
    let alice = Web::log_in(&house, "alice").await;
    let rules = json!([
        { "id": "work", "when": [{ "hours": { "days": ["mon"], "from": "09:00", "until": "17:00" } }],
          "then": ["quiet"] },
        { "id": "away", "when": [{ "presence": ["away"] }], "then": [{ "reply": { "text": "back soon" } }] },
        { "id": "spam", "when": [{ "text": ["casino"] }], "then": ["discard"] },
    ]);
    automate(&alice, rules).await;
    let question = json!({
        "kind": "message", "from": "bob@localhost", "text": "the Casino", "at": "2026-01-05T10:00:00Z",
        "presence": ["away"],
    });
    let tried = alice.post("/api/rules/try", &question).await.expect(200).json();
    let verdicts: Vec<_> =
        tried["rules"].as_array().unwrap().iter().map(|rule| rule["verdict"].clone()).collect();
    assert_eq!(verdicts, ["holds", "holds", "holds"], "{tried}");
    let reply = json!({ "reply": { "text": "back soon", "everySeconds": 86400 } });
    assert_eq!(tried["actions"], json!(["quiet", reply, "discard"]));
    let other = json!({ "kind": "call", "from": "bob@localhost", "at": "2026-01-06T10:00:00Z",
                        "rules": { "rules": [{ "id": "x", "stage": "busy", "then": ["accept"] }] } });
    let tried = alice.post("/api/rules/try", &other).await.expect(200).json();
    let expect = json!([{ "scope": "account", "id": "x", "name": "", "verdict": "other-stage" }]);
    assert_eq!((&tried["rules"], &tried["actions"]), (&expect, &json!([])));
    alice.put("/api/preferences", &json!({ "acceptedSenders": "nobody" })).await.expect(200);
    let tried = alice.post("/api/rules/try", &question).await.expect(200).json();
    assert_eq!(tried["refused"], json!({ "by": "accepted-senders", "choice": "nobody" }));
    assert_eq!(alice.get("/api/refusals").await.expect(200).json(), json!({ "refusals": [] }));
    for wrong in
        [json!({ "kind": "mail", "from": "bob@localhost" }), json!({ "kind": "call", "from": "a b@c" })]
    {
        alice.post("/api/rules/try", &wrong).await.expect(400);
    }
}

//! The one picture of an account, on every protocol.

use serde_json::json;

use crate::support::{House, RawXmpp, Web};

/// A picture that is text, as the test's client sends text.
const GIF: &str = "GIF89a\u{8}\0\u{4}\0!";
/// Its SHA-1.
const HASH: &str = "b37bd7fb6ca37303e7523b6737f66dd33b777880";

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_set_shown_and_taken_off() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let [alice, bob] = [Web::log_in(&house, "alice").await, Web::log_in(&house, "bob").await];
    alice.get("/api/avatar").await.expect(204);
    let set = alice.request("PUT", "/api/avatar", Some(GIF)).await.expect(200).json();
    let expect = json!({ "hash": HASH, "mediaType": "image/gif", "bytes": 11, "width": 8, "height": 4 });
    assert_eq!(set, expect);
    for shown in [alice.get("/api/avatar").await, bob.get("/api/avatar/alice%40localhost").await] {
        let shown = shown.expect(200);
        assert_eq!(shown.body, GIF);
        assert_eq!(shown.header("content-type"), Some("image/gif"));
        let tag = shown.header("etag").expect("an entity tag").to_owned();
        assert_eq!(tag, format!("\"{HASH}\""));
        bob.with("If-None-Match", &tag).get("/api/avatar/alice%40localhost").await.expect(304);
    }
    alice.delete("/api/avatar").await.expect(204);
    bob.get("/api/avatar/alice%40localhost").await.expect(204);
    bob.get("/api/avatar/nobody%40localhost").await.expect(204);
    assert_eq!(
        alice.request("PUT", "/api/avatar", Some("<svg/>")).await.expect(415).reason(),
        "unsupported-media"
    );
    let large = format!("{GIF}{}", "x".repeat(400_000));
    assert_eq!(alice.request("PUT", "/api/avatar", Some(&large)).await.expect(413).reason(), "too-large");
    Web::stranger(&house).get("/api/avatar/alice%40localhost").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_survives_a_restart_and_reaches_pages_and_chat_clients() {
    let mut house = House::with_accounts(&["alice", "bob"]).await;
    let [alice, bob] = [Web::log_in(&house, "alice").await, Web::log_in(&house, "bob").await];
    bob.post("/api/roster/alice@localhost/subscribe", &json!({})).await.expect(204);
    alice.post("/api/roster/bob@localhost/grant", &json!({})).await.expect(204);
    let mut page = bob.open().await;
    let mut client = RawXmpp::online("bob", "chat", house.xmpp_plain()).await;
    let mut own = RawXmpp::online("alice", "chat", house.xmpp_plain()).await;
    own.send("<presence><status>a</status><x xmlns='vcard-temp:x:update'><photo>0</photo></x><c xmlns='u'/></presence>")
        .await;
    client.stanza("<status>a</status><c xmlns='u'/></presence>").await;
    alice.request("PUT", "/api/avatar", Some(GIF)).await.expect(200);
    assert_eq!(
        page.expect("avatar").await,
        json!({ "type": "avatar", "from": "alice@localhost", "hash": HASH })
    );
    let mark = format!("<c xmlns='u'/><x xmlns='vcard-temp:x:update'><photo>{HASH}</photo></x></presence>");
    client.stanza(&mark).await;
    own.stanza(&mark).await;

    house.restart().await;
    let bob = Web::log_in(&house, "bob").await;
    let mut page = bob.open().await;
    assert_eq!(page.expect("avatar").await["hash"], HASH);
    Web::log_in(&house, "alice").await.delete("/api/avatar").await.expect(204);
    assert_eq!(page.expect("avatar").await["hash"], json!(null));
}

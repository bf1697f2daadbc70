//! What a client can send that it should not.

use serde_json::json;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::{House, Web};

#[tokio::test(flavor = "multi_thread")]
async fn every_error_has_the_one_shape() {
    let house = House::with_accounts(&["alice"]).await;
    let alice = Web::log_in(&house, "alice").await;
    let stranger = Web::stranger(&house);
    for (client, method, path, body, status, reason) in [
        (&stranger, "GET", "/api/nothing", None, 404, "not-found"),
        (&stranger, "GET", "/api", None, 404, "not-found"),
        (&stranger, "POST", "/api/", None, 404, "not-found"),
        (&stranger, "DELETE", "/api/login", None, 405, "unsupported"),
        (&stranger, "POST", "/api/login", Some(""), 400, "malformed"),
        (&stranger, "POST", "/api/login", Some("{"), 400, "malformed"),
        (&stranger, "POST", "/api/login", Some("[]"), 400, "malformed"),
        (&stranger, "POST", "/api/login", Some(r#"{"address":1,"password":"x"}"#), 400, "malformed"),
        (&stranger, "POST", "/api/login", Some(r#"{"address":"a"}"#), 400, "malformed"),
        (&stranger, "POST", "/api/login", Some(r#"{"address":"a","password":"b","c":1}"#), 400, "malformed"),
        (
            &stranger,
            "POST",
            "/api/login",
            Some(r#"{"address":"@@","password":"b"}"#),
            401,
            "not-authenticated",
        ),
        (&stranger, "GET", "/api/roster", None, 401, "not-authenticated"),
        (&stranger, "GET", "/api/ws", None, 401, "not-authenticated"),
        (&alice, "GET", "/api/ws", None, 400, "malformed"),
        (&alice, "PUT", "/api/preferences", Some("null"), 400, "malformed"),
        (&alice, "PUT", "/api/roster/%ff@localhost", Some("{}"), 400, "malformed"),
    ] {
        let answer = client.request(method, path, body).await.expect(status);
        assert_eq!(answer.reason(), reason, "{method} {path} {body:?}");
        assert!(answer.json()["error"].as_object().unwrap().contains_key("text"));
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
    let form = stranger.with("Content-Type", "text/plain");
    assert_eq!(
        form.request("POST", "/api/login", Some("{}")).await.expect(415).reason(),
        "unsupported-media"
    );
    let allow = stranger.request("DELETE", "/api/login", None).await;
    assert_eq!(allow.header("allow"), Some("POST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn large_requests_are_refused() {
    let house = House::start().await;
    let stranger = Web::stranger(&house);
    let body = json!({ "address": "a", "password": "x".repeat(100_000) });
    assert_eq!(stranger.post("/api/login", &body).await.expect(413).reason(), "too-large");
    let header = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    assert_eq!(stranger.exchange(header.as_bytes()).await.status, 431);
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(500));
    assert_eq!(stranger.exchange(many.as_bytes()).await.status, 431);
    assert_eq!(stranger.exchange(b"\x16\x03\x01\x00\xff garbage\r\n\r\n").await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_request_is_cut_off() {
    let house = House::start_with(|config| config.api.request_seconds = 1).await;
    let stranger = Web::stranger(&house);
    let head = b"POST /api/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    assert_eq!(stranger.exchange(head).await.expect(504).reason(), "timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_page_opens_no_socket() {
    let house = House::with_accounts(&["alice"]).await;
    let alice = Web::log_in(&house, "alice").await.without("Sec-Fetch-Site");
    for client in [alice.clone(), alice.with("Origin", "https://evil.example")] {
        match client.try_open().await.map(drop) {
            Err(Error::Http(response)) => assert_eq!(response.status(), 403),
            other => panic!("{other:?}"),
        }
    }
    let host = format!("http://{}", house.http());
    alice.with("Origin", &host).open().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_frames_are_answered_and_survived() {
    let house = House::with_accounts(&["alice"]).await;
    let mut socket = Web::log_in(&house, "alice").await.open().await;
    for frame in [
        "",
        "{",
        "[]",
        "null",
        "7",
        r#"{"id":"x"}"#,
        r#"{"type":"dance"}"#,
        r#"{"type":7}"#,
        r#"{"type":"message"}"#,
        r#"{"type":"message","to":"bob@localhost"}"#,
        r#"{"type":"message","to":"bob@localhost","body":7}"#,
        r#"{"type":"message","to":"bob@localhost","body":""}"#,
        r#"{"type":"message","to":"bob@localhost","body":"\u0000\u0001"}"#,
        r#"{"type":"message","to":"","body":"x"}"#,
        r#"{"type":"message","to":"b@@c","body":"x"}"#,
        r#"{"type":"message","to":"b@localhost","body":"x","kind":"group"}"#,
        r#"{"type":"message","to":"b@localhost","body":"x","kind":"error"}"#,
        r#"{"type":"message","to":"b@localhost","body":"x","lang":"<en>"}"#,
        r#"{"type":"typing","to":"bob@localhost","state":"sleeping"}"#,
        r#"{"type":"receipt","to":"bob@localhost","kind":"read","of":"x"}"#,
        r#"{"type":"receipt","to":"bob@localhost","kind":"displayed","of":""}"#,
        r#"{"type":"presence","availability":"asleep"}"#,
        r#"{"type":"ack","id":"x"}"#,
        r#"{"type":"ack"}"#,
        r#"{"type":"grant","to":"a b"}"#,
        r#"{"type":"ping","id":7}"#,
    ] {
        socket.send_raw(Message::text(frame)).await;
        let reply = socket.expect("reply").await;
        assert_eq!(
            (&reply["ok"], &reply["error"]["reason"]),
            (&json!(false), &json!("malformed")),
            "{frame}: {reply}"
        );
    }
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    socket.send_raw(Message::text(deep)).await;
    assert_eq!(socket.expect("reply").await["error"]["reason"], "malformed");
    socket.send_raw(Message::binary(vec![0, 1, 2])).await;
    assert_eq!(socket.expect("reply").await["error"]["reason"], "unsupported-media");
    // An acknowledgement of what was never sent changes nothing.
    socket.send(&json!({ "type": "ack", "id": "00000000000000000000000000" })).await;
    assert_eq!(socket.ask(json!({ "type": "ping" })).await["ok"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn huge_frame_ends_the_socket() {
    let house = House::with_accounts(&["alice"]).await;
    let mut socket = Web::log_in(&house, "alice").await.open().await;
    socket.send_raw(Message::text("x".repeat(70_000))).await;
    let frames = socket.until_closed().await;
    assert!(frames.iter().all(|frame| frame["type"] != "reply"), "{frames:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn flood_is_slowed_and_not_cut_off() {
    let house = House::start_with(|config| config.limits.messages = rollcall::net::Rate::new(100, 10)).await;
    house.add_account("alice").await;
    let mut socket = Web::log_in(&house, "alice").await.open().await;
    let start = std::time::Instant::now();
    for _ in 0..60 {
        socket.send(&json!({ "type": "ping" })).await;
    }
    for _ in 0..60 {
        assert_eq!(socket.expect("reply").await["ok"], true);
    }
    assert!(start.elapsed() >= std::time::Duration::from_millis(400), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn page_is_kept_from_being_framed_or_fooled() {
    let house = House::start().await;
    let stranger = Web::stranger(&house);
    for path in ["/", "/setup?token=x", "/api/me", "/assets/none.js"] {
        let answer = stranger.get(path).await;
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("strict-transport-security"), None, "not on the loopback");
    }
    stranger.get("/assets/none.js").await.expect(404);
    for path in
        ["/../../../../../../etc/passwd", "//etc/passwd", "/..%2f..%2f..%2fetc%2fpasswd", "/../../Cargo.toml"]
    {
        let answer = stranger.get(path).await;
        assert!(!answer.body.contains("root:") && !answer.body.contains("[package]"), "{path}");
    }
    stranger.request("POST", "/", Some("{}")).await.expect(405);
}

//! What the routes answer.

use rollcall::{auth::TokenKind, signal::Address};
use serde_json::json;

use crate::support::{House, PASSWORD, Web, address};

#[tokio::test(flavor = "multi_thread")]
async fn browser_logs_in_and_out() {
    let house = House::with_accounts(&["alice"]).await;
    let stranger = Web::stranger(&house);
    assert_eq!(stranger.get("/api/me").await.expect(401).reason(), "not-authenticated");

    let wrong = json!({ "address": "alice@localhost", "password": "wrong" });
    assert_eq!(stranger.post("/api/login", &wrong).await.expect(401).reason(), "not-authenticated");
    let nobody = json!({ "address": "nobody@localhost", "password": PASSWORD });
    assert_eq!(stranger.post("/api/login", &nobody).await.expect(401).reason(), "not-authenticated");

    // A name without domain is of the server's own.
    let right = json!({ "address": "Alice", "password": PASSWORD });
    let answer = stranger.post("/api/login", &right).await.expect(200);
    assert_eq!(answer.json(), json!({ "address": "alice@localhost", "isAdmin": false }));
    let cookie = answer.header("set-cookie").unwrap();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/api", "Max-Age="] {
        assert!(cookie.contains(attribute), "{cookie}");
    }

    let alice = stranger.with_cookie_of(&answer).with("Sec-Fetch-Site", "same-origin");
    let me = alice.get("/api/me").await.expect(200);
    assert!(me.header("set-cookie").is_some(), "the cookie is renewed");
    let me = me.json();
    assert_eq!((&me["address"], &me["domain"]), (&json!("alice@localhost"), &json!("localhost")));
    assert_eq!(me["aggregate"]["availability"], "offline");

    alice.post("/api/logout", &json!({})).await.expect(204);
    alice.get("/api/me").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn cookie_of_a_secure_page_never_crosses_in_the_clear() {
    let house = House::with_accounts(&["alice"]).await;
    let stranger = Web::secure_stranger(&house);
    let credentials = json!({ "address": "alice@localhost", "password": PASSWORD });
    let answer = stranger.post("/api/login", &credentials).await.expect(200);
    assert!(answer.header("set-cookie").unwrap().contains("; Secure"), "{answer:?}");
    let alice = stranger.with_cookie_of(&answer);
    let body = json!({ "offlineStorage": false });
    alice.with("Origin", "http://localhost").put("/api/preferences", &body).await.expect(403);
    alice.with("Origin", "https://localhost").put("/api/preferences", &body).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down() {
    let house = House::start_with(|config| config.auth.guesses = 2).await;
    house.add_account("alice").await;
    let stranger = Web::stranger(&house);
    let wrong = json!({ "address": "alice@localhost", "password": "wrong" });
    let mut answer = stranger.post("/api/login", &wrong).await;
    for _ in 0..5 {
        answer = stranger.post("/api/login", &wrong).await;
    }
    assert_eq!(answer.expect(429).reason(), "overloaded");
    let answer = stranger.post("/api/login", &wrong).await;
    assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn program_uses_a_token_of_its_own() {
    let house = House::with_accounts(&["alice"]).await;
    let alice = Web::log_in(&house, "alice").await;
    let made = alice.post("/api/tokens", &json!({ "label": "a robot", "expiresInSeconds": 60 })).await;
    let token = made.expect(201).json()["token"].as_str().unwrap().to_owned();
    let robot = Web::stranger(&house).with("Authorization", &format!("Bearer {token}"));
    // It comes from no page, and need not say so.
    robot.put("/api/preferences", &json!({ "offlineStorage": false })).await.expect(200);

    let tokens = alice.get("/api/tokens").await.expect(200).json();
    let listed = tokens["tokens"].as_array().unwrap().iter().find(|t| t["kind"] == "bearer").unwrap();
    assert_eq!(listed["label"], "a robot");
    let path = format!("/api/tokens/{}", listed["id"].as_str().unwrap());
    alice.delete(&path).await.expect(204);
    assert_eq!(alice.delete(&path).await.expect(404).reason(), "not-found");
    robot.get("/api/me").await.expect(401);
    for expires in [json!(0), json!(-1), json!(4_000_000_000_u64), json!("1")] {
        let body = json!({ "label": "a robot", "expiresInSeconds": expires });
        alice.post("/api/tokens", &body).await.expect(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cookie_alone_changes_nothing_for_a_foreign_page() {
    let house = House::with_accounts(&["alice"]).await;
    let alice = Web::log_in(&house, "alice").await.without("Sec-Fetch-Site");
    let body = json!({ "offlineStorage": false });
    for (client, status) in [
        (alice.clone(), 403),
        (alice.with("Origin", "https://evil.example"), 403),
        (alice.with("Origin", "null"), 403),
        (alice.with("Sec-Fetch-Site", "cross-site"), 403),
        (alice.with("Sec-Fetch-Site", "same-site").with("Origin", "http://localhost"), 403),
        (alice.with("Origin", "http://localhost"), 200),
        (alice.with("Sec-Fetch-Site", "same-origin"), 200),
    ] {
        client.put("/api/preferences", &body).await.expect(status);
    }
    alice.with("Origin", "https://evil.example").get("/api/me").await.expect(200);
    let credentials = json!({ "address": "alice@localhost", "password": PASSWORD });
    let evil = Web::stranger(&house).with("Origin", "https://evil.example");
    assert_eq!(evil.post("/api/login", &credentials).await.expect(403).reason(), "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_link_makes_one_administrator() {
    let house = House::start().await;
    let token = house.server().admin().setup_token().await.unwrap().unwrap();
    let stranger = Web::stranger(&house);
    let shown = stranger.get(&format!("/api/setup?token={token}")).await.expect(200);
    assert_eq!(shown.json(), json!({ "domains": ["localhost"] }));
    stranger.get("/api/setup?token=guess").await.expect(404);
    stranger.get("/api/setup").await.expect(400);

    let first =
        |address: &str, password: &str| json!({ "token": token, "address": address, "password": password });
    stranger.post("/api/setup", &first("alice@elsewhere.example", PASSWORD)).await.expect(422);
    stranger.post("/api/setup", &first("alice@localhost", "")).await.expect(422);
    let made = stranger.post("/api/setup", &first("alice", PASSWORD)).await.expect(200);
    assert_eq!(made.json(), json!({ "address": "alice@localhost", "isAdmin": true }));
    stranger.with_cookie_of(&made).get("/api/admin/accounts").await.expect(200);

    stranger.get(&format!("/api/setup?token={token}")).await.expect(404);
    stranger.post("/api/setup", &first("bob", PASSWORD)).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn invitation_makes_one_account_and_two_contacts() {
    let house = House::with_accounts(&["root", "alice"]).await;
    house.server().authenticator().set_admin(&address("root"), true).await.unwrap();
    let (root, alice) = (Web::log_in(&house, "root").await, Web::log_in(&house, "alice").await);
    alice.post("/api/admin/invitations", &json!({})).await.expect(403);
    let made = root.post("/api/admin/invitations", &json!({ "address": null })).await.expect(201).json();
    let token = made["token"].as_str().unwrap();
    assert_eq!(made["uri"], format!("xmpp:localhost?register;preauth={token}"));
    assert_eq!(made["link"], format!("http://localhost/join?token={token}"));
    assert_eq!(root.get("/api/tokens").await.json()["tokens"].as_array().map(Vec::len), Some(1));

    let stranger = Web::stranger(&house);
    let shown = stranger.get(&format!("/api/invitation?token={token}")).await.expect(200).json();
    assert_eq!((&shown["domain"], &shown["from"]), (&json!("localhost"), &json!("root@localhost")));
    let join =
        |address: &str, password: &str| json!({ "token": token, "address": address, "password": password });
    stranger.post("/api/invitation", &join("alice", PASSWORD)).await.expect(409);
    stranger.post("/api/invitation", &join("carol", "")).await.expect(422);
    stranger.post("/api/invitation", &join("carol@elsewhere.example", PASSWORD)).await.expect(422);
    let carol = stranger.post("/api/invitation", &join("carol", PASSWORD)).await.expect(200);
    assert_eq!(carol.json(), json!({ "address": "carol@localhost", "isAdmin": false }));
    stranger.post("/api/invitation", &join("dave", PASSWORD)).await.expect(404);
    stranger.get(&format!("/api/invitation?token={token}")).await.expect(404);
    // An invitation logs nobody in.
    Web::stranger(&house).with("Authorization", &format!("Bearer {token}")).get("/api/me").await.expect(401);

    let carol = stranger.with_cookie_of(&carol);
    for (web, contact) in [(&root, "carol@localhost"), (&carol, "root@localhost")] {
        let roster = web.get("/api/roster").await.json();
        let entry = &roster["contacts"][0];
        assert_eq!(
            (&entry["address"], &entry["to"], &entry["from"], &entry["ask"]),
            (&json!(contact), &json!(true), &json!(true), &json!(false)),
            "{roster}"
        );
        assert_eq!(roster["requests"], json!([]));
    }

    let named = root.post("/api/admin/invitations", &json!({ "address": "erin" })).await.expect(201).json();
    let token = named["token"].as_str().unwrap();
    let join = |address: &str| json!({ "token": token, "address": address, "password": PASSWORD });
    stranger.post("/api/invitation", &join("frank")).await.expect(404);
    stranger.post("/api/invitation", &join("erin")).await.expect(200);
    root.post("/api/admin/invitations", &json!({ "address": "alice" })).await.expect(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn invitations_are_listed_and_withdrawn_by_who_may() {
    let house = House::with_accounts(&["root", "alice", "bob"]).await;
    house.server().authenticator().set_admin(&address("root"), true).await.unwrap();
    let (root, alice) = (Web::log_in(&house, "root").await, Web::log_in(&house, "alice").await);
    let bob = Web::log_in(&house, "bob").await;
    alice.post("/api/invitations", &json!({ "makesAccount": true })).await.expect(403);
    alice.get("/api/admin/invitations").await.expect(403);
    let made = alice.post("/api/invitations", &json!({})).await.expect(201).json();
    let token = made["token"].as_str().unwrap();
    assert_eq!(made["uri"], format!("xmpp:alice@localhost?roster;preauth={token}"));
    let of_root = root.post("/api/invitations", &json!({ "makesAccount": true })).await.expect(201).json();
    assert!(of_root["uri"].as_str().unwrap().ends_with(";ibr=y"), "{of_root}");
    house.server().admin().invite(address("carol"), None).await.unwrap();

    let open = async |web: &Web, path: &str| web.get(path).await.expect(200).json()["invitations"].clone();
    let [mine] = open(&alice, "/api/invitations").await.as_array().unwrap().clone().try_into().unwrap();
    assert_eq!((&mine["makesAccount"], &mine["from"]), (&json!(false), &json!("alice@localhost")));
    assert!(mine["expires"].as_str() > mine["created"].as_str(), "{mine}");
    let all = open(&root, "/api/admin/invitations").await;
    let places: Vec<_> = all.as_array().unwrap().iter().map(|one| (&one["from"], &one["address"])).collect();
    assert_eq!(places.len(), 2, "what makes contacts only is their owners' affair: {all}");
    assert!(places.contains(&(&json!(null), &json!("carol@localhost"))), "{all}");
    assert!(places.contains(&(&json!("root@localhost"), &json!(null))), "{all}");

    let id = mine["id"].as_str().unwrap();
    bob.delete(&format!("/api/invitations/{id}")).await.expect(404);
    root.delete(&format!("/api/admin/invitations/{id}")).await.expect(404);
    alice.delete("/api/invitations/0").await.expect(404);
    alice.delete(&format!("/api/invitations/{id}")).await.expect(204);
    let accept = json!({ "token": token });
    bob.post("/api/invitation/accept", &accept).await.expect(404);
    for one in all.as_array().unwrap() {
        let path = format!("/api/admin/invitations/{}", one["id"].as_str().unwrap());
        root.delete(&path).await.expect(204);
    }
    assert_eq!(open(&root, "/api/admin/invitations").await, json!([]));
    let gone = json!({ "token": of_root["token"] });
    bob.post("/api/invitation/accept", &gone).await.expect(404);

    // Nobody is his own guest.
    let again = alice.post("/api/invitations", &json!({})).await.expect(201).json();
    let accept = json!({ "token": again["token"] });
    alice.post("/api/invitation/accept", &accept).await.expect(404);
    let met = bob.post("/api/invitation/accept", &accept).await.expect(200).json();
    assert_eq!(met, json!({ "contact": "alice@localhost" }));
    let roster = bob.get("/api/roster").await.json();
    assert_eq!(roster["contacts"][0]["address"], "alice@localhost", "{roster}");
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_come_to_agree() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let (alice, bob) = (Web::log_in(&house, "alice").await, Web::log_in(&house, "bob").await);
    let entry = json!({ "name": "Bob", "groups": ["Work", "Chess"], "subscribe": true });
    alice.put("/api/roster/bob@localhost", &entry).await.expect(204);
    let roster = alice.get("/api/roster").await.expect(200).json();
    assert_eq!(
        roster["contacts"][0],
        json!({ "address": "bob@localhost", "name": "Bob", "groups": ["Chess", "Work"],
                "to": false, "from": false, "ask": true, "approved": false })
    );
    let asked = bob.get("/api/roster").await.json();
    assert_eq!(asked["requests"][0]["from"], "alice@localhost");
    bob.post("/api/roster/alice@localhost/grant", &json!({})).await.expect(204);
    bob.request("POST", "/api/roster/alice%40localhost/subscribe", None).await.expect(204);
    assert_eq!(bob.get("/api/roster").await.json()["requests"], json!([]));
    let roster = alice.get("/api/roster").await.json();
    assert_eq!((&roster["contacts"][0]["to"], &roster["contacts"][0]["ask"]), (&json!(true), &json!(false)));

    alice.delete("/api/roster/bob@localhost").await.expect(204);
    alice.delete("/api/roster/bob@localhost").await.expect(404);
    assert_eq!(alice.get("/api/roster").await.json()["contacts"], json!([]));
    for (path, status) in [
        ("/api/roster/bob@localhost/embrace", 404),
        ("/api/roster/localhost/grant", 400),
        ("/api/roster/a%20b@localhost/grant", 400),
        ("/api/roster/alice@localhost/subscribe", 422),
    ] {
        alice.post(path, &json!({})).await.expect(status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn preferences_change_key_by_key() {
    let house = House::with_accounts(&["alice"]).await;
    let alice = Web::log_in(&house, "alice").await;
    let changed = json!({ "acceptedSenders": "nobody", "deviceCopies": false });
    alice.put("/api/preferences", &changed).await.expect(200);
    let now = alice.get("/api/preferences").await.expect(200).json();
    assert_eq!(
        now,
        json!({ "acceptedSenders": "nobody", "offlineStorage": true, "deviceMessages": true,
                "deviceCopies": false,
                "temporaryPresence": { "to": "nobody", "also": [], "media": true, "text": true, "file": true },
                "listed": false })
    );
    let wrong = alice.put("/api/preferences", &json!({ "colour": "red" })).await.expect(400);
    assert!(wrong.json()["error"]["text"].as_str().unwrap().contains("colour"));
    let wrong = alice.put("/api/preferences", &json!({ "acceptedSenders": "some" })).await.expect(400);
    assert!(wrong.json()["error"]["text"].as_str().unwrap().contains("acceptedSenders"));
    assert_eq!(alice.get("/api/preferences").await.json(), now);
}

#[tokio::test(flavor = "multi_thread")]
async fn device_gets_a_password_that_opens_no_page() {
    let house = House::with_accounts(&["alice"]).await;
    let alice = Web::log_in(&house, "alice").await;
    let made = alice.post("/api/devices", &json!({ "label": "desk phone" })).await.expect(201).json();
    let listed = alice.get("/api/devices").await.expect(200).json();
    assert_eq!(listed["devices"][0]["label"], "desk phone");
    assert!(listed["devices"][0].get("password").is_none());
    let login = json!({ "address": "alice@localhost", "password": made["password"] });
    Web::stranger(&house).post("/api/login", &login).await.expect(401);
    let path = format!("/api/devices/{}", made["id"].as_str().unwrap());
    alice.delete(&path).await.expect(204);
    alice.delete(&path).await.expect(404);
    alice.delete("/api/devices/x").await.expect(404);
    alice.post("/api/devices", &json!({ "label": "" })).await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_password_ends_every_other_browser() {
    let house = House::with_accounts(&["alice"]).await;
    let (here, there) = (Web::log_in(&house, "alice").await, Web::log_in(&house, "alice").await);
    let wrong = json!({ "old": "wrong", "new": "better horse" });
    assert_eq!(here.post("/api/password", &wrong).await.expect(403).reason(), "forbidden");
    let empty = json!({ "old": PASSWORD, "new": "" });
    assert_eq!(here.post("/api/password", &empty).await.expect(422).reason(), "not-acceptable");
    let right = json!({ "old": PASSWORD, "new": "better horse" });
    let answer = here.post("/api/password", &right).await.expect(204);
    here.with_cookie_of(&answer).get("/api/me").await.expect(200);
    here.get("/api/me").await.expect(401);
    there.get("/api/me").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_administer() {
    let house = House::with_accounts(&["alice", "root"]).await;
    house.server().authenticator().set_admin(&address("root"), true).await.unwrap();
    let (alice, root) = (Web::log_in(&house, "alice").await, Web::log_in(&house, "root").await);
    let new = json!({ "address": "bob@localhost", "password": PASSWORD });
    assert_eq!(alice.get("/api/admin/accounts").await.expect(403).reason(), "forbidden");
    alice.post("/api/admin/accounts", &new).await.expect(403);
    alice.delete("/api/admin/accounts/root@localhost").await.expect(403);

    root.post("/api/admin/accounts", &new).await.expect(201);
    assert_eq!(root.post("/api/admin/accounts", &new).await.expect(409).reason(), "conflict");
    let list = root.get("/api/admin/accounts").await.expect(200).json();
    let names: Vec<_> = list["accounts"].as_array().unwrap().iter().map(|a| a["address"].clone()).collect();
    assert_eq!(names, [json!("alice@localhost"), json!("bob@localhost"), json!("root@localhost")]);
    let after = root.get("/api/admin/accounts?after=bob@localhost").await.json();
    assert_eq!(after["accounts"][0]["address"], "root@localhost");

    let password = json!({ "password": "another horse" });
    root.post("/api/admin/accounts/alice@localhost/password", &password).await.expect(204);
    alice.get("/api/me").await.expect(401);
    root.delete("/api/admin/accounts/alice@localhost").await.expect(204);
    root.delete("/api/admin/accounts/alice@localhost").await.expect(404);
    root.delete("/api/admin/accounts/root@localhost").await.expect(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn archive_is_read_page_by_page() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let alice = Web::log_in(&house, "alice").await;
    let mut socket = alice.open().await;
    for n in 1..=5 {
        let message = json!({ "type": "message", "to": "bob@localhost", "body": format!("number {n}") });
        assert_eq!(socket.ask(message).await["sent"], "stored");
    }
    let bodies = |page: &serde_json::Value| {
        let messages = page["messages"].as_array().unwrap().iter();
        messages.map(|m| m["body"].as_str().unwrap()[7..].to_owned()).collect::<Vec<_>>().concat()
    };
    let page = alice.get("/api/archive?with=bob@localhost&limit=2").await.expect(200).json();
    assert_eq!((bodies(&page), &page["complete"]), ("45".to_owned(), &json!(false)));
    assert_eq!(page["messages"][0]["outgoing"], true);
    assert_eq!(page["messages"][0]["with"], "bob@localhost");
    let before = page["messages"][0]["id"].as_str().unwrap();
    let page = alice.get(&format!("/api/archive?before={before}&limit=3")).await.json();
    assert_eq!((bodies(&page), &page["complete"]), ("123".to_owned(), &json!(true)));
    let after = page["messages"][0]["id"].as_str().unwrap();
    let page = alice.get(&format!("/api/archive?after={after}&limit=3")).await.json();
    assert_eq!((bodies(&page), &page["complete"]), ("234".to_owned(), &json!(false)));
    assert_eq!(bodies(&alice.get("/api/archive?with=carol@localhost").await.json()), "");
    for query in ["limit=0", "limit=201", "limit=x", "before=x", "with=localhost", "colour=red"] {
        alice.get(&format!("/api/archive?{query}")).await.expect(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_token_opens_nothing() {
    let house = House::with_accounts(&["alice"]).await;
    let alice: Address = address("alice");
    let authenticator = house.server().authenticator();
    let lifetime = std::time::Duration::ZERO;
    let token = authenticator.issue_token(TokenKind::Bearer, Some(&alice), "old", lifetime).await.unwrap();
    let robot = Web::stranger(&house).with("Authorization", &format!("Bearer {token}"));
    robot.get("/api/me").await.expect(401);
}

//! Three people, three protocols, programs that nobody here wrote: Alice has an XMPP client (slixmpp),
//! Bob a SIP phone (baresip), Carol a browser (Chromium). Read from top to bottom it is a story.

use serde_json::{Value, json};

use crate::support::{Baresip, Browser, House, PASSWORD, Phone, Slixmpp, Web, soon};

#[tokio::test(flavor = "multi_thread")]
async fn friends_meet_see_each_other_and_talk() {
    let house = House::with_accounts(&["alice", "bob", "carol"]).await;
    let mut alice = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
    let mut carol = Carol::comes(&house).await;
    // Bob's phones watch the others, which asks them.
    let mut bob = Bob::comes(&house, ";presence=p2p").await;
    alice.event("presence", |asked| is_from(asked, "bob", "subscribe")).await;
    alice.act(json!({"do": "subscribed", "to": "bob@localhost"})).await;
    carol.page.click("Accept bob@localhost").await;
    // Alice asks both. A phone cannot answer, so Bob says yes with another client of his.
    alice.act(json!({"do": "subscribe", "to": "bob@localhost"})).await;
    alice.act(json!({"do": "subscribe", "to": "carol@localhost"})).await;
    bob.grants(&house, "alice").await;
    carol.page.click("Accept alice@localhost").await;
    // Carol asks both.
    for (name, address) in [("alice", "alice@localhost"), ("bob", "bob@localhost")] {
        Web::log_in(&house, "carol")
            .await
            .post(&format!("/api/roster/{address}/subscribe"), &json!({}))
            .await;
        if name == "alice" {
            alice.event("presence", |asked| is_from(asked, "carol", "subscribe")).await;
            alice.act(json!({"do": "subscribed", "to": "carol@localhost"})).await;
        }
    }
    bob.grants(&house, "carol").await;

    // Everybody sees everybody.
    alice.event("presence", |seen| is_from(seen, "bob", "available")).await;
    alice.event("presence", |seen| is_from(seen, "carol", "available")).await;
    carol.sees_contact("alice", "Online").await;
    carol.sees_contact("bob", "Online").await;
    bob.sees_contacts("Online").await;

    // Alice does not want to be disturbed: the others see it in their own words.
    alice.act(json!({"do": "presence", "show": "dnd", "status": "writing"})).await;
    carol.sees_contact("alice", "Busy").await;

    // Each writes to each.
    say(&mut alice, "bob", "from alice to bob").await;
    bob.for_alice.read("from alice to bob").await;
    say(&mut alice, "carol", "from alice to carol").await;
    carol.reads("alice", "from alice to carol").await;
    bob.for_alice.write("from bob to alice").await;
    alice.read("from bob to alice").await;
    bob.for_carol.write("from bob to carol").await;
    carol.reads("bob", "from bob to carol").await;
    carol.writes("alice", "from carol to alice").await;
    alice.read("from carol to alice").await;
    carol.writes("bob", "from carol to bob").await;
    bob.for_carol.read("from carol to bob").await;

    // And all of it is in the archives, once.
    for (owner, count) in [("alice", 4), ("bob", 4), ("carol", 4)] {
        let mut kept = Web::log_in(&house, owner).await.archive().await;
        kept.retain(|text| text.starts_with("from "));
        assert_eq!(kept.len(), count, "the archive of {owner}: {kept:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_reads_it_later_by_whatever_client() {
    let house = House::with_accounts(&["alice", "bob", "carol"]).await;
    {
        let mut alice = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
        let mut carol = Carol::comes(&house).await;
        say(&mut alice, "bob", "alice, while bob was away").await;
        carol.writes("bob", "carol, while bob was away").await;
        carol.page.see("Stored").await;
        let mut bob = Bob::comes(&house, "").await;
        bob.either_reads("alice, while bob was away").await;
        bob.either_reads("carol, while bob was away").await;
        drop(alice);
        nobody_is(&house, "alice").await;
        bob.for_alice.write("bob, while alice was away").await;
        carol.writes("alice", "carol, while alice was away").await;
        let mut alice = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
        let late = alice.read("bob, while alice was away").await;
        assert!(late["delay"].is_string(), "it says when it was written: {late}");
        alice.read("carol, while alice was away").await;
        drop(carol);
        nobody_is(&house, "carol").await;
        say(&mut alice, "carol", "alice, while carol was away").await;
        bob.for_carol.write("bob, while carol was away").await;
    }
    // Even over a restart of the server.
    let mut house = house;
    nobody_is(&house, "alice").await;
    house.restart().await;
    let mut carol = Carol::comes(&house).await;
    carol.reads("alice", "alice, while carol was away").await;
    carol.reads("bob", "bob, while carol was away").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_no_strangers_is_left_in_peace() {
    let house = House::with_accounts(&["alice", "bob", "carol"]).await;
    for local in ["alice", "bob", "carol"] {
        house
            .prefer(local, |preferences| {
                preferences.accepted_senders = rollcall::account::AcceptedSenders::Nobody
            })
            .await;
    }
    let mut alice = Slixmpp::online("alice@localhost", PASSWORD, house.xmpp()).await;
    let mut bob = Bob::comes(&house, "").await;
    let mut carol = Carol::comes(&house).await;
    for to in ["bob", "carol"] {
        say(&mut alice, to, "hello, stranger").await;
        let from = format!("{to}@localhost");
        let error = alice.event("message", |m| m["type"] == "error" && starts_with(&m["from"], &from)).await;
        assert!(error["xml"].as_str().unwrap_or_default().contains("forbidden"), "{error}");
    }
    for to in ["alice", "bob"] {
        carol.writes(to, "hello, stranger").await;
        carol.page.see("Not delivered").await;
    }
    for phone in [&mut bob.for_alice, &mut bob.for_carol] {
        phone.write("hello, stranger").await;
        phone.program().hear("the refusal", |line| line.contains("403").then_some(())).await;
    }
    for owner in ["alice", "bob", "carol"] {
        let kept = Web::log_in(&house, owner).await.archive().await;
        assert_eq!(kept, ["hello, stranger"; 2], "{owner} has what she sent, and nothing of strangers");
    }
}

/// Bob has a phone for each friend, since each writes to its first contact.
struct Bob {
    for_alice: Baresip,
    for_carol: Baresip,
}

impl Bob {
    async fn comes(house: &House, watching: &str) -> Self {
        let [alice, carol] = ["alice", "carol"].map(|friend| format!("<sip:{friend}@localhost>{watching}"));
        let phone = |contacts| Phone {
            address: "bob@localhost",
            password: PASSWORD,
            server: house.sip_tcp(),
            transport: "tcp",
            parameters: "",
            contacts,
        };
        Self {
            for_alice: Baresip::registered(&phone(&[&alice])).await,
            for_carol: Baresip::registered(&phone(&[&carol])).await,
        }
    }

    /// Lets somebody see his presence, once she has asked.
    async fn grants(&self, house: &House, to: &str) {
        let bob = Web::log_in(house, "bob").await;
        let asked = async {
            loop {
                let roster = bob.get("/api/roster").await.expect(200).json();
                let requests = roster["requests"].as_array().expect("requests").clone();
                if requests.iter().any(|request| starts_with(&request["from"], to)) {
                    return;
                }
            }
        };
        soon(&format!("the question of {to}"), asked).await;
        bob.post(&format!("/api/roster/{to}@localhost/grant"), &json!({})).await;
    }

    async fn sees_contacts(&mut self, state: &str) {
        for phone in [&mut self.for_alice, &mut self.for_carol] {
            let seen = async { while !phone.command("contacts", "").await.contains(state) {} };
            soon(&format!("a contact that is {state}"), seen).await;
        }
    }

    /// What waits goes to the first phone that comes.
    async fn either_reads(&mut self, text: &str) {
        self.for_alice.read(text).await;
    }
}

/// Carol sits at the page.
struct Carol {
    page: Browser,
    url: String,
}

impl Carol {
    async fn comes(house: &House) -> Self {
        let mut carol = Self { page: Browser::start("carol").await, url: format!("http://{}", house.http()) };
        carol.page.open(&carol.url).await;
        carol.page.fill("Address", "carol@localhost").await;
        carol.page.fill("Password", PASSWORD).await;
        carol.page.click("Log in").await;
        carol.page.act(json!({"do": "see", "role": "button", "name": "Your presence"})).await;
        carol
    }

    async fn writes(&mut self, to: &str, text: &str) {
        self.page.open(&format!("{}/#/with/{to}@localhost", self.url)).await;
        self.page.fill(&format!("Message to {to}"), text).await;
        self.page.act(json!({"do": "press", "key": "Enter"})).await;
        self.page.see(text).await;
    }

    async fn reads(&mut self, from: &str, text: &str) {
        self.page.open(&format!("{}/#/with/{from}@localhost", self.url)).await;
        self.page.see(text).await;
    }

    async fn sees_contact(&mut self, name: &str, state: &str) {
        self.page.act(json!({"do": "see", "role": "link", "name": format!("{name} {state}")})).await;
    }
}

/// Writes, and waits until the server has it: who leaves with words still in the socket has not said them.
async fn say(client: &mut Slixmpp, to: &str, text: &str) {
    client.act(json!({"do": "message", "to": format!("{to}@localhost"), "body": text})).await;
    client.act(json!({"do": "ping"})).await;
}

/// Waits until the server has noticed that somebody's clients are all gone.
async fn nobody_is(house: &House, local: &str) {
    let web = Web::log_in(house, local).await;
    let gone = async { while web.get("/api/me").await.expect(200).json()["sessions"] != json!([]) {} };
    soon(&format!("{local} is gone"), gone).await;
}

fn is_from(event: &Value, local: &str, kind: &str) -> bool {
    event["type"] == kind && starts_with(&event["from"], &format!("{local}@localhost"))
}

fn starts_with(value: &Value, text: &str) -> bool {
    value.as_str().is_some_and(|value| value.starts_with(text))
}

//! Pictures and names of people of other domains, for who has no XMPP client: the page, and a phone.

use serde_json::{Value, json};

use super::{
    Prosody, Town,
    town::{is_presence, online_with},
};
use crate::support::{House, Slixmpp, Socket, Web};

const ALICE: &str = "alice@ours.example";
const CAROL: &str = "carol@theirs.example";
const FACE: &str = "/api/avatar/carol%40theirs.example";

/// The beginnings of two GIFs, all ASCII.
const DOT: &str = "R0lGODlhAQABAA==";
const DASH: &str = "R0lGODlhAgABAA==";

async fn carol_of(prosody: &Prosody) -> Slixmpp {
    online_with(CAROL, prosody.clients, json!({"plugins": ["xep_0060", "xep_0084"]})).await
}

async fn call_herself(carol: &mut Slixmpp, name: &str) {
    let xml = format!("<nick xmlns='http://jabber.org/protocol/nick'>{name}</nick>");
    carol.act(json!({"do": "publish", "node": "http://jabber.org/protocol/nick", "xml": xml})).await;
}

/// Carol asks Alice, who has a page and nothing else, and Alice asks her: each lets the other in.
async fn befriend(web: &Web, page: &mut Socket, carol: &mut Slixmpp) {
    let name = "<nick xmlns='http://jabber.org/protocol/nick'>Caro of theirs</nick>";
    carol
        .act(
            json!({"do": "raw", "xml": format!("<presence to='{ALICE}' type='subscribe'>{name}</presence>")}),
        )
        .await;
    page.expect_that("request", |event| event["from"] == CAROL).await;
    is_called(page, json!("Caro of theirs")).await;
    for deed in ["grant", "subscribe"] {
        web.post(&format!("/api/roster/carol%40theirs.example/{deed}"), &json!({})).await.expect(204);
    }
    carol.event("presence", |event| is_presence(event, ALICE, "subscribe")).await;
    carol.act(json!({"do": "subscribed", "to": ALICE})).await;
    carol.event("presence", |event| is_presence(event, &format!("{ALICE}/"), "available")).await;
}

async fn is_called(page: &mut Socket, name: Value) {
    page.expect_that("nickname", |event| event["from"] == CAROL && event["nickname"] == name).await;
}

async fn wears(page: &mut Socket, worn: &Value) {
    page.expect_that("avatar", |event| event["from"] == CAROL && event["hash"] == worn["hash"]).await;
}

async fn face(web: &Web) -> String {
    let face = web.get(FACE).await.expect(200);
    assert_eq!(face.header("content-type"), Some("image/gif"));
    face.header("etag").unwrap().trim_matches('"').to_owned()
}

async fn page_of(house: &House) -> (Web, Socket) {
    let web = Web::log_in_as(house.http(), ALICE).await;
    let page = web.open().await;
    (web, page)
}

/// `more` is for the configuration of Prosody.
async fn show_faces(more: &str) {
    let town = Town::new().await;
    let mut house = town.rollcall(1, "ours.example", &["alice"]).await;
    let mut prosody = Prosody::start(&town, 2, "theirs.example", &["carol"], more).await;
    let mut carol = carol_of(&prosody).await;
    let (web, mut page) = page_of(&house).await;
    let worn = carol.act(json!({"do": "wear", "data": DOT, "type": "image/gif"})).await;
    befriend(&web, &mut page, &mut carol).await;
    wears(&mut page, &worn).await;
    assert_eq!(face(&web).await, worn["hash"]);

    // What changes is told at once.
    call_herself(&mut carol, "Caro &amp; Co").await;
    is_called(&mut page, json!("Caro & Co")).await;
    let worn = carol.act(json!({"do": "wear", "data": DASH, "type": "image/gif"})).await;
    wears(&mut page, &worn).await;
    assert_eq!(face(&web).await, worn["hash"]);

    // Her server goes, and ours is started again.
    prosody.kill().await;
    assert_eq!(face(&web).await, worn["hash"]);
    drop(page);
    house.stop().await;
    house.start_again().await;
    let (web, mut page) = page_of(&house).await;
    wears(&mut page, &worn).await;
    is_called(&mut page, json!("Caro & Co")).await;
    assert_eq!(face(&web).await, worn["hash"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn page_shows_faces_that_prosody_publishes_and_keeps_them() {
    show_faces("modules_disabled = { 'posix', 'vcard_legacy' }").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn page_shows_faces_that_prosody_has_in_presence_and_cards() {
    show_faces("").await;
}

//! A domain beyond ASCII is one domain at every door, with U-labels and with A-labels (RFC 7622 §3.2, RFC 5895).

use rollcall::signal::Address;
use serde_json::json;

use crate::support::{House, PASSWORD, SipPhone, Slixmpp, Web, Xcap, body};

const WRITTEN: &str = "b\u{fc}ro.example";
const ASCII: &str = "xn--bro-hoa.example";

#[tokio::test(flavor = "multi_thread")]
async fn both_forms_of_a_domain_are_one_at_every_door() {
    let house = House::start_with(|config| {
        config.server.domains.push(Address::domain_only(ASCII).unwrap());
    })
    .await;
    house.add_account("alice").await;
    house.add_account_of(&Address::new("bob", WRITTEN).unwrap()).await;
    let bob = format!("bob@{WRITTEN}");
    let mut chat = Slixmpp::online(&bob, PASSWORD, house.xmpp()).await;
    let mut other = Slixmpp::online(&format!("bob@{ASCII}"), PASSWORD, house.xmpp()).await;
    let web = Web::log_in_as(house.http(), &format!("bob@{ASCII}")).await;
    assert_eq!(web.get("/api/me").await.expect(200).json()["address"], bob);

    let mut phone = SipPhone::registered("alice", house.sip_udp(), "").await;
    let uri = format!("sip:bob@{ASCII}");
    let text = "Content-Type: text/plain\r\n";
    let sent = phone.ask("MESSAGE", &uri, &format!("<{uri}>"), text, "from a phone").await;
    assert_eq!(sent.status(), Some(200), "{sent:?}");
    chat.read("from a phone").await;
    other.read("from a phone").await;
    chat.act(json!({"do": "message", "to": "alice@localhost", "body": "to a phone"})).await;
    let heard = phone.serve(200).await;
    assert_eq!(body(&heard), "to a phone");
    assert_eq!(heard.from().unwrap().uri.as_str(), uri, "{heard:?}");

    let contact = "/api/roster/carol%40xn--bcher-kva.example";
    web.put(contact, &json!({"name": "Carol"})).await.expect(204);
    let roster = chat.act(json!({"do": "roster"})).await;
    assert_eq!(roster["contacts"][0]["jid"], "carol@b\u{fc}cher.example", "{roster}");
    web.delete("/api/roster/carol%40b%C3%BCcher.example").await.expect(204);

    let root = format!("http://{}/xcap-root", house.http());
    let mut documents = Xcap::start(&root, "bob", ASCII).await;
    let path = format!("/resource-lists/users/sip:bob@{ASCII}/index");
    let lists =
        "<resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists'><list name='a'/></resource-lists>";
    documents.put(&path, "application/resource-lists+xml", lists).await.expect(201);
    documents.get("/resource-lists/users/sip:bob@b%C3%BCro.example/index").await.expect(200);
}

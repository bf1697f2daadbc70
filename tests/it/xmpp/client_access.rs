//! XEP-0494, and the same list on the web.

use serde_json::{Value, json};

use super::second_login::{AGENT, BIND, by_password, by_token, wants_token};
use crate::support::{House, RawXmpp, Web, address};

const LIST: &str = "<iq type='get' id='list'><list xmlns='urn:xmpp:cam:0'/></iq>";

fn revoke(id: &str) -> String {
    format!("<iq type='set' id='revoke'><revoke xmlns='urn:xmpp:cam:0' id='{id}'/></iq>")
}

/// The entries of a kind.
async fn accesses(web: &Web, kind: &str) -> Vec<Value> {
    let all = web.get("/api/access").await.expect(200).json();
    all["accesses"].as_array().unwrap().iter().filter(|access| access["kind"] == kind).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_with_access_is_one_list() {
    let house = House::with_accounts(&["alice"]).await;
    let port = house.xmpp_plain();
    let web = Web::log_in(&house, "alice").await;
    web.post("/api/devices", &json!({ "label": "desk phone" })).await.expect(201);
    web.post("/api/tokens", &json!({ "label": "robot" })).await.expect(201);
    let wishes = format!("{AGENT}{BIND}{}", wants_token("NONE"));
    let (_, mut alice) = by_password("alice", port, &wishes).await;
    let _legacy = RawXmpp::online("alice", "old", port).await;
    let list = alice.ask(LIST, "list").await;
    for part in [
        "<client connected='true' type='session' id='client-",
        "<auth><password/><fast/></auth><permission status='unrestricted'/>\
         <user-agent><software>Chat</software><device>desk</device></user-agent>",
        "<client connected='false' type='access' id='device-",
        "<auth><grant/></auth><permission status='normal'/><user-agent><device>desk phone</device></user-agent>",
        "<client connected='true' type='session' id='session-old'>",
        "<client connected='false' type='access' id='script-",
        "<client connected='false' type='access' id='browser-",
    ] {
        assert!(list.contains(part), "{part} in {list}");
    }
    assert_eq!(list.matches("<client ").count(), 5, "{list}");
    let kinds = ["client", "device", "session", "script", "browser"];
    for kind in kinds {
        assert_eq!(accesses(&web, kind).await.len(), 1, "{kind}");
    }
    let client = &accesses(&web, "client").await[0];
    assert_eq!((&client["software"], &client["isConnected"]), (&json!("Chat"), &json!(true)));
    // What knows the password is only shut out by a new one, and a stranger's list is nobody else's affair.
    for (id, condition) in [
        (client["id"].as_str().unwrap(), "<password-reset-required xmlns='urn:xmpp:cam:0'/>"),
        ("session-old", "<password-reset-required xmlns='urn:xmpp:cam:0'/>"),
        ("client-999", "item-not-found"),
        ("nonsense", "item-not-found"),
    ] {
        let refusal = alice.ask(&revoke(id), "revoke").await;
        assert!(refusal.contains(condition), "{id}: {refusal}");
    }
    let other = LIST.replace("id='list'", "id='list' to='bob@localhost'");
    assert!(alice.ask(&other, "list").await.contains("service-unavailable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_granted_alone_is_taken_back_alone() {
    let house = House::with_accounts(&["alice"]).await;
    let port = house.xmpp_plain();
    let mut alice = RawXmpp::online("alice", "one", port).await;
    let auth = house.server().authenticator();
    let device = auth.add_device(&address("alice"), "phone").await.unwrap();
    // A program that knows nothing but the password of that device, and has a token of its own.
    let wishes = format!("{AGENT}{BIND}{}", wants_token("NONE"));
    let (success, mut phone) = super::second_login::log_in("alice", &device.password, port, &wishes).await;
    let token = success.split("token='").nth(1).and_then(|rest| rest.split('\'').next()).unwrap().to_owned();
    let list = alice.ask(LIST, "list").await;
    assert!(list.contains("<auth><fast/></auth><permission status='normal'/>"), "{list}");
    let id = list.split("id='client-").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    assert!(alice.ask(&revoke(&format!("client-{id}")), "revoke").await.contains("type='result'"));
    assert!(phone.end().await.iter().any(|stanza| stanza.contains("<reset ")));
    let (failure, _) = by_token("alice", port, &token, "").await;
    assert!(failure.contains("<not-authorized "), "{failure}");
    assert!(alice.ask(&revoke(&format!("device-{}", device.id)), "revoke").await.contains("type='result'"));
    assert!(!alice.ask(LIST, "list").await.contains("device-"));
    alice.has_not("stream:error").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_logs_out_what_knows_the_password_too() {
    let house = House::with_accounts(&["alice"]).await;
    let port = house.xmpp_plain();
    let web = Web::log_in(&house, "alice").await;
    let wishes = format!("{AGENT}{BIND}{}", wants_token("NONE"));
    let (success, mut alice) = by_password("alice", port, &wishes).await;
    let token = success.split("token='").nth(1).and_then(|rest| rest.split('\'').next()).unwrap().to_owned();
    let client = accesses(&web, "client").await.remove(0);
    let path = format!("/api/access/{}", client["id"].as_str().unwrap());
    web.delete(&path).await.expect(204);
    web.delete(&path).await.expect(404);
    web.delete("/api/access/nonsense").await.expect(404);
    assert!(alice.end().await.iter().any(|stanza| stanza.contains("<reset ")));
    let (failure, _) = by_token("alice", port, &token, "").await;
    assert!(failure.contains("<not-authorized "), "{failure}");
    assert!(accesses(&web, "client").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_password_of_one_device_does_not_get_the_account() {
    let house = House::with_accounts(&["alice"]).await;
    let auth = house.server().authenticator();
    auth.set_admin(&address("alice"), true).await.unwrap();
    let device = auth.add_device(&address("alice"), "phone").await.unwrap();
    let (_, mut phone) =
        super::second_login::log_in("alice", &device.password, house.xmpp_plain(), &format!("{AGENT}{BIND}"))
            .await;
    let register = |inside: &str| {
        format!("<iq type='set' id='x'><query xmlns='jabber:iq:register'>{inside}</query></iq>")
    };
    let users = "http://jabber.org/protocol/admin#get-registered-users-num";
    for request in [
        register("<username>alice</username><password>mine now</password>"),
        register("<remove/>"),
        revoke("client-1").replace("id='revoke'>", "id='x'>"),
        format!(
            "<iq type='set' to='localhost' id='x'><command xmlns='http://jabber.org/protocol/commands' \
             node='{users}'/></iq>"
        ),
    ] {
        let refusal = phone.ask(&request, "x").await;
        assert!(refusal.contains("<forbidden "), "{refusal}");
    }
    let commands = "<iq type='get' to='localhost' id='c'><query xmlns='http://jabber.org/protocol/disco#items' \
                    node='http://jabber.org/protocol/commands'/></iq>";
    let offered = phone.ask(commands, "c").await;
    assert!(offered.contains("invite#invite") && !offered.contains("admin#"), "{offered}");
    let mut alice = RawXmpp::online("alice", "one", house.xmpp_plain()).await;
    assert!(alice.ask(commands, "c").await.contains("admin#"));
}

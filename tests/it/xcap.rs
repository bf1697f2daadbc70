//! XCAP over the wire, by a client on Python's HTTP library: the exchanges of the RFCs with their printed
//! results, every status, conditions, credentials.

mod claims;
mod hostile;
mod nodes;
mod reading;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rollcall::signal::Address;

use crate::support::{House, PASSWORD, Web, Xcap};

const LISTS: &str = "application/resource-lists+xml";
const ELEMENT: &str = "application/xcap-el+xml";
const ATTRIBUTE: &str = "application/xcap-att+xml";

/// A server of the examples' domain, with these accounts.
pub(crate) async fn example_house(locals: &[&str]) -> House {
    let domain = Address::domain_only("example.com").unwrap();
    let house = House::start_with(|config| config.server.domains = vec![domain]).await;
    for local in locals {
        let address = Address::new(local, "example.com").unwrap();
        house.server().authenticator().create_account(&address, PASSWORD, false).await.unwrap();
    }
    house
}

fn root(house: &House) -> String {
    format!("http://{}/xcap-root", house.http())
}

/// A client of an administrator of that domain.
pub(crate) async fn administrator(house: &House) -> Xcap {
    let address = Address::new("root", "example.com").unwrap();
    house.server().authenticator().create_account(&address, PASSWORD, true).await.unwrap();
    client(house, "root").await
}

/// A client of one of them.
pub(crate) async fn client(house: &House, user: &str) -> Xcap {
    Xcap::start(&root(house), user, "example.com").await
}

/// A client of a user at `localhost`.
pub(crate) async fn client_at(house: &House, user: &str) -> Xcap {
    Xcap::start(&root(house), user, "localhost").await
}

/// The path of a document of Alice's lists.
const ALICE: &str = "/resource-lists/users/sip:alice@example.com/index";

/// A document of one list.
fn lists(inside: &str) -> String {
    format!(
        "<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list name=\"l\">{inside}</list>\
         </resource-lists>"
    )
}

/// RFC 4825 §13, figures 24 to 32.
#[tokio::test(flavor = "multi_thread")]
async fn bill_makes_a_list_as_in_the_rfc() {
    let house = example_house(&["bill"]).await;
    let mut bill = client(&house, "bill").await;
    let document = "/resource-lists/users/sip:bill@example.com/index";
    let new = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n   <resource-lists \
               xmlns=\"urn:ietf:params:xml:ns:resource-lists\">\n     <list name=\"friends\">\n     </list>\n   \
               </resource-lists>";
    let created = bill.put(document, LISTS, new).await.expect(201);
    assert_eq!(created.body, "");

    let services = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n   <rls-services \
         xmlns=\"urn:ietf:params:xml:ns:rls-services\">\n   <service uri=\"sip:myfriends@example.com\">\n     \
         <resource-list>http://xcap.example.com/resource-lists/users/sip:bill@example.com/index/~~/resource-lists/\
         list%5b@name=%22friends%22%5d</resource-list>\n     <packages>\n      <package>presence</package>\n     \
         </packages>\n    </service>\n   </rls-services>";
    let path = "/rls-services/users/sip:bill@example.com/index";
    bill.put(path, "application/rls-services+xml", services).await.expect(201);

    let bob =
        "<entry uri=\"sip:bob@example.com\">\n       <display-name>Bob Jones</display-name>\n     </entry>";
    let entry = format!("{document}/~~/resource-lists/list%5b@name=%22friends%22%5d/entry");
    let put = bill.put(&entry, ELEMENT, bob).await.expect(201);
    assert_ne!(put.tag(), created.tag());

    let fetched = bill.get(document).await.expect(200);
    assert_eq!(fetched.tag(), put.tag());
    assert_eq!(fetched.header("content-type"), Some(LISTS));
    assert_eq!(fetched.body, new.replace("     </list>", &format!("     {bob}</list>")));

    let close = "<list name=\"close-friends\">\n      <entry uri=\"sip:joe@example.com\">\n        \
                 <display-name>Joe Smith</display-name>\n      </entry>\n      <entry \
                 uri=\"sip:nancy@example.com\">\n        <display-name>Nancy Gross</display-name>\n      </entry>\n \
                 <entry uri=\"sip:petri@example.com\">\n        <display-name>Petri Aukia</display-name>\n      \
                 </entry>\n   </list>";
    let path = format!(
        "{document}/~~/resource-lists/list%5b@name=%22friends%22%5d/list%5b@name=%22close-friends%22%5d"
    );
    bill.put(&path, ELEMENT, close).await.expect(201);
    let petri = format!("{document}/~~/resource-lists/list/list/entry%5b@uri=%22sip:petri@example.com%22%5d");
    let gone = bill.delete(&petri).await.expect(200);
    assert_eq!(gone.body, "");
    bill.delete(&petri).await.expect(404);

    let nancy = format!("{document}/~~/resource-lists/list/list/entry%5b2%5d/@uri");
    let uri = bill.get(&nancy).await.expect(200);
    assert_eq!(
        (uri.body.as_str(), uri.header("content-type")),
        ("\"sip:nancy@example.com\"", Some(ATTRIBUTE))
    );
    assert_eq!(uri.tag(), gone.tag());
}

/// RFC 4827 §11.
#[tokio::test(flavor = "multi_thread")]
async fn somebody_goes_on_vacation_as_in_the_rfc() {
    let house = example_house(&["someone"]).await;
    let mut someone = client(&house, "someone").await;
    let path = "/pidf-manipulation/users/sip:someone@example.com/index";
    let presence = include_str!("../data/documents/rfc4827-1.xml");
    let created = someone.put(path, "application/pidf+xml", presence).await.expect(201);
    let note = format!("{path}/~~/presence/tuple%5b@id='x8eg92n'%5d/note");
    let text = "<note>I'm reading mails on Tuesdays and Fridays</note>";
    let stale = [("If-Match", "\"xyz\""), ("Content-Type", ELEMENT)];
    someone.send("PUT", &note, &stale, Some(text.as_bytes())).await.expect(412);
    let tag = created.tag();
    let fresh = [("If-Match", tag.as_str()), ("Content-Type", ELEMENT)];
    someone.send("PUT", &note, &fresh, Some(text.as_bytes())).await.expect(200);
    let expected = presence.replace("<note>I'm reading mail a couple of times a week</note>", text);
    assert_eq!(someone.get(path).await.expect(200).body, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn capabilities_are_open_to_everybody_and_nobody_writes_them() {
    let house = example_house(&["alice"]).await;
    let mut anybody = Xcap::start_with(&root(&house), "", "", "none").await;
    let found = anybody.get("/xcap-caps/global/index").await.expect(200);
    assert_eq!(found.header("content-type"), Some("application/xcap-caps+xml"));
    for part in ["resource-lists", "rls-services", "org.openmobilealliance.pres-rules", "<extensions/>"] {
        assert!(found.body.contains(part), "{part}: {}", found.body);
    }
    let tag = found.tag();
    let known = [("If-None-Match", tag.as_str())];
    let same = anybody.send("GET", "/xcap-caps/global/index", &known, None).await.expect(304);
    assert_eq!((same.body.as_str(), same.tag()), ("", tag.clone()));
    let auid = anybody.get("/xcap-caps/global/index/~~/xcap-caps/auids/auid%5b1%5d").await.expect(200);
    assert_eq!(auid.body, "<auid>xcap-caps</auid>");
    anybody.put("/xcap-caps/global/index", "application/xcap-caps+xml", "<a/>").await.expect(401);
    let mut alice = client(&house, "alice").await;
    let refused = alice.put("/xcap-caps/global/index", "application/xcap-caps+xml", "<a/>").await.expect(405);
    assert_eq!(refused.header("allow"), Some("GET, HEAD"));
    alice.get("/xcap-caps/users/sip:alice@example.com/index").await.expect(404);
}

/// RFC 4826 §4.4.9.
#[tokio::test(flavor = "multi_thread")]
async fn services_of_all_accounts_are_for_administrators_alone() {
    let house = example_house(&["alice"]).await;
    let mut alice = client(&house, "alice").await;
    let mut anybody = Xcap::start_with(&root(&house), "", "", "none").await;
    let mut root = administrator(&house).await;
    for path in ["/rls-services/global/index", "/rls-services/global/index/~~/rls-services"] {
        anybody.get(path).await.expect(401);
        alice.get(path).await.expect(403);
        alice.send("HEAD", path, &[], None).await.expect(403);
        root.get(path).await.expect(200);
    }
    for name in ["/rls-services/global/other", "/resource-lists/global/index"] {
        alice.get(name).await.expect(403);
        root.get(name).await.expect(404);
    }
    alice.put("/rls-services/global/index", "application/rls-services+xml", "<a/>").await.expect(405);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_guard_every_change() {
    let house = example_house(&["alice"]).await;
    let mut alice = client(&house, "alice").await;
    let mut put = async |name: &str, value: &str, body: String| {
        alice.send("PUT", ALICE, &[(name, value), ("Content-Type", LISTS)], Some(body.as_bytes())).await
    };
    put("If-Match", "*", lists("")).await.expect(412);
    let first = put("If-None-Match", "*", lists("")).await.expect(201).tag();
    let refused = put("If-None-Match", "*", lists("")).await.expect(412);
    assert_eq!(refused.tag(), first);
    put("If-Match", "\"other\"", lists("")).await.expect(412);
    put("If-Match", &format!("W/{first}"), lists("")).await.expect(412);
    put("If-Match", "nonsense", lists("")).await.expect(400);
    let entry = "<entry uri=\"sip:bob@example.com\"/>";
    let second = put("If-Match", &format!("\"other\", {first}"), lists(entry)).await.expect(200).tag();
    assert_ne!(first, second);
    let again = put("If-Match", &second, lists(entry)).await.expect(200).tag();
    assert_eq!(again, second, "nothing changed");
    let node = format!("{ALICE}/~~/resource-lists/list/entry%5b1%5d");
    let known = format!("\"x\", W/{second}");
    for path in [ALICE, node.as_str()] {
        alice.send("GET", path, &[("If-None-Match", known.as_str())], None).await.expect(304);
        alice.send("GET", path, &[("If-None-Match", "\"x\"")], None).await.expect(200);
        alice.send("GET", path, &[("If-Match", first.as_str())], None).await.expect(412);
        let head = alice.send("HEAD", path, &[], None).await.expect(200);
        assert_ne!(head.header("content-length"), Some("0"));
        assert_eq!((head.body.as_str(), head.tag()), ("", second.clone()));
    }
    // RFC 4825 §8.2.6: a node that is not there has the tag of its document.
    let new = format!("{ALICE}/~~/resource-lists/list/entry%5b@uri=%22sip:c@example.com%22%5d");
    let body = b"<entry uri=\"sip:c@example.com\"/>";
    let headers = [("If-None-Match", "*"), ("Content-Type", ELEMENT)];
    alice.send("PUT", &new, &headers, Some(body)).await.expect(412);
    alice.send("DELETE", ALICE, &[("If-Match", first.as_str())], None).await.expect(412);
    alice.send("DELETE", ALICE, &[("If-Match", second.as_str())], None).await.expect(200);
    alice.delete(ALICE).await.expect(404);
    alice.get(ALICE).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_outlive_a_restart() {
    let mut house = example_house(&["alice"]).await;
    let put = client(&house, "alice").await.put(ALICE, LISTS, &lists("")).await.expect(201);
    house.restart().await;
    let got = client(&house, "alice").await.get(ALICE).await.expect(200);
    assert_eq!((got.tag(), got.body), (put.tag(), lists("")));
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_reaches_his_own_documents_and_no_others() {
    let house = example_house(&["alice", "bob"]).await;
    let mut alice = client(&house, "alice").await;
    let mut bob = client(&house, "bob").await;
    alice.put(ALICE, LISTS, &lists("")).await.expect(201);
    for user in
        ["sip:alice@example.com", "sip%3Aalice%40example.com", "alice@example.com", "SIP:ALICE@EXAMPLE.COM"]
    {
        let path = format!("/resource-lists/users/{user}/index");
        alice.get(&path).await.expect(200);
        bob.get(&path).await.expect(403);
        bob.put(&path, LISTS, &lists("")).await.expect(403);
        bob.delete(&path).await.expect(403);
        bob.get(&format!("{path}/~~/resource-lists")).await.expect(403);
    }
    // Who is not there cannot be told from who is.
    bob.get("/resource-lists/users/sip:nobody@example.com/index").await.expect(403);
    let mut anybody = Xcap::start_with(&root(&house), "", "", "none").await;
    for user in ["alice", "nobody"] {
        let refused =
            anybody.get(&format!("/resource-lists/users/sip:{user}@example.com/index")).await.expect(401);
        assert!(refused.header("www-authenticate").unwrap().contains("realm=\"example.com\""), "{refused:?}");
    }
    alice.get("/resource-lists/users/sip:alice@elsewhere.example/index").await.expect(404);
    alice.get("/unknown/users/sip:alice@example.com/index").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_every_kind_are_taken_where_they_are_safe() {
    let house = example_house(&["alice"]).await;
    let secure = format!("https://{}/xcap-root", house.https());
    for (root, scheme, status) in
        [(root(&house), "digest", 404), (secure.clone(), "digest", 404), (secure.clone(), "basic", 404)]
    {
        let mut alice = Xcap::start_with(&root, "alice", "example.com", scheme).await;
        alice.get(ALICE).await.expect(status);
    }
    // Another realm gets nothing from the client.
    let mut other = Xcap::start(&root(&house), "alice", "example.net").await;
    other.get(ALICE).await.expect(401);
    let address = Address::new("alice", "example.com").unwrap();
    let hour = std::time::Duration::from_secs(3600);
    let authenticator = house.server().authenticator();
    let kind = rollcall::auth::TokenKind::Bearer;
    let token = authenticator.issue_token(kind, Some(&address), "test", hour).await.unwrap();
    let path = format!("/xcap-root{ALICE}");
    let web = Web::stranger(&house);
    web.with("Authorization", &format!("Bearer {token}")).get(&path).await.expect(404);
    // In the clear a password is not even asked for, and not taken.
    let basic = format!("Basic {}", STANDARD.encode(format!("alice:{PASSWORD}")));
    let refused = web.with("Authorization", &basic).get(&path).await.expect(401);
    assert!(!refused.header("www-authenticate").unwrap().contains("Basic"), "{refused:?}");
    web.with("Authorization", "Bearer nonsense").get(&path).await.expect(401);
    web.with("Authorization", "Digest nonsense").get(&path).await.expect(400);
    let challenged = web.get(&path).await.expect(401);
    assert!(challenged.header("www-authenticate").unwrap().contains("algorithm=MD5"), "the first is MD5's");
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_types_and_sizes_are_checked() {
    let house = example_house(&["alice"]).await;
    let mut alice = client(&house, "alice").await;
    for method in ["POST", "PATCH", "OPTIONS", "TRACE"] {
        let refused = alice.send(method, ALICE, &[], None).await.expect(405);
        assert_eq!(refused.header("allow"), Some("GET, HEAD, PUT, DELETE"));
    }
    alice.put(ALICE, "application/xml", &lists("")).await.expect(415);
    alice
        .send("PUT", ALICE, &[("Content-Type", LISTS), ("Content-Encoding", "gzip")], Some(b"x"))
        .await
        .expect(415);
    alice.put(ALICE, &format!("{LISTS}; charset=utf-8"), &lists("")).await.expect(201);
    let list = format!("{ALICE}/~~/resource-lists/list");
    alice.put(&list, LISTS, "<list name=\"l\"/>").await.expect(415);
    alice.put(&format!("{list}/@name"), ELEMENT, "\"m\"").await.expect(415);
    let bindings = format!("{list}/namespace::*");
    let found = alice.get(&bindings).await.expect(200);
    assert_eq!(found.header("content-type"), Some("application/xcap-ns+xml"));
    assert_eq!(found.body, "<list xmlns=\"urn:ietf:params:xml:ns:resource-lists\"/>");
    for (method, body) in [("PUT", Some(&b"<list/>"[..])), ("DELETE", None)] {
        let refused = alice.send(method, &bindings, &[("Content-Type", ELEMENT)], body).await.expect(405);
        assert_eq!(refused.header("allow"), Some("GET, HEAD"));
    }
    let most = house.server().documents().document_bytes();
    alice.put(ALICE, LISTS, &lists(&" ".repeat(most))).await.expect(413);
    let large = lists(&" ".repeat(most - lists("").len()));
    alice.put(ALICE, LISTS, &large).await.expect(200);
    alice.put(&format!("{list}/@name"), ATTRIBUTE, "\"ll\"").await.expect(413);
    assert_eq!(alice.get(ALICE).await.expect(200).body, large);
}

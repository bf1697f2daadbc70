//! RFC 4826: lists and services as they are printed, put and got back.

use rollcall::sip::message::Uri;

use super::meaning;
use crate::{
    support::Xcap,
    xcap::{administrator, client, example_house},
};

const LISTS: &str = "application/resource-lists+xml";
const SERVICES: &str = "application/rls-services+xml";
/// §3.3.
const FRIENDS: &str = include_str!("../../data/documents/rfc4826-1.xml");
/// §4.3.
const BUDDIES: &str = include_str!("../../data/documents/rfc4826-2.xml");

async fn puts(client: &mut Xcap, path: &str, media_type: &str, text: &str) {
    let put = client.put(path, media_type, text).await.expect(201);
    let got = client.get(path).await.expect(200);
    assert_eq!((got.body.as_str(), got.tag()), (text, put.tag()));
    assert_eq!(got.header("content-type"), Some(media_type));
}

/// §3.3, and the reference of §3.2: the entry of another list that it is resolved to.
#[tokio::test(flavor = "multi_thread")]
async fn lists_of_bill() {
    let house = example_house(&["bill"]).await;
    let mut bill = client(&house, "bill").await;
    let index = "/resource-lists/users/sip:bill@example.com/index";
    puts(&mut bill, index, LISTS, FRIENDS).await;
    let found = bill.get(&format!("{index}/~~/resource-lists/list/list/entry%5b2%5d/@uri")).await.expect(200);
    assert_eq!(found.body, "\"sip:nancy@example.com\"");
    let reference = bill.get(&format!("{index}/~~/resource-lists/list/entry-ref/@ref")).await.expect(200);
    let reference = reference.body.trim_matches('"').to_owned();
    assert!(reference.starts_with("resource-lists/users/sip:bill@example.com/index/~~/"), "{reference}");
    // It leads nowhere in this document: there is no `list1` in it. That is for those who follow it to notice.
    bill.get(&format!("/{reference}")).await.expect(404);
    let petri = "<entry uri=\"sip:petri@example.com\"/>";
    let others = FRIENDS
        .replace("</resource-lists>", &format!("<list name=\"list1\">{petri}</list></resource-lists>"));
    bill.put(index, LISTS, &others).await.expect(200);
    assert_eq!(bill.get(&format!("/{reference}")).await.expect(200).body, petri);
}

/// §4.3.
#[tokio::test(flavor = "multi_thread")]
async fn services_of_joe() {
    let house = example_house(&["joe"]).await;
    let mut joe = client(&house, "joe").await;
    puts(&mut joe, "/rls-services/users/sip:joe@example.com/index", SERVICES, BUDDIES).await;
}

/// §4.4.7. The documents of the two users are wrong as they are printed: nothing says which namespace they are
/// in, and nothing binds the prefix of the second one. The global document is as printed.
#[tokio::test(flavor = "multi_thread")]
async fn services_of_everybody() {
    let house = example_house(&["joe", "bob"]).await;
    let (first, second) = BUDDIES.split_once("</service>\n").unwrap();
    let (_, first) = first.split_once("<service ").unwrap();
    let second = second.replace("</rls-services>", "");
    let joes = format!("<rls-services>\n <service {first}</service>\n</rls-services>");
    let bobs = format!("<rls-services>\n{second}</rls-services>");
    let bound = |text: &str| {
        let namespaces = "<rls-services xmlns=\"urn:ietf:params:xml:ns:rls-services\" \
                          xmlns:rl=\"urn:ietf:params:xml:ns:resource-lists\">";
        text.replacen("<rls-services>", namespaces, 1)
    };
    for (user, document, reason) in
        [("joe", &joes, "schema-validation-error"), ("bob", &bobs, "not-well-formed")]
    {
        let mut client = client(&house, user).await;
        let path = format!("/rls-services/users/sip:{user}@example.com/index");
        client.put(&path, SERVICES, document).await.conflict(reason);
        client.put(&path, SERVICES, &bound(document)).await.expect(201);
    }
    let mut root = administrator(&house).await;
    let all = root.get("/rls-services/global/index").await.expect(200);
    assert_eq!(meaning(&all.body), meaning(BUDDIES));
    // §4.4.7: the most recent state of all documents; §4.5: how a service is looked for.
    let service =
        "/rls-services/global/index/~~/rls-services/service%5b@uri=%22sip:marketing@example.com%22%5d";
    assert!(root.get(service).await.expect(200).body.contains("sip:sudhir@example.com"));
    let mut bob = client(&house, "bob").await;
    bob.delete("/rls-services/users/sip:bob@example.com/index").await.expect(200);
    root.get(service).await.expect(404);
}

/// §5: addresses that mean the same service. Ours are compared, none is written anew.
#[test]
fn services_are_the_same_whose_addresses_mean_the_same() {
    for (one, other, is_same) in [
        ("sip:%6aoe%20smith@example.com", "sip:joe%20smith@example.com", true),
        ("sip:joe@EXAMPLE.com", "sip:joe@example.com", true),
        (
            "sip:joe@example.com;transport=UDP;user=phone",
            "sip:joe@example.com;user=phone;transport=udp",
            true,
        ),
        ("sip:joe%20smith@example.com", "sip:joe%2520smith@example.com", false),
        ("sip:Joe@example.com", "sip:joe@example.com", false),
    ] {
        let (one, other) = (Uri::parse(one).unwrap(), Uri::parse(other).unwrap());
        assert_eq!(one.is_equivalent(&other), is_same, "{one:?} {other:?}");
    }
}

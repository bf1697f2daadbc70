//! Documents, selectors and paths that mean harm: a clear error in little time, nothing lost, nobody else's
//! data reached.

use std::time::{Duration, Instant};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn hostile_documents_are_refused_in_little_time() {
    let house = example_house(&["alice"]).await;
    let mut alice = client(&house, "alice").await;
    let good = lists("<entry uri=\"sip:bob@example.com\"/>");
    let tag = alice.put(ALICE, LISTS, &good).await.expect(201).tag();
    let laughs: String =
        (1..9).map(|n| format!("<!ENTITY l{n} '{}'>", format!("&l{};", n - 1).repeat(10))).collect();
    let declared: String = (0..10_000).map(|n| format!(" xmlns:p{n}='u'")).collect();
    let attributes: String = (0..20_000).map(|n| format!(" a{n}=''")).collect();
    for (what, text, status) in [
        ("entities", format!("<!DOCTYPE a [<!ENTITY l0 'ha'>{laughs}]><a>&l8;</a>"), 409),
        ("a file", "<!DOCTYPE a [<!ENTITY f SYSTEM 'file:///etc/passwd'>]><a>&f;</a>".to_owned(), 409),
        ("depth", "<a>".repeat(300_000), 413),
        ("closed depth", format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000)), 413),
        ("elements", format!("<a>{}</a>", "<b/>".repeat(200_000)), 413),
        ("attributes", format!("<a{attributes}/>"), 413),
        ("declarations", format!("<a{declared}>{}</a>", "<b xmlns:c='d'/>".repeat(10_000)), 413),
        ("an open comment", format!("<a><!--{}", "-".repeat(900_000)), 409),
        ("an open tag", format!("<a {}", " ".repeat(900_000)), 409),
        ("references", format!("<a>{}</a>", "&#x10FFFF;".repeat(90_000)), 409),
        ("an endless reference", format!("<a>&#{}</a>", "0".repeat(900_000)), 409),
        ("brackets", format!("<a>{}</a>", "]".repeat(900_000)), 409),
    ] {
        let start = Instant::now();
        let reply = alice.put(ALICE, LISTS, &text).await;
        assert_eq!(reply.status, status, "{what}: {}", reply.body);
        assert!(reply.body.len() < 4096, "{what}: {} bytes", reply.body.len());
        // Generous for a debug build; whatever is quadratic takes minutes.
        assert!(start.elapsed() < Duration::from_secs(20), "{what}: {:?}", start.elapsed());
    }
    let kept = alice.get(ALICE).await.expect(200);
    assert_eq!((kept.tag(), kept.body), (tag, good));
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_selectors_cost_little() {
    let house = example_house(&["alice"]).await;
    let mut alice = client(&house, "alice").await;
    // Elements that the account knows nothing of, so that they are no contacts.
    let many = "<y xmlns=\"urn:y\" k=\"v\"/>".repeat(20_000);
    alice.put(ALICE, LISTS, &lists(&many)).await.expect(201);
    let steps = "*/".repeat(127);
    for (path, status) in [
        ("resource-lists/list/y:y%5b20000%5d?xmlns(y=urn:y)".to_owned(), 200),
        ("resource-lists/list/*%5b19999%5d%5b@k=%22v%22%5d".to_owned(), 200),
        ("resource-lists/list/*%5b@k=%22w%22%5d".to_owned(), 404),
        ("resource-lists/list/*%5b@k=%22v%22%5d".to_owned(), 404),
        ("resource-lists/list/entry%5b@uri=%22sip:none@example.com%22%5d".to_owned(), 404),
        ("resource-lists/list/entry%5b99999999999999999999999%5d".to_owned(), 404),
        ("resource-lists/list/entry".to_owned(), 404),
        (format!("{steps}*"), 404),
        (format!("{steps}*/*"), 414),
        (format!("resource-lists/{}", "%5b".repeat(2000)), 404),
        (format!("resource-lists?{}", "xmlns(a=b)".repeat(300)), 414),
    ] {
        let start = Instant::now();
        alice.get(&format!("{ALICE}/~~/{path}")).await.expect(status);
        assert!(start.elapsed() < Duration::from_secs(20), "{path}: {:?}", start.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_path_leads_to_another_account() {
    let house = example_house(&["alice", "bob"]).await;
    let mut alice = client(&house, "alice").await;
    let secret = lists("<entry uri=\"sip:secret@example.com\"/>");
    alice.put(ALICE, LISTS, &secret).await.expect(201);
    let mut bob = client(&house, "bob").await;
    let own = "/resource-lists/users/sip:bob@example.com";
    bob.put(&format!("{own}/index"), LISTS, &lists("")).await.expect(201);
    for path in [
        format!("{own}/../sip:alice@example.com/index"),
        format!("{own}/%2e%2e/sip:alice@example.com/index"),
        format!("{own}/..%2fsip:alice@example.com%2findex"),
        format!("{own}%2f..%2fsip:alice@example.com/index"),
        format!("{own}/./index"),
        format!("{own}//index"),
        format!("/resource-lists/users//{}", "sip:alice@example.com/index"),
        format!("{own}/index%00"),
        format!("{own}/sip:alice@example.com/../index"),
        "/resource-lists/users/sip:bob@example.com%00sip:alice@example.com/index".to_owned(),
        "/resource-lists/users/sip:alice@example.com%20/index".to_owned(),
        "/resource-lists/users/%73ip:alice@example.com/index".to_owned(),
        "/resource-lists/users/sip:alice%2540example.com/index".to_owned(),
        "/resource-lists/users/sip:%61lice@example.com/~~/index".to_owned(),
        "/resource-lists/users/index".to_owned(),
        "/resource-lists/global/index".to_owned(),
        "/resource-lists/users/sip:alice@example.com:5060/index".to_owned(),
        "/resource-lists/users/sip:ALICE@example.com/index/~~/resource-lists/list/entry".to_owned(),
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let body = (method == "PUT").then(|| lists(""));
            let headers = [("Content-Type", LISTS)];
            let reply = bob.send(method, &path, &headers, body.as_deref().map(str::as_bytes)).await;
            assert!(matches!(reply.status, 400 | 403 | 404 | 405), "{method} {path}: {reply:?}");
            assert!(!reply.body.contains("secret"), "{method} {path}: {reply:?}");
        }
    }
    assert_eq!(alice.get(ALICE).await.expect(200).body, secret);
    assert_eq!(bob.get(&format!("{own}/index")).await.expect(200).body, lists(""));
}

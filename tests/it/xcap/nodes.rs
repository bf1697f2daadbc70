//! Every conflict of RFC 4825 §11 that the door itself tells, and the bytes that must not move.

use super::*;

const BOB: &str = "<entry uri=\"sip:bob@example.com\"/>";

fn node(path: &str) -> String {
    format!("{ALICE}/~~/{path}")
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_say_what_they_are() {
    let house = example_house(&["alice"]).await;
    let mut alice = client(&house, "alice").await;
    alice.put(&node("resource-lists/list/entry"), ELEMENT, BOB).await.conflict("no-parent");
    for (text, element) in [
        ("<resource-lists", "not-well-formed"),
        ("", "not-well-formed"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "not-well-formed"),
        ("<?xml version='1.0' encoding='ISO-8859-1'?><resource-lists/>", "not-utf-8"),
        ("<other/>", "schema-validation-error"),
        (&lists("<entry/>"), "schema-validation-error"),
        (&lists(&format!("{BOB}{BOB}")), "uniqueness-failure"),
    ] {
        alice.put(ALICE, LISTS, text).await.conflict(element);
    }
    alice.send("PUT", ALICE, &[("Content-Type", LISTS)], Some(b"<a>\xff</a>")).await.conflict("not-utf-8");
    alice.get(ALICE).await.expect(404);

    alice.put(ALICE, LISTS, &lists(&format!("{BOB}<entry uri=\"sip:c@example.com\"/>"))).await.expect(201);
    let entry = node("resource-lists/list/entry%5b@uri=%22sip:d@example.com%22%5d");
    for (content, element) in [
        ("text", "not-xml-frag"),
        ("<entry uri='sip:d@example.com'/><entry uri='sip:e@example.com'/>", "not-xml-frag"),
        ("<entry uri='sip:e@example.com'/>", "cannot-insert"),
        ("<entry uri='sip:d@example.com'><x/></entry>", "schema-validation-error"),
    ] {
        alice.put(&entry, ELEMENT, content).await.conflict(element);
    }
    alice
        .send("PUT", &entry, &[("Content-Type", ELEMENT)], Some(b"<entry uri='\xff'/>"))
        .await
        .conflict("not-utf-8");
    let second = node("resource-lists/list/entry%5b2%5d");
    alice.put(&format!("{second}/@uri"), ATTRIBUTE, "sip:d").await.conflict("not-xml-att-value");
    alice
        .put(&format!("{second}/@uri"), ATTRIBUTE, "\"sip:bob@example.com\"")
        .await
        .conflict("uniqueness-failure");
    alice.delete(&format!("{second}/@uri")).await.conflict("schema-validation-error");
    alice.delete(&node("resource-lists/list/entry%5b1%5d")).await.conflict("cannot-delete");
    alice.delete(&node("resource-lists")).await.conflict("schema-validation-error");
    let lost = alice.put(&node("resource-lists/list%5b@name=%22x%22%5d/list/entry"), ELEMENT, BOB).await;
    let lost = lost.conflict("no-parent");
    let ancestor = format!("<ancestor>{}{}</ancestor>", root(&house), node("resource-lists"));
    assert!(lost.body.contains(&ancestor), "{ancestor} in {}", lost.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn selectors_that_are_none_have_their_statuses() {
    let house = example_house(&["alice"]).await;
    let mut alice = client(&house, "alice").await;
    alice.put(ALICE, LISTS, &lists(BOB)).await.expect(201);
    let long = "a/".repeat(5000);
    for (path, status) in [
        ("resource-lists/none", 404),
        ("resource-lists/list/entry%5b2%5d", 404),
        ("resource-lists/list/text()", 404),
        ("", 404),
        ("resource-lists/", 404),
        ("p:resource-lists", 400),
        ("resource-lists?xmlns(", 400),
        ("resource-lists%", 400),
        (&long, 414),
        ("resource-lists/list/entry/@uri", 200),
        ("p:resource-lists?xmlns(p=urn:ietf:params:xml:ns:resource-lists)", 200),
        ("p:resource-lists?xmlns(p=urn:other)", 404),
    ] {
        alice.get(&node(path)).await.expect(status);
    }
    alice.put(&node("resource-lists/id('x')"), ELEMENT, BOB).await.expect(404);
    alice.delete(&node("resource-lists/list/entry%5b@q:uri='x'%5d")).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_nobody_asked_to_change_stays() {
    let house = example_house(&["alice"]).await;
    let mut alice = client(&house, "alice").await;
    let odd = "<?xml version='1.0' encoding=\"utf-8\"?>\r\n<!-- mine -->\r\n<rl:resource-lists\
               \n  xmlns:rl = 'urn:ietf:params:xml:ns:resource-lists' xmlns:x=\"urn:x\" ><rl:list name='l'  \
               x:colour='&#114;ed'>\t<!-- <b> --><rl:entry uri = 'sip:b@example.com' /><?pi ?>\
               <rl:entry uri='sip:c@example.com'\n></rl:entry>\r\n</rl:list></rl:resource-lists >\r\n<!-- end -->";
    alice.put(ALICE, LISTS, odd).await.expect(201);
    assert_eq!(alice.get(ALICE).await.expect(200).body, odd);
    let list = node("resource-lists/list");
    let entry = alice.get(&format!("{list}/entry%5b2%5d")).await.expect(200);
    assert_eq!(entry.body, "<rl:entry uri='sip:c@example.com'\n></rl:entry>");
    let colour = format!("{list}/@y:colour?xmlns(y=urn:x)");
    assert_eq!(alice.get(&colour).await.expect(200).body, "'&#114;ed'");
    alice.put(&colour, ATTRIBUTE, "\"blue\"").await.expect(200);
    let name = format!("{list}/entry%5b1%5d/display-name");
    alice.put(&name, ELEMENT, "<rl:display-name>B</rl:display-name>").await.expect(201);
    let expected = odd.replace("'&#114;ed'", "\"blue\"").replace(
        "'sip:b@example.com' />",
        "'sip:b@example.com' ><rl:display-name>B</rl:display-name></rl:entry>",
    );
    assert_eq!(alice.get(ALICE).await.expect(200).body, expected);
    alice.delete(&name).await.expect(200);
    alice.delete(&format!("{list}/entry%5b@uri='sip:b@example.com'%5d")).await.expect(200);
    let rest = odd.replace("'&#114;ed'", "\"blue\"").replace("<rl:entry uri = 'sip:b@example.com' />", "");
    assert_eq!(alice.get(ALICE).await.expect(200).body, rest);
}

//! Services of the same address, also put at the same moment: one document gets it (RFC 4826 §4.4.5).

use super::*;

const SERVICES: &str = "application/rls-services+xml";

fn services(address: &str) -> String {
    format!(
        "<rls-services xmlns=\"urn:ietf:params:xml:ns:rls-services\"><service uri=\"{address}\"><list/>\
         <packages/></service></rls-services>"
    )
}

/// Whether the account got the address; else it is told that it is not unique.
async fn claim(client: &mut Xcap, user: &str, address: String) -> bool {
    let path = format!("/rls-services/users/sip:{user}@example.com/index");
    let reply = client.put(&path, SERVICES, &services(&address)).await;
    if matches!(reply.status, 200 | 201) {
        return true;
    }
    reply.conflict("uniqueness-failure");
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_accounts_that_claim_one_address_at_once_one_gets_it() {
    let house = example_house(&["alice", "bill", "carol"]).await;
    let mut alice = client(&house, "alice").await;
    let mut bill = client(&house, "bill").await;
    let mut carol = client(&house, "carol").await;
    let mut root = administrator(&house).await;
    for round in 0..ROUNDS {
        // The case of an address does not make it another one.
        let got = tokio::join!(
            claim(&mut alice, "alice", format!("sip:club{round}@example.com")),
            claim(&mut bill, "bill", format!("sip:Club{round}@example.com")),
            claim(&mut carol, "carol", format!("sip:CLUB{round}@example.com")),
        );
        assert_eq!([got.0, got.1, got.2].into_iter().filter(|got| *got).count(), 1, "round {round}");
        let all = root.get("/rls-services/global/index").await.expect(200);
        let count = all.body.to_lowercase().matches(&format!("sip:club{round}@")).count();
        assert_eq!(count, 1, "{}", all.body);
    }
}

/// RFC 4826 §4.4.5: an address is in one document of all, whatever that is called.
#[tokio::test(flavor = "multi_thread")]
async fn address_is_taken_by_documents_of_any_name() {
    let house = example_house(&["alice", "bill"]).await;
    let mut alice = client(&house, "alice").await;
    let mut bill = client(&house, "bill").await;
    let [index, other] =
        ["index", "other"].map(|name| format!("/rls-services/users/sip:alice@example.com/{name}"));
    let bills = "/rls-services/users/sip:bill@example.com/index";
    let [club, friends] = ["sip:club@example.com", "sip:alice+friends@example.com"].map(services);
    alice.put(&other, SERVICES, &club).await.expect(201);
    bill.put(bills, SERVICES, &services("sip:Club@example.com")).await.conflict("uniqueness-failure");
    // An owner's documents are no exception, nor are addresses that are hers.
    alice.put(&index, SERVICES, &club).await.conflict("uniqueness-failure");
    alice.put(&index, SERVICES, &friends).await.expect(201);
    alice.put(&other, SERVICES, &friends).await.conflict("uniqueness-failure");
    // A document may be put again, and what is gone is free.
    alice.put(&index, SERVICES, &friends).await.expect(200);
    alice.delete(&other).await.expect(200);
    bill.put(bills, SERVICES, &club).await.expect(201);
}

const ROUNDS: u32 = 10;

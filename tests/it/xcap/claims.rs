//! Services of the same address, put at the same moment: one account gets it (RFC 4826 §4.4.5).

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

const ROUNDS: u32 = 10;

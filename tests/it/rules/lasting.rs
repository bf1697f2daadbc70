//! What rules have begun goes on after kill -9.

use serde_json::json;

use super::{
    automate,
    hooks::{posted, receiver},
};
use crate::support::{PASSWORD, Site, Slixmpp, Web};

#[tokio::test]
async fn late_rules_and_programs_that_were_not_told_outlive_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path());
    // The first try fails, and the next one would come after the test.
    site.configure("[webhooks]\nallow_private = true\npause_seconds = 3600\n");
    for local in ["alice", "bob", "carol"] {
        site.add_account(local).await;
    }
    let mut server = site.serve().await;
    let (mut program, port) = receiver().await;
    let url = format!("http://127.0.0.1:{port}/fail");
    let rules = json!([
        { "id": "told", "then": [{ "webhook": { "url": url } }] },
        { "id": "late", "stage": { "after": 2 }, "then": [{ "fork": "carol@localhost" }] },
    ]);
    automate(&Web::log_in_at(site.web, "bob").await, rules).await;
    let mut alice = Slixmpp::online("alice@localhost", PASSWORD, site.xmpp).await;
    alice.act(json!({"do": "message", "to": "bob@localhost", "body": "is anybody there?"})).await;
    let first = posted(&mut program, "/fail").await;
    server.kill().await;

    let _server = site.serve().await;
    assert_eq!(posted(&mut program, "/fail").await["body"], first["body"]);
    let mut carol = Slixmpp::online("carol@localhost", PASSWORD, site.xmpp).await;
    carol.read("is anybody there?").await;
}

//! aioxmpp, a client that checks strictly what it is sent, and that acknowledges (XEP-0198).

use crate::support::{House, PASSWORD, Program};

#[tokio::test(flavor = "multi_thread")]
async fn strict_clients_find_nothing_to_complain_about() {
    let house = House::with_accounts(&["alice", "bob"]).await;
    let port = house.xmpp().port().to_string();
    let arguments = ["--port", &port, "--password", PASSWORD];
    let mut clients = Program::python("aioxmpp", "tests/interop/xmpp_strict.py", &arguments);
    clients
        .hear("login with stream management", |line| line.ends_with("management: True").then_some(()))
        .await;
    clients.hear("their farewell", |line| (line == "met and parted").then_some(())).await;
}

//! TLS of every listener, as OpenSSL finds it.

use crate::support::{House, Program};

#[tokio::test(flavor = "multi_thread")]
async fn ticket_resumes_a_session_at_every_listener_and_under_its_name_only() {
    let house = House::with_accounts(&["alice"]).await;
    let listeners = [
        ("starttls", house.xmpp()),
        ("direct", house.xmpp_direct_tls()),
        ("https", house.https()),
        ("sips", house.sip_tls()),
    ];
    let arguments = listeners.map(|(kind, address)| format!("{kind}={}", address.port()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut openssl = Program::python("openssl", "tests/interop/tls_resumption.py", &arguments);
    for (kind, _) in listeners {
        for version in ["TLSv1_2", "TLSv1_3"] {
            for (turn, expect) in [("first", "new"), ("again", "reused"), ("other", "new")] {
                let what = format!("{kind} {version} {turn}");
                let outcome = openssl
                    .hear(what.clone(), |line| line.strip_prefix(&what).map(|rest| rest.trim().to_owned()))
                    .await;
                assert_eq!(outcome, expect, "{what}");
            }
        }
    }
}

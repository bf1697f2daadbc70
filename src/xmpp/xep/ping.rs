//! XEP-0199: XMPP Ping, both ways: clients ask the server, and the server asks silent clients.

use super::{Answer, Handler, Module, Payload};

const NAMESPACE: &str = "urn:xmpp:ping";

pub(super) const MODULE: Module = Module {
    server_features: &[NAMESPACE],
    account_features: &[NAMESPACE],
    payloads: &[Payload { name: "ping", namespace: NAMESPACE, handler: Handler::Get(|_| Answer::done()) }],
};

/// What the server asks a client.
pub(in crate::xmpp) const QUESTION: &[u8] = b"<ping xmlns='urn:xmpp:ping'/>";

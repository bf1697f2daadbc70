//! RFC 3921 §3: session establishment, which means nothing any more and which old clients still ask for.

use super::{Answer, Handler, Module, Payload};

const NAMESPACE: &str = "urn:ietf:params:xml:ns:xmpp-session";

pub(super) const MODULE: Module = Module {
    payloads: &[Payload { name: "session", namespace: NAMESPACE, handler: Handler::Set(|_| Answer::done()) }],
    ..Module::NONE
};

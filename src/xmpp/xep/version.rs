//! XEP-0092: Software Version. The operating system is nobody's business.

use super::{Answer, Handler, Module, Payload};

const NAMESPACE: &str = "jabber:iq:version";

pub(super) const MODULE: Module = Module {
    server_features: &[NAMESPACE],
    payloads: &[Payload { name: "query", namespace: NAMESPACE, handler: Handler::Get(|_| answer()) }],
    ..Module::NONE
};

fn answer() -> Answer {
    let version = env!("CARGO_PKG_VERSION");
    Answer::Result(format!(
        "<query xmlns='{NAMESPACE}'><name>Rollcall</name><version>{version}</version></query>"
    ))
}

//! XEP-0202: Entity Time. The server's own zone is UTC.

use super::{Answer, Handler, Module, Payload};
use crate::signal::Timestamp;

const NAMESPACE: &str = "urn:xmpp:time";

pub(super) const MODULE: Module = Module {
    server_features: &[NAMESPACE],
    payloads: &[Payload { name: "time", namespace: NAMESPACE, handler: Handler::Get(|_| answer()) }],
    ..Module::NONE
};

fn answer() -> Answer {
    let now = Timestamp::now();
    Answer::Result(format!("<time xmlns='{NAMESPACE}'><tzo>+00:00</tzo><utc>{now}</utc></time>"))
}

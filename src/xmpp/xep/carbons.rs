//! XEP-0280: Message Carbons. Which messages are copied is decided where messages are read
//! (`translate/message`), who gets the copies by the account.

use super::{Answer, Handler, Module, Payload};
use crate::account::SessionChange;

const NAMESPACE: &str = "urn:xmpp:carbons:2";

pub(super) const MODULE: Module = Module {
    server_features: &[NAMESPACE, "urn:xmpp:carbons:rules:0"],
    account_features: &[NAMESPACE, "urn:xmpp:carbons:rules:0"],
    payloads: &[
        Payload { name: "enable", namespace: NAMESPACE, handler: Handler::Set(|_| turn(true)) },
        Payload { name: "disable", namespace: NAMESPACE, handler: Handler::Set(|_| turn(false)) },
    ],
};

fn turn(on: bool) -> Answer {
    Answer::Change(SessionChange::TakesCopies(on))
}

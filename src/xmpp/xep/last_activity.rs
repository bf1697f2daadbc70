//! XEP-0012: Last Activity: for how long the server runs, and for how long somebody has not been there, for whom she
//! shows that to. A question to a session is answered by its client.

use super::{Answer, Handler, Iq, Module, Payload, Target};
use crate::account::{Reply, Request};
use crate::signal::{Reason, Wanted};
use crate::xmpp::translate::{Refusal, Scope};

const NAMESPACE: &str = "jabber:iq:last";

pub(super) const MODULE: Module = Module {
    server_features: &[NAMESPACE],
    account_features: &[NAMESPACE],
    payloads: &[Payload { name: "query", namespace: NAMESPACE, handler: Handler::SharedGet(last) }],
};

fn last(iq: &Iq<'_>) -> Answer {
    if iq.target == Target::Server {
        return print(iq.shared.started.elapsed().as_secs());
    }
    let request = Request::Enquire { of: iq.account.clone(), wanted: Wanted::LastSeen };
    Answer::then(request, |outcome| match outcome {
        Ok(Reply::LastSeen { seconds: Some(seconds) }) => print(seconds),
        Ok(_) => Answer::Refuse(Refusal::ITEM_NOT_FOUND),
        // Whether there is such an account does not show.
        Err(reject) if matches!(reject.reason, Reason::NotFound | Reason::NoSession) => {
            Answer::Refuse(Refusal::FORBIDDEN)
        }
        Err(reject) => Answer::Refuse(Refusal::from_reject(&reject, Scope::Own)),
    })
}

fn print(seconds: u64) -> Answer {
    Answer::Result(format!("<query xmlns='{NAMESPACE}' seconds='{seconds}'/>"))
}

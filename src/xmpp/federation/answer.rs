//! What our server answers for itself and for its accounts when somebody of another domain asks: what anybody may
//! ask of another account here, he may, too.

use std::sync::Arc;

use super::{door::Shared, receive::Back};
use crate::{
    account::Request,
    signal::{Address, Enquiry, Party, Signal, Timestamp},
    xmpp::{
        stanza::Stanza,
        translate::Refusal,
        xep::{self, Answer, Iq, Target},
    },
};

/// Answers a question that has an id and one payload.
pub(super) fn give(
    shared: &Arc<Shared>,
    stanza: &Stanza,
    from: Party,
    to: Party,
) -> impl Future<Output = ()> + Send + use<> {
    let target = if to.address.is_domain() { Target::Server } else { Target::Other };
    let accounts = &shared.accounts;
    let fresh = || accounts.new_message_id(Timestamp::now()).to_string();
    let answer = stanza.children().next().map(|payload| {
        let is_set = stanza.stanza_type().as_deref() == Some("set");
        if target == Target::Server && !OPEN.contains(&&*payload.namespace()) {
            return Answer::Refuse(Refusal::SERVICE_UNAVAILABLE);
        }
        let (asker, account, shared) = (&from, &to.address, &*shared.answers.0);
        let admin = &shared.admin;
        let (is_device, fresh) = (false, &fresh);
        xep::answer(&Iq { payload, is_set, target, account, asker, is_device, fresh, shared, admin })
    });
    let back = Back::new(shared, stanza, from.clone(), to.clone());
    let shared = Arc::clone(shared);
    async move {
        let outcome = match answer {
            Some(answer) => follow(&shared, answer, &from, &to.address).await,
            None => Err(Refusal::BAD_REQUEST),
        };
        match outcome {
            Ok(content) => back.send("result", content.as_bytes()),
            Err(refusal) => back.refuse(&refusal),
        }
    }
}

/// Asks the account as long as there is something to ask.
async fn follow(
    shared: &Shared,
    mut answer: Answer,
    asker: &Party,
    account: &Address,
) -> Result<String, Refusal> {
    loop {
        answer = match answer {
            Answer::Result(content) => return Ok(content),
            Answer::Refuse(refusal) => return Err(refusal),
            Answer::Then(request, then) => match *request {
                Request::Enquire { of, wanted } if of == *account => {
                    let enquiry = Enquiry { from: asker.clone(), to: of, wanted };
                    then(shared.accounts.dispatch(Signal::Enquiry(Arc::new(enquiry))).wait().await)
                }
                _ => return Err(Refusal::SERVICE_UNAVAILABLE),
            },
            // All else is for owners.
            Answer::Change(_)
            | Answer::Ask(..)
            | Answer::FollowBlocks(_)
            | Answer::Work(_)
            | Answer::Messages(..) => {
                return Err(Refusal::SERVICE_UNAVAILABLE);
            }
        };
    }
}

/// What anybody in the world may ask the server itself; the rest is for its own users.
const OPEN: [&str; 6] = [
    "http://jabber.org/protocol/disco#info",
    "http://jabber.org/protocol/disco#items",
    "jabber:iq:last",
    "jabber:iq:version",
    "urn:xmpp:ping",
    "urn:xmpp:time",
];

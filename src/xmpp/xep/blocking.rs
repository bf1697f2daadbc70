//! XEP-0191: Blocking Command, on the account's one list. What a block means is the account's to say.

use minidom::Element;
use tracing::warn;

use super::{Answer, Handler, Iq, Module, Payload, Target, reporting};
use crate::account::{BlockChange, Reply, Request};
use crate::admin::Complaint;
use crate::signal::{Address, Party};
use crate::xmpp::stanza::print_attribute;
use crate::xmpp::translate::{Refusal, Scope};

const NAMESPACE: &str = "urn:xmpp:blocking";

pub(super) const MODULE: Module = Module {
    server_features: &[NAMESPACE],
    account_features: &[NAMESPACE],
    payloads: &[
        Payload { name: "blocklist", namespace: NAMESPACE, handler: Handler::Get(list) },
        Payload { name: "block", namespace: NAMESPACE, handler: Handler::Set(block) },
        Payload { name: "unblock", namespace: NAMESPACE, handler: Handler::Set(unblock) },
    ],
};

fn list(iq: &Iq<'_>) -> Answer {
    if iq.target == Target::Server {
        return Answer::Refuse(Refusal::SERVICE_UNAVAILABLE);
    }
    let list = Answer::then(Request::Blocked, |outcome| match outcome {
        Ok(Reply::Blocked(blocked)) => Answer::Result(print("blocklist", &blocked)),
        Ok(_) => Answer::Refuse(Refusal::INTERNAL),
        Err(reject) => Answer::Refuse(Refusal::from_reject(&reject, Scope::Own)),
    });
    Answer::FollowBlocks(Box::new(list))
}

/// Blocks, and then keeps what is reported with it (XEP-0377): a report is nothing without the block.
fn block(iq: &Iq<'_>) -> Answer {
    let element = iq.payload.to_element();
    let reports = element.as_ref().map(parse_reports).unwrap_or_default();
    let answer = change(iq, |items| match items {
        [] => Err(Refusal::BAD_REQUEST),
        items => Ok(Request::Block(items.into())),
    });
    let (admin, owner) = (iq.admin.clone(), iq.account.clone());
    match answer {
        Answer::Then(request, then) if !reports.is_empty() => Answer::then(*request, move |outcome| {
            if outcome.is_err() {
                return then(outcome);
            }
            Answer::work(async move {
                for (about, complaint) in reports {
                    if let Err(fault) = admin.report(&owner, about, complaint).await {
                        warn!(account = %owner, %fault, "a report is lost");
                    }
                }
                then(outcome)
            })
        }),
        answer => answer,
    }
}

fn unblock(iq: &Iq<'_>) -> Answer {
    change(iq, |items| Ok(Request::Unblock((!items.is_empty()).then(|| items.into()))))
}

fn change(iq: &Iq<'_>, request: impl FnOnce(&[Address]) -> Result<Request, Refusal>) -> Answer {
    if iq.target == Target::Server {
        return Answer::Refuse(Refusal::SERVICE_UNAVAILABLE);
    }
    let items = iq.payload.to_element().ok_or(Refusal::BAD_REQUEST).and_then(|it| parse_items(&it));
    match items.and_then(|items| request(&items)) {
        Ok(request) => Answer::then(request, |outcome| match outcome {
            Ok(_) => Answer::done(),
            Err(reject) => Answer::Refuse(Refusal::from_reject(&reject, Scope::Own)),
        }),
        Err(refusal) => Answer::Refuse(refusal),
    }
}

/// A block is of a person or a domain: one of a single session would not hold.
fn parse_items(element: &Element) -> Result<Vec<Address>, Refusal> {
    let items = element.children().filter(|item| item.is("item", NAMESPACE));
    items
        .map(|item| {
            let jid = item.attr("jid").ok_or(Refusal::BAD_REQUEST)?;
            let party = Party::parse(jid).map_err(|_| Refusal::JID_MALFORMED)?;
            Ok(party.address)
        })
        .collect()
}

/// What is reported.
fn parse_reports(element: &Element) -> Vec<(Address, Complaint)> {
    let items = element.children().filter(|item| item.is("item", NAMESPACE));
    let reported = |item: &Element| {
        let party = Party::parse(item.attr("jid")?).ok()?;
        Some((party.address, reporting::parse(item)?))
    };
    items.filter_map(reported).take(REPORTS).collect()
}

fn print(name: &str, items: &[Address]) -> String {
    let mut out = format!("<{name} xmlns='{NAMESPACE}'>").into_bytes();
    for address in items {
        out.extend_from_slice(b"<item jid='");
        print_attribute(address.as_str(), &mut out);
        out.extend_from_slice(b"'/>");
    }
    out.extend_from_slice(format!("</{name}>").as_bytes());
    String::from_utf8(out).unwrap_or_default()
}

/// What the clients that asked for the list are told of a change (XEP-0191 §3.3, §3.4).
pub(in crate::xmpp) fn print_change(change: &BlockChange) -> Vec<String> {
    let parts = [("block", &change.added), ("unblock", &change.removed)];
    parts.iter().filter(|(_, items)| !items.is_empty()).map(|(name, items)| print(name, items)).collect()
}

/// Reports that one command may bring.
const REPORTS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_and_printed() {
        let text =
            "<block xmlns='urn:xmpp:blocking'><item jid='Bob@x/phone'/><item jid='evil.example'/></block>";
        let items = parse_items(&text.parse().unwrap()).unwrap();
        assert_eq!(print("block", &items), text.replace("Bob@x/phone", "bob@x"));
        for broken in ["<item/>", "<item jid='@'/>"] {
            let text = format!("<block xmlns='urn:xmpp:blocking'>{broken}</block>");
            assert!(parse_items(&text.parse().unwrap()).is_err(), "{broken}");
        }
    }
}

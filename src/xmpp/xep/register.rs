//! XEP-0077: In-Band Registration, of an account that is there: its owner changes the password or takes the
//! account back. Who has none yet makes one on the stream, before the login.

use super::{Answer, Handler, Iq, Module, Payload, Target};
use crate::admin::Command;
use crate::xmpp::stanza::print_text;
use crate::xmpp::translate::Refusal;

const NAMESPACE: &str = "jabber:iq:register";

pub(super) const MODULE: Module = Module {
    server_features: &[NAMESPACE],
    payloads: &[Payload { name: "query", namespace: NAMESPACE, handler: Handler::Both(handle) }],
    ..Module::NONE
};

fn handle(iq: &Iq<'_>) -> Answer {
    if iq.is_set { change(iq) } else { Answer::Result(print_form(iq)) }
}

fn print_form(iq: &Iq<'_>) -> String {
    let mut out = format!("<query xmlns='{NAMESPACE}'><registered/><username>").into_bytes();
    print_text(iq.asker.address.local().unwrap_or_default(), &mut out);
    out.extend_from_slice(b"</username><password/></query>");
    String::from_utf8(out).unwrap_or_default()
}

/// One's own account only, and by its own password: what opens the account for one device can be taken back, so it
/// must not take the account. Where somebody names another user, he is an administrator who wants XEP-0133, or
/// means nothing good.
fn change(iq: &Iq<'_>) -> Answer {
    let Some(query) = iq.payload.to_element() else { return Answer::Refuse(Refusal::BAD_REQUEST) };
    if iq.target == Target::Other {
        return Answer::Refuse(Refusal::NOT_ALLOWED);
    }
    if iq.is_device {
        return Answer::Refuse(Refusal::FORBIDDEN);
    }
    let text = |name| query.get_child(name, NAMESPACE).map(minidom::Element::text);
    let address = iq.asker.address.clone();
    if query.get_child("remove", NAMESPACE).is_some() {
        // XEP-0077 §3.2: nothing beside it.
        let is_alone = query.children().count() == 1;
        return if is_alone { perform(iq, Command::Remove { address }) } else { refuse_bad() };
    }
    let (Some(user), Some(password)) = (text("username"), text("password")) else { return refuse_bad() };
    let is_own = address.local().is_some_and(|local| local.eq_ignore_ascii_case(user.trim()))
        || user.eq_ignore_ascii_case(address.as_str());
    if !is_own {
        return Answer::Refuse(Refusal::NOT_ALLOWED);
    }
    perform(iq, Command::SetPassword { address, password })
}

fn refuse_bad() -> Answer {
    Answer::Refuse(Refusal::BAD_REQUEST)
}

fn perform(iq: &Iq<'_>, command: Command) -> Answer {
    let admin = iq.admin.clone();
    Answer::work(async move {
        match admin.perform(command).await {
            Ok(_) => Answer::done(),
            Err(fault) => Answer::Refuse(fault.into()),
        }
    })
}

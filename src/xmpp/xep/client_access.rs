//! XEP-0494: Client Access Management. What has access to the account is one list; here it is read and shortened
//! by one of the account's own clients.

use super::{Answer, Handler, Iq, Module, Payload, Target};
use crate::admin::{Access, AccessId, Revoked, Thoroughness};
use crate::xmpp::stanza::{print_attribute, print_text};
use crate::xmpp::translate::Refusal;

const NAMESPACE: &str = "urn:xmpp:cam:0";

pub(super) const MODULE: Module = Module {
    account_features: &[NAMESPACE],
    payloads: &[
        Payload { name: "list", namespace: NAMESPACE, handler: Handler::Get(list) },
        Payload { name: "revoke", namespace: NAMESPACE, handler: Handler::Set(revoke) },
    ],
    ..Module::NONE
};

fn list(iq: &Iq<'_>) -> Answer {
    if iq.target != Target::Account {
        return Answer::Refuse(Refusal::SERVICE_UNAVAILABLE);
    }
    let (admin, address) = (iq.admin.clone(), iq.account.clone());
    Answer::work(async move {
        match admin.accesses(&address).await {
            Ok(all) => Answer::Result(print_list(&all)),
            Err(fault) => Answer::Refuse(fault.into()),
        }
    })
}

fn revoke(iq: &Iq<'_>) -> Answer {
    if iq.target != Target::Account {
        return Answer::Refuse(Refusal::SERVICE_UNAVAILABLE);
    }
    // XEP-0494 §3: `normal` permission, as the list says.
    if iq.is_device {
        return Answer::Refuse(Refusal::FORBIDDEN);
    }
    let Some(id) = iq.payload.attribute("id") else { return Answer::Refuse(Refusal::BAD_REQUEST) };
    let Some(id) = AccessId::parse(&id) else { return Answer::Refuse(Refusal::ITEM_NOT_FOUND) };
    let (admin, address) = (iq.admin.clone(), iq.account.clone());
    Answer::work(async move {
        match admin.revoke(&address, &id, Thoroughness::ForGood).await {
            Ok(Revoked::Done) => Answer::done(),
            Ok(Revoked::NotFound) => Answer::Refuse(Refusal::ITEM_NOT_FOUND),
            Ok(Revoked::KnowsPassword) => {
                Answer::Refuse(Refusal::SERVICE_UNAVAILABLE.with_detail(PASSWORD_RESET_REQUIRED))
            }
            Err(fault) => Answer::Refuse(fault.into()),
        }
    })
}

fn print_list(all: &[Access]) -> String {
    let mut out = format!("<clients xmlns='{NAMESPACE}'>").into_bytes();
    all.iter().for_each(|access| print_client(access, &mut out));
    out.extend_from_slice(b"</clients>");
    String::from_utf8(out).unwrap_or_default()
}

fn print_client(access: &Access, out: &mut Vec<u8>) {
    let has_sessions = matches!(access.id, AccessId::Client(_) | AccessId::Session(_));
    let kind = if has_sessions || access.is_connected { "session" } else { "access" };
    out.extend_from_slice(
        format!("<client connected='{}' type='{kind}' id='", access.is_connected).as_bytes(),
    );
    print_attribute(&access.id.to_string(), out);
    out.extend_from_slice(format!("'><first-seen>{}</first-seen>", access.first_seen).as_bytes());
    if let Some(at) = access.last_seen {
        out.extend_from_slice(format!("<last-seen>{at}</last-seen>").as_bytes());
    }
    out.extend_from_slice(b"<auth>");
    for (is_so, name) in auth_of(access) {
        if is_so {
            out.extend_from_slice(format!("<{name}/>").as_bytes());
        }
    }
    let status = if access.knows_password { "unrestricted" } else { "normal" };
    out.extend_from_slice(format!("</auth><permission status='{status}'/><user-agent>").as_bytes());
    for (name, text) in [("software", &access.software), ("device", &access.name)] {
        if let Some(text) = text {
            out.extend_from_slice(format!("<{name}>").as_bytes());
            print_text(text, out);
            out.extend_from_slice(format!("</{name}>").as_bytes());
        }
    }
    out.extend_from_slice(b"</user-agent></client>");
}

/// By what it gets in. The password of a device is a grant for that device: it can be taken back alone.
fn auth_of(access: &Access) -> [(bool, &'static str); 3] {
    let is_granted = matches!(access.id, AccessId::Device(_) | AccessId::Browser(_) | AccessId::Script(_));
    let is_of_device =
        matches!(access.id, AccessId::Client(_)) && !access.knows_password && !access.has_token;
    [(access.knows_password, "password"), (is_granted || is_of_device, "grant"), (access.has_token, "fast")]
}

const PASSWORD_RESET_REQUIRED: &str = "<password-reset-required xmlns='urn:xmpp:cam:0'/>";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Timestamp;

    #[test]
    fn a_client_is_printed_with_what_is_known_of_it() {
        let access = Access {
            id: AccessId::Client(3),
            software: Some("Chat & more".to_owned()),
            name: None,
            first_seen: Timestamp(0),
            last_seen: Some(Timestamp(1000)),
            is_connected: true,
            knows_password: true,
            has_token: true,
        };
        let known = "<client connected='true' type='session' id='client-3'>\
                     <first-seen>1970-01-01T00:00:00.000Z</first-seen><last-seen>1970-01-01T00:00:01.000Z</last-seen>\
                     <auth><password/><fast/></auth><permission status='unrestricted'/>\
                     <user-agent><software>Chat &amp; more</software></user-agent></client>";
        let script = Access {
            id: AccessId::Script([0; 32]),
            software: None,
            name: Some("robot".to_owned()),
            last_seen: None,
            is_connected: false,
            knows_password: false,
            has_token: false,
            ..access.clone()
        };
        let other = format!(
            "<client connected='false' type='access' id='script-{}'><first-seen>1970-01-01T00:00:00.000Z</first-seen>\
             <auth><grant/></auth><permission status='normal'/><user-agent><device>robot</device></user-agent></client>",
            "00".repeat(32)
        );
        let expected = format!("<clients xmlns='urn:xmpp:cam:0'>{known}{other}</clients>");
        assert_eq!(print_list(&[access, script]), expected);
    }
}

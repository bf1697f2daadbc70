//! XEP-0215: External Service Discovery: the STUN and TURN servers of the configuration, with credentials that the
//! TURN server can check by itself and that are good for a while only.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::{Answer, Handler, Iq, Module, Payload, Target};
use crate::signal::{Address, Timestamp};
use crate::xmpp::config::ExternalService;
use crate::xmpp::stanza::print_attribute;
use crate::xmpp::translate::Refusal;

pub(in crate::xmpp) const NAMESPACE: &str = "urn:xmpp:extdisco:2";

/// Its feature is announced where there are services: see [`super::announced::Announced`].
pub(super) const MODULE: Module = Module {
    payloads: &[
        Payload { name: "services", namespace: NAMESPACE, handler: Handler::Get(list) },
        Payload { name: "credentials", namespace: NAMESPACE, handler: Handler::Get(credentials) },
    ],
    ..Module::NONE
};

fn list(iq: &Iq<'_>) -> Answer {
    if iq.target != Target::Server || services(iq).is_empty() {
        return Answer::Refuse(Refusal::SERVICE_UNAVAILABLE);
    }
    let kind = iq.payload.attribute("type");
    let is_wanted = |service: &&ExternalService| kind.as_deref().is_none_or(|kind| kind == service.kind);
    let found: String = services(iq).iter().filter(is_wanted).map(|service| print_for(service, iq)).collect();
    let mut echo = Vec::new();
    if let Some(kind) = &kind {
        echo.extend_from_slice(b" type='");
        print_attribute(kind, &mut echo);
        echo.push(b'\'');
    }
    let echo = String::from_utf8_lossy(&echo);
    Answer::Result(format!("<services xmlns='{NAMESPACE}'{echo}>{found}</services>"))
}

/// The services of one host (XEP-0215 §3.2).
fn credentials(iq: &Iq<'_>) -> Answer {
    if iq.target != Target::Server || services(iq).is_empty() {
        return Answer::Refuse(Refusal::SERVICE_UNAVAILABLE);
    }
    let wanted = iq.payload.to_element();
    let wanted = wanted.as_ref().and_then(|element| element.get_child("service", NAMESPACE));
    let Some(wanted) = wanted else { return Answer::Refuse(Refusal::BAD_REQUEST) };
    let (Some(host), Some(kind)) = (wanted.attr("host"), wanted.attr("type")) else {
        return Answer::Refuse(Refusal::BAD_REQUEST);
    };
    let port = wanted.attr("port");
    let is_wanted = |service: &&ExternalService| {
        service.host == host
            && service.kind == kind
            && port.is_none_or(|port| port == service.port.to_string())
    };
    let found: String = services(iq).iter().filter(is_wanted).map(|service| print_for(service, iq)).collect();
    if found.is_empty() {
        return Answer::Refuse(Refusal::ITEM_NOT_FOUND);
    }
    Answer::Result(format!("<credentials xmlns='{NAMESPACE}'>{found}</credentials>"))
}

fn services<'a>(iq: &Iq<'a>) -> &'a [ExternalService] {
    &iq.shared.config.external_services
}

fn print_for(service: &ExternalService, iq: &Iq<'_>) -> String {
    print(service, &iq.asker.address, Timestamp::now())
}

fn print(service: &ExternalService, owner: &Address, now: Timestamp) -> String {
    let mut out = b"<service".to_vec();
    let mut put = |name: &str, value: &str| {
        out.extend_from_slice(format!(" {name}='").as_bytes());
        print_attribute(value, &mut out);
        out.push(b'\'');
    };
    put("type", &service.kind);
    put("host", &service.host);
    put("port", &service.port.to_string());
    if let Some(transport) = &service.transport {
        put("transport", transport);
    }
    if let Some(secret) = &service.secret {
        let expires = now.plus_seconds(service.seconds.into());
        let (username, password) = lent(secret, owner, expires);
        put("username", &username);
        put("password", &password);
        put("expires", &expires.to_string());
        put("restricted", "true");
    } else if let (Some(username), Some(password)) = (&service.username, &service.password) {
        put("username", username);
        put("password", password);
        put("restricted", "true");
    }
    out.extend_from_slice(b"/>");
    String::from_utf8(out).unwrap_or_default()
}

/// Credentials as TURN servers with a shared secret check them ("A REST API For Access To TURN Services"): the time
/// until which they are good stands in the name. The rest of the name is the same for one person, and tells nobody
/// who that is.
fn lent(secret: &str, owner: &Address, expires: Timestamp) -> (String, String) {
    let person: String =
        mac(secret, owner.as_str()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let username = format!("{}:{person}", expires.0 / 1000);
    let password = BASE64.encode(mac(secret, &username));
    (username, password)
}

fn mac(secret: &str, text: &str) -> Vec<u8> {
    let mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).map(|mac| mac.chain_update(text.as_bytes()));
    mac.map(|mac| mac.finalize().into_bytes().to_vec()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(text: &str) -> ExternalService {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn lent_credentials_are_those_of_a_shared_secret() {
        let owner = Address::parse("alice@example.org").unwrap();
        let turn = service("type = 'turn'\nhost = 'turn.example.org'\ntransport = 'udp'\nsecret = 'north'");
        let text = print(&turn, &owner, Timestamp(1_700_000_000_123));
        let username = text.split("username='").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
        assert!(username.starts_with("1700086400:") && !username.contains("alice"), "{text}");
        let password = BASE64.encode(mac("north", username));
        assert!(text.contains(&format!(" password='{password}' ")), "{text}");
        assert!(
            text.starts_with("<service type='turn' host='turn.example.org' port='3478' transport='udp' ")
        );
        assert!(text.ends_with(" expires='2023-11-15T22:13:20.123Z' restricted='true'/>"), "{text}");
        // RFC 2202 §3, test case 2.
        let known = "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79";
        let hex: String =
            mac("Jefe", "what do ya want for nothing?").iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, known);
    }

    #[test]
    fn what_needs_no_credentials_has_none() {
        let owner = Address::parse("alice@example.org").unwrap();
        let stun = service("type = 'stun'\nhost = 'stun.example.org'\nport = 1");
        assert_eq!(
            print(&stun, &owner, Timestamp(0)),
            "<service type='stun' host='stun.example.org' port='1'/>"
        );
        let fixed = service("type = 'turns'\nhost = 'h'\nusername = 'u'\npassword = \"p'\"");
        let text = print(&fixed, &owner, Timestamp(0));
        assert!(text.contains(" username='u' password='p&apos;' restricted='true'/>"), "{text}");
    }
}

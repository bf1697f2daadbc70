//! What is posted: a JSON object, and its signature. Pure.

use std::str::FromStr as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use hyper::Uri;
use serde::Serialize;
use sha2::Sha256;

use crate::signal::{Address, HookCall, RuleScope, SignalKind, Stage};

/// Where a call goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) is_secure: bool,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// As the Host header has it.
    pub(super) authority: String,
    /// Path and query.
    pub(super) target: String,
}

impl Place {
    /// Reads an address; `None` for one that cannot be called.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let uri = Uri::from_str(url).ok()?;
        let is_secure = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') {
            return None;
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let target = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let is_whole = !host.is_empty() && port > 0;
        is_whole.then(|| Self { is_secure, host, port, authority: authority.to_string(), target })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    account: &'a Address,
    rule: Rule<'a>,
    kind: SignalKind,
    stage: Stage,
    from: &'a Address,
    /// The id of the message, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    at: String,
}

#[derive(Serialize)]
struct Rule<'a> {
    scope: RuleScope,
    id: &'a str,
}

/// The body of a call.
pub(super) fn print_body(call: &HookCall) -> Vec<u8> {
    let body = Body {
        account: &call.account,
        rule: Rule { scope: call.scope, id: &call.rule },
        kind: call.kind,
        stage: call.stage,
        from: &call.from,
        message: call.message.map(|id| id.to_string()),
        text: call.text.as_deref(),
        at: call.at.to_string(),
    };
    serde_json::to_vec(&body).expect("texts and numbers are always JSON")
}

/// The value of the signature's header: `sha256=` and the HMAC (RFC 2104) of the body in hexadecimal digits.
pub(super) fn sign(secret: &str, body: &[u8]) -> String {
    let mut keyed = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length is fine");
    keyed.update(body);
    let digits: String = keyed.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{MessageId, Timestamp, Webhook};

    #[test]
    fn addresses_are_taken_apart() {
        for (url, expect) in [
            ("https://example.org/a?b=c", Some((true, "example.org", 443, "/a?b=c"))),
            ("http://example.org:8080", Some((false, "example.org", 8080, "/"))),
            ("http://[::1]:80/x", Some((false, "::1", 80, "/x"))),
            ("https://user:secret@example.org/", None),
            ("http://example.org:0/", None),
            ("http://", None),
            ("/x", None),
            ("ftp://example.org/", None),
            ("http://exa mple/", None),
            ("http://example.org/\r\nX: y", None),
        ] {
            let place = Place::parse(url);
            let found = place.as_ref().map(|it| (it.is_secure, &*it.host, it.port, &*it.target));
            assert_eq!(found, expect, "{url}");
        }
    }

    #[test]
    fn body_says_what_happened_and_nothing_secret() {
        let hook = Webhook { url: "https://x/".into(), secret: Some("key".into()), text: true };
        let call = HookCall {
            hook,
            account: "alice@example.org".parse().unwrap(),
            scope: RuleScope::Account,
            rule: "r".into(),
            kind: SignalKind::Message,
            stage: Stage::After(20),
            from: "bob@example.org".parse().unwrap(),
            message: Some(MessageId(1)),
            text: Some("hi \"you\"".into()),
            at: Timestamp(0),
        };
        let expect = concat!(
            r#"{"account":"alice@example.org","rule":{"scope":"account","id":"r"},"kind":"message","#,
            r#""stage":{"after":20},"from":"bob@example.org","message":"00000000000000000000000001","#,
            r#""text":"hi \"you\"","at":"1970-01-01T00:00:00.000Z"}"#,
        );
        assert_eq!(String::from_utf8(print_body(&call)).unwrap(), expect);
        let bare = HookCall { message: None, text: None, kind: SignalKind::Call, ..call };
        let printed = String::from_utf8(print_body(&bare)).unwrap();
        assert!(!printed.contains("text") && !printed.contains("\"message\"") && !printed.contains("key"));
    }

    /// RFC 4231 §4.3.
    #[test]
    fn signature_is_the_hmac_of_the_body() {
        let expect = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(sign("Jefe", b"what do ya want for nothing?"), expect);
    }
}

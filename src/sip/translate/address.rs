//! SIP URIs and addresses of accounts (RFC 7247 §5): `sip:alice@example.org;gr=phone` is
//! `alice@example.org/phone`.
//!
//! What a user part may hold and an account's name may not is escaped as in XEP-0106, so that both ways
//! lead back to the same text.

use std::borrow::Cow;

use compact_str::CompactString;

use crate::{
    signal::{Address, Party, Resource},
    sip::message::{Host, Scheme, Uri},
};

/// The account or service that a URI names; `None` where it names nothing of the kind, as `tel:` does.
pub(in crate::sip) fn address_of(uri: &Uri) -> Option<Address> {
    match uri.scheme() {
        Scheme::Sip | Scheme::Sips => {
            let domain = uri.host()?.to_string();
            match uri.user() {
                None => Address::domain_only(&domain).ok(),
                Some(user) => {
                    // Parameters of the user (RFC 3261 §19.1.6) are not part of the name.
                    let user = user.split(';').next().unwrap_or_default();
                    Address::new(&escape(user), &domain).ok()
                }
            }
        }
        // RFC 3859, RFC 3860.
        Scheme::Other => {
            let (scheme, rest) = uri.as_str().split_once(':')?;
            let known = ["pres", "im"].iter().any(|known| known.eq_ignore_ascii_case(scheme));
            let sip = known.then(|| Uri::parse(&format!("sip:{rest}")).ok())??;
            address_of(&sip)
        }
        Scheme::Tel | Scheme::Urn => None,
    }
}

/// The account, and the session of it where the URI is a GRUU (RFC 5627 §3.1).
pub(in crate::sip) fn party_of(uri: &Uri) -> Option<Party> {
    let address = address_of(uri)?;
    let resource = uri.param("gr").and_then(|name| Resource::new(&name).ok());
    Some(Party { address, resource })
}

/// The address of record.
pub(in crate::sip) fn uri_of(address: &Address) -> Uri {
    let domain = address.domain_in_ascii();
    let host = Host::parse(&domain).unwrap_or_else(|_| Host::Name((&*domain).into()));
    Uri::sip(address.local().map(unescape).as_deref(), &host, None)
}

/// The text of [`uri_of`], at once for the names that most accounts have: no escapes, and no address in
/// place of the domain.
pub(in crate::sip) fn print_uri(address: &Address) -> CompactString {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    match address.local() {
        Some(local) if local.bytes().chain(address.domain().bytes()).all(is_plain) => {
            let mut text = CompactString::with_capacity(local.len() + address.domain().len() + 5);
            for part in ["sip:", local, "@", address.domain()] {
                text.push_str(part);
            }
            text
        }
        _ => uri_of(address).as_str().into(),
    }
}

/// The URI by which one session of an account is reached through this server: by its name, or by the
/// instance of a phone.
pub(in crate::sip) fn gruu(address: &Address, session: &str) -> Uri {
    uri_of(address).with_param("gr", Some(session))
}

/// XEP-0106 §4.2.
fn escape(user: &str) -> Cow<'_, str> {
    let is_special = |c: char| ESCAPES.iter().any(|(known, _)| *known == c);
    if !user.contains(|c| is_special(c) || c == '\\') {
        return Cow::Borrowed(user);
    }
    let mut escaped = String::with_capacity(user.len() + 8);
    let mut rest = user;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        match ESCAPES.iter().find(|(known, _)| *known == c) {
            // A backslash is escaped only where it would be read as the beginning of an escape.
            Some((_, code)) if c != '\\' || is_code(rest) => {
                escaped.push('\\');
                escaped.push_str(code);
            }
            _ => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// XEP-0106 §4.3.
fn unescape(local: &str) -> Cow<'_, str> {
    if !local.contains('\\') {
        return Cow::Borrowed(local);
    }
    let mut plain = String::with_capacity(local.len());
    let mut rest = local;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        let code = rest.get(..2).filter(|_| c == '\\');
        match code.and_then(|code| ESCAPES.iter().find(|(_, known)| *known == code)) {
            Some((known, _)) => {
                plain.push(*known);
                rest = rest.get(2..).unwrap_or_default();
            }
            None => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

fn is_code(rest: &str) -> bool {
    rest.get(..2).is_some_and(|code| ESCAPES.iter().any(|(_, known)| *known == code))
}

const ESCAPES: [(char, &str); 10] = [
    (' ', "20"),
    ('"', "22"),
    ('&', "26"),
    ('\'', "27"),
    ('/', "2f"),
    (':', "3a"),
    ('<', "3c"),
    ('>', "3e"),
    ('@', "40"),
    ('\\', "5c"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_name_accounts_and_sessions() {
        for (uri, party) in [
            ("sip:Alice@Example.ORG:5070;transport=tcp", Some("alice@example.org")),
            ("sips:alice:secret@example.org", Some("alice@example.org")),
            ("sip:alice@example.org;gr=My%20Phone", Some("alice@example.org/My Phone")),
            ("sip:+493012345@example.org;user=phone", Some("+493012345@example.org")),
            ("sip:+4930;phone-context=x@example.org", Some("+4930@example.org")),
            ("sip:d%27artagnan@example.org", Some("d\\27artagnan@example.org")),
            ("sip:u%40other.org@example.org", Some("u\\40other.org@example.org")),
            ("sip:example.org", Some("example.org")),
            ("pres:bob@example.org", Some("bob@example.org")),
            ("IM:bob@example.org", Some("bob@example.org")),
            ("tel:+4930", None),
            ("mailto:bob@example.org", None),
            ("urn:service:sos", None),
        ] {
            let found = party_of(&Uri::parse(uri).unwrap()).map(|party| party.to_string());
            assert_eq!(found.as_deref(), party, "{uri}");
        }
    }

    #[test]
    fn address_and_uri_lead_to_each_other() {
        for (address, uri) in [
            ("alice@example.org", "sip:alice@example.org"),
            ("d\\27artagnan@example.org", "sip:d'artagnan@example.org"),
            ("a\\40b\\5c20@example.org", "sip:a%40b%5C20@example.org"),
            ("jürgen@example.org", "sip:j%C3%BCrgen@example.org"),
            ("a#b@example.org", "sip:a%23b@example.org"),
            ("a.b-c_1@example.org", "sip:a.b-c_1@example.org"),
            ("example.org", "sip:example.org"),
            ("alice@bücher.example", "sip:alice@xn--bcher-kva.example"),
            ("bücher.example", "sip:xn--bcher-kva.example"),
        ] {
            let parsed = Address::parse(address).unwrap();
            assert_eq!(uri_of(&parsed).as_str(), uri);
            assert_eq!(print_uri(&parsed), uri);
            assert_eq!(address_of(&Uri::parse(uri).unwrap()), Some(parsed));
        }
        let gruu = gruu(&"a@example.org".parse().unwrap(), "x y;z");
        assert_eq!(gruu.as_str(), "sip:a@example.org;gr=x%20y%3Bz");
        assert_eq!(party_of(&gruu).unwrap().to_string(), "a@example.org/x y;z");
    }
}

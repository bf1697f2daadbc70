//! The Authorization header as HTTP has it (RFC 9110 §11, RFC 7616, RFC 7617, RFC 6750): read, not checked.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    auth::{DigestAlgorithm, DigestResponse, Qop, QopUse},
    signal::Address,
};

/// What a request brings to say who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    Digest(Box<Digest>),
    Basic { user: String, password: String },
    Bearer(String),
}

/// The parameters of a digest answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) username: String,
    pub(super) realm: String,
    nonce: String,
    pub(super) uri: String,
    response: String,
    algorithm: DigestAlgorithm,
    qop: Option<(Qop, String, String)>,
}

impl Credentials {
    /// Reads the header's value. `None` where it is of an unknown scheme or malformed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ')?;
        let rest = rest.trim();
        match scheme {
            scheme if scheme.eq_ignore_ascii_case("Digest") => {
                Digest::parse(rest).map(|digest| Self::Digest(Box::new(digest)))
            }
            scheme if scheme.eq_ignore_ascii_case("Basic") => {
                let decoded = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
                let (user, password) = decoded.split_once(':')?;
                Some(Self::Basic { user: user.to_owned(), password: password.to_owned() })
            }
            scheme if scheme.eq_ignore_ascii_case("Bearer") => Some(Self::Bearer(rest.to_owned())),
            _ => None,
        }
    }
}

impl Digest {
    fn parse(text: &str) -> Option<Self> {
        let parameters = parse_parameters(text)?;
        let find = |name: &str| {
            let found = parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        let algorithm = match find("algorithm") {
            None => DigestAlgorithm::Md5,
            Some(name) => DigestAlgorithm::parse(&name)?,
        };
        let qop = match find("qop") {
            None => None,
            Some(word) => Some((Qop::parse(&word)?, find("nc")?, find("cnonce")?)),
        };
        Some(Self {
            username: find("username")?,
            realm: find("realm")?,
            nonce: find("nonce")?,
            uri: find("uri")?,
            response: find("response")?,
            algorithm,
            qop,
        })
    }

    /// As the room of credentials checks it. The body is not protected: `auth-int` is not offered, and an
    /// answer with it does not fit unless the body is empty.
    pub(super) fn response<'a>(&'a self, method: &'a str) -> DigestResponse<'a> {
        DigestResponse {
            username: &self.username,
            realm: &self.realm,
            nonce: &self.nonce,
            uri: &self.uri,
            response: &self.response,
            algorithm: self.algorithm,
            qop: self.qop.as_ref().map(|(qop, nc, cnonce)| QopUse { qop: *qop, nc, cnonce }),
            method,
            body: b"",
        }
    }
}

/// The account that a user name means: `alice`, `alice@example.org` or `sip:alice@example.org`.
pub(super) fn account_of(username: &str, realm: &str) -> Option<Address> {
    let bare = username.strip_prefix("sip:").unwrap_or(username);
    let account = match bare.rsplit_once('@') {
        Some((local, domain)) => Address::new(local, domain),
        None => Address::new(bare, realm),
    };
    account.ok()
}

/// `name=value, name="value"`; values may be quoted, with escapes.
fn parse_parameters(text: &str) -> Option<Vec<(String, String)>> {
    let mut parameters = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, behind) = rest.split_once('=')?;
        let behind = behind.trim_start();
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => take_quoted(quoted)?,
            None => {
                let end = behind.find([',', ' ']).unwrap_or(behind.len());
                (behind.get(..end)?.to_owned(), behind.get(end..)?)
            }
        };
        parameters.push((name.trim().to_owned(), value));
        if parameters.len() > MOST {
            return None;
        }
        rest = behind.trim_start();
        if !rest.is_empty() {
            rest = rest.strip_prefix(',')?.trim_start();
        }
    }
    Some(parameters)
}

/// The text up to the closing quote, and what stands behind that.
fn take_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// Parameters of one header.
const MOST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_is_read() {
        let digest = "Digest username=\"a\\\"b\", realm=\"example.org\",nonce=\"n,1\", uri=\"/x?y=z\", \
                      response=abc, algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"c\", opaque=\"o\"";
        let Some(Credentials::Digest(found)) = Credentials::parse(digest) else { panic!() };
        assert_eq!(
            (found.username.as_str(), found.nonce.as_str(), found.uri.as_str()),
            ("a\"b", "n,1", "/x?y=z")
        );
        assert_eq!(found.algorithm, DigestAlgorithm::Sha256);
        let basic = Credentials::Basic { user: "alice".to_owned(), password: "a:b".to_owned() };
        assert_eq!(Credentials::parse("basic YWxpY2U6YTpi"), Some(basic));
        assert_eq!(Credentials::parse("Bearer  t "), Some(Credentials::Bearer("t".to_owned())));
        for text in [
            "",
            "Digest",
            "Digest x",
            "Digest username=\"a",
            "Digest username=a, realm=b, nonce=c, uri=d",
            "Digest username=a, realm=b, nonce=c, uri=d, response=e, algorithm=SHA-9",
            "Digest username=a, realm=b, nonce=c, uri=d, response=e, qop=auth",
            "Digest username=\"a\" realm=b",
            "Basic ???",
            "Basic YWxpY2U=",
            "Negotiate x",
        ] {
            assert_eq!(Credentials::parse(text), None, "{text}");
        }
    }

    #[test]
    fn user_names_mean_accounts() {
        for (name, expected) in [
            ("alice", Some("alice@example.org")),
            ("Alice@example.net", Some("alice@example.net")),
            ("sip:alice@example.org", Some("alice@example.org")),
            ("", None),
            ("@", None),
        ] {
            let found = account_of(name, "example.org");
            assert_eq!(found.as_ref().map(Address::as_str), expected, "{name}");
        }
    }
}

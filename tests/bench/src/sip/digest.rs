//! Digest authentication with MD5 (RFC 2617), from the client's side.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};

use super::text::parameter;

/// What a challenge taught, and how often it was used.
pub struct Credentials {
    realm: String,
    nonce: String,
    opaque: String,
    has_qop: bool,
    /// The hash of name, realm and password.
    secret: String,
    count: u32,
}

impl Credentials {
    /// From the value of WWW-Authenticate or Proxy-Authenticate; `None` where it has no nonce.
    pub fn new(challenge: &str, name: &str, password: &str) -> Option<Self> {
        let realm = parameter(challenge, "realm").unwrap_or_default();
        Some(Self {
            secret: md5(&format!("{name}:{realm}:{password}")),
            realm: realm.to_owned(),
            nonce: parameter(challenge, "nonce")?.to_owned(),
            opaque: parameter(challenge, "opaque").unwrap_or_default().to_owned(),
            has_qop: challenge.contains("qop"),
            count: 0,
        })
    }

    /// The value that proves the next request.
    pub fn answer(&mut self, name: &str, method: &str, uri: &str) -> String {
        self.count += 1;
        let Self { realm, nonce, secret, count, .. } = self;
        let what = md5(&format!("{method}:{uri}"));
        let mut text = format!(
            "Digest username=\"{name}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", algorithm=MD5"
        );
        let _ = if self.has_qop {
            let response = md5(&format!("{secret}:{nonce}:{count:08x}:c0ffee:auth:{what}"));
            write!(text, ", qop=auth, nc={count:08x}, cnonce=\"c0ffee\", response=\"{response}\"")
        } else {
            write!(text, ", response=\"{}\"", md5(&format!("{secret}:{nonce}:{what}")))
        };
        if !self.opaque.is_empty() {
            let _ = write!(text, ", opaque=\"{}\"", self.opaque);
        }
        text
    }
}

fn md5(text: &str) -> String {
    Md5::digest(text).iter().fold(String::with_capacity(32), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

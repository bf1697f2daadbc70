//! Who asks: Digest in the realm of the SIP domain, Basic over TLS, or a token of the web API.
//!
//! COMPAT(blink): it reads the first challenge only, knows MD5 only, and answers no realm but the domain of its
//! address: so MD5 comes first, and the realm is the domain of whose documents are asked for.

use axum::http::{StatusCode, header, request::Parts};

use super::{
    answer::{Outcome, Refusal},
    credentials::{Credentials, Digest, account_of},
    door::Shared,
};
use crate::{
    auth::{AuthError, DigestVerdict, Login, TokenKind, flow_of},
    formats::percent,
    net::Visitor,
};

/// Where a request comes from, and in which realm it is answered.
pub(super) struct Asker<'a> {
    pub(super) shared: &'a Shared,
    pub(super) visitor: Visitor,
    /// The domain of whose documents are asked for.
    pub(super) realm: &'a str,
}

impl Asker<'_> {
    /// The account that proves to be behind a request, and whether it is an administrator's; `None` where it brings
    /// no credentials.
    ///
    /// # Errors
    /// A challenge where they are wrong; or why they are of no use.
    pub(super) async fn identify(&self, parts: &Parts) -> Outcome<Option<Login>> {
        let Some(header) = parts.headers.get(header::AUTHORIZATION) else { return Ok(None) };
        let credentials = header.to_str().ok().and_then(Credentials::parse);
        let login = match credentials {
            None => return Err(Refusal::Status(StatusCode::BAD_REQUEST, "the credentials cannot be read")),
            Some(Credentials::Digest(digest)) => self.check_digest(&digest, parts).await?,
            Some(Credentials::Basic { user, password }) => self.check_basic(&user, &password).await?,
            Some(Credentials::Bearer(token)) => {
                let login = self.shared.authenticator.verify_token(TokenKind::Bearer, &token).await;
                login.map_err(|fault| self.refuse(fault))?
            }
        };
        Ok(Some(login))
    }

    /// 401 with one challenge for each way to answer.
    pub(super) fn challenge(&self, stale: bool) -> Refusal {
        let Self { realm, .. } = self;
        let nonce = self.shared.authenticator.digest_nonce(realm, &flow_of(self.visitor.address));
        let stale = if stale { ", stale=true" } else { "" };
        let digest = |algorithm| {
            format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}")
        };
        let mut challenges = vec![digest("MD5"), digest("SHA-256")];
        if self.takes_basic() {
            challenges.push(format!("Basic realm=\"{realm}\", charset=\"UTF-8\""));
        }
        Refusal::Challenge(challenges)
    }

    fn takes_basic(&self) -> bool {
        self.shared.config.basic && self.visitor.is_secure
    }

    async fn check_digest(&self, digest: &Digest, parts: &Parts) -> Outcome<Login> {
        if digest.realm != self.realm {
            return Err(self.challenge(false));
        }
        if !is_uri_fitting(parts, &digest.uri) {
            return Err(Refusal::Status(StatusCode::BAD_REQUEST, "the credentials are for another path"));
        }
        let Some(address) = account_of(&digest.username, self.realm) else {
            return Err(self.challenge(false));
        };
        let response = digest.response(parts.method.as_str());
        let peer = self.visitor.address;
        match self.shared.authenticator.verify_digest(&address, &response, &flow_of(peer), peer).await {
            DigestVerdict::Ok(login) => Ok(login),
            DigestVerdict::Stale => Err(self.challenge(true)),
            DigestVerdict::Wrong => Err(self.challenge(false)),
            DigestVerdict::Throttled { retry_after } => {
                Err(Refusal::Later(StatusCode::TOO_MANY_REQUESTS, retry_after))
            }
            DigestVerdict::Unavailable => Err(Refusal::Later(StatusCode::SERVICE_UNAVAILABLE, 5)),
        }
    }

    async fn check_basic(&self, user: &str, password: &str) -> Outcome<Login> {
        if !self.takes_basic() {
            return Err(self.challenge(false));
        }
        let Some(address) = account_of(user, self.realm) else { return Err(self.challenge(false)) };
        let login = self.shared.authenticator.verify_password(&address, password, self.visitor.address).await;
        login.map_err(|fault| self.refuse(fault))
    }

    fn refuse(&self, fault: AuthError) -> Refusal {
        match fault {
            AuthError::Wrong => self.challenge(false),
            fault => fault.into(),
        }
    }
}

/// Whether the credentials were made for this request: its path and query, whole URIs and other escapes
/// allowed. Reuse for another request is stopped by the nonce count.
fn is_uri_fitting(parts: &Parts, written: &str) -> bool {
    let asked = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let path = match written.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => written,
    };
    path == asked || (percent::decode(path).is_some() && percent::decode(path) == percent::decode(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_for_the_path_that_is_asked() {
        let request = axum::http::Request::builder().uri("/x/sip:a@b/i/~~/c%5b1%5d?xmlns(a=b)");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        for (uri, expected) in [
            ("/x/sip:a@b/i/~~/c%5b1%5d?xmlns(a=b)", true),
            ("/x/sip%3Aa%40b/i/~~/c[1]?xmlns(a=b)", true),
            ("https://h.example/x/sip:a@b/i/~~/c%5B1%5D?xmlns(a=b)", true),
            ("/x/sip:a@b/i", false),
            ("/", false),
            ("/%", false),
        ] {
            assert_eq!(is_uri_fitting(&parts, uri), expected, "{uri}");
        }
    }
}

//! Who makes a request: a browser by its cookie, a program by its bearer token (RFC 6750 §2.1).
//!
//! A browser adds the cookie to whatever any page makes it send, so a request that changes
//! something, or opens a WebSocket, counts only where it comes from our own page (RFC 6454 §7,
//! Fetch Metadata). `SameSite=Strict` says the same once more.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, Method, header, request::Parts},
};

use super::{error::Failure, server::Shared};
use crate::{
    auth::{Login, TokenKind},
    signal::{Address, Reason},
};

/// The owner of an account, proved by a token.
pub(super) struct Identity {
    pub(super) address: Address,
    pub(super) is_admin: bool,
    pub(super) proof: Proof,
}

/// The token that a request carries.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) kind: TokenKind,
    pub(super) token: String,
}

/// Where a request comes from, a trusted proxy looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) address: IpAddr,
    /// The client's own connection is protected by TLS.
    pub(super) is_secure: bool,
}

impl FromRequestParts<Arc<Shared>> for Identity {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Failure> {
        let Some(proof) = Proof::find(&parts.headers) else {
            return Err(Failure::new(Reason::NotAuthenticated, "please log in first"));
        };
        if proof.kind == TokenKind::Session && changes_something(parts) {
            require_own_page(parts, shared.public_url(), Unsaid::Refuse)?;
        }
        let login = shared.authenticator.verify_token(proof.kind, &proof.token).await?;
        let Login { address, is_admin, .. } = login;
        Ok(Self { address, is_admin, proof })
    }
}

/// As [`Identity`], for administrators alone.
pub(super) struct Administrator(pub(super) Identity);

impl FromRequestParts<Arc<Shared>> for Administrator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Failure> {
        let identity = Identity::from_request_parts(parts, shared).await?;
        if !identity.is_admin {
            return Err(Failure::new(Reason::Forbidden, "only an administrator may do this"));
        }
        Ok(Self(identity))
    }
}

/// A request without login that must not come from a foreign page: nobody shall be logged in as
/// somebody else.
pub(super) struct OwnPage;

impl FromRequestParts<Arc<Shared>> for OwnPage {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Failure> {
        require_own_page(parts, shared.public_url(), Unsaid::Allow).map(|()| Self)
    }
}

impl FromRequestParts<Arc<Shared>> for Client {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Shared>) -> Result<Self, Failure> {
        parts.extensions.get::<Self>().copied().ok_or_else(|| Reason::Internal.into())
    }
}

impl Client {
    /// The client of a request that came over a connection; `behind_proxy` makes the headers of
    /// the proxy count.
    pub(super) fn of(peer: IpAddr, is_secure: bool, behind_proxy: bool, headers: &HeaderMap) -> Self {
        let direct = Self { address: peer.to_canonical(), is_secure };
        if !behind_proxy || is_secure {
            return direct;
        }
        // The last entry is the one that the proxy itself wrote.
        let last = |name: &str| {
            let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
            value.rsplit(',').next().map(str::trim)
        };
        let address = last("x-forwarded-for").and_then(|text| text.parse::<IpAddr>().ok());
        Self {
            address: address.map_or(direct.address, |address| address.to_canonical()),
            is_secure: last("x-forwarded-proto").is_some_and(|scheme| scheme.eq_ignore_ascii_case("https")),
        }
    }

    /// The cookie that keeps a browser logged in.
    pub(super) fn cookie(&self, token: &str, seconds: u64) -> Result<HeaderValue, Failure> {
        let secure = if self.is_secure || !self.address.is_loopback() { "; Secure" } else { "" };
        let text =
            format!("{COOKIE}={token}; Path=/api; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
        HeaderValue::try_from(text).map_err(|_| Reason::Internal.into())
    }
}

impl Proof {
    /// The token in a request's headers; a bearer token goes before a cookie.
    pub(super) fn find(headers: &HeaderMap) -> Option<Self> {
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if let Some((scheme, token)) = bearer.and_then(|value| value.split_once(' '))
            && scheme.eq_ignore_ascii_case("bearer")
        {
            return Some(Self { kind: TokenKind::Bearer, token: token.trim().to_owned() });
        }
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let token = cookies
            .flat_map(|value| value.split(';'))
            .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))?;
        Some(Self { kind: TokenKind::Session, token: token.to_owned() })
    }
}

/// What to think of a request that does not say which page it comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unsaid {
    Allow,
    Refuse,
}

fn changes_something(parts: &Parts) -> bool {
    let is_safe = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    !is_safe || parts.headers.contains_key(header::UPGRADE)
}

fn require_own_page(parts: &Parts, public_url: Option<&str>, unsaid: Unsaid) -> Result<(), Failure> {
    let text = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let is_secure = parts.extensions.get::<Client>().is_some_and(|client| client.is_secure);
    let is_own = match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => is_own_origin(origin, text("host"), public_url, is_secure),
        (None, None) => unsaid == Unsaid::Allow,
    };
    if is_own { Ok(()) } else { Err(Failure::new(Reason::Forbidden, "this came from a foreign page")) }
}

/// Whether an Origin header names this server.
fn is_own_origin(origin: &str, host: Option<&str>, public_url: Option<&str>, is_secure: bool) -> bool {
    if public_url.is_some_and(|url| url.eq_ignore_ascii_case(origin)) {
        return true;
    }
    let scheme = if is_secure { "https://" } else { "http://" };
    match (origin.strip_prefix(scheme), host) {
        (Some(authority), Some(host)) => authority.eq_ignore_ascii_case(host),
        _ => false,
    }
}

const COOKIE: &str = "rollcall_session";

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn token_is_found_where_it_stands() {
        let session = |token: &str| Some(Proof { kind: TokenKind::Session, token: token.to_owned() });
        let bearer = |token: &str| Some(Proof { kind: TokenKind::Bearer, token: token.to_owned() });
        for (lines, expect) in [
            (&[][..], None),
            (&[("cookie", "a=b; rollcall_session=t1; c=d")], session("t1")),
            (&[("cookie", "xrollcall_session=t1")], None),
            (&[("cookie", "rollcall_sessionx=t1")], None),
            (&[("authorization", "Basic dTpw")], None),
            (&[("authorization", "bearer t2")], bearer("t2")),
            (&[("cookie", "rollcall_session=t1"), ("authorization", "Bearer t2")], bearer("t2")),
        ] {
            assert!(Proof::find(&headers(lines)) == expect, "{lines:?}");
        }
    }

    #[test]
    fn proxy_is_believed_only_where_there_is_one() {
        let peer: IpAddr = "192.0.2.1".parse().unwrap();
        let lines = headers(&[("x-forwarded-for", "6.6.6.6, 203.0.113.9"), ("x-forwarded-proto", "https")]);
        let direct = Client { address: peer, is_secure: false };
        assert_eq!(Client::of(peer, false, false, &lines), direct);
        let through = Client { address: "203.0.113.9".parse().unwrap(), is_secure: true };
        assert_eq!(Client::of(peer, false, true, &lines), through);
        assert_eq!(Client::of(peer, false, true, &HeaderMap::new()), direct);
    }

    #[test]
    fn only_our_own_page_may_change_something() {
        let public = Some("https://chat.example");
        for (lines, is_secure, own) in [
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://a.example")][..], true, true),
            (&[("sec-fetch-site", "same-site")], true, false),
            (&[("sec-fetch-site", "cross-site")], true, false),
            (&[("sec-fetch-site", "none")], true, false),
            (&[("origin", "https://h.example:5281"), ("host", "h.example:5281")], true, true),
            (&[("origin", "http://h.example:5281"), ("host", "h.example:5281")], true, false),
            (&[("origin", "http://localhost:5280"), ("host", "localhost:5280")], false, true),
            (&[("origin", "https://evil.example"), ("host", "h.example")], true, false),
            (&[("origin", "null"), ("host", "h.example")], true, false),
            (&[("origin", "https://chat.example"), ("host", "inner:5280")], false, true),
            (&[("host", "h.example")], true, false),
        ] {
            let mut request = axum::http::Request::new(());
            *request.headers_mut() = headers(lines);
            request.extensions_mut().insert(Client { address: [127, 0, 0, 1].into(), is_secure });
            let (parts, ()) = request.into_parts();
            assert_eq!(require_own_page(&parts, public, Unsaid::Refuse).is_ok(), own, "{lines:?}");
        }
    }

    #[test]
    fn cookie_is_secure_except_on_the_loopback() {
        for (address, is_secure, expect) in
            [("127.0.0.1", false, false), ("127.0.0.1", true, true), ("192.0.2.1", false, true)]
        {
            let client = Client { address: address.parse().unwrap(), is_secure };
            let cookie = client.cookie("t", 60).unwrap();
            assert_eq!(cookie.to_str().unwrap().ends_with("; Secure"), expect, "{address}");
        }
    }
}

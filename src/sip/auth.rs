//! Who sent a request: HTTP digest as SIP has it (RFC 3261 §22, RFC 7616, RFC 8760), and the trust
//! that a registration gives its connection.
//!
//! Secrets and nonces are the `auth` room's; this file reads and writes the headers.

use std::{borrow::Cow, sync::Arc};

use compact_str::CompactString;
use smallvec::SmallVec;
use tracing::debug;

use super::{
    answer::Refusal,
    device::Device,
    door::Door,
    message::{AuthParams, HeaderName, Message, Method, NameAddr, StartLine, Uri},
    transaction::IncomingRequest,
    translate,
    transport::Flow,
};
use crate::{
    auth::{DigestAlgorithm, DigestResponse, DigestVerdict, Login, Qop, QopUse, flow_of},
    signal::{Address, Party},
};

/// In which part the server asks for credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sip) enum Role {
    /// It is the one the request is for: registrar, presence agent. 401 (RFC 3261 §22.2).
    Server,
    /// It passes the request on. 407 (RFC 3261 §22.3).
    Proxy,
}

/// The owner of a local account who sent a request.
#[derive(Debug, Clone)]
pub(in crate::sip) struct Sender {
    pub(in crate::sip) login: Login,
    /// The registered phone that it came from, where that can be told.
    pub(in crate::sip) device: Option<Arc<Device>>,
}

impl Sender {
    /// The account, and the phone's session where it is known.
    pub(in crate::sip) fn party(&self) -> Party {
        match &self.device {
            Some(device) => Party::full(self.login.address.clone(), device.resource().clone()),
            None => Party::bare(self.login.address.clone()),
        }
    }
}

impl Door {
    /// Makes sure that a request comes from the account in its From, or for a REGISTER in its To.
    ///
    /// # Errors
    /// A challenge, or why nothing helps: 403 where the credentials are another account's or the
    /// account is of another domain (this server relays for its own people only), 503 after too many
    /// guesses.
    pub(in crate::sip) async fn authenticate(
        &self,
        request: &IncomingRequest,
        role: Role,
    ) -> Result<Sender, Refusal> {
        let message = &request.message;
        let claimed = match message.method() {
            Some(Method::Register) => message.to()?,
            Some(Method::Subscribe) if names_nobody(&message.from()?) => {
                return self.authenticate_unnamed(request, role).await;
            }
            _ => message.from()?,
        };
        let address = self.claimed_account(&claimed)?;
        let device = self.locations.device_at(&address, &request.flow);
        if let Some(device) = &device
            && request.flow.is_reliable()
            && self.config.trust_registered_flow
        {
            return Ok(Sender { login: device.login().clone(), device: Some(Arc::clone(device)) });
        }
        let only_md5 = knows_only_md5(message) || device.as_ref().is_some_and(|device| device.only_md5());
        let realm = &*address.domain_in_ascii();
        let ask = Ask { door: self, role, realm, flow: request.flow, only_md5 };
        let texts = credential_texts(message, role);
        let mut credentials = texts.iter().filter_map(|text| Credentials::read(text));
        let Some(credentials) = credentials.find(|found| found.is_for(ask.realm)) else {
            return Err(ask.challenge(false));
        };
        let login = self.check(&ask, message, credentials).await?;
        if login.address != address {
            debug!(account = %login.address, claimed = %address, "another account's name");
            return Err(Refusal::because(403, "Forbidden: not your address"));
        }
        Ok(Sender { login, device })
    }

    /// Somebody whose `From` does not say who he is (RFC 3323 §4.1.1.3): that is between him and the server, and his
    /// credentials say it, for the domain that he asks in. Only a request whose receiver need not know him is
    /// taken so.
    async fn authenticate_unnamed(&self, request: &IncomingRequest, role: Role) -> Result<Sender, Refusal> {
        let message = &request.message;
        let domain = message.request_uri()?.host().map(ToString::to_string).unwrap_or_default();
        if !self.accounts.serves(&domain) {
            return Err(Refusal::because(403, "Forbidden: no account of this server"));
        }
        let ask =
            Ask { door: self, role, realm: &domain, flow: request.flow, only_md5: knows_only_md5(message) };
        let texts = credential_texts(message, role);
        let mut credentials = texts.iter().filter_map(|text| Credentials::read(text));
        let Some(credentials) = credentials.find(|found| found.is_for(ask.realm)) else {
            return Err(ask.challenge(false));
        };
        let login = self.check(&ask, message, credentials).await?;
        let device = self.locations.device_at(&login.address, &request.flow);
        Ok(Sender { login, device })
    }

    fn claimed_account(&self, claimed: &NameAddr) -> Result<Address, Refusal> {
        let address = translate::address_of(&claimed.uri);
        match address {
            Some(address) if self.accounts.serves(address.domain()) && !address.is_domain() => Ok(address),
            _ => Err(Refusal::because(403, "Forbidden: no account of this server")),
        }
    }

    async fn check(
        &self,
        ask: &Ask<'_>,
        message: &Message,
        credentials: Credentials<'_>,
    ) -> Result<Login, Refusal> {
        let fields =
            Fields::of(credentials).ok_or_else(|| Refusal::because(400, "Bad Request: credentials"))?;
        if !self.is_uri_fitting(message, &fields.uri) {
            debug!(uri = %fields.uri, "credentials for another uri");
            return Err(Refusal::because(400, "Bad Request: credentials for another uri"));
        }
        let Some(address) = account_of(&fields.username, ask.realm) else { return Err(ask.challenge(false)) };
        let body = message.body();
        let response = fields.response(ask.realm, message.method().map_or("", Method::as_str), &body);
        let peer = ask.flow.peer.ip().to_canonical();
        match self.authenticator.verify_digest(&address, &response, &flow_of(peer), peer).await {
            DigestVerdict::Ok(login) => Ok(login),
            DigestVerdict::Stale => Err(ask.challenge(true)),
            DigestVerdict::Wrong => Err(ask.challenge(false)),
            DigestVerdict::Throttled { retry_after } => {
                Err(Refusal::new(503).with(HeaderName::RetryAfter, retry_after))
            }
            DigestVerdict::Unavailable => Err(Refusal::new(503).with(HeaderName::RetryAfter, 5)),
        }
    }

    /// Whether the credentials were made for this request. COMPAT(sipp, several proxies): the uri often
    /// names the server by address, or has lost its parameters, so only a foreign name is refused.
    /// Reuse for another request is stopped by the nonce count.
    fn is_uri_fitting(&self, message: &Message, written: &str) -> bool {
        let StartLine::Request { uri, .. } = message.start() else { return false };
        if uri == written {
            return true;
        }
        // COMPAT(sipp): the uri may lack its scheme.
        let parsed = Uri::parse(written).or_else(|_| Uri::parse(&format!("sip:{written}")));
        let Some(host) = parsed.ok().and_then(|uri| uri.host().cloned()) else { return false };
        let asked = message.request_uri().ok().and_then(|uri| uri.host().cloned());
        host.address().is_some() || asked.as_ref() == Some(&host) || self.accounts.serves(&host.to_string())
    }
}

/// Whether this is the name of those who do not say theirs.
fn names_nobody(claimed: &NameAddr) -> bool {
    translate::address_of(&claimed.uri).is_some_and(|address| address.is_anonymous())
}

/// A server that asks for credentials.
struct Ask<'a> {
    door: &'a Door,
    role: Role,
    realm: &'a str,
    flow: Flow,
    only_md5: bool,
}

impl Ask<'_> {
    /// 401 or 407 with one challenge for each algorithm. RFC 8760 §2.4 puts the preferred one first;
    /// COMPAT(sipp, libre): many read only the first, so MD5, which all know, comes first. Who knows
    /// SHA-256 picks it wherever it stands (RFC 7616 §3.7).
    fn challenge(&self, stale: bool) -> Refusal {
        let (status, name) = match self.role {
            Role::Server => (401, HeaderName::WwwAuthenticate),
            Role::Proxy => (407, HeaderName::ProxyAuthenticate),
        };
        let algorithms: &[&str] = if self.only_md5 { &["MD5"] } else { &["MD5", "SHA-256"] };
        let bytes = flow_of(self.flow.peer.ip().to_canonical());
        let nonce = self.door.authenticator.digest_nonce(self.realm, &bytes);
        let stale = if stale { ", stale=true" } else { "" };
        algorithms.iter().fold(Refusal::new(status), |refusal, algorithm| {
            let realm = self.realm;
            refusal.with(
                name,
                format!(
                    "Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}"
                ),
            )
        })
    }
}

/// Digest credentials as they were written, without quotes.
struct Credentials<'a> {
    realm: Option<Cow<'a, str>>,
    /// In the order of [`NAMES`].
    values: [Option<Cow<'a, str>>; NAMES.len()],
}

impl<'a> Credentials<'a> {
    /// Of one header; `None` where it is malformed or of another scheme. Of a parameter that comes twice
    /// the first counts.
    fn read(text: &'a str) -> Option<Self> {
        let mut found = Self { realm: None, values: Default::default() };
        let scheme = AuthParams::read_each(text, |name, value| {
            let index = NAMES.iter().position(|known| known.eq_ignore_ascii_case(name));
            if let Some(place) = index.and_then(|index| found.values.get_mut(index)) {
                place.get_or_insert(value);
            } else if name.eq_ignore_ascii_case("realm") {
                found.realm.get_or_insert(value);
            }
        });
        scheme.is_ok_and(|scheme| scheme.eq_ignore_ascii_case("Digest")).then_some(found)
    }

    fn is_for(&self, realm: &str) -> bool {
        self.realm.as_deref() == Some(realm)
    }
}

/// The parameters of credentials, understood.
struct Fields<'a> {
    username: Cow<'a, str>,
    nonce: Cow<'a, str>,
    uri: Cow<'a, str>,
    response: Cow<'a, str>,
    algorithm: DigestAlgorithm,
    qop: Option<(Qop, Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Fields<'a> {
    /// `None` where a parameter is missing or of an unknown kind.
    fn of(credentials: Credentials<'a>) -> Option<Self> {
        let [username, nonce, uri, response, algorithm, qop, nc, cnonce] = credentials.values;
        let algorithm = match algorithm {
            None => DigestAlgorithm::Md5,
            Some(name) => algorithm_named(&name)?,
        };
        let qop = match qop {
            None => None,
            Some(name) => {
                let qop = match &*name {
                    name if name.eq_ignore_ascii_case("auth") => Qop::Auth,
                    name if name.eq_ignore_ascii_case("auth-int") => Qop::AuthInt,
                    _ => return None,
                };
                Some((qop, nc?, cnonce?))
            }
        };
        Some(Self { username: username?, nonce: nonce?, uri: uri?, response: response?, algorithm, qop })
    }

    fn response<'b>(&'b self, realm: &'b str, method: &'b str, body: &'b [u8]) -> DigestResponse<'b> {
        DigestResponse {
            username: &self.username,
            realm,
            nonce: &self.nonce,
            uri: &self.uri,
            response: &self.response,
            algorithm: self.algorithm,
            qop: self.qop.as_ref().map(|(qop, nc, cnonce)| QopUse { qop: *qop, nc, cnonce }),
            method,
            body,
        }
    }
}

/// The parameters of credentials that are read (RFC 7616 §3.4).
const NAMES: [&str; 8] = ["username", "nonce", "uri", "response", "algorithm", "qop", "nc", "cnonce"];

fn algorithm_named(name: &str) -> Option<DigestAlgorithm> {
    let known = [
        ("MD5", DigestAlgorithm::Md5),
        ("MD5-sess", DigestAlgorithm::Md5Sess),
        ("SHA-256", DigestAlgorithm::Sha256),
        ("SHA-256-sess", DigestAlgorithm::Sha256Sess),
    ];
    known.into_iter().find(|(text, _)| text.eq_ignore_ascii_case(name)).map(|(_, algorithm)| algorithm)
}

/// The headers that may have the credentials; those of the other role are taken too, as some phones send
/// what they were asked for last.
fn credential_texts(message: &Message, role: Role) -> SmallVec<[Cow<'_, str>; 2]> {
    let names = match role {
        Role::Server => [HeaderName::Authorization, HeaderName::ProxyAuthorization],
        Role::Proxy => [HeaderName::ProxyAuthorization, HeaderName::Authorization],
    };
    names.into_iter().flat_map(|name| message.fields_of(name)).map(|field| field.text()).collect()
}

/// The account that a user name means: `alice`, or `alice@example.org`.
fn account_of(username: &str, realm: &str) -> Option<Address> {
    match username.rsplit_once('@') {
        Some((local, domain)) => Address::new(local, domain).ok(),
        None => Address::new(username, realm).ok(),
    }
}

/// COMPAT(baresip 1.0): gives up altogether when any challenge has another algorithm than MD5.
pub(super) fn knows_only_md5(message: &Message) -> bool {
    let agent: Option<CompactString> = message.text(HeaderName::UserAgent).map(CompactString::from);
    agent.is_some_and(|agent| ["baresip v0.", "baresip v1."].iter().any(|known| agent.starts_with(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_in_any_order_and_case() {
        let read = |text: &str| {
            let fields = Fields::of(Credentials::read(text)?)?;
            let qop = fields.qop.as_ref().map(|(_, nc, cnonce)| format!("{nc} {cnonce}"));
            Some(format!("{} {} {} {} {:?}", fields.username, fields.nonce, fields.uri, fields.response, qop))
        };
        for (text, expect) in [
            (
                "Digest CNONCE=\"c\\\"d\", nc=00000001, qop=auth, response=\"r\", uri=\"sip:a,b\", \
                 nonce=\"n\", Username=\"u\", username=\"second\", opaque=\"x\"",
                Some("u n sip:a,b r Some(\"00000001 c\\\"d\")"),
            ),
            ("Digest username=u, nonce=n, uri=\"x\", response=r, algorithm=md5", Some("u n x r None")),
            ("Digest username=u, nonce=n, uri=\"x\", response=r, algorithm=sha1", None),
            ("Digest username=u, nonce=n, uri=\"x\", response=r, qop=auth", None),
            ("Digest username=u, nonce=n, uri=\"x\", response=r, qop=other, nc=1, cnonce=c", None),
            ("Digest username=u, nonce, uri=\"x\", response=r", None),
        ] {
            assert_eq!(read(text).as_deref(), expect, "{text}");
        }
    }
}

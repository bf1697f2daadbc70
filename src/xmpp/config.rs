//! The section `[xmpp]` of the configuration.

use std::{collections::BTreeMap, net::SocketAddr, ops::RangeInclusive};

use serde::{Deserialize, Serialize};

use super::{stream::Registration, web, xep::CONTACTS};

/// Where and how XMPP is spoken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Addresses on which a connection begins in the clear and must become TLS before anything else (RFC 7590).
    pub starttls: Vec<SocketAddr>,
    /// Addresses on which a connection begins with TLS (XEP-0368).
    pub direct_tls: Vec<SocketAddr>,
    /// Addresses without TLS, plain passwords included. Loopback addresses only.
    pub plain: Vec<SocketAddr>,
    /// The path on the web listeners where XMPP is spoken over WebSocket (RFC 7395); empty for nowhere. Default:
    /// `/xmpp-websocket`.
    pub websocket: String,
    /// The path on the web listeners where XMPP is spoken in requests and answers (BOSH, XEP-0206); empty for
    /// nowhere. Default: `/http-bind`.
    pub bosh: String,
    /// Seconds for which a request of BOSH may wait for something to answer; 1 to 600. Default: 60.
    pub bosh_wait_seconds: u32,
    /// Seconds that a client of BOSH may take for its next request; 5 to 600. Default: 60.
    pub bosh_inactivity_seconds: u32,
    /// The path on the web listeners of the files that clients share (XEP-0363); empty for nowhere. Default:
    /// `/upload`.
    pub upload: String,
    /// Whom to write to, by kind: `abuse`, `admin`, `feedback`, `sales`, `security`, `status`, `support`; each a list
    /// of addresses such as `mailto:abuse@example.org` (XEP-0157). Default: none.
    pub contacts: BTreeMap<String, Vec<String>>,
    /// STUN and TURN servers that clients are told of (XEP-0215). Default: none.
    pub external_services: Vec<ExternalService>,
    /// Origins of the web pages that may speak XMPP here, as in `https://chat.example.org`; `*` stands for all. A
    /// page gets nothing by that but the way: whoever uses it has to log in. Default: `*`.
    pub web_origins: Vec<String>,
    /// Failed logins after which a connection ends; 1 to 100 (RFC 6120 §6.4.5 wants 2 to 5). Default: 3.
    pub login_attempts: u8,
    /// Who may make an account from a chat client. Default: who was invited.
    pub registration: Registration,
    /// Things that may wait for one slow client before it is disconnected; 16 to 1000000. Default: 10000.
    pub queue: usize,
    /// Whether push services are told who wrote what a sleeping device missed (XEP-0357). Default: false.
    pub push_sender: bool,
    /// Whether they are told what he wrote. Default: false.
    pub push_body: bool,
    /// Stanzas that a client may leave unacknowledged, where it acknowledges at all, before it is
    /// disconnected; 16 to 1000000. Default: 10000.
    pub unacknowledged: usize,
    /// Seconds for which a stream whose connection broke can be resumed (XEP-0198), where the client wants
    /// that; 0 to 86400, with 0 never. Default: 600.
    pub resume_seconds: u32,
    /// Seconds of silence after which a client is asked whether it is still there; 10 to 86400. Default: 300.
    pub ping_seconds: u32,
    /// Seconds that a client has to answer that, or to take what is written to it; 1 to 3600. Default: 60.
    pub patience_seconds: u32,
}

/// A STUN or TURN server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalService {
    /// `stun`, `stuns`, `turn` or `turns`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name or address.
    pub host: String,
    /// Default: 3478.
    #[serde(default = "usual_port")]
    pub port: u16,
    /// `udp` or `tcp`. Default: not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    /// What it shares with this server, to lend out credentials that are good for a while. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// How long such credentials are good, in seconds; 60 to 604800. Default: 86400.
    #[serde(default = "usual_seconds")]
    pub seconds: u32,
    /// The same for everybody, where there is no secret. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// As above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

fn usual_port() -> u16 {
    3478
}

fn usual_seconds() -> u32 {
    86_400
}

impl Default for Config {
    fn default() -> Self {
        Self {
            starttls: everywhere(5222),
            direct_tls: everywhere(5223),
            plain: Vec::new(),
            websocket: "/xmpp-websocket".to_owned(),
            bosh: "/http-bind".to_owned(),
            bosh_wait_seconds: 60,
            bosh_inactivity_seconds: 60,
            upload: "/upload".to_owned(),
            contacts: BTreeMap::new(),
            external_services: Vec::new(),
            web_origins: vec!["*".to_owned()],
            login_attempts: 3,
            registration: Registration::Invited,
            queue: 10_000,
            push_sender: false,
            push_body: false,
            unacknowledged: 10_000,
            resume_seconds: 600,
            ping_seconds: 300,
            patience_seconds: 60,
        }
    }
}

fn everywhere(port: u16) -> Vec<SocketAddr> {
    vec![SocketAddr::from(([0; 4], port)), SocketAddr::from(([0_u16; 8], port))]
}

impl Config {
    /// Whether who was invited makes an account from a chat client.
    #[must_use]
    pub fn takes_guests(&self) -> bool {
        self.registration != Registration::Closed
    }

    /// The numbers of the section, each with its name and all that it may be.
    #[must_use]
    pub fn ranges(&self) -> Vec<(&'static str, u64, RangeInclusive<u64>)> {
        let mut ranges = vec![
            ("login_attempts", self.login_attempts.into(), 1..=100),
            ("queue", self.queue as u64, 16..=1_000_000),
            ("unacknowledged", self.unacknowledged as u64, 16..=1_000_000),
            ("resume_seconds", self.resume_seconds.into(), 0..=86_400),
            ("ping_seconds", self.ping_seconds.into(), 10..=86_400),
            ("bosh_wait_seconds", self.bosh_wait_seconds.into(), 1..=600),
            ("bosh_inactivity_seconds", self.bosh_inactivity_seconds.into(), 5..=600),
            ("patience_seconds", self.patience_seconds.into(), 1..=3600),
        ];
        let services = self.external_services.iter().map(|service| service.seconds.into());
        ranges.extend(services.map(|seconds| ("external_services.seconds", seconds, 60..=604_800)));
        ranges
    }

    /// Says what is wrong, in words for the operator.
    ///
    /// # Errors
    /// The name of the first option that is wrong, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        if let Some(address) = self.plain.iter().find(|address| !address.ip().is_loopback()) {
            return Err(format!("xmpp.plain has {address}, it may have loopback addresses only"));
        }
        self.check_web()
    }

    /// The paths on the web listeners, by the options that name them.
    #[must_use]
    pub fn web_paths(&self) -> Vec<(&'static str, &str)> {
        let paths = [("websocket", &self.websocket), ("bosh", &self.bosh), ("upload", &self.upload)];
        paths
            .into_iter()
            .filter(|(_, path)| !path.is_empty())
            .map(|(name, path)| (name, path.as_str()))
            .collect()
    }

    fn check_announced(&self) -> Result<(), String> {
        if let Some(kind) = self.contacts.keys().find(|kind| !CONTACTS.iter().any(|(name, _)| name == kind)) {
            return Err(format!(
                "xmpp.contacts has {kind}, it may have abuse, admin, feedback, sales, security, status, support"
            ));
        }
        match self.external_services.iter().find(|service| !service.is_fine()) {
            Some(service) => Err(format!(
                "xmpp.external_services has a {} at {:?}: type must be stun, stuns, turn or turns, transport udp or \
                 tcp, and there must be a host",
                service.kind, service.host
            )),
            None => Ok(()),
        }
    }

    fn check_web(&self) -> Result<(), String> {
        if let Some((name, path)) = self.web_paths().into_iter().find(|(_, path)| !is_path(path)) {
            return Err(format!(
                "xmpp.{name} is {path:?}, it must be a path like /xmpp-websocket, outside of /api"
            ));
        }
        if !self.bosh.is_empty() && self.bosh == self.websocket {
            return Err("xmpp.bosh is the path of xmpp.websocket, it must be another".to_owned());
        }
        if !self.upload.is_empty() && [&self.bosh, &self.websocket].contains(&&self.upload) {
            return Err("xmpp.upload is the path of something else, it must be another".to_owned());
        }
        self.check_announced()?;
        match self.web_origins.iter().find(|origin| !web::is_origin(origin)) {
            Some(origin) => {
                Err(format!("xmpp.web_origins has {origin}, it may have https://chat.example.org or *"))
            }
            None => Ok(()),
        }
    }
}

impl ExternalService {
    fn is_fine(&self) -> bool {
        let is_kind = ["stun", "stuns", "turn", "turns"].contains(&self.kind.as_str());
        let is_transport = self.transport.as_deref().is_none_or(|one| one == "udp" || one == "tcp");
        is_kind && is_transport && !self.host.is_empty()
    }
}

/// Whether a text is an absolute path of plain segments that is not the web API's.
fn is_path(text: &str) -> bool {
    let is_plain = |segment: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        !matches!(segment, "" | "." | "..") && segment.bytes().all(allowed)
    };
    text.strip_prefix('/')
        .is_some_and(|path| path.split('/').all(is_plain) && !path.starts_with(".well-known/"))
        && text != "/api"
        && !text.starts_with("/api/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_fine() {
        assert_eq!(Config::default().check(), Ok(()));
        assert_eq!(toml::from_str(""), Ok(Config::default()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("plain = ['0.0.0.0:5222']", "xmpp.plain has 0.0.0.0:5222"),
            ("plain = ['127.0.0.1:1', '[2001:db8::1]:1']", "xmpp.plain has [2001:db8::1]:1"),
            ("websocket = 'ws'", "xmpp.websocket is \"ws\", it must be a path"),
            ("websocket = '/api/x'", "xmpp.websocket is \"/api/x\""),
            ("bosh = '/.well-known/host-meta'", "xmpp.bosh is"),
            ("bosh = '/xmpp-websocket'", "xmpp.bosh is the path of xmpp.websocket"),
            ("upload = '/http-bind'", "xmpp.upload is the path of something else"),
            ("contacts = { boss = [] }", "xmpp.contacts has boss"),
            ("external_services = [{ type = 'ftp', host = 'h' }]", "xmpp.external_services has a ftp"),
            ("web_origins = ['a.example']", "xmpp.web_origins has a.example"),
        ] {
            let config: Config = toml::from_str(text).expect("toml");
            let error = config.check().expect_err(text);
            assert!(error.starts_with(expected), "{error}");
        }
        assert!(
            toml::from_str::<Config>("starttls = ['127.0.0.1:0', '[::1]:0']\nplain = ['[::1]:0']").is_ok()
        );
        assert!(toml::from_str::<Config>("tls = 1").is_err());
    }
}

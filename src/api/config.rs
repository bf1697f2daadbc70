//! What the operator may choose about browsers and programs.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::RangeInclusive,
};

use serde::{Deserialize, Serialize};

/// The section `[api]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen for plain HTTP. Loopback addresses only, unless `behind_proxy`. Default:
    /// `127.0.0.1:5280`.
    pub http: Vec<SocketAddr>,
    /// Where to listen for HTTPS. Default: `0.0.0.0:5281` and
    /// `[::]:5281`.
    pub https: Vec<SocketAddr>,
    /// Where browsers find this server, scheme and host and port, as in `https://chat.example.org`.
    /// Needed where a proxy changes the host's name. Default: none.
    pub public_url: Option<String>,
    /// A proxy that we trust stands before the `http` listeners, speaks TLS with the browsers, and
    /// sets `X-Forwarded-For` and `X-Forwarded-Proto`. Default: false.
    pub behind_proxy: bool,
    /// Seconds that one request may take, its sending included; 1 to 600. Default: 30.
    pub request_seconds: u32,
    /// Largest body of a request, in bytes; 1024 to 16777216. Default: 65536.
    pub body_bytes: usize,
    /// Largest frame from a WebSocket, in bytes; 1024 to 16777216. Default: 65536.
    pub frame_bytes: usize,
    /// Seconds of silence after which a WebSocket is asked for a sign of life; after as many more
    /// it is closed. 1 to 3600. Default: 30.
    pub ping_seconds: u32,
    /// Seconds that a WebSocket may take to acknowledge a message, or to take what is written to
    /// it; 1 to 600. Default: 30.
    pub ack_seconds: u32,
    /// Messages that a WebSocket may have without having acknowledged them; further ones wait.
    /// 1 to 10000. Default: 100.
    pub unacknowledged: usize,
    /// Events that may wait for one WebSocket; one more and it is closed. 16 to 100000. Default: 10000.
    pub queue: usize,
    /// Requests of one WebSocket that may wait for their replies; more are refused. 1 to 10000.
    /// Default: 200.
    pub pending: usize,
    /// How long a program's token is good where the program does not say, in seconds, and the most
    /// that it can ask for; 60 to 3153600000. Default: 31536000 (365 days).
    pub token_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            http: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 5280))],
            https: vec![
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5281)),
                SocketAddr::from((Ipv6Addr::UNSPECIFIED, 5281)),
            ],
            public_url: None,
            behind_proxy: false,
            request_seconds: 30,
            body_bytes: 64 * 1024,
            frame_bytes: 64 * 1024,
            ping_seconds: 30,
            ack_seconds: 30,
            unacknowledged: 100,
            queue: 10_000,
            pending: 200,
            token_seconds: 365 * 24 * 3600,
        }
    }
}

impl Config {
    /// The numbers of the section, each with its name and all that it may be.
    #[must_use]
    pub fn ranges(&self) -> Vec<(&'static str, u64, RangeInclusive<u64>)> {
        vec![
            ("request_seconds", self.request_seconds.into(), 1..=600),
            ("body_bytes", self.body_bytes as u64, 1024..=16 << 20),
            ("frame_bytes", self.frame_bytes as u64, 1024..=16 << 20),
            ("ping_seconds", self.ping_seconds.into(), 1..=3600),
            ("ack_seconds", self.ack_seconds.into(), 1..=600),
            ("unacknowledged", self.unacknowledged as u64, 1..=10_000),
            ("queue", self.queue as u64, 16..=100_000),
            ("pending", self.pending as u64, 1..=10_000),
            ("token_seconds", self.token_seconds.into(), 60..=3_153_600_000),
        ]
    }

    /// Says what is wrong with the listeners, in words for the operator.
    ///
    /// # Errors
    /// The name of the first option that is wrong, and what it must be.
    pub fn check(&self) -> Result<(), String> {
        let open = self.http.iter().find(|address| !address.ip().is_loopback());
        if let Some(address) = open.filter(|_| !self.behind_proxy) {
            return Err(format!(
                "api.http has {address}, where passwords would travel in the clear: it must be a loopback \
                 address, or behind_proxy must be true"
            ));
        }
        match &self.public_url {
            Some(url) if !is_origin(url) => {
                Err(format!("api.public_url is {url}, it must be like https://chat.example.org"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a text is a scheme, a host and perhaps a port, and nothing else.
fn is_origin(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
    rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_fine() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expect) in [
            ("http = ['0.0.0.0:80']", "api.http has 0.0.0.0:80"),
            ("public_url = 'https://a.example/b'", "api.public_url is https://a.example/b"),
            ("public_url = 'chat.example'", "api.public_url is chat.example"),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            let error = config.check().unwrap_err();
            assert!(error.starts_with(expect), "{text}: {error}");
        }
        let behind: Config = toml::from_str("http = ['0.0.0.0:80']\nbehind_proxy = true").unwrap();
        assert_eq!(behind.check(), Ok(()));
    }
}

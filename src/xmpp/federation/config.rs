//! The section `[federation]` of the configuration.

use std::{net::SocketAddr, ops::RangeInclusive, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{net::Rate, signal::Address};

/// Which other servers are spoken to, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether people of other domains can be reached and can reach ours. Default: true.
    pub enabled: bool,
    /// Addresses on which other servers begin in the clear and become TLS.
    pub starttls: Vec<SocketAddr>,
    /// Addresses on which other servers begin with TLS (XEP-0368).
    pub direct_tls: Vec<SocketAddr>,
    /// Whether nothing is said without TLS. Default: true.
    pub require_tls: bool,
    /// Whether a server that we connect to, to talk to it or to ask whether somebody is who he says, must have a
    /// certificate for its domain. Default: true.
    pub require_certificates: bool,
    /// Whether a server may prove its domain by a question back to that domain (XEP-0220), where its certificate
    /// does not. Default: true.
    pub dialback: bool,
    /// The certificates that other servers are trusted by, PEM. Default: Debian's.
    pub trusted: PathBuf,
    /// Domains that alone are spoken to, with those below them; none means all. Default: none.
    pub allow: Vec<Address>,
    /// Domains that are not spoken to, with those below them, whatever `allow` says. Default: none.
    pub deny: Vec<Address>,
    /// Where the servers of some domains are, for those that DNS does not tell of. Default: none.
    pub routes: Vec<Route>,
    /// The DNS servers to ask. Default: none, which means those of the system.
    pub name_servers: Vec<SocketAddr>,
    /// Stanzas that may wait for one domain; 1 to 1000000. Default: 1000.
    pub queue: usize,
    /// Bytes that may wait for one domain; 65536 to 1073741824. Default: 4194304, four MiB.
    pub queue_bytes: usize,
    /// Domains that are spoken to at a time; 1 to 1000000. Default: 10000.
    pub domains: usize,
    /// Domains that one stream may speak for, or to; 1 to 10000. Default: 100.
    pub pairs: usize,
    /// Streams that one domain may have open to us; 1 to 10000. Default: 20.
    pub streams: usize,
    /// Seconds in which a server must be found, reached and convinced. What waits longer is refused; 1 to 300.
    /// Default: 25, less than phones wait.
    pub connect_seconds: u32,
    /// Seconds before a server that could not be reached is tried again, twice as many each further time; 1 to
    /// 3600. Default: 10.
    pub retry_seconds: u32,
    /// Most seconds before it is tried again; 1 to 86400. Default: 600.
    pub retry_most_seconds: u32,
    /// Seconds of silence after which a stream is closed; 10 to 86400. Default: 1200.
    pub idle_seconds: u32,
    /// Seconds that a server has to take what is written to it; 1 to 3600. Default: 60.
    pub patience_seconds: u32,
    /// Seconds in which another server may go on with a stream whose connection broke (XEP-0198); 0 to 3600, 0 means
    /// that it may not. Default: 30.
    pub resume_seconds: u32,
    /// Pictures of people of other domains that are kept; 0 to 1000000. Default: 1000.
    pub pictures: usize,
    /// Bytes of these pictures; 0 to 1073741824. Default: 16 MiB.
    pub picture_bytes: usize,
    /// Stanzas that one domain may send, over all its streams; faster ones are read more slowly.
    pub stanzas: Rate,
}

/// Where the server of a domain is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The domain.
    pub domain: Address,
    /// A host name or IP address, with a port after a colon: `chat.example.org:5269`, `[2001:db8::1]:5269`.
    pub server: String,
    /// Whether the connection begins with TLS. Default: false.
    #[serde(default)]
    pub direct_tls: bool,
}

impl Route {
    /// Host and port; `None` where the text is not of that form.
    pub(super) fn place(&self) -> Option<(&str, u16)> {
        let (host, port) = self.server.rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        Some((host, port.parse().ok().filter(|port| *port > 0)?)).filter(|(host, _)| !host.is_empty())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            starttls: everywhere(5269),
            direct_tls: everywhere(5270),
            require_tls: true,
            require_certificates: true,
            dialback: true,
            trusted: PathBuf::from("/etc/ssl/certs/ca-certificates.crt"),
            allow: Vec::new(),
            deny: Vec::new(),
            routes: Vec::new(),
            name_servers: Vec::new(),
            queue: 1000,
            queue_bytes: 4 << 20,
            domains: 10_000,
            pairs: 100,
            streams: 20,
            connect_seconds: 25,
            retry_seconds: 10,
            retry_most_seconds: 600,
            idle_seconds: 1200,
            patience_seconds: 60,
            resume_seconds: 30,
            pictures: 1000,
            picture_bytes: 16 << 20,
            stanzas: Rate::new(500, 5000),
        }
    }
}

fn everywhere(port: u16) -> Vec<SocketAddr> {
    vec![SocketAddr::from(([0; 4], port)), SocketAddr::from(([0_u16; 8], port))]
}

impl Config {
    /// The numbers of the section, each with its name and all that it may be.
    #[must_use]
    pub fn ranges(&self) -> Vec<(&'static str, u64, RangeInclusive<u64>)> {
        vec![
            ("queue", self.queue as u64, 1..=1_000_000),
            ("queue_bytes", self.queue_bytes as u64, 65_536..=1 << 30),
            ("domains", self.domains as u64, 1..=1_000_000),
            ("pairs", self.pairs as u64, 1..=10_000),
            ("streams", self.streams as u64, 1..=10_000),
            ("connect_seconds", self.connect_seconds.into(), 1..=300),
            ("retry_seconds", self.retry_seconds.into(), 1..=3600),
            ("retry_most_seconds", self.retry_most_seconds.into(), 1..=86_400),
            ("idle_seconds", self.idle_seconds.into(), 10..=86_400),
            ("patience_seconds", self.patience_seconds.into(), 1..=3600),
            ("resume_seconds", self.resume_seconds.into(), 0..=3600),
            ("pictures", self.pictures as u64, 0..=1_000_000),
            ("picture_bytes", self.picture_bytes as u64, 0..=1 << 30),
            ("stanzas.per_second", self.stanzas.per_second.into(), 1..=1_000_000_000),
            ("stanzas.burst", self.stanzas.burst.into(), 1..=1_000_000_000),
        ]
    }

    /// Says what is wrong, in words for the operator.
    ///
    /// # Errors
    /// The name of the first option that is wrong, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        if let Some(route) = self.routes.iter().find(|route| route.place().is_none()) {
            return Err(format!("federation.routes has {}, it must be a host and a port", route.server));
        }
        let mut domains = self.allow.iter().chain(&self.deny).chain(self.routes.iter().map(|it| &it.domain));
        if let Some(address) = domains.find(|address| !address.is_domain()) {
            return Err(format!("federation has {address} where a domain should be"));
        }
        if self.require_certificates && !self.require_tls {
            return Err(
                "federation.require_tls is false, certificates can be required only with TLS".to_owned()
            );
        }
        Ok(())
    }

    /// Whether we speak to this domain.
    pub(super) fn allows(&self, domain: &str) -> bool {
        let is_listed = |list: &[Address]| list.iter().any(|listed| is_within(domain, listed.domain()));
        !is_listed(&self.deny) && (self.allow.is_empty() || is_listed(&self.allow))
    }

    pub(super) fn connect(&self) -> Duration {
        Duration::from_secs(self.connect_seconds.into())
    }

    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience_seconds.into())
    }

    pub(super) fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_seconds.into())
    }

    /// How long a stream of another server waits for it after its connection broke.
    pub(super) fn resume(&self) -> Duration {
        Duration::from_secs(self.resume_seconds.into())
    }

    /// How long a server is left alone that could not be reached so many times in a row.
    pub(super) fn pause(&self, failures: u32) -> Duration {
        let doubled = u64::from(self.retry_seconds) << failures.saturating_sub(1).min(16);
        Duration::from_secs(doubled.min(self.retry_most_seconds.into()))
    }
}

/// Whether `domain` is `other` or below it.
fn is_within(domain: &str, other: &str) -> bool {
    domain.strip_suffix(other).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
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
            ("allow = ['a@b']", "federation has a@b"),
            ("require_tls = false", "federation.require_tls is false"),
            ("routes = [{ domain = 'b', server = 'c' }]", "federation.routes has c"),
            ("routes = [{ domain = 'b', server = ':1' }]", "federation.routes has :1"),
        ] {
            let config: Config = toml::from_str(text).expect("toml");
            let error = config.check().expect_err(text);
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn lists_mean_domains_and_what_is_below_them() {
        let config: Config = toml::from_str("allow = ['good.example']\ndeny = ['bad.good.example']").unwrap();
        for (domain, expect) in [
            ("good.example", true),
            ("a.good.example", true),
            ("bad.good.example", false),
            ("x.bad.good.example", false),
            ("notgood.example", false),
            ("example", false),
        ] {
            assert_eq!(config.allows(domain), expect, "{domain}");
        }
        assert!(Config::default().allows("any.example"));
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let config = Config { retry_seconds: 10, retry_most_seconds: 60, ..Config::default() };
        let seconds = |failures| config.pause(failures).as_secs();
        assert_eq!([1, 2, 3, 4, 5, u32::MAX].map(seconds), [10, 20, 40, 60, 60, 60]);
    }

    #[test]
    fn place_of_a_route_is_read() {
        for (server, expect) in [
            ("chat.example:5269", Some(("chat.example", 5269))),
            ("[2001:db8::1]:1", Some(("2001:db8::1", 1))),
            ("chat.example", None),
            ("chat.example:0", None),
        ] {
            let domain = Address::parse("example").unwrap();
            let route = Route { domain, server: server.to_owned(), direct_tls: false };
            assert_eq!(route.place(), expect);
        }
    }
}

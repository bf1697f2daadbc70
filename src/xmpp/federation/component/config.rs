//! The section `[components]` of the configuration.

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{net::Rate, signal::Address};

/// Which services connect, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The addresses on which services connect, in the clear; none is listened on while there is no service.
    pub listen: Vec<SocketAddr>,
    /// Whether `listen` may have other addresses than those of the loopback. Default: false.
    pub beyond_loopback: bool,
    /// Who may connect. Default: nobody.
    pub services: Vec<Service>,
    /// Stanzas that may wait for one service; 1 to 1000000. Default: 10000.
    pub queue: usize,
    /// Bytes that may wait for one service; 65536 to 1073741824. Default: 16777216.
    pub queue_bytes: usize,
    /// Seconds of silence after which a service is asked whether it is still there; 1 to 86400. Default: 60.
    pub ping_seconds: u32,
    /// Seconds that a service has to answer that, or to take what is written to it; 1 to 3600. Default: 30.
    pub patience_seconds: u32,
    /// Stanzas that one service may send. A faster one is read more slowly.
    pub stanzas: Rate,
}

/// A service that may connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its domain, which is none of ours.
    pub domain: Address,
    /// What it knows.
    pub secret: String,
    /// What people see in the list of services. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it and other servers reach each other, where this server talks to others at all. Default: true.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub federated: bool,
    /// Stanzas that this one may send. Default: as many as any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stanzas: Option<Rate>,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_yes(value: &bool) -> bool {
    *value
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![
                SocketAddr::from(([127, 0, 0, 1], 5347)),
                SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 5347)),
            ],
            beyond_loopback: false,
            services: Vec::new(),
            queue: 10_000,
            queue_bytes: 16 << 20,
            ping_seconds: 60,
            patience_seconds: 30,
            stanzas: Rate::new(1000, 10_000),
        }
    }
}

impl Config {
    /// The numbers of the section, each with its name and all that it may be.
    #[must_use]
    pub fn ranges(&self) -> Vec<(&'static str, u64, RangeInclusive<u64>)> {
        vec![
            ("queue", self.queue as u64, 1..=1_000_000),
            ("queue_bytes", self.queue_bytes as u64, 65_536..=1 << 30),
            ("ping_seconds", self.ping_seconds.into(), 1..=86_400),
            ("patience_seconds", self.patience_seconds.into(), 1..=3600),
            ("stanzas.per_second", self.stanzas.per_second.into(), 1..=1_000_000_000),
            ("stanzas.burst", self.stanzas.burst.into(), 1..=1_000_000_000),
        ]
    }

    /// Says what is wrong, in words for the operator; `domains` are those of our accounts.
    ///
    /// # Errors
    /// The name of the first option that is wrong, and what it may be.
    pub fn check(&self, domains: &[Address]) -> Result<(), String> {
        if let Some(address) = self.listen.iter().find(|address| !address.ip().is_loopback())
            && !self.beyond_loopback
        {
            return Err(format!(
                "components.listen has {address}, but services speak in the clear: it may have loopback addresses \
                 only, unless components.beyond_loopback is true"
            ));
        }
        self.check_services(domains)
    }

    fn check_services(&self, domains: &[Address]) -> Result<(), String> {
        for (at, service) in self.services.iter().enumerate() {
            let domain = &service.domain;
            let complaint = if !domain.is_domain() {
                "where a domain should be"
            } else if domains.contains(domain) {
                "which is a domain of this server's own accounts (server.domains): a service needs another"
            } else if self.services.iter().take(at).any(|other| other.domain == *domain) {
                "twice"
            } else if service.secret.is_empty() {
                "without a secret"
            } else if service.stanzas.is_some_and(|rate| rate.per_second == 0 || rate.burst == 0) {
                "which may send nothing: per_second and burst must be 1 or more"
            } else {
                continue;
            };
            return Err(format!("components.services has {domain} {complaint}"));
        }
        if !self.services.is_empty() && self.listen.is_empty() {
            return Err("components.listen is empty, the services need an address to connect to".to_owned());
        }
        Ok(())
    }

    pub(super) fn ping(&self) -> Duration {
        Duration::from_secs(self.ping_seconds.into())
    }

    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience_seconds.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_fine() {
        assert_eq!(Config::default().check(&[]), Ok(()));
        assert_eq!(toml::from_str(""), Ok(Config::default()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let ours = [Address::parse("example.org").unwrap()];
        for (text, expected) in [
            (
                "listen = ['0.0.0.0:5347']",
                "components.listen has 0.0.0.0:5347, but services speak in the clear",
            ),
            ("services = [{ domain = 'a@b', secret = 's' }]", "components.services has a@b where a domain"),
            (
                "services = [{ domain = 'Example.org', secret = 's' }]",
                "components.services has example.org which is",
            ),
            (
                "services = [{ domain = 'a', secret = 's' }, { domain = 'A', secret = 't' }]",
                "components.services has a twice",
            ),
            ("services = [{ domain = 'a', secret = '' }]", "components.services has a without a secret"),
            (
                "services = [{ domain = 'a', secret = 's', stanzas = { per_second = 0, burst = 1 } }]",
                "components.services has a which may send nothing",
            ),
            ("listen = []\nservices = [{ domain = 'a', secret = 's' }]", "components.listen is empty"),
        ] {
            let config: Config = toml::from_str(text).expect("toml");
            let error = config.check(&ours).expect_err(text);
            assert!(error.starts_with(expected), "{error}");
        }
        let remote: Config = toml::from_str("listen = ['0.0.0.0:5347']\nbeyond_loopback = true").unwrap();
        assert_eq!(remote.check(&ours), Ok(()));
        let below: Config =
            toml::from_str("services = [{ domain = 'irc.example.org', secret = 's', name = 'IRC' }]")
                .unwrap();
        assert_eq!(below.check(&ours), Ok(()));
    }
}

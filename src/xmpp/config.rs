//! The section `[xmpp]` of the configuration.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

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
    /// Failed logins after which a connection ends; 1 to 100 (RFC 6120 §6.4.5 wants 2 to 5). Default: 3.
    pub login_attempts: u8,
    /// Things that may wait for one slow client before it is disconnected; 16 to 1000000. Default: 10000.
    pub queue: usize,
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

impl Default for Config {
    fn default() -> Self {
        Self {
            starttls: everywhere(5222),
            direct_tls: everywhere(5223),
            plain: Vec::new(),
            login_attempts: 3,
            queue: 10_000,
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
    /// Says what is out of range, in words for the operator.
    ///
    /// # Errors
    /// The name of the first option that is wrong, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        if let Some(address) = self.plain.iter().find(|address| !address.ip().is_loopback()) {
            return Err(format!("xmpp.plain has {address}, it may have loopback addresses only"));
        }
        let ranges = [
            ("login_attempts", usize::from(self.login_attempts), 1, 100),
            ("queue", self.queue, 16, 1_000_000),
            ("unacknowledged", self.unacknowledged, 16, 1_000_000),
            ("resume_seconds", self.resume_seconds as usize, 0, 86_400),
            ("ping_seconds", self.ping_seconds as usize, 10, 86_400),
            ("patience_seconds", self.patience_seconds as usize, 1, 3600),
        ];
        match ranges.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
            Some((name, value, least, most)) => {
                Err(format!("xmpp.{name} is {value}, it must be between {least} and {most}"))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_in_range() {
        assert_eq!(Config::default().check(), Ok(()));
        assert_eq!(toml::from_str(""), Ok(Config::default()));
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        for (text, expected) in [
            ("plain = ['0.0.0.0:5222']", "xmpp.plain has 0.0.0.0:5222"),
            ("plain = ['127.0.0.1:1', '[2001:db8::1]:1']", "xmpp.plain has [2001:db8::1]:1"),
            ("login_attempts = 0", "xmpp.login_attempts is 0, it must be between 1 and 100"),
            ("queue = 1", "xmpp.queue is 1"),
            ("ping_seconds = 1", "xmpp.ping_seconds is 1"),
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

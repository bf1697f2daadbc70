//! What the operator may choose about the SIP door.

use std::{net::SocketAddr, time::Duration};

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::message::Host;

/// The section `[sip]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Addresses for SIP over UDP. Default: `0.0.0.0:5060` and `[::]:5060`.
    pub udp: Vec<SocketAddr>,
    /// Addresses for SIP over TCP. Default: `0.0.0.0:5060` and `[::]:5060`.
    pub tcp: Vec<SocketAddr>,
    /// Addresses for SIP over TLS. Default: `0.0.0.0:5061` and `[::]:5061`.
    pub tls: Vec<SocketAddr>,
    /// The host name or address by which phones reach this server, as it stands in Via and
    /// Record-Route. Default: empty, which takes the first domain.
    pub host: CompactString,
    /// Shortest registration a phone may ask for, in seconds; 1 to 3600. Default: 60.
    pub register_min_seconds: u32,
    /// Registration of a phone that does not say how long, in seconds; `register_min_seconds` to
    /// `register_max_seconds`. Default: 3600.
    pub register_default_seconds: u32,
    /// Longest registration, in seconds; a phone that asks for more gets this. 60 to 604800.
    /// Default: 7200.
    pub register_max_seconds: u32,
    /// Most phones registered for one account; 1 to 1000. Default: 20.
    pub devices: usize,
    /// A phone that registered over TCP or TLS need not prove itself again on that connection.
    /// Default: true. Over UDP every request is proved, as a source address can be forged.
    pub trust_registered_flow: bool,
    /// Messages that may wait for one phone; one more finds another way, such as the offline file.
    /// 1 to 10000. Default: 200.
    pub device_queue: usize,
    /// Seconds that a phone has to answer a message, before the message finds another way; 1 to 30.
    /// Default: 10. Less than the 32 seconds after which the sender's own transaction ends.
    pub answer_seconds: u32,
    /// Largest message in bytes, headers and body together; 4096 to 1048576. Default: 98304.
    pub message_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        let any = |port| vec![SocketAddr::from(([0; 4], port)), SocketAddr::from(([0u16; 8], port))];
        Self {
            udp: any(5060),
            tcp: any(5060),
            tls: any(5061),
            host: CompactString::default(),
            register_min_seconds: 60,
            register_default_seconds: 3600,
            register_max_seconds: 7200,
            devices: 20,
            trust_registered_flow: true,
            device_queue: 200,
            answer_seconds: 10,
            message_bytes: 96 * 1024,
        }
    }
}

impl Config {
    /// Says what is out of range, in words for the operator.
    ///
    /// # Errors
    /// The name of the first option that is wrong, and its range.
    pub fn check(&self) -> Result<(), String> {
        let (min, max) = (self.register_min_seconds as usize, self.register_max_seconds as usize);
        let ranges = [
            ("register_min_seconds", min, 1, 3600),
            ("register_max_seconds", max, 60, 604_800),
            ("register_default_seconds", self.register_default_seconds as usize, min, max),
            ("devices", self.devices, 1, 1000),
            ("device_queue", self.device_queue, 1, 10_000),
            ("answer_seconds", self.answer_seconds as usize, 1, 30),
            ("message_bytes", self.message_bytes, 4096, 1 << 20),
        ];
        if let Some((name, value, least, most)) =
            ranges.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value))
        {
            return Err(format!("sip.{name} is {value}, it must be between {least} and {most}"));
        }
        if !self.host.is_empty() && Host::parse(&self.host).is_err() {
            return Err(format!("sip.host is {:?}, it must be a host name or an address", self.host));
        }
        Ok(())
    }

    /// How long a phone has to answer a message.
    pub(super) fn answer(&self) -> Duration {
        Duration::from_secs(self.answer_seconds.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_within_their_ranges() {
        assert_eq!(Config::default().check(), Ok(()));
    }

    #[test]
    fn values_outside_their_range_are_named() {
        for (text, expect) in [
            ("devices = 0", "sip.devices is 0, it must be between 1 and 1000"),
            ("register_default_seconds = 30", "sip.register_default_seconds is 30"),
            ("answer_seconds = 40", "sip.answer_seconds is 40"),
            ("host = 'a b'", "sip.host is \"a b\""),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            let error = config.check().unwrap_err();
            assert!(error.contains(expect), "{text}: {error}");
        }
    }
}

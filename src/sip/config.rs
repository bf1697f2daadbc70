//! What the operator may choose about the SIP door.

use std::{net::SocketAddr, ops::RangeInclusive, time::Duration};

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{
    message::Host,
    subscription::{Limits as SubscriptionLimits, Range},
};

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
    /// Seconds that a phone has to come back after a restart of the server that ended its connection; 0 to
    /// 86400. Until then it is shown as before, and nothing is sent to it. Default: 300.
    pub reconnect_seconds: u32,
    /// Seconds between signs of life that a phone with `outbound` promises on its connection, or by STUN over
    /// UDP (Flow-Timer, RFC 5626); as long again after that, 30 seconds at most, the flow is taken for dead,
    /// and what was registered there is gone. 0 to 3600; 0 asks for none. Default: 120.
    pub flow_timer_seconds: u32,
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
    /// Shortest subscription to somebody's presence, in seconds; 1 to 3600. Default: 60.
    pub subscribe_min_seconds: u32,
    /// Subscription of a phone that does not say how long, in seconds; `subscribe_min_seconds` to
    /// `subscribe_max_seconds`. Default: 3600.
    pub subscribe_default_seconds: u32,
    /// Longest subscription, in seconds; a phone that asks for more gets this. 60 to 604800.
    /// Default: 3600.
    pub subscribe_max_seconds: u32,
    /// Most subscriptions of one account at a time; 1 to 100000. Default: 1000.
    pub subscriptions: usize,
    /// Least time between two notifications of one subscription, in milliseconds; 0 to 5000. What
    /// changes sooner is gathered, and the last state always arrives. Default: 1000. RFC 3856 §6.10
    /// recommends 5000 for the networks of its time; people expect to see at once that somebody took
    /// the phone, and one second still stops a flood.
    pub notify_interval_ms: u32,
    /// Shortest publication of presence, in seconds; 1 to 3600. Default: 60.
    pub publish_min_seconds: u32,
    /// Publication of a phone that does not say how long, in seconds; `publish_min_seconds` to
    /// `publish_max_seconds`. Default: 3600.
    pub publish_default_seconds: u32,
    /// Longest publication, in seconds; a phone that asks for more gets this. 60 to 604800.
    /// Default: 3600.
    pub publish_max_seconds: u32,
    /// Most publications of one account at a time; 1 to 1000. Default: 20.
    pub publications: usize,
    /// Largest document that may be published, in bytes; 1024 to 524288. Default: 32768.
    pub publication_bytes: usize,
    /// Hours after which a call is taken for over, whatever its phones say: nobody is shown on the
    /// phone for ever because a goodbye was lost. 1 to 168. Default: 12.
    pub call_hours: u32,
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
            reconnect_seconds: 300,
            flow_timer_seconds: 120,
            devices: 20,
            trust_registered_flow: true,
            device_queue: 200,
            answer_seconds: 10,
            subscribe_min_seconds: 60,
            subscribe_default_seconds: 3600,
            subscribe_max_seconds: 3600,
            subscriptions: 1000,
            notify_interval_ms: 1000,
            publish_min_seconds: 60,
            publish_default_seconds: 3600,
            publish_max_seconds: 3600,
            publications: 20,
            publication_bytes: 32 * 1024,
            call_hours: 12,
            message_bytes: 96 * 1024,
        }
    }
}

impl Config {
    /// The numbers of the section, each with its name and all that it may be.
    #[must_use]
    pub fn ranges(&self) -> Vec<(&'static str, u64, RangeInclusive<u64>)> {
        let (least, most) = (self.register_min_seconds.into(), self.register_max_seconds.into());
        let (subscribe, publish) = (self.subscribe_range(), self.publish_range());
        vec![
            ("register_min_seconds", self.register_min_seconds.into(), 1..=3600),
            ("register_max_seconds", self.register_max_seconds.into(), 60..=604_800),
            ("register_default_seconds", self.register_default_seconds.into(), least..=most),
            ("reconnect_seconds", self.reconnect_seconds.into(), 0..=86_400),
            ("flow_timer_seconds", self.flow_timer_seconds.into(), 0..=3600),
            ("devices", self.devices as u64, 1..=1000),
            ("device_queue", self.device_queue as u64, 1..=10_000),
            ("subscribe_min_seconds", subscribe.least.into(), 1..=3600),
            ("subscribe_max_seconds", subscribe.most.into(), 60..=604_800),
            (
                "subscribe_default_seconds",
                subscribe.usual.into(),
                subscribe.least.into()..=subscribe.most.into(),
            ),
            ("subscriptions", self.subscriptions as u64, 1..=100_000),
            ("notify_interval_ms", self.notify_interval_ms.into(), 0..=5000),
            ("publish_min_seconds", publish.least.into(), 1..=3600),
            ("publish_max_seconds", publish.most.into(), 60..=604_800),
            ("publish_default_seconds", publish.usual.into(), publish.least.into()..=publish.most.into()),
            ("publications", self.publications as u64, 1..=1000),
            ("publication_bytes", self.publication_bytes as u64, 1024..=512 << 10),
            ("call_hours", self.call_hours.into(), 1..=168),
            ("answer_seconds", self.answer_seconds.into(), 1..=30),
            ("message_bytes", self.message_bytes as u64, 4096..=1 << 20),
        ]
    }

    /// Says what is wrong, in words for the operator.
    ///
    /// # Errors
    /// The name of the option that is wrong, and what it must be.
    pub fn check(&self) -> Result<(), String> {
        if !self.host.is_empty() && Host::parse(&self.host).is_err() {
            return Err(format!("sip.host is {:?}, it must be a host name or an address", self.host));
        }
        Ok(())
    }

    /// How long subscriptions last.
    pub(super) fn subscribe_range(&self) -> Range {
        Range {
            least: self.subscribe_min_seconds,
            usual: self.subscribe_default_seconds,
            most: self.subscribe_max_seconds,
        }
    }

    /// How long publications last.
    pub(super) fn publish_range(&self) -> Range {
        Range {
            least: self.publish_min_seconds,
            usual: self.publish_default_seconds,
            most: self.publish_max_seconds,
        }
    }

    /// What holds for subscriptions.
    pub(super) fn subscription_limits(&self) -> SubscriptionLimits {
        SubscriptionLimits {
            expires: self.subscribe_range(),
            interval: Duration::from_millis(self.notify_interval_ms.into()),
            per_account: self.subscriptions,
        }
    }

    /// How long a call may last.
    pub(super) fn longest_call(&self) -> Duration {
        Duration::from_secs(u64::from(self.call_hours) * 3600)
    }

    /// How long a phone has to come back after a restart.
    pub(super) fn reconnect(&self) -> Duration {
        Duration::from_secs(self.reconnect_seconds.into())
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
    fn a_host_is_a_name_or_an_address() {
        assert_eq!(Config::default().check(), Ok(()));
        let config: Config = toml::from_str("host = 'a b'").unwrap();
        assert_eq!(config.check().unwrap_err(), "sip.host is \"a b\", it must be a host name or an address");
    }
}

//! What the operator chose about subscriptions.

use super::{Duration, HeaderName, Refusal};

/// What the operator chose about subscriptions.
#[derive(Debug, Clone, Copy)]
pub(in crate::sip) struct Limits {
    /// Seconds: the shortest subscription, the one of a phone that does not say, and the longest.
    pub(in crate::sip) expires: Range,
    /// Least time between two NOTIFYs of a subscription for mere changes.
    pub(in crate::sip) interval: Duration,
    /// Most subscriptions of one watcher.
    pub(in crate::sip) per_account: usize,
}

/// Durations that a phone may ask for, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sip) struct Range {
    pub(in crate::sip) least: u32,
    pub(in crate::sip) usual: u32,
    pub(in crate::sip) most: u32,
}

impl Range {
    /// What is granted to somebody who asks for `asked` seconds; zero stays zero.
    ///
    /// # Errors
    /// 423 with the least, where it is too short (RFC 6665 §4.2.1.1, RFC 3903 §6).
    pub(in crate::sip) fn grant(&self, asked: Option<u32>) -> Result<u32, Refusal> {
        match asked.unwrap_or(self.usual) {
            0 => Ok(0),
            asked if asked < self.least => Err(Refusal::new(423).with(HeaderName::MinExpires, self.least)),
            asked => Ok(asked.min(self.most)),
        }
    }
}

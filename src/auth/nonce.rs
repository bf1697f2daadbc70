//! Digest nonces that prove themselves, and which counts of each were used (RFC 7616 §3.3, §5.5).
//!
//! A nonce is its time, eight random bytes and a keyed hash over both, the realm and the flow. Making
//! one keeps nothing; only nonces that served a login are remembered, a bounded number of them.
//! Pure: time and randomness are arguments.

use std::{collections::BTreeMap, net::IpAddr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::signal::Timestamp;

/// What binds a nonce to the asker: his address, not his port, which NATs and new connections change.
#[must_use]
pub fn flow_of(peer: IpAddr) -> [u8; 16] {
    match peer {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// Makes nonces and knows them again.
pub(super) struct Nonces {
    /// Random for each run of the program: nonces of an earlier run, whose counts are forgotten,
    /// are stale.
    ///
    /// Here as the beginning of the hash that it keys, which is the same for all.
    keyed: Hmac<Sha256>,
    /// Milliseconds for which a nonce is good.
    lifetime: i64,
}

/// A nonce that this server made: its time and its random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NonceId {
    made: i64,
    random: [u8; 8],
}

impl NonceId {
    /// A number that spreads nonces evenly.
    pub(super) fn spread(self) -> usize {
        usize::from(self.random[0])
    }
}

impl Nonces {
    pub(super) fn new(secret: [u8; 32], lifetime_seconds: u32) -> Self {
        let keyed = Hmac::new_from_slice(&secret).expect("a key of any length is fine");
        Self { keyed, lifetime: i64::from(lifetime_seconds) * 1000 }
    }

    /// A new nonce.
    pub(super) fn print(&self, realm: &str, flow: &[u8], random: [u8; 8], now: Timestamp) -> String {
        let id = NonceId { made: now.0, random };
        let bytes = [&id.made.to_be_bytes()[..], &random, &self.proof(id, realm, flow)].concat();
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a nonce; `None` where it is foreign, too old, or made for another realm or flow.
    pub(super) fn parse(&self, nonce: &str, realm: &str, flow: &[u8], now: Timestamp) -> Option<NonceId> {
        if nonce.len() > 64 {
            return None;
        }
        let bytes: [u8; 32] = URL_SAFE_NO_PAD.decode(nonce).ok()?.try_into().ok()?;
        let (made, rest) = bytes.split_first_chunk::<8>()?;
        let (random, proof) = rest.split_first_chunk::<8>()?;
        let id = NonceId { made: i64::from_be_bytes(*made), random: *random };
        let is_ours: bool = self.proof(id, realm, flow).ct_eq(proof).into();
        (is_ours && self.is_fresh(id, now)).then_some(id)
    }

    fn is_fresh(&self, id: NonceId, now: Timestamp) -> bool {
        now.0.saturating_sub(id.made) < self.lifetime
    }

    fn proof(&self, id: NonceId, realm: &str, flow: &[u8]) -> [u8; 16] {
        let realm_len = (realm.len() as u64).to_be_bytes();
        let parts = [&id.made.to_be_bytes()[..], &id.random, &realm_len, realm.as_bytes(), flow];
        let mut hash = self.keyed.clone();
        parts.iter().for_each(|part| hash.update(part));
        let hash = hash.finalize().into_bytes();
        std::array::from_fn(|index| hash[index])
    }
}

/// Which counts of which nonces were used.
///
/// Holds up to a given number of nonces. When it is full, the oldest is forgotten and every nonce
/// of its age or older that is not in here counts as used up: its client gets a new one.
pub(super) struct UsedCounts {
    windows: BTreeMap<NonceId, Window>,
    most: usize,
    /// Nonces made then or earlier may have been forgotten.
    forgotten: i64,
}

/// The highest count and, as bits, which of the 64 below it were used.
#[derive(Default)]
struct Window {
    highest: u32,
    below: u64,
}

impl UsedCounts {
    pub(super) fn new(most: usize) -> Self {
        Self { windows: BTreeMap::new(), most, forgotten: i64::MIN }
    }

    /// Uses a count of a nonce; `false` where it was used before or may have been.
    pub(super) fn take(&mut self, id: NonceId, count: u32) -> bool {
        if let Some(window) = self.windows.get_mut(&id) {
            return window.take(count);
        }
        if id.made <= self.forgotten {
            return false;
        }
        let mut window = Window::default();
        let is_new = window.take(count);
        self.windows.insert(id, window);
        while self.windows.len() > self.most {
            self.forgotten = self.windows.pop_first().map_or(self.forgotten, |(oldest, _)| oldest.made);
        }
        is_new
    }

    /// Forgets nonces that are too old for use.
    pub(super) fn forget_before(&mut self, made: i64) {
        while let Some(entry) = self.windows.first_entry().filter(|entry| entry.key().made < made) {
            self.forgotten = self.forgotten.max(entry.key().made);
            entry.remove();
        }
    }
}

impl Window {
    fn take(&mut self, count: u32) -> bool {
        if count == 0 {
            return false;
        }
        if count > self.highest {
            let step = count - self.highest;
            // The highest so far becomes the bit at `step - 1`.
            self.below = self.below.checked_shl(step).unwrap_or(0);
            if self.highest > 0 {
                self.below |= 1u64.checked_shl(step - 1).unwrap_or(0);
            }
            self.highest = count;
            return true;
        }
        let bit = match self.highest - count {
            0 => return false,
            distance => 1u64.checked_shl(distance - 1).unwrap_or(0),
        };
        let is_new = bit != 0 && self.below & bit == 0;
        self.below |= bit;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    #[test]
    fn nonce_is_known_again_in_its_realm_flow_and_time_only() {
        let nonces = Nonces::new([7; 32], 60);
        let nonce = nonces.print("example.org", b"10.0.0.1", [1; 8], NOW);
        let read = |realm, flow: &[u8], seconds| nonces.parse(&nonce, realm, flow, NOW.plus_seconds(seconds));
        assert!(read("example.org", b"10.0.0.1", 59).is_some());
        assert!(read("example.org", b"10.0.0.1", 60).is_none());
        assert!(read("example.com", b"10.0.0.1", 0).is_none());
        assert!(read("example.org", b"10.0.0.2", 0).is_none());
        assert!(read("example.org1", b"0.0.0.1", 0).is_none());
        assert!(Nonces::new([8; 32], 60).parse(&nonce, "example.org", b"10.0.0.1", NOW).is_none());
        for text in ["", "x", &nonce[1..], &format!("{nonce}A"), &"A".repeat(1000)] {
            assert!(nonces.parse(text, "example.org", b"10.0.0.1", NOW).is_none(), "{text}");
        }
    }

    fn id(made: i64) -> NonceId {
        NonceId { made, random: [0; 8] }
    }

    #[test]
    fn each_count_is_good_once_in_any_order_within_the_window() {
        let mut used = UsedCounts::new(9);
        for (count, expect) in [
            (0, false),
            (1, true),
            (1, false),
            (3, true),
            (2, true),
            (2, false),
            (3, false),
            (1, false),
            (67, true),
            (4, true),
            (3, false),
            (200, true),
            (135, false),
            (136, true),
            (u32::MAX, true),
            (200, false),
        ] {
            assert_eq!(used.take(id(1), count), expect, "{count}");
        }
    }

    #[test]
    fn forgotten_nonce_cannot_be_used_again() {
        let mut used = UsedCounts::new(2);
        assert!(used.take(id(1), 1) && used.take(id(2), 1) && used.take(id(3), 1));
        assert!(!used.take(id(1), 2), "forgotten");
        assert!(!used.take(id(0), 1), "older than a forgotten one");
        assert!(used.take(id(2), 2) && used.take(id(4), 1));
        used.forget_before(5);
        assert!(!used.take(id(4), 2));
        assert!(used.take(id(5), 1));
    }
}

//! Counts wrong guesses and makes guessers wait.
//!
//! Three counts, each a GCRA (a leaky bucket in one number): of an account from one network, of a
//! network over all accounts, of an account over all networks. The last must not let strangers lock
//! an owner out: it does not bind a network from which the account logged in before.
//! No address is exempt; an IPv6 network is a /64. Pure: time is an argument. Every table is
//! bounded; when one is full, the half that is nearest to being forgiven is forgotten.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher, Hash},
    net::{IpAddr, Ipv6Addr},
};

use crate::signal::{Address, Timestamp};

/// All counts.
pub(super) struct Throttle {
    /// Until when guesses are owed, in milliseconds, by what is counted.
    owed: HashMap<Key, i64>,
    /// Networks that an account logged in from, with the time.
    trusted: HashMap<(u64, Network), i64>,
    most: usize,
    /// Guesses in a row that one network has for one account.
    guesses: i64,
    /// Milliseconds that one guess costs.
    interval: i64,
    /// Accounts are kept as keyed hashes: names that guessers make up may be long.
    hasher: RandomState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Pair(u64, Network),
    Network(Network),
    Account(u64),
}

/// An IPv4 address, or the first 64 bits of an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Network(u64);

impl Throttle {
    pub(super) fn new(guesses: u32, seconds: u32, most: usize) -> Self {
        Self {
            owed: HashMap::new(),
            trusted: HashMap::new(),
            most,
            guesses: i64::from(guesses),
            interval: i64::from(seconds) * 1000,
            hasher: RandomState::new(),
        }
    }

    /// Whether this peer may try this account now.
    ///
    /// # Errors
    /// The seconds to wait.
    pub(super) fn check(&self, account: &Address, peer: IpAddr, now: Timestamp) -> Result<(), u32> {
        let wait = self
            .keys(account, peer)
            .into_iter()
            .filter(|key| !matches!(key, Key::Account(_)) || !self.is_trusted(account, peer))
            .map(|key| self.wait(key, now))
            .max()
            .unwrap_or(0);
        if wait <= 0 { Ok(()) } else { Err(u32::try_from(wait.div_euclid(1000) + 1).unwrap_or(u32::MAX)) }
    }

    /// Counts a wrong guess.
    pub(super) fn failed(&mut self, account: &Address, peer: IpAddr, now: Timestamp) {
        for key in self.keys(account, peer) {
            let (_, cost) = self.rate(key);
            let until = self.owed.entry(key).or_insert(now.0);
            *until = (*until).max(now.0).saturating_add(cost);
        }
        forget_half(&mut self.owed, self.most);
    }

    /// Forgives what this peer guessed at this account, and knows him from now on.
    pub(super) fn succeeded(&mut self, account: &Address, peer: IpAddr, now: Timestamp) {
        let pair = (self.hash(account), network(peer));
        if !self.owed.is_empty() {
            self.owed.remove(&Key::Pair(pair.0, pair.1));
        }
        self.trusted.insert(pair, now.0);
        forget_half(&mut self.trusted, self.most);
    }

    /// Milliseconds until the next guess is allowed; not above 0 where it is now.
    fn wait(&self, key: Key, now: Timestamp) -> i64 {
        let (burst, cost) = self.rate(key);
        let Some(until) = self.owed.get(&key) else { return 0 };
        until.saturating_sub(now.0).saturating_sub((burst - 1).saturating_mul(cost))
    }

    /// How many guesses in a row, and the milliseconds that each costs.
    fn rate(&self, key: Key) -> (i64, i64) {
        match key {
            Key::Pair(..) => (self.guesses, self.interval),
            // An office or a provider's customers may share one address.
            Key::Network(_) => (self.guesses * 10, self.interval / 10),
            Key::Account(_) => (self.guesses * 10, self.interval / 2),
        }
    }

    fn is_trusted(&self, account: &Address, peer: IpAddr) -> bool {
        self.trusted.contains_key(&(self.hash(account), network(peer)))
    }

    fn keys(&self, account: &Address, peer: IpAddr) -> [Key; 3] {
        let (account, network) = (self.hash(account), network(peer));
        [Key::Pair(account, network), Key::Network(network), Key::Account(account)]
    }

    fn hash(&self, account: &Address) -> u64 {
        self.hasher.hash_one(account)
    }
}

/// What an address counts as.
pub(super) fn network(peer: IpAddr) -> Network {
    let v6 = match peer.to_canonical() {
        // Kept apart from every IPv6 network by a prefix that is never routed.
        IpAddr::V4(v4) => return Network(0xffff_ffff_0000_0000 | u64::from(v4.to_bits())),
        IpAddr::V6(v6) => v6,
    };
    Network((Ipv6Addr::to_bits(v6) >> 64) as u64)
}

/// Forgets the half with the smallest values of a table with more than `most` entries.
fn forget_half<K: Eq + Hash>(table: &mut HashMap<K, i64>, most: usize) {
    if table.len() <= most {
        return;
    }
    let mut values: Vec<i64> = table.values().copied().collect();
    let middle = values.len() / 2;
    let (_, &mut median, _) = values.select_nth_unstable(middle);
    table.retain(|_, value| *value > median);
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn account(name: &str) -> Address {
        Address::new(name, "example.org").unwrap()
    }

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn guess(throttle: &mut Throttle, name: &str, from: &str, now: Timestamp) -> Result<(), u32> {
        throttle.check(&account(name), peer(from), now)?;
        throttle.failed(&account(name), peer(from), now);
        Ok(())
    }

    #[test]
    fn guesser_waits_after_a_few_guesses_and_then_gets_one_at_a_time() {
        let mut throttle = Throttle::new(3, 20, 100);
        for _ in 0..3 {
            assert_eq!(guess(&mut throttle, "alice", "127.0.0.1", NOW), Ok(()));
        }
        assert_eq!(guess(&mut throttle, "alice", "127.0.0.1", NOW), Err(21));
        assert_eq!(guess(&mut throttle, "alice", "127.0.0.2", NOW), Ok(()));
        let later = NOW.plus_seconds(20);
        assert_eq!(guess(&mut throttle, "alice", "127.0.0.1", later), Ok(()));
        assert!(guess(&mut throttle, "alice", "127.0.0.1", later).is_err());
        let much_later = NOW.plus_seconds(1000);
        for _ in 0..3 {
            assert_eq!(guess(&mut throttle, "alice", "127.0.0.1", much_later), Ok(()));
        }
    }

    #[test]
    fn one_network_cannot_try_many_accounts() {
        let mut throttle = Throttle::new(2, 20, 1000);
        let tried = (0..100)
            .take_while(|index| guess(&mut throttle, &format!("a{index}"), "10.0.0.1", NOW).is_ok())
            .count();
        assert_eq!(tried, 20);
        assert_eq!(guess(&mut throttle, "alice", "10.0.0.2", NOW), Ok(()));
    }

    #[test]
    fn many_networks_cannot_try_one_account_nor_lock_its_owner_out() {
        let mut throttle = Throttle::new(2, 20, 1000);
        throttle.succeeded(&account("alice"), peer("192.0.2.1"), NOW);
        let tried = (0..100)
            .take_while(|i| guess(&mut throttle, "alice", &format!("10.0.0.{i}"), NOW).is_ok())
            .count();
        assert_eq!(tried, 20);
        assert_eq!(throttle.check(&account("alice"), peer("192.0.2.1"), NOW), Ok(()));
        assert!(throttle.check(&account("alice"), peer("192.0.2.2"), NOW).is_err());
    }

    #[test]
    fn success_forgives() {
        let mut throttle = Throttle::new(2, 20, 100);
        for _ in 0..2 {
            guess(&mut throttle, "alice", "::1", NOW).unwrap();
        }
        assert!(throttle.check(&account("alice"), peer("::1"), NOW).is_err());
        throttle.succeeded(&account("alice"), peer("::1"), NOW);
        assert_eq!(throttle.check(&account("alice"), peer("::1"), NOW), Ok(()));
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        for (left, right, expect) in [
            ("2001:db8::1", "2001:db8::ffff:0:0:2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
        ] {
            assert_eq!(network(peer(left)) == network(peer(right)), expect, "{left} {right}");
        }
    }

    #[test]
    fn tables_stay_bounded_and_keep_the_worst() {
        let mut throttle = Throttle::new(2, 20, 50);
        for _ in 0..2 {
            guess(&mut throttle, "alice", "192.0.2.1", NOW.plus_seconds(3)).unwrap();
        }
        for index in 0..1000 {
            let from = format!("10.0.{}.{}", index / 250, index % 250);
            throttle.failed(&account(&format!("a{index}")), peer(&from), NOW);
            throttle.succeeded(&account(&format!("a{index}")), peer(&from), NOW);
            assert!(throttle.owed.len() <= 53 && throttle.trusted.len() <= 51);
        }
        assert!(throttle.check(&account("alice"), peer("192.0.2.1"), NOW.plus_seconds(3)).is_err());
    }
}

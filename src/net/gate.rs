//! Counts connections, in total and per remote address, and hands out places.
//!
//! One gate is shared by every listener of the server. A full house makes the accept loops wait
//! (the kernel's backlog queues the rest); a greedy address is turned away at once. Addresses are
//! counted as IPv4 hosts and as IPv6 /64 networks, since one customer has a whole /64.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustc_hash::FxHashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Limits;

/// The door-keeper of all listeners. Clones share their counts.
#[derive(Clone, Debug)]
pub struct Gate {
    total: Arc<Semaphore>,
    networks: Arc<Networks>,
}

#[derive(Debug)]
struct Networks {
    most: usize,
    /// Held for a look-up only, on connect and disconnect, never across an await.
    counts: Mutex<FxHashMap<Network, usize>>,
}

/// What counts as one remote: an IPv4 host, or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Network {
    V4([u8; 4]),
    V6([u16; 4]),
}

/// A connection's place; dropping it makes room for another.
#[derive(Debug)]
pub struct Place {
    networks: Arc<Networks>,
    network: Network,
    _total: OwnedSemaphorePermit,
}

/// The remote address already has as many connections as one address may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many connections from this address")]
pub struct Full;

impl Gate {
    /// A gate with the limits `connections` and `connections_per_address`.
    pub fn new(limits: &Limits) -> Self {
        let networks = Networks { most: limits.connections_per_address, counts: Mutex::default() };
        Self { total: Arc::new(Semaphore::new(limits.connections)), networks: Arc::new(networks) }
    }

    /// Waits until the house has room, then takes a place for a connection from `address`.
    pub async fn enter(&self, address: IpAddr) -> Result<Place, Full> {
        let total = Arc::clone(&self.total).acquire_owned().await.expect("the semaphore is never closed");
        let network = Network::from(address);
        self.networks.enter(network)?;
        Ok(Place { networks: Arc::clone(&self.networks), network, _total: total })
    }

    /// How many connections the house still has room for.
    pub fn room(&self) -> usize {
        self.total.available_permits()
    }
}

impl Networks {
    fn enter(&self, network: Network) -> Result<(), Full> {
        let mut counts = self.counts();
        let count = counts.entry(network).or_default();
        if *count >= self.most {
            return Err(Full);
        }
        *count += 1;
        Ok(())
    }

    fn leave(&self, network: Network) {
        let mut counts = self.counts();
        let Some(count) = counts.get_mut(&network) else { return };
        *count -= 1;
        if *count == 0 {
            counts.remove(&network);
        }
    }

    /// The map is whole after every statement, so a panic elsewhere cannot have broken it.
    fn counts(&self) -> MutexGuard<'_, FxHashMap<Network, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.octets()),
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.networks.leave(self.network);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn gate(connections: usize, connections_per_address: usize) -> Gate {
        Gate::new(&Limits { connections, connections_per_address, ..Limits::default() })
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn address_is_counted_and_freed() {
        let gate = gate(10, 2);
        let first = gate.enter(ip("192.0.2.1")).await.unwrap();
        let _second = gate.enter(ip("192.0.2.1")).await.unwrap();
        assert_eq!(gate.enter(ip("192.0.2.1")).await.unwrap_err(), Full);
        let _other = gate.enter(ip("192.0.2.2")).await.unwrap();
        assert_eq!(gate.room(), 7);
        drop(first);
        gate.enter(ip("192.0.2.1")).await.unwrap();
        assert_eq!(gate.room(), 8);
    }

    #[tokio::test]
    async fn ipv6_is_counted_by_its_64_bit_network() {
        let gate = gate(10, 1);
        let _first = gate.enter(ip("2001:db8:0:1::1")).await.unwrap();
        assert_eq!(gate.enter(ip("2001:db8:0:1:ffff::9")).await.unwrap_err(), Full);
        gate.enter(ip("2001:db8:0:2::1")).await.unwrap();
    }

    #[tokio::test]
    async fn mapped_ipv4_is_the_same_host() {
        let gate = gate(10, 1);
        let _first = gate.enter(ip("192.0.2.1")).await.unwrap();
        assert_eq!(gate.enter(ip("::ffff:192.0.2.1")).await.unwrap_err(), Full);
    }

    #[tokio::test]
    async fn full_house_waits_until_someone_leaves() {
        let gate = gate(1, 9);
        let first = gate.enter(ip("192.0.2.1")).await.unwrap();
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.enter(ip("192.0.2.2")).await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap().unwrap();
    }

    #[tokio::test]
    async fn nothing_is_kept_of_those_who_left() {
        let gate = gate(4, 4);
        drop(gate.enter(ip("192.0.2.1")).await.unwrap());
        assert!(gate.networks.counts().is_empty());
    }
}

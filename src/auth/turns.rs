//! Who may compute Argon2 now, who waits, and who is turned away.
//!
//! So many compute at once, so many more wait, in the order in which they came. One network may have
//! a share of the places only, so that it can neither fill the room nor keep others waiting for long.
//! A computation keeps its turn until it is done, also where nobody waits for it any more. Nothing
//! here knows what is computed.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    AuthError,
    throttle::{Network, network},
};

/// The waiting room.
pub(super) struct Turns {
    workers: Arc<Semaphore>,
    /// Held for a look-up only.
    taken: Arc<Mutex<Taken>>,
    most: usize,
    most_of_one: usize,
}

/// Places in use: by those who wait and those who compute.
#[derive(Default)]
struct Taken {
    total: usize,
    by_network: HashMap<Network, usize>,
}

/// A place in the waiting room. Dropping it makes room for another.
pub(super) struct Place {
    taken: Arc<Mutex<Taken>>,
    network: Network,
}

/// The right to compute. To be held by the computation itself.
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
    _place: Option<Place>,
}

impl Turns {
    /// Room for `workers` who compute and `queue` who wait.
    pub(super) fn new(workers: usize, queue: usize) -> Self {
        let most = workers + queue;
        Self {
            workers: Arc::new(Semaphore::new(workers)),
            taken: Arc::default(),
            most,
            most_of_one: most.div_ceil(SHARE),
        }
    }

    /// Waits for a turn to check a password that came from `peer`.
    ///
    /// # Errors
    /// [`AuthError::Overloaded`] at once where the room, or the peer's share of it, is full.
    pub(super) async fn turn_of(&self, peer: IpAddr) -> Result<Turn, AuthError> {
        let place = self.place(network(peer)).ok_or(AuthError::Overloaded)?;
        Ok(Turn { _place: Some(place), ..self.turn().await? })
    }

    /// Waits for a turn to make verifiers, which only those do who may change accounts.
    ///
    /// # Errors
    /// [`AuthError::Overloaded`] where the server stops.
    pub(super) async fn turn(&self) -> Result<Turn, AuthError> {
        let permit = Arc::clone(&self.workers).acquire_owned().await.map_err(|_| AuthError::Overloaded)?;
        Ok(Turn { _permit: permit, _place: None })
    }

    fn place(&self, network: Network) -> Option<Place> {
        let mut taken = lock(&self.taken);
        let of_one = taken.by_network.get(&network).copied().unwrap_or_default();
        if taken.total >= self.most || of_one >= self.most_of_one {
            return None;
        }
        taken.total += 1;
        taken.by_network.insert(network, of_one + 1);
        Some(Place { taken: Arc::clone(&self.taken), network })
    }

    /// How many could begin to compute at once.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.workers.available_permits()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.total -= 1;
        let Some(of_one) = taken.by_network.get_mut(&self.network) else { return };
        *of_one -= 1;
        if *of_one == 0 {
            taken.by_network.remove(&self.network);
        }
    }
}

/// The counts are whole after every statement, so a panic elsewhere cannot have broken them.
fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One network has at most one of so many places, rounded up.
const SHARE: usize = 4;

#[cfg(test)]
mod tests {
    use std::{
        pin::Pin,
        task::{Context, Waker},
    };

    use super::*;

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn is_waiting<T>(asked: &mut Pin<Box<impl Future<Output = T>>>) -> bool {
        asked.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[tokio::test]
    async fn one_network_has_its_share_and_others_find_room() {
        let turns = Turns::new(2, 6);
        let mut held: Vec<Place> = Vec::new();
        for _ in 0..2 {
            held.push(turns.place(network(peer(1))).unwrap());
        }
        assert!(turns.turn_of(peer(1)).await.is_err());
        for index in 2..5 {
            held.push(turns.place(network(peer(index))).unwrap());
            held.push(turns.place(network(peer(index))).unwrap());
        }
        assert!(turns.turn_of(peer(9)).await.is_err(), "the room is full");
        held.clear();
        assert!(turns.turn_of(peer(1)).await.is_ok());
        assert_eq!(lock(&turns.taken).total, 0);
        assert!(lock(&turns.taken).by_network.is_empty());
    }

    #[tokio::test]
    async fn turns_come_in_the_order_of_asking() {
        let turns = Turns::new(1, 8);
        let first = turns.turn_of(peer(1)).await.unwrap();
        let (mut second, mut third) = (Box::pin(turns.turn_of(peer(2))), Box::pin(turns.turn_of(peer(3))));
        assert!(is_waiting(&mut second) && is_waiting(&mut third));
        drop(first);
        assert!(is_waiting(&mut third));
        drop(second.await.unwrap());
        assert!(third.await.is_ok());
    }
}

//! The client transactions of each connection, so that they fail at once when theirs ends.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::key::TransactionKey;
use crate::sip::transport::Flow;

/// The open client transactions, by connection. One without any takes no room.
#[derive(Default)]
pub(super) struct Connections(FxHashMap<u64, Keys>);

/// Nearly always one or two; a trunk has many.
enum Keys {
    Few(SmallVec<[TransactionKey; 1]>),
    Many(FxHashSet<TransactionKey>),
}

impl Connections {
    /// Notes a transaction on a connection.
    pub(super) fn insert(&mut self, flow: Flow, key: TransactionKey) {
        self.0.entry(flow.connection()).or_insert_with(|| Keys::Few(SmallVec::new())).insert(key);
    }

    /// Forgets a transaction that has ended.
    pub(super) fn remove(&mut self, flow: Flow, key: &TransactionKey) {
        let Some(keys) = self.0.get_mut(&flow.connection()) else { return };
        if keys.remove(key) {
            self.0.remove(&flow.connection());
        }
    }

    /// Takes out all that a connection has.
    pub(super) fn take(&mut self, flow: Flow) -> Vec<TransactionKey> {
        match self.0.remove(&flow.connection()) {
            None => Vec::new(),
            Some(Keys::Few(keys)) => keys.into_vec(),
            Some(Keys::Many(keys)) => keys.into_iter().collect(),
        }
    }
}

impl Keys {
    fn insert(&mut self, key: TransactionKey) {
        match self {
            Self::Few(keys) if keys.len() < FEW => keys.push(key),
            Self::Few(keys) => {
                *self = Self::Many(std::mem::take(keys).into_iter().chain([key]).collect());
            }
            Self::Many(keys) => _ = keys.insert(key),
        }
    }

    /// Tells whether nothing is left.
    fn remove(&mut self, key: &TransactionKey) -> bool {
        match self {
            Self::Few(keys) => {
                if let Some(at) = keys.iter().position(|known| known == key) {
                    keys.swap_remove(at);
                }
                keys.is_empty()
            }
            Self::Many(keys) => {
                keys.remove(key);
                keys.is_empty()
            }
        }
    }
}

/// So many are looked through one by one.
const FEW: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::{message::Method, transaction::key::Branch, transport::Protocol};

    #[test]
    fn whatever_their_number_transactions_are_found_by_their_connection_and_forgotten_one_by_one() {
        let flow = |id| Flow::for_test(Protocol::Tcp, ([192, 0, 2, 1], 5060).into(), id);
        let key = |number| TransactionKey::of_client(Branch { seal: 1, number }, &Method::Notify);
        for count in [1, 2, 16, 17, 100] {
            let mut connections = Connections::default();
            (1..=count).for_each(|number| connections.insert(flow(1), key(number)));
            connections.insert(flow(2), key(1000));
            connections.remove(flow(1), &key(count));
            connections.remove(flow(1), &key(count));
            connections.remove(flow(3), &key(1));
            let mut left = connections.take(flow(1));
            assert_eq!(left.len() as u64, count - 1);
            left.retain(|left| (1..count).any(|number| *left == key(number)));
            assert_eq!(left.len() as u64, count - 1);
            connections.remove(flow(2), &key(1000));
            assert!(connections.0.is_empty(), "nothing is kept of what has ended");
        }
    }
}

//! What the four machines have in common: the timers they arm and the actions they return.

use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;

use super::user::ClientEvent;

/// The timers of RFC 3261 appendix A and RFC 6026 §7.1, §8.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// INVITE request retransmission.
    A,
    /// INVITE transaction timeout.
    B,
    /// Proxy INVITE transaction timeout.
    C,
    /// Wait for response retransmissions.
    D,
    /// Non-INVITE request retransmission.
    E,
    /// Non-INVITE transaction timeout.
    F,
    /// INVITE response retransmission.
    G,
    /// Wait for ACK.
    H,
    /// Wait for ACK retransmissions.
    I,
    /// Wait for non-INVITE request retransmissions.
    J,
    /// Wait for INVITE retransmissions after a 2xx.
    L,
    /// Wait for 2xx from other branches and their retransmissions.
    M,
    /// An INVITE is due its 100 (RFC 3261 §17.2.1; without a letter).
    Trying,
    /// A cancelled INVITE is due its final response (RFC 3261 §9.1; without a letter).
    Cancelled,
}

/// What a machine wants done, in this order.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// Send to the peer of the transaction.
    Send(Bytes),
    /// Call the machine with this timer after this time; arming again replaces.
    Arm(Timer, Duration),
    /// Tell the transaction user of a client transaction.
    Tell(ClientEvent),
    /// Send a CANCEL for this INVITE, with this `Reason`.
    Cancel(Option<&'static str>),
    /// An ACK that is the transaction user's.
    PassAck,
    /// The machine has terminated.
    End,
}

/// Few, nearly always.
pub(super) type Actions = SmallVec<[Action; 4]>;

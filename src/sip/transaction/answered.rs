//! Answered non-INVITE transactions of a server over UDP: they live on until no copy of the request can
//! come (RFC 3261 §17.2.2, timer J). There are many of them, two for each phone that registers, so nothing
//! is kept but the response in a piece of its own size and who may have it again.

use std::{
    collections::VecDeque,
    hash::{BuildHasher as _, RandomState},
    sync::LazyLock,
    time::Duration,
};

use bytes::Bytes;
use rustc_hash::FxHashMap;
use tokio::time::Instant;

use crate::sip::{
    message::{Limits, Message},
    transport::Flow,
};

use super::key::TransactionKey;

/// The answered transactions of one shard.
#[derive(Default)]
pub(super) struct Answered {
    /// Timer J takes the same time after each answer, so the oldest is first and no heap is needed.
    queue: VecDeque<Answer>,
    /// By the hash of a transaction's key: its number, counted from the first one there ever was.
    numbers: FxHashMap<u64, u64>,
    /// The number of the first in the queue.
    first: u64,
}

struct Answer {
    until: Instant,
    /// Of the key, under a secret.
    hash: u64,
    /// Of the flow by which the response went, under a secret.
    way: u64,
    response: Box<[u8]>,
}

/// What is to be done about a request that comes again.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// The response goes out again.
    Send(Bytes),
    /// It comes from elsewhere than the first copy: whoever guessed its name learns nothing.
    Ignore,
}

impl Answered {
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Keeps a response until its timer J fires. Tells whether it is the only one.
    pub(super) fn keep(
        &mut self,
        key: &TransactionKey,
        flow: &Flow,
        response: &[u8],
        until: Instant,
    ) -> bool {
        self.numbers.insert(key.hash(), self.first + self.queue.len() as u64);
        self.queue.push_back(Answer { until, hash: key.hash(), way: way(flow), response: response.into() });
        self.queue.len() == 1
    }

    /// The answer to a copy of a request; `None` where this is no copy.
    pub(super) fn find(&self, key: &TransactionKey, flow: &Flow) -> Option<Again> {
        let place = self.numbers.get(&key.hash())?.checked_sub(self.first)?;
        let answer = self.queue.get(usize::try_from(place).ok()?)?;
        if !is_for(&answer.response, key) {
            return None;
        }
        let is_same_way = answer.way == way(flow);
        Some(if is_same_way { Again::Send(Bytes::copy_from_slice(&answer.response)) } else { Again::Ignore })
    }

    /// Forgets the oldest; tells whether there was one.
    pub(super) fn forget_oldest(&mut self) -> bool {
        let Some(answer) = self.queue.pop_front() else { return false };
        // The number may be that of a later one under the same hash.
        if self.numbers.get(&answer.hash) == Some(&self.first) {
            self.numbers.remove(&answer.hash);
        }
        self.first += 1;
        true
    }

    /// Forgets those whose timer J has fired, and gives back the room of a crowd that has gone.
    pub(super) fn sweep(&mut self, now: Instant) {
        while self.queue.front().is_some_and(|answer| answer.until <= now) {
            self.forget_oldest();
        }
        let room = self.queue.capacity();
        if room > SMALL && self.queue.len() < room / 8 {
            self.queue.shrink_to(2 * self.queue.len());
            self.numbers.shrink_to(2 * self.queue.len());
        }
    }

    /// When to sweep: a while after the next timer J, so that many of them have gathered.
    pub(super) fn next_sweep(&self) -> Option<Instant> {
        self.queue.front().map(|answer| answer.until + GATHER)
    }
}

/// Whether a response belongs to the transaction that has its hash. What cannot be read again is taken for
/// its own by the hash alone, which is 64 bits under a secret.
fn is_for(response: &[u8], key: &TransactionKey) -> bool {
    let Ok(message) = Message::parse_datagram(Bytes::copy_from_slice(response), &Limits::default()) else {
        return true;
    };
    let (Ok(via), Ok(cseq)) = (message.top_via(), message.cseq()) else { return true };
    TransactionKey::of_server(&via, &cseq.method).is_none_or(|own| own == *key)
}

fn way(flow: &Flow) -> u64 {
    SECRET.hash_one(flow)
}

static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// How long answered transactions may stay beyond their time.
pub(super) const GATHER: Duration = Duration::from_secs(1);
/// Answers for which a shard may keep room.
const SMALL: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::{
        message::{Method, Via},
        transport::Protocol,
    };

    fn flow(port: u16) -> Flow {
        Flow::for_test(Protocol::Udp, ([192, 0, 2, 1], port).into(), 1)
    }

    fn key(branch: &str, host: &str) -> TransactionKey {
        let via = Via::parse(&format!("SIP/2.0/UDP {host};branch=z9hG4bK{branch}")).unwrap();
        TransactionKey::of_server(&via, &Method::Message).unwrap()
    }

    fn response(branch: &str) -> String {
        format!("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{branch}\r\nCSeq: 1 MESSAGE\r\n\r\n")
    }

    #[test]
    fn a_copy_gets_the_response_again_and_only_where_the_first_came_from() {
        let mut answered = Answered::default();
        let now = Instant::now();
        assert!(answered.keep(&key("1", "h"), &flow(5060), response("1").as_bytes(), now));
        assert!(!answered.keep(&key("2", "h"), &flow(5060), response("2").as_bytes(), now));
        for branch in ["1", "2"] {
            let found = answered.find(&key(branch, "h"), &flow(5060));
            assert_eq!(found, Some(Again::Send(response(branch).into())), "{branch}");
        }
        assert_eq!(answered.find(&key("1", "h"), &flow(5061)), Some(Again::Ignore));
        assert_eq!(answered.find(&key("3", "h"), &flow(5060)), None);
        assert_eq!(answered.find(&key("1", "other"), &flow(5060)), None);
    }

    #[test]
    fn a_response_under_the_same_hash_is_not_given_to_another_request() {
        let mut answered = Answered::default();
        let (one, other) = (key("1", "h"), key("2", "h"));
        answered.keep(&one, &flow(5060), response("1").as_bytes(), Instant::now());
        answered.numbers.insert(other.hash(), 0);
        assert_eq!(answered.find(&other, &flow(5060)), None);
    }

    #[test]
    fn a_crowd_that_has_gone_leaves_no_room_behind() {
        let (mut answered, now) = (Answered::default(), Instant::now());
        for number in 0..5_000 {
            let name = number.to_string();
            answered.keep(&key(&name, "h"), &flow(5060), response(&name).as_bytes(), now);
        }
        let last = key("4999", "h");
        answered.keep(&last, &flow(5060), response("4999").as_bytes(), now + GATHER);
        answered.sweep(now);
        assert_eq!((answered.len(), answered.numbers.len()), (1, 1));
        assert!(answered.queue.capacity() <= SMALL && answered.numbers.capacity() <= SMALL);
        assert_eq!(answered.find(&last, &flow(5060)), Some(Again::Send(response("4999").into())));
        assert!(answered.forget_oldest() && !answered.forget_oldest());
        assert_eq!((answered.len(), answered.numbers.len()), (0, 0));
    }
}

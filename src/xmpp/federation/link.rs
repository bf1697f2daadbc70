//! What waits for one domain, and who carries it: bounded by number, bytes and age.
//!
//! When a bound is reached, what comes is refused as overloaded; when no way is found in time, all that waits is
//! refused, and what comes after at once, until the pause is over. What is taken is in the hands of a stream,
//! which settles it once it is written.

use std::{
    collections::VecDeque,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, oneshot},
    time::sleep,
};

use super::{custody::Custody, pair::Pair, receive::Back};
use crate::{
    account::{Accounts, Load, Reply, Sent},
    net::{Gcra, Rate},
    signal::{Reason, Reject},
};

/// One stanza on its way.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) stanza: Vec<u8>,
    sender: Sender,
    /// It was written before, on a stream that ended without a word about it.
    is_again: bool,
}

/// Who hears what becomes of a stanza.
#[derive(Debug)]
enum Sender {
    Nobody,
    /// An account, what it said with it.
    Account(Load),
    /// Another domain: of an error alone.
    Domain(Box<Back>),
}

impl Item {
    /// A stanza that was not written yet, and the account that waits to hear what becomes of it.
    pub(super) fn new(stanza: Vec<u8>, load: Option<Load>) -> Self {
        Self { stanza, sender: load.map_or(Sender::Nobody, Sender::Account), is_again: false }
    }

    /// A stanza from one domain to another that is passed on, and the way back for an error.
    pub(super) fn passing(stanza: Vec<u8>, back: Option<Back>) -> Self {
        let sender = back.map_or(Sender::Nobody, |back| Sender::Domain(Box::new(back)));
        Self { stanza, sender, is_again: false }
    }

    /// The other server has it, by its own word or as surely as a socket can tell.
    pub(super) fn settle(self) {
        if let Sender::Account(load) = self.sender {
            load.settle(Ok(Reply::Sent(Sent::Accepted)));
        }
    }

    pub(super) fn refuse(self, reject: &Reject) {
        match self.sender {
            Sender::Nobody => {}
            Sender::Account(load) => load.settle(Err(reject.clone())),
            Sender::Domain(back) => back.refuse_by(reject),
        }
    }
}

/// The way between two domains.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) pair: Pair,
    /// Rings when something is there to be taken.
    pub(super) wake: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Item>,
    bytes: usize,
    /// Somebody carries, or looks for a way.
    is_carried: bool,
    /// How often in a row no way was found.
    failures: u32,
    /// Nobody looks before, and why.
    pause: Option<(Instant, Reject)>,
    /// What the domain has sent us.
    taken: Gcra,
    /// How many streams the domain has open to us.
    streams: usize,
    used: Option<Instant>,
    /// A stream of ours whose connection broke, and that may go on.
    broken: Option<Box<Custody>>,
    /// Told when a stream of theirs that broke later may go on in place of the one that waits for that.
    resting: Option<oneshot::Sender<()>>,
    /// The domain's server knows how to acknowledge what it has.
    acknowledges: bool,
}

/// What became of something that was given to a link.
#[derive(Debug)]
pub(super) enum Pushed {
    /// It waits, and somebody carries.
    Waits,
    /// It waits, and somebody must look for a way.
    WantsWay,
    /// There is no room for it, or no way now.
    Refused(Item, Reject),
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) stanzas: usize,
    pub(super) bytes: usize,
}

impl Link {
    pub(super) fn new(pair: Pair) -> Self {
        Self { pair, wake: Notify::new(), state: Mutex::default() }
    }

    /// Lets something wait for its turn.
    pub(super) fn push(&self, item: Item, bounds: Bounds, now: Instant) -> Pushed {
        let pushed = self.state().push(item, bounds, now);
        if let Pushed::Waits = pushed {
            self.wake.notify_one();
        }
        pushed
    }

    /// As [`Link::push`], where nobody looks for a way: refused with `absent` unless somebody carries.
    pub(super) fn push_carried(&self, item: Item, absent: &Reject, bounds: Bounds, now: Instant) -> Pushed {
        let mut state = self.state();
        if !state.is_carried {
            return Pushed::Refused(item, absent.clone());
        }
        let pushed = state.push(item, bounds, now);
        drop(state);
        self.wake.notify_one();
        pushed
    }

    /// Takes what waits, up to about so many bytes.
    pub(super) fn take(&self, most_bytes: usize) -> Vec<Item> {
        let mut state = self.state();
        let mut taken = Vec::new();
        let mut bytes = 0;
        while bytes < most_bytes
            && let Some(item) = state.waiting.pop_front()
        {
            bytes += item.stanza.len();
            taken.push(item);
        }
        state.bytes = state.bytes.saturating_sub(bytes);
        taken
    }

    /// Whether somebody carries, or looks for a way.
    pub(super) fn is_carried(&self) -> bool {
        self.state().is_carried
    }

    /// Takes back what nobody acknowledged on a stream that is over, oldest first, to be written before all that
    /// waits; what comes back for the second time is refused.
    pub(super) fn give_back(&self, items: Vec<Item>) {
        let (lost, left): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.is_again);
        let reject = Reject::with_text(Reason::RemoteTimeout, "the connection broke");
        lost.into_iter().for_each(|item| item.refuse(&reject));
        let mut state = self.state();
        for mut item in left.into_iter().rev() {
            item.is_again = true;
            state.bytes += item.stanza.len();
            state.waiting.push_front(item);
        }
    }

    /// Whether something waits.
    pub(super) fn has_waiting(&self) -> bool {
        !self.state().waiting.is_empty()
    }

    /// A stream was found that carries; `false` where another one does already.
    pub(super) fn begin(&self) -> bool {
        !mem::replace(&mut self.state().is_carried, true)
    }

    /// The way was found: what failed before is forgotten. Tells whether anything did.
    pub(super) fn note_found(&self) -> bool {
        let mut state = self.state();
        state.pause = None;
        mem::take(&mut state.failures) > 0
    }

    /// The stream that carried is over. Tells whether something waits: then somebody must look for a way, and
    /// the link counts as carried.
    pub(super) fn end(&self) -> bool {
        let mut state = self.state();
        state.is_carried = !state.waiting.is_empty() || state.broken.is_some();
        state.is_carried
    }

    /// The connection of the stream that carried broke, and the stream may go on on the next one.
    pub(super) fn keep_broken(&self, custody: Custody) {
        self.state().broken = Some(Box::new(custody));
    }

    /// What may go on.
    pub(super) fn take_broken(&self) -> Option<Custody> {
        self.state().broken.take().map(|custody| *custody)
    }

    /// A stream of theirs broke, and waits for its server to go on with it. Tells when it is to wait no longer, since
    /// another one does.
    pub(super) fn rest(&self) -> oneshot::Receiver<()> {
        let (replaced, told) = oneshot::channel();
        self.state().resting = Some(replaced);
        told
    }

    /// The domain's server has shown whether it knows how to acknowledge what it has.
    pub(super) fn note_acknowledges(&self, acknowledges: bool) {
        self.state().acknowledges = acknowledges;
    }

    /// Whether the domain's server is known to acknowledge what it has.
    pub(super) fn acknowledges(&self) -> bool {
        self.state().acknowledges
    }

    /// No way was found: all that waits is refused, and what comes before the pause is over. `pause` is how
    /// long that is after so many failures. Tells whether it was the first failure.
    pub(super) fn fail(&self, reject: &Reject, now: Instant, pause: impl FnOnce(u32) -> Duration) -> bool {
        let (broken, waiting) = {
            let mut state = self.state();
            state.is_carried = false;
            state.failures = state.failures.saturating_add(1);
            state.pause = Some((now + pause(state.failures), reject.clone()));
            state.bytes = 0;
            (state.broken.take(), mem::take(&mut state.waiting))
        };
        let broken = broken.map(|mut custody| custody.end()).unwrap_or_default();
        broken.into_iter().chain(waiting).for_each(|item| item.refuse(reject));
        self.state().failures == 1
    }

    /// Waits until the domain may send one more stanza by its rate, and a moment where the disk is behind.
    pub(super) async fn wait_for_turn(&self, rate: Rate, accounts: &Accounts) {
        while let Err(wait) = self.may_send(rate, Instant::now()) {
            sleep(wait.min(LONGEST_WAIT)).await;
        }
        if accounts.is_strained() {
            sleep(BREATH).await;
        }
    }

    /// Whether the domain may send another stanza now; if not, how long to wait.
    fn may_send(&self, rate: Rate, now: Instant) -> Result<(), Duration> {
        self.state().taken.take(rate, 1, now)
    }

    /// One more stream of the domain to us; `false` where it has `most` already.
    pub(super) fn enter(&self, most: usize) -> bool {
        let mut state = self.state();
        let has_room = state.streams < most;
        state.streams += usize::from(has_room);
        has_room
    }

    /// One stream less.
    pub(super) fn leave(&self) {
        let mut state = self.state();
        state.streams = state.streams.saturating_sub(1);
    }

    /// Whether nothing would be lost without it.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        let state = self.state();
        let is_paused = state.pause.as_ref().is_some_and(|(until, _)| *until + FORGET > now);
        let is_fresh = state.used.is_some_and(|used| used + FORGET > now);
        !state.is_carried && state.streams == 0 && state.waiting.is_empty() && !is_paused && !is_fresh
    }

    /// Whether it neither carries nor holds anything.
    pub(super) fn is_bare(&self) -> bool {
        let state = self.state();
        !state.is_carried && state.waiting.is_empty() && state.broken.is_none()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, item: Item, bounds: Bounds, now: Instant) -> Pushed {
        self.used = Some(now);
        if let Some((until, why)) = &self.pause
            && *until > now
        {
            return Pushed::Refused(item, why.clone());
        }
        let is_full = self.bytes + item.stanza.len() > bounds.bytes && !self.waiting.is_empty();
        if is_full || self.waiting.len() >= bounds.stanzas {
            return Pushed::Refused(
                item,
                Reject::with_text(Reason::Overloaded, "too much waits for this domain"),
            );
        }
        self.bytes += item.stanza.len();
        self.waiting.push_back(item);
        if mem::replace(&mut self.is_carried, true) { Pushed::Waits } else { Pushed::WantsWay }
    }
}

/// How long it is remembered that a domain could not be reached, after it may be tried again.
const FORGET: Duration = Duration::from_secs(60);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// How long a domain is left waiting when the disk is behind.
const BREATH: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Address;

    const BOUNDS: Bounds = Bounds { stanzas: 3, bytes: 100 };

    fn link() -> Link {
        let (local, remote) = (Address::parse("a").unwrap(), Address::parse("b").unwrap());
        Link::new(Pair { local, remote })
    }

    fn item(bytes: usize) -> Item {
        Item::new(vec![b' '; bytes], None)
    }

    fn outcome(pushed: Pushed) -> &'static str {
        match pushed {
            Pushed::Waits => "waits",
            Pushed::WantsWay => "wants a way",
            Pushed::Refused(_, reject) if reject.reason == Reason::Overloaded => "overloaded",
            Pushed::Refused(..) => "refused",
        }
    }

    #[test]
    fn number_and_bytes_are_bounded() {
        let now = Instant::now();
        let few = link();
        let outcomes = [1, 1, 1, 1].map(|bytes| outcome(few.push(item(bytes), BOUNDS, now)));
        assert_eq!(outcomes, ["wants a way", "waits", "waits", "overloaded"]);
        let large = link();
        let outcomes = [500, 1].map(|bytes| outcome(large.push(item(bytes), BOUNDS, now)));
        assert_eq!(outcomes, ["wants a way", "overloaded"]);
        assert_eq!(large.take(10).len(), 1);
        assert_eq!(outcome(large.push(item(99), BOUNDS, now)), "waits");
    }

    #[test]
    fn who_cannot_be_reached_is_left_alone_for_a_while() {
        let now = Instant::now();
        let link = link();
        let pause = |failures| Duration::from_secs(10 * u64::from(failures));
        let reject = Reject::from(Reason::RemoteTimeout);
        assert_eq!(outcome(link.push(item(1), BOUNDS, now)), "wants a way");
        assert!(link.fail(&reject, now, pause));
        assert!(link.take(100).is_empty());
        assert_eq!(outcome(link.push(item(1), BOUNDS, now)), "refused");
        let later = now + Duration::from_secs(10);
        assert_eq!(outcome(link.push(item(1), BOUNDS, later)), "wants a way");
        assert!(!link.fail(&reject, later, pause));
        assert_eq!(outcome(link.push(item(1), BOUNDS, later + Duration::from_secs(19))), "refused");
        assert!(link.note_found());
        assert_eq!(outcome(link.push(item(1), BOUNDS, later)), "wants a way");
    }

    #[test]
    fn one_stream_carries_and_what_is_left_finds_another() {
        let link = link();
        assert!(link.begin());
        assert!(!link.begin());
        assert_eq!(outcome(link.push(item(1), BOUNDS, Instant::now())), "waits");
        assert!(link.end());
        link.take(100);
        assert!(!link.end());
        assert!(link.begin());
    }

    #[test]
    fn what_comes_back_goes_first_and_once() {
        let link = link();
        let sizes = |items: &[Item]| items.iter().map(|item| item.stanza.len()).collect::<Vec<_>>();
        for bytes in [1, 2, 3] {
            link.push(item(bytes), BOUNDS, Instant::now());
        }
        let mut taken = link.take(100);
        link.push(item(4), BOUNDS, Instant::now());
        taken.remove(0);
        link.give_back(taken);
        assert!(link.end());
        let taken = link.take(100);
        assert_eq!(sizes(&taken), [2, 3, 4]);
        link.give_back(taken);
        assert_eq!(sizes(&link.take(100)), [4]);
    }

    #[test]
    fn broken_stream_wants_a_way_until_it_goes_on_or_none_is_found() {
        let link = link();
        let custody = || Custody::new(&crate::xmpp::federation::Config::default());
        assert!(link.begin());
        link.keep_broken(custody());
        assert!(link.end());
        assert!(link.take_broken().is_some());
        assert!(!link.end());
        link.keep_broken(custody());
        link.fail(&Reason::RemoteTimeout.into(), Instant::now(), |_| Duration::ZERO);
        assert!(link.take_broken().is_none());
    }

    #[test]
    fn later_stream_that_broke_takes_the_place_of_an_earlier_one() {
        let link = link();
        let mut earlier = link.rest();
        let mut later = link.rest();
        assert_eq!(earlier.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert_eq!(later.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    }

    #[test]
    fn streams_of_a_domain_are_bounded() {
        let link = link();
        assert!(link.enter(1));
        assert!(!link.enter(1));
        link.leave();
        assert!(link.enter(1));
        assert!(!link.is_idle(Instant::now()));
        link.leave();
        assert!(link.is_idle(Instant::now()));
    }
}

//! A call whose accounts want to be asked again: after some time of ringing, when all phones are busy, when
//! nobody answers.
//!
//! One task follows such a call until it is answered, given up or over. It asks the accounts, has further
//! phones ring, and ends the call where a rule says so. Which call rings where, and what the requests look
//! like, is `call`'s business.

use std::sync::Arc;

use tokio::{
    sync::mpsc,
    time::{Duration, Instant, sleep_until},
};
use tracing::debug;

use super::{
    answer::Refusal,
    call::{Origin, Placed},
    door::Door,
    proxy::{Observer, PassageId},
};
use crate::{
    account::{Reply, Ring},
    signal::{CallOffer, Reject, Signal, Stage},
};

/// What the follower of a call is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// No phone is left that might answer; the best that any of them said.
    Exhausted(u16),
    /// The call is answered, given up or refused.
    Over,
}

/// Follows one call.
pub(super) struct Follower {
    pub(super) passage: PassageId,
    pub(super) origin: Origin,
    pub(super) placed: Arc<Placed>,
    pub(super) heard: mpsc::Receiver<News>,
    pub(super) rings: Vec<Following>,
}

/// One account's wishes about a call.
pub(super) struct Following {
    ring: Ring,
    /// When it wants to be asked what, soonest first.
    times: Vec<(Instant, Stage)>,
}

impl Following {
    pub(super) fn new(ring: Ring, now: Instant) -> Self {
        let at = |seconds: u32| now + Duration::from_secs(seconds.into());
        let mut times: Vec<_> =
            ring.delays.iter().map(|seconds| (at(*seconds), Stage::After(*seconds))).collect();
        times.extend(ring.no_answer.map(|seconds| (at(seconds), Stage::NoAnswer)));
        times.sort_by_key(|(at, _)| *at);
        Self { ring, times }
    }

    /// Whether the account wants to be asked at that stage. It is asked once.
    fn take(&mut self, stage: Stage) -> bool {
        match stage {
            Stage::Busy => std::mem::take(&mut self.ring.on_busy),
            Stage::NoAnswer => {
                self.times.retain(|(_, stage)| *stage != Stage::NoAnswer);
                self.ring.no_answer.take().is_some()
            }
            Stage::After(_) => {
                let before = self.times.len();
                self.times.retain(|(_, other)| *other != stage);
                before != self.times.len()
            }
            Stage::AtOnce | Stage::Offline => false,
        }
    }
}

/// Whether any of these accounts wants to be asked again.
pub(super) fn want_more(rings: &[Ring]) -> bool {
    rings.iter().any(|ring| ring.on_busy || ring.no_answer.is_some() || !ring.delays.is_empty())
}

impl Follower {
    /// Follows the call to its end.
    pub(super) async fn run(mut self, door: Arc<Door>) {
        loop {
            let next = self.rings.iter().flat_map(|one| &one.times).copied().min_by_key(|(at, _)| *at);
            let wait = async {
                match next {
                    Some((at, stage)) => {
                        sleep_until(at).await;
                        stage
                    }
                    None => std::future::pending().await,
                }
            };
            let (stage, best) = tokio::select! {
                heard = self.heard.recv() => match heard {
                    Some(News::Exhausted(status)) => (stage_of(status), Some(status)),
                    Some(News::Over) | None => return,
                },
                stage = wait => (Some(stage), None),
                () = door.signal.draining() => return self.release(&door),
            };
            match stage {
                Some(_) if !door.proxy.is_pending(self.passage) => self.release(&door),
                Some(stage) => self.ask(&door, stage, best.is_some()).await,
                None => self.release(&door),
            }
        }
    }

    fn release(&self, door: &Door) {
        door.proxy.release(self.passage, &self.observer());
    }

    fn observer(&self) -> Arc<dyn Observer> {
        Arc::<Placed>::clone(&self.placed)
    }

    /// Asks every account that wants to be, and does what they say.
    async fn ask(&mut self, door: &Arc<Door>, stage: Stage, is_exhausted: bool) {
        let mut found: Vec<Ring> = Vec::new();
        let (mut is_moved, mut refused) = (false, None);
        for index in 0..self.rings.len() {
            let Some(one) = self.rings.get_mut(index) else { break };
            if !one.take(stage) {
                continue;
            }
            let before = Arc::clone(&one.ring.offer);
            match offer(door, one.ring.offer_at(stage)).await {
                Ok(ring) => {
                    is_moved |= ring.offer.to.address != before.to.address;
                    let room = RINGS.saturating_sub(self.rings.len() + found.len());
                    found.extend(expand(door, ring).await.into_iter().take(room));
                }
                // The word of the account that was called; of those beside it, no word is none.
                Err(reject) if index == 0 => refused = Some(Refusal::from(reject).status),
                Err(reject) => debug!(%reject, "an account beside refused a call"),
            }
        }
        let branches = self.placed.branches(door, &self.origin, &found);
        if !branches.is_empty() {
            if is_moved {
                self.rings.clear();
            }
            let now = Instant::now();
            self.rings.extend(found.into_iter().map(|ring| Following::new(ring, now)));
            return self.placed.ring_on(door, self.passage, branches, is_moved);
        }
        match refused.or_else(|| is_moved.then_some(480)) {
            Some(status) => door.proxy.refuse_late(self.passage, status, &self.observer()),
            None if is_exhausted => self.release(door),
            None => {}
        }
    }
}

/// Asks an account where a call rings.
pub(super) async fn offer(door: &Door, offer: CallOffer) -> Result<Ring, Reject> {
    match door.accounts.signal(Signal::Call(Arc::new(offer))).await? {
        Reply::Ring(ring) => Ok(*ring),
        _ => Err(crate::signal::Reason::NoSession.into()),
    }
}

/// A ring, with those of the accounts that are to be offered the call as well. One that refuses is left out.
pub(super) async fn expand(door: &Door, ring: Ring) -> Vec<Ring> {
    let mut rings = vec![ring];
    let mut index = 0;
    while let Some(ring) = rings.get(index) {
        let offers: Vec<_> = ring.also.iter().map(|to| ring.offer_to(to)).collect();
        for next in offers {
            let is_known = rings.iter().any(|ring| ring.offer.to.address == next.to.address);
            if is_known || rings.len() >= RINGS {
                continue;
            }
            match offer(door, next).await {
                Ok(ring) => rings.push(ring),
                Err(reject) => debug!(%reject, "a call does not ring there as well"),
            }
        }
        index += 1;
    }
    rings
}

/// What a call that nobody took is for the accounts' rules; `None` where somebody said no.
fn stage_of(status: u16) -> Option<Stage> {
    match status {
        486 | 600 => Some(Stage::Busy),
        408 | 480 | 487 | 500..=599 => Some(Stage::NoAnswer),
        _ => None,
    }
}

/// Most accounts that one call rings at.
const RINGS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{CallId, Party};

    fn ring(delays: &[u32], on_busy: bool, no_answer: Option<u32>) -> Ring {
        let party = |text: &str| Party::parse(text).unwrap();
        let offer = CallOffer::new(CallId("c".into()), party("alice@x"), party("bob@x"));
        let (sessions, also) = (Vec::new(), Vec::new());
        Ring { offer: Arc::new(offer), sessions, also, delays: delays.to_vec(), on_busy, no_answer }
    }

    #[test]
    fn each_stage_is_asked_once() {
        let mut one = Following::new(ring(&[5, 40], true, Some(20)), Instant::now());
        let stages: Vec<_> = one.times.iter().map(|(_, stage)| *stage).collect();
        assert_eq!(stages, [Stage::After(5), Stage::NoAnswer, Stage::After(40)]);
        for (stage, expect) in [
            (Stage::After(5), true),
            (Stage::After(5), false),
            (Stage::After(6), false),
            (Stage::Busy, true),
            (Stage::Busy, false),
            (Stage::NoAnswer, true),
            (Stage::NoAnswer, false),
            (Stage::AtOnce, false),
        ] {
            assert_eq!(one.take(stage), expect, "{stage:?}");
        }
        assert_eq!(one.times.len(), 1);
        assert!(!want_more(&[ring(&[], false, None)]));
        assert!(want_more(&[ring(&[], false, None), ring(&[1], false, None)]));
    }

    #[test]
    fn what_phones_say_is_a_stage() {
        for (status, expect) in [
            (486, Some(Stage::Busy)),
            (600, Some(Stage::Busy)),
            (480, Some(Stage::NoAnswer)),
            (408, Some(Stage::NoAnswer)),
            (503, Some(Stage::NoAnswer)),
            (603, None),
            (404, None),
            (488, None),
        ] {
            assert_eq!(stage_of(status), expect, "{status}");
        }
    }
}

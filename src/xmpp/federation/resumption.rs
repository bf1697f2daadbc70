//! Streams of other servers that may go on on another connection (XEP-0198 §5), and how one connection hands such a
//! stream over to the next.
//!
//! A stream that its server may go on with has a [`Berth`], found by an id that nobody can guess. Whoever comes with the
//! id must have proved the same pair of domains. The old connection may still be taken for alive by then; it gives the
//! stream up. Where it broke, what is [`Left`] of it waits; a link has one such at a time, and a later one ends it.
//! Streams that we opened need none of this: their [`Link`] keeps them until it has found another way.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use compact_str::CompactString;
use rustc_hash::FxHashMap;
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use super::{custody::Custody, door::Shared, link::Link, links::Links, pair::Pair};
use crate::{net::ShutdownSignal, xmpp::chance::Chance};

/// Every stream that another server may go on with. There are no more of them than streams, and one for each link.
#[derive(Default)]
pub(super) struct Berths(Mutex<FxHashMap<CompactString, Place>>);

struct Place {
    pair: Pair,
    claims: mpsc::Sender<Claim>,
}

/// Somebody goes on with the stream, and waits for it.
pub(super) type Claim = oneshot::Sender<Left>;

/// A stream's hold on its id, which is given up with it.
pub(super) struct Berth {
    id: CompactString,
    claims: mpsc::Receiver<Claim>,
    berths: Arc<Berths>,
}

/// What a stream leaves to the connection that goes on with it.
pub(super) struct Left {
    pub(super) custody: Custody,
    /// What it carried, where it went both ways.
    pub(super) link: Option<Arc<Link>>,
    pub(super) berth: Berth,
}

impl Berths {
    /// A new one, for whoever proves this pair.
    pub(super) fn open(self: &Arc<Self>, pair: Pair) -> Berth {
        let id = CompactString::from(Chance::default().text());
        let (claim, claims) = mpsc::channel(1);
        self.all().insert(id.clone(), Place { pair, claims: claim });
        Berth { id, claims, berths: Arc::clone(self) }
    }

    /// Asks for the stream of this id on behalf of a server that has proved these pairs. `None` where there is none of
    /// its own, or somebody else asks already.
    pub(super) async fn claim(&self, id: &str, proved: &[Pair]) -> Option<Left> {
        let claims = {
            let all = self.all();
            all.get(id).filter(|place| proved.contains(&place.pair)).map(|place| place.claims.clone())?
        };
        let (claim, mut left) = oneshot::channel();
        claims.try_send(claim).ok()?;
        match timeout(HANDOVER, &mut left).await {
            Ok(left) => left.ok(),
            Err(_) => {
                left.close();
                left.try_recv().ok()
            }
        }
    }

    fn all(&self) -> MutexGuard<'_, FxHashMap<CompactString, Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Berth {
    /// What the other server names the stream by.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Waits until somebody goes on with the stream.
    pub(super) async fn claimed(&mut self) -> Claim {
        match self.claims.recv().await {
            Some(claim) => claim,
            // The other end is in the register as long as this.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Berth {
    fn drop(&mut self) {
        self.berths.all().remove(&self.id);
    }
}

impl Left {
    /// Waits for whoever goes on with the stream; nobody does once its time is over, a later stream of the same `link`
    /// broke, or the server stops.
    pub(super) async fn wait(mut self, shared: &Shared, link: &Link, signal: &ShutdownSignal) {
        let mut replaced = link.rest();
        let mut over = std::pin::pin!(sleep(shared.config.resume()));
        loop {
            tokio::select! {
                claim = self.berth.claimed() => match claim.send(self) {
                    Ok(()) => return,
                    // He has gone away meanwhile.
                    Err(back) => self = back,
                },
                _ = &mut replaced => break,
                () = &mut over => break,
                () = signal.draining() => break,
            }
        }
        self.give_up(&shared.links);
    }

    /// Nobody goes on with the stream: what it carried finds another way.
    pub(super) fn give_up(mut self, links: &Links) {
        if let Some(link) = self.link {
            link.give_back(self.custody.end());
            if link.end() {
                links.seek(link);
            }
        }
    }
}

/// How long a connection may take to give its stream up.
const HANDOVER: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{signal::Address, xmpp::federation::Config};

    fn pair(remote: &str) -> Pair {
        Pair { local: Address::parse("us.example").unwrap(), remote: Address::parse(remote).unwrap() }
    }

    fn left(berth: Berth) -> Left {
        Left { custody: Custody::new(&Config::default()), link: None, berth }
    }

    #[tokio::test]
    async fn stream_goes_on_for_who_has_proved_its_pair_and_only_there() {
        let berths = Arc::new(Berths::default());
        let mut berth = berths.open(pair("them.example"));
        let id = berth.id().to_owned();
        assert!(berths.claim(&id, &[pair("other.example")]).await.is_none());
        assert!(berths.claim("another", &[pair("them.example")]).await.is_none());
        let keeper = async {
            let claim = berth.claimed().await;
            claim.send(left(berth)).ok()
        };
        let proved = [pair("other.example"), pair("them.example")];
        let (claimed, kept) = tokio::join!(berths.claim(&id, &proved), keeper);
        assert!(kept.is_some());
        let again = claimed.unwrap().berth;
        assert_eq!(again.id(), id);
        drop(again);
        assert!(berths.claim(&id, &proved).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_give_a_stream_up_keeps_it() {
        let berths = Arc::new(Berths::default());
        let mut berth = berths.open(pair("them.example"));
        assert!(berths.claim(berth.id(), &[pair("them.example")]).await.is_none());
        assert!(berth.claimed().await.send(left(berth)).is_err());
    }
}

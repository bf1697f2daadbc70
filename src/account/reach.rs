//! What is known of the ways to other domains, on its way to the accounts that follow somebody there.
//!
//! One task tells all of them, for many domains at a time, and lets others work in between: a domain that comes and
//! goes costs whoever noticed it nothing, and a hundred of them little more than one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use compact_str::CompactString;
use tokio::task::yield_now;
use tracing::debug;

use super::{DomainReach, Input, registry::SHARDS, shell::Inner};
use crate::signal::Address;

/// What is to be told.
#[derive(Default)]
pub(super) struct Reaches(Mutex<State>);

#[derive(Default)]
struct State {
    news: News,
    /// Whether a task tells them.
    is_told: bool,
}

/// By domain; at most [`DOMAINS`].
pub(super) type News = BTreeMap<CompactString, DomainNews>;

/// What became of one domain since it was told last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DomainNews {
    domain: Address,
    is_lost: bool,
    /// After that.
    is_back: bool,
}

impl DomainNews {
    /// In the order in which it happened.
    pub(super) fn inputs(&self) -> impl Iterator<Item = Input> {
        let told = [(self.is_lost, DomainReach::Lost), (self.is_back, DomainReach::Back)];
        let told = told.into_iter().filter(|(is_so, _)| *is_so);
        told.map(|(_, reach)| Input::Reach { domain: self.domain.clone(), reach })
    }
}

impl Reaches {
    /// Tells whether somebody must begin to tell it: [`tell`].
    pub(super) fn note(&self, domain: &Address, reach: DomainReach) -> bool {
        let mut state = self.state();
        if state.news.len() >= DOMAINS && !state.news.contains_key(domain.domain()) {
            debug!(%domain, "too many domains come and go: nobody is told");
            return false;
        }
        let unknown = DomainNews { domain: domain.clone(), is_lost: false, is_back: false };
        let news = state.news.entry(domain.domain().into()).or_insert(unknown);
        news.is_lost |= reach == DomainReach::Lost;
        news.is_back = reach == DomainReach::Back;
        !std::mem::replace(&mut state.is_told, true)
    }

    /// What came meanwhile; where nothing did, nobody tells any more.
    fn take(&self) -> Option<News> {
        let mut state = self.state();
        state.is_told = !state.news.is_empty();
        state.is_told.then(|| std::mem::take(&mut state.news))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells whoever is concerned, until there is nothing left to tell.
pub(super) async fn tell(inner: &Arc<Inner>) {
    let _cleanup = Cleanup(&inner.reaches);
    while let Some(news) = inner.reaches.take() {
        for shard in 0..SHARDS {
            for cells in inner.cells.values_of(shard).chunks(BATCH) {
                cells.iter().for_each(|cell| cell.post_reach(inner, &news));
                yield_now().await;
            }
        }
    }
}

/// A rule that panics must not leave everybody untold from then on.
struct Cleanup<'a>(&'a Reaches);

impl Drop for Cleanup<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.state().is_told = false;
        }
    }
}

/// Most domains that wait; what comes of more is left out.
const DOMAINS: usize = 10_000;
/// Accounts that are told before others may work.
const BATCH: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tells_all_and_hears_each_domain_once() {
        let reaches = Reaches::default();
        let [first, second] = ["first.example", "second.example"].map(|it| Address::parse(it).unwrap());
        let (lost, back) = (DomainReach::Lost, DomainReach::Back);
        let begins: Vec<bool> =
            [(&first, lost), (&first, back), (&second, back), (&second, lost), (&first, back)]
                .map(|(domain, reach)| reaches.note(domain, reach))
                .to_vec();
        assert_eq!(begins, [true, false, false, false, false]);
        let news = reaches.take().expect("news");
        let told = |domain: &str| {
            let inputs = news.get(domain).expect("a domain").inputs();
            inputs
                .map(|input| match input {
                    Input::Reach { reach, .. } => reach,
                    other => panic!("{other:?}"),
                })
                .collect::<Vec<_>>()
        };
        assert_eq!((told("first.example"), told("second.example")), (vec![lost, back], vec![lost]));
        assert!(!reaches.note(&first, lost));
        assert_eq!(reaches.take().map(|news| news.len()), Some(1));
        assert!(reaches.take().is_none());
        assert!(reaches.note(&first, lost));
    }
}

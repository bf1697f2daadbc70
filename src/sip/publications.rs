//! Event state that phones published (RFC 3903): what is kept under which entity tag, and for how long.
//!
//! Rules only: no clock, no account, no header. Where a publication is shown (`P`: a phone's session or
//! one of its own) is the presence agent's business.

use std::sync::Arc;

use compact_str::CompactString;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::time::Instant;

use super::transport::Flow;
use crate::signal::{Address, Presence};

/// Names a publication while its tag changes; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::sip) struct PublicationId(u64);

/// What one device published.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Publication<P> {
    pub(super) account: Address,
    /// The entity tag: new with every success (RFC 3903 §6).
    pub(super) tag: CompactString,
    pub(super) presence: Arc<Presence>,
    /// By which it came last.
    pub(super) flow: Flow,
    pub(super) expires: Instant,
    /// Where it is shown.
    pub(super) place: P,
}

/// All publications of this door.
#[derive(Debug)]
pub(super) struct Book<P> {
    last: u64,
    entries: FxHashMap<PublicationId, Publication<P>>,
    by_tag: FxHashMap<CompactString, PublicationId>,
    /// Oldest first.
    by_account: FxHashMap<Address, Vec<PublicationId>>,
    by_flow: FxHashMap<Flow, FxHashSet<PublicationId>>,
}

/// What falls due turns out to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expiry<P> {
    /// It was taken out.
    Ended(Publication<P>),
    /// It was refreshed meanwhile: look again then.
    Later(Instant),
    /// There is no such publication any more.
    Gone,
}

impl<P> Default for Book<P> {
    fn default() -> Self {
        Self {
            last: 0,
            entries: FxHashMap::default(),
            by_tag: FxHashMap::default(),
            by_account: FxHashMap::default(),
            by_flow: FxHashMap::default(),
        }
    }
}

impl<P: Clone + PartialEq> Book<P> {
    /// Keeps an initial publication; gives it back where its account has `most` already.
    pub(super) fn add(
        &mut self,
        publication: Publication<P>,
        most: usize,
    ) -> Result<PublicationId, Box<Publication<P>>> {
        let of_account = self.by_account.entry(publication.account.clone()).or_default();
        if of_account.len() >= most {
            return Err(Box::new(publication));
        }
        self.last += 1;
        let id = PublicationId(self.last);
        of_account.push(id);
        self.by_tag.insert(publication.tag.clone(), id);
        self.by_flow.entry(publication.flow).or_default().insert(id);
        self.entries.insert(id, publication);
        Ok(id)
    }

    /// The publication that `account` made and that has this tag now.
    pub(super) fn find(&self, account: &Address, tag: &str) -> Option<(PublicationId, &Publication<P>)> {
        let id = *self.by_tag.get(tag)?;
        self.entries.get(&id).filter(|found| found.account == *account).map(|found| (id, found))
    }

    /// Refreshes, or modifies where there is a `presence`. `None` where nothing has this tag: 412.
    pub(super) fn renew(
        &mut self,
        account: &Address,
        tag: &str,
        renewal: Renewal,
    ) -> Option<(PublicationId, Publication<P>)> {
        let (id, _) = self.find(account, tag)?;
        let publication = self.entries.get_mut(&id)?;
        self.by_tag.remove(&publication.tag);
        self.by_tag.insert(renewal.tag.clone(), id);
        let before = std::mem::replace(&mut publication.flow, renewal.flow);
        publication.tag = renewal.tag;
        publication.expires = renewal.expires;
        if let Some(presence) = renewal.presence {
            publication.presence = presence;
        }
        let publication = publication.clone();
        if before != publication.flow {
            self.forget_flow(&before, id);
            self.by_flow.entry(publication.flow).or_default().insert(id);
        }
        Some((id, publication))
    }

    /// Takes out what has this tag; `None` where nothing has: 412.
    pub(super) fn remove(&mut self, account: &Address, tag: &str) -> Option<Publication<P>> {
        let (id, _) = self.find(account, tag)?;
        self.take(id)
    }

    /// Something falls due at `now`.
    pub(super) fn expire(&mut self, id: PublicationId, now: Instant) -> Expiry<P> {
        match self.entries.get(&id) {
            None => Expiry::Gone,
            Some(publication) if publication.expires > now => Expiry::Later(publication.expires),
            Some(_) => self.take(id).map_or(Expiry::Gone, Expiry::Ended),
        }
    }

    /// Takes out everything that came by a connection.
    pub(super) fn remove_flow(&mut self, flow: &Flow) -> Vec<Publication<P>> {
        let ids = self.by_flow.get(flow).cloned().unwrap_or_default();
        ids.into_iter().filter_map(|id| self.take(id)).collect()
    }

    /// Takes out everything that is shown at a place that is gone.
    pub(super) fn remove_place(&mut self, account: &Address, place: &P) -> Vec<Publication<P>> {
        let ids = self.of(account).filter(|(_, found)| found.place == *place).map(|(id, _)| id);
        let ids: Vec<_> = ids.collect();
        ids.into_iter().filter_map(|id| self.take(id)).collect()
    }

    /// Shows publications elsewhere: those of the account that came by `flow`. Gives the places they
    /// leave, and the presence that is shown at the new one now; nothing where none had to move.
    pub(super) fn move_to(
        &mut self,
        account: &Address,
        flow: &Flow,
        place: &P,
    ) -> (Vec<P>, Option<Arc<Presence>>) {
        let ids: Vec<_> = self
            .of(account)
            .filter(|(_, found)| found.flow == *flow && found.place != *place)
            .map(|(id, _)| id)
            .collect();
        let mut left = Vec::new();
        for id in ids {
            if let Some(publication) = self.entries.get_mut(&id) {
                left.push(std::mem::replace(&mut publication.place, place.clone()));
            }
        }
        let shown = if left.is_empty() { None } else { self.shown_at(account, place) };
        (left, shown)
    }

    /// What the publications that are shown at a place say: the newest one counts.
    pub(super) fn shown_at(&self, account: &Address, place: &P) -> Option<Arc<Presence>> {
        let here = self.of(account).filter(|(_, found)| found.place == *place);
        here.max_by_key(|(id, found)| (found.presence.since, *id))
            .map(|(_, found)| Arc::clone(&found.presence))
    }

    /// The publications of an account, oldest first.
    pub(super) fn of(&self, account: &Address) -> impl Iterator<Item = (PublicationId, &Publication<P>)> {
        let ids = self.by_account.get(account).map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(|id| self.entries.get(id).map(|found| (*id, found)))
    }

    fn take(&mut self, id: PublicationId) -> Option<Publication<P>> {
        let publication = self.entries.remove(&id)?;
        self.by_tag.remove(&publication.tag);
        self.forget_flow(&publication.flow, id);
        if let Some(ids) = self.by_account.get_mut(&publication.account) {
            ids.retain(|known| *known != id);
            if ids.is_empty() {
                self.by_account.remove(&publication.account);
            }
        }
        Some(publication)
    }

    fn forget_flow(&mut self, flow: &Flow, id: PublicationId) {
        if let Some(ids) = self.by_flow.get_mut(flow) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_flow.remove(flow);
            }
        }
    }
}

/// What a refresh or a modification brings.
#[derive(Debug, Clone)]
pub(super) struct Renewal {
    /// The new tag.
    pub(super) tag: CompactString,
    pub(super) expires: Instant,
    pub(super) flow: Flow,
    /// `None` for a mere refresh.
    pub(super) presence: Option<Arc<Presence>>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{signal::Timestamp, sip::transport::Protocol};

    const SECOND: Duration = Duration::from_secs(1);

    fn account(name: &str) -> Address {
        Address::parse(&format!("{name}@example.org")).unwrap()
    }

    fn flow(id: u64) -> Flow {
        Flow::for_test(Protocol::Tcp, ([192, 0, 2, 1], 5060).into(), id)
    }

    fn publication(tag: &str, since: i64, place: u32, now: Instant) -> Publication<u32> {
        let presence = Arc::new(Presence::online(Timestamp(since)));
        let expires = now + 100 * SECOND;
        Publication { account: account("alice"), tag: tag.into(), presence, flow: flow(1), expires, place }
    }

    fn renewal(tag: &str, now: Instant) -> Renewal {
        Renewal { tag: tag.into(), expires: now + 200 * SECOND, flow: flow(1), presence: None }
    }

    #[test]
    fn every_success_makes_a_new_tag_and_the_old_one_is_unknown() {
        let now = Instant::now();
        let mut book = Book::default();
        let id = book.add(publication("a", 0, 1, now), 9).unwrap();
        assert_eq!(book.renew(&account("alice"), "a", renewal("b", now)).unwrap().0, id);
        assert!(book.renew(&account("alice"), "a", renewal("c", now)).is_none());
        assert!(book.remove(&account("alice"), "a").is_none());
        assert_eq!(book.remove(&account("alice"), "b").unwrap().tag, "b");
        assert!(book.remove(&account("alice"), "b").is_none());
    }

    #[test]
    fn a_tag_means_nothing_to_another_account() {
        let now = Instant::now();
        let mut book = Book::default();
        book.add(publication("a", 0, 1, now), 9).unwrap();
        assert!(book.renew(&account("mallory"), "a", renewal("b", now)).is_none());
        assert!(book.remove(&account("mallory"), "a").is_none());
        assert!(book.find(&account("alice"), "a").is_some());
    }

    #[test]
    fn expiry_looks_whether_it_was_refreshed() {
        let now = Instant::now();
        let mut book = Book::default();
        let id = book.add(publication("a", 0, 1, now), 9).unwrap();
        book.renew(&account("alice"), "a", renewal("b", now));
        assert_eq!(book.expire(id, now + 100 * SECOND), Expiry::Later(now + 200 * SECOND));
        assert!(matches!(book.expire(id, now + 200 * SECOND), Expiry::Ended(ended) if ended.tag == "b"));
        assert_eq!(book.expire(id, now + 201 * SECOND), Expiry::Gone);
        assert_eq!(book.of(&account("alice")).count(), 0);
    }

    #[test]
    fn an_account_has_so_many_and_no_more() {
        let now = Instant::now();
        let mut book = Book::default();
        assert!(book.add(publication("a", 0, 1, now), 1).is_ok());
        assert!(book.add(publication("b", 0, 1, now), 1).is_err());
        assert!(book.find(&account("alice"), "b").is_none());
    }

    #[test]
    fn what_came_by_a_connection_ends_with_it() {
        let now = Instant::now();
        let mut book = Book::default();
        book.add(publication("a", 0, 1, now), 9).unwrap();
        book.add(publication("b", 0, 2, now), 9).unwrap();
        book.renew(&account("alice"), "b", Renewal { flow: flow(2), ..renewal("c", now) });
        let ended: Vec<_> = book.remove_flow(&flow(1)).into_iter().map(|ended| ended.tag).collect();
        assert_eq!(ended, ["a"]);
        assert_eq!(book.remove_flow(&flow(1)).len(), 0);
        assert_eq!(book.remove_flow(&flow(2)).len(), 1);
    }

    #[test]
    fn the_newest_at_a_place_counts_and_what_is_left_shows_again() {
        let now = Instant::now();
        let mut book = Book::default();
        book.add(publication("new", 20, 1, now), 9).unwrap();
        book.add(publication("old", 10, 1, now), 9).unwrap();
        let since = |book: &Book<u32>| book.shown_at(&account("alice"), &1).map(|shown| shown.since.0);
        assert_eq!(since(&book), Some(20));
        book.remove(&account("alice"), "new");
        assert_eq!(since(&book), Some(10));
        book.remove(&account("alice"), "old");
        assert_eq!(since(&book), None);
    }

    #[test]
    fn a_phone_that_registers_takes_over_what_it_published_before() {
        let now = Instant::now();
        let mut book = Book::default();
        book.add(publication("a", 5, 1, now), 9).unwrap();
        let (left, shown) = book.move_to(&account("alice"), &flow(1), &7);
        assert_eq!((left, shown.map(|shown| shown.since.0)), (vec![1], Some(5)));
        assert_eq!(book.move_to(&account("alice"), &flow(1), &7), (Vec::new(), None), "it is there already");
        assert_eq!(book.move_to(&account("alice"), &flow(2), &8), (Vec::new(), None));
        assert_eq!(book.remove_place(&account("alice"), &7).len(), 1);
    }
}

//! Event state that phones published (RFC 3903): what is kept under which entity tag, and for how long.
//!
//! Rules only: no clock, no account, no header. Where a publication is shown (`P`: a phone's session or
//! one of its own) is the presence agent's business; what of it outlives the process is [`record`]'s.

pub(super) mod record;

use std::sync::Arc;

use compact_str::CompactString;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::time::Instant;

use super::transport::Flow;
use crate::signal::{Address, Presence, Resource, Timestamp};

/// Names a publication while its tag changes; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::sip) struct PublicationId(u64);

/// What one device published.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Publication<P> {
    pub(super) account: Address,
    /// By which it is remembered: its first entity tag.
    pub(super) key: CompactString,
    /// The entity tag: new with every success (RFC 3903 §6).
    pub(super) tag: CompactString,
    pub(super) presence: Arc<Presence>,
    /// When that was published.
    pub(super) published: Timestamp,
    /// The id of the tuple that speaks for the device, and where it is reached.
    pub(super) name: Option<CompactString>,
    pub(super) contact: Option<CompactString>,
    /// By which it came last; `None` since a restart.
    pub(super) flow: Option<Flow>,
    /// The registered phone that shows it, by its name.
    pub(super) phone: Option<Resource>,
    /// The device that logged in, where it has a password of its own.
    pub(super) device: Option<i64>,
    /// Of the credential that it logged in with: see [`crate::auth::Authenticator::mark`].
    pub(super) mark: u64,
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

/// A phone that was registered, as publications know it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phone<'a, P> {
    pub(super) resource: &'a Resource,
    pub(super) flow: Option<Flow>,
    /// Where what it publishes is shown.
    pub(super) place: &'a P,
}

/// What falls due turns out to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expiry<P> {
    /// It was taken out.
    Ended(Box<Publication<P>>),
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
        if let Some(flow) = publication.flow {
            self.by_flow.entry(flow).or_default().insert(id);
        }
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
        let before = publication.flow.replace(renewal.flow);
        publication.tag = renewal.tag;
        publication.expires = renewal.expires;
        if let Some(content) = renewal.content {
            publication.presence = content.presence;
            publication.published = content.published;
            publication.name = content.name;
            publication.contact = content.contact;
        }
        let publication = publication.clone();
        if before != publication.flow {
            if let Some(before) = before {
                self.forget_flow(&before, id);
            }
            self.by_flow.entry(renewal.flow).or_default().insert(id);
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
            Some(_) => self.take(id).map_or(Expiry::Gone, |ended| Expiry::Ended(Box::new(ended))),
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

    /// Has a phone show what it published, by this flow or before a restart: what it shows already, or
    /// else the newest, and whatever else speaks in the name of the same tuple. Gives the publications
    /// that moved, as they were before.
    pub(super) fn move_to(&mut self, account: &Address, phone: Phone<'_, P>) -> Vec<Publication<P>> {
        let is_its = |found: &Publication<P>| {
            found.phone.as_ref().is_some_and(|known| known == phone.resource)
                || (found.phone.is_none() && found.flow.is_some() && found.flow == phone.flow)
        };
        let shown = self.newest_at(account, phone.place).map(|found| found.name.clone());
        let newest = || {
            let its = self.of(account).filter(|(_, found)| is_its(found));
            its.max_by_key(|(id, found)| (found.presence.since, *id)).map(|(_, found)| found.name.clone())
        };
        let Some(name) = shown.or_else(newest) else { return Vec::new() };
        let moves =
            |found: &Publication<P>| is_its(found) && found.name == name && found.place != *phone.place;
        let ids: Vec<_> = self.of(account).filter(|(_, found)| moves(found)).map(|(id, _)| id).collect();
        let mut moved = Vec::new();
        for id in ids {
            if let Some(publication) = self.entries.get_mut(&id) {
                moved.push(publication.clone());
                publication.place = phone.place.clone();
                publication.phone = Some(phone.resource.clone());
            }
        }
        moved
    }

    /// A place is gone: what was shown there is shown at another for now, and belongs to no phone.
    pub(super) fn leave(&mut self, account: &Address, gone: &P, now_at: &P) -> Vec<PublicationId> {
        let ids: Vec<_> =
            self.of(account).filter(|(_, found)| found.place == *gone).map(|(id, _)| id).collect();
        for id in &ids {
            if let Some(publication) = self.entries.get_mut(id) {
                publication.place = now_at.clone();
                publication.phone = None;
            }
        }
        ids
    }

    /// Shows a publication elsewhere; gives where it was shown, or nothing where it is gone.
    pub(super) fn place(&mut self, id: PublicationId, place: P) -> Option<P> {
        let publication = self.entries.get_mut(&id)?;
        Some(std::mem::replace(&mut publication.place, place))
    }

    /// What the publications that are shown at a place say: the newest one counts.
    pub(super) fn shown_at(&self, account: &Address, place: &P) -> Option<Arc<Presence>> {
        self.newest_at(account, place).map(|found| Arc::clone(&found.presence))
    }

    /// The newest publication that is shown at a place.
    pub(super) fn newest_at(&self, account: &Address, place: &P) -> Option<&Publication<P>> {
        let here = self.of(account).filter(|(_, found)| found.place == *place);
        here.max_by_key(|(id, found)| (found.presence.since, *id)).map(|(_, found)| found)
    }

    /// One publication.
    pub(super) fn get(&self, id: PublicationId) -> Option<&Publication<P>> {
        self.entries.get(&id)
    }

    /// The publications of an account, oldest first.
    pub(super) fn of(&self, account: &Address) -> impl Iterator<Item = (PublicationId, &Publication<P>)> {
        let ids = self.by_account.get(account).map(Vec::as_slice).unwrap_or_default();
        ids.iter().filter_map(|id| self.entries.get(id).map(|found| (*id, found)))
    }

    fn take(&mut self, id: PublicationId) -> Option<Publication<P>> {
        let publication = self.entries.remove(&id)?;
        self.by_tag.remove(&publication.tag);
        if let Some(flow) = publication.flow {
            self.forget_flow(&flow, id);
        }
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
    pub(super) content: Option<Content>,
}

/// What a document says, and when it came.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) presence: Arc<Presence>,
    pub(super) published: Timestamp,
    pub(super) name: Option<CompactString>,
    pub(super) contact: Option<CompactString>,
}

#[cfg(test)]
mod tests;

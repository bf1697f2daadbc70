//! All links, and what the accounts have for other domains.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::mpsc;
use tracing::debug;

use super::{
    Config,
    album::Album,
    component::Services,
    guests::Guests,
    link::{Bounds, Item, Link, Pushed},
    pair::{Pair, domain_of},
    pictures::{self, Pictures},
    print,
    table::Table,
};
use crate::{
    account::{Carrier, Load, Reply},
    signal::{Address, Enquiry, News, PersonalNews, Reason, Reject, Signal, Wanted},
};

/// The links of this server, found by their pairs of domains.
pub(super) struct Links {
    all: Mutex<Table>,
    config: Config,
    pub(super) guests: Guests,
    pub(super) pictures: Pictures,
    /// Domains whose services connect to us.
    pub(super) services: Arc<Services>,
    /// Links that want a way; the door takes them out. When it is full, no more is looked for.
    seekers: mpsc::Sender<Arc<Link>>,
}

impl Links {
    /// No links yet, and where those come out that want a way.
    pub(super) fn new(
        config: &Config,
        services: Arc<Services>,
        album: Album,
    ) -> (Arc<Self>, mpsc::Receiver<Arc<Link>>) {
        let (seekers, sought) = mpsc::channel(SEEKERS);
        let (all, guests) = (Mutex::default(), Guests::default());
        let pictures = Pictures::new(album);
        let links = Self { all, config: config.clone(), guests, pictures, services, seekers };
        (Arc::new(links), sought)
    }

    /// The link of a pair; `None` where there are too many.
    pub(super) fn link(&self, pair: &Pair) -> Option<Arc<Link>> {
        self.all().link(pair, self.config.domains, Instant::now())
    }

    /// Sends a stanza of ours to the other domain of a pair.
    pub(super) fn send(&self, pair: &Pair, stanza: Vec<u8>) {
        self.push(pair, Item::new(stanza, None));
    }

    /// Has something wait for the other domain of a pair, or refuses it.
    pub(super) fn push(&self, pair: &Pair, item: Item) {
        if let Some(place) = self.services.find(&pair.remote) {
            if let Pushed::Refused(item, reject) = self.services.push(place, item) {
                item.refuse(&reject);
            }
            return;
        }
        if !self.config.enabled {
            return item.refuse(&Reason::RemoteNotFound.into());
        }
        if !self.config.allows(pair.remote.domain()) {
            let text = "the operator does not want to talk to this domain";
            return item.refuse(&Reject::with_text(Reason::RemoteNotFound, text));
        }
        let Some(link) = self.link(pair) else { return item.refuse(&Reason::Overloaded.into()) };
        let bounds = Bounds { stanzas: self.config.queue, bytes: self.config.queue_bytes };
        match link.push(item, bounds, Instant::now()) {
            Pushed::Waits => {}
            Pushed::WantsWay => self.seek(link),
            Pushed::Refused(item, reject) => {
                debug!(pair = %pair, %reject, "not sent");
                item.refuse(&reject);
            }
        }
    }

    /// Has a way looked for.
    pub(super) fn seek(&self, link: Arc<Link>) {
        if let Err(error) = self.seekers.try_send(link) {
            let (mpsc::error::TrySendError::Full(link) | mpsc::error::TrySendError::Closed(link)) = error;
            let pause = |failures| self.config.pause(failures);
            link.fail(&Reason::Overloaded.into(), Instant::now(), pause);
        }
    }

    fn all(&self) -> MutexGuard<'_, Table> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Carrier for Links {
    fn reaches(&self, domain: &str) -> bool {
        self.config.enabled || Address::domain_only(domain).is_ok_and(|domain| self.services.has(&domain))
    }

    fn carry(&self, load: Load) {
        if let Signal::Enquiry(enquiry) = load.signal()
            && is_told_unasked(enquiry)
        {
            return load.settle(Ok(Reply::Done));
        }
        if let Signal::Personal { to, news } = load.signal()
            && to.resource.is_none()
            && !news.asked
        {
            return self.tell(&to.address, news);
        }
        if load.is_awaited() && pictures::is_wanted(load.signal()) {
            if let Some((pair, question)) = self.pictures.ask(load, Instant::now()) {
                self.send(&pair, question);
            }
            return;
        }
        let mut stanza = Vec::new();
        let from = print::signal(load.signal(), &mut stanza);
        match from.and_then(|from| Pair::of(&from, load.signal().to())) {
            Some(pair) => self.push(&pair, Item::new(stanza, load.is_awaited().then_some(load))),
            None => load.settle(Err(Reason::RemoteNotFound.into())),
        }
    }

    fn carry_all(&self, to: Vec<Address>, news: &News) {
        let Some(local) = domain_of(sender(news)) else { return };
        if let News::Personal(news) = news {
            return to.iter().for_each(|to| self.tell(to, news));
        }
        for to in to {
            let Some(remote) = domain_of(&to) else { continue };
            let mut stanza = Vec::new();
            if print::signal(&news.signal(to), &mut stanza).is_some() {
                self.send(&Pair { local: local.clone(), remote }, stanza);
            }
        }
    }
}

impl Links {
    /// Tells news to the sessions of somebody that want to hear of them.
    fn tell(&self, to: &Address, news: &Arc<PersonalNews>) {
        let Some(pair) = Pair::of(&news.from, to) else { return };
        for to in self.guests.readers(to, &news.from, &news.what.topic()) {
            let mut stanza = Vec::new();
            print::signal(&Signal::Personal { to, news: Arc::clone(news) }, &mut stanza);
            self.send(&pair, stanza);
        }
    }
}

/// Whether another server tells this by itself, to who wants to hear of it (XEP-0163 §4.3.2).
fn is_told_unasked(enquiry: &Enquiry) -> bool {
    matches!(enquiry.wanted, Wanted::Latest { .. })
}

fn sender(news: &News) -> &Address {
    match news {
        News::Presence(notice) => &notice.from.address,
        News::Probe(from) => &from.address,
        News::Personal(news) => &news.from,
    }
}

/// Links that may wait for somebody to look for a way.
const SEEKERS: usize = 10_000;

//! The links, found by their pairs of domains, and which of them go when there are too many.
//!
//! Anybody may have as many domains as he likes, and prove all of them. So a link has a lasting place only while it
//! carries something or something waits in it; streams keep the links that they need themselves.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rustc_hash::FxHashMap;

use super::{link::Link, pair::Pair};

#[derive(Debug, Default)]
pub(super) struct Table {
    links: FxHashMap<Pair, Arc<Link>>,
    /// When all of them were last looked at.
    looked: Option<Instant>,
}

impl Table {
    /// The link of a pair, a new one where there is none; `None` where there are `most` already.
    pub(super) fn link(&mut self, pair: &Pair, most: usize, now: Instant) -> Option<Arc<Link>> {
        if let Some(link) = self.links.get(pair) {
            return Some(Arc::clone(link));
        }
        if self.links.len() >= most && !self.make_room(most, now) {
            return None;
        }
        let link = Arc::new(Link::new(pair.clone()));
        self.links.insert(pair.clone(), Arc::clone(&link));
        Some(link)
    }

    /// Forgets first what is of no use, then what holds nothing; tells whether there is room now.
    fn make_room(&mut self, most: usize, now: Instant) -> bool {
        if self.looked.is_some_and(|looked| looked + PAUSE > now) {
            return false;
        }
        self.looked = Some(now);
        self.links.retain(|_, link| !link.is_idle(now));
        if self.links.len() >= most {
            self.links.retain(|_, link| !link.is_bare());
        }
        self.links.len() < most
    }
}

/// How long it takes until all are looked at again.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        signal::{Address, Reason},
        xmpp::federation::link::{Bounds, Item},
    };

    const MOST: usize = 3;

    fn pair(remote: &str) -> Pair {
        Pair { local: Address::parse("us").unwrap(), remote: Address::parse(remote).unwrap() }
    }

    fn send(link: &Link, now: Instant) {
        link.push(Item::new(b"x".to_vec(), None), Bounds { stanzas: 9, bytes: 99 }, now);
    }

    #[test]
    fn domains_that_were_only_proved_are_in_nobodys_way() {
        let (mut table, now) = (Table::default(), Instant::now());
        let proved: Vec<_> =
            ["a", "b", "c"].map(|remote| table.link(&pair(remote), MOST, now).unwrap()).into();
        assert!(proved.iter().all(|link| link.enter(1)));
        // One cannot be reached, one has something to carry.
        send(&proved[0], now);
        proved[0].fail(&Reason::RemoteTimeout.into(), now, |_| Duration::from_secs(600));
        send(&proved[1], now);
        assert!(table.link(&pair("d"), MOST, now).is_some());
        let kept = table.link(&pair("b"), MOST, now).unwrap();
        assert!(Arc::ptr_eq(&kept, &proved[1]));
    }

    #[test]
    fn links_that_carry_stay_and_are_looked_at_once_a_second() {
        let (mut table, now) = (Table::default(), Instant::now());
        let links: Vec<_> =
            ["a", "b", "c"].map(|remote| table.link(&pair(remote), MOST, now).unwrap()).into();
        links.iter().for_each(|link| assert!(link.begin()));
        assert!(table.link(&pair("d"), MOST, now).is_none());
        links[0].end();
        assert!(table.link(&pair("d"), MOST, now + PAUSE / 2).is_none());
        assert!(table.link(&pair("d"), MOST, now + PAUSE).is_some_and(|link| link.begin()));
        assert!(table.link(&pair("e"), MOST, now + PAUSE * 2).is_none());
    }

    #[test]
    fn what_failed_is_remembered_as_long_as_there_is_room_without_that() {
        let (mut table, now) = (Table::default(), Instant::now());
        let links: Vec<_> =
            ["a", "b", "c"].map(|remote| table.link(&pair(remote), MOST, now).unwrap()).into();
        for link in &links[..2] {
            link.fail(&Reason::RemoteTimeout.into(), now, |_| Duration::from_secs(600));
        }
        assert!(table.link(&pair("d"), MOST, now).is_some());
        let kept = table.link(&pair("a"), MOST, now).unwrap();
        assert!(Arc::ptr_eq(&kept, &links[0]));
    }
}

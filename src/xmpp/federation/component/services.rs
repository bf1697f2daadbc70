//! Every service that the operator listed, and what waits for those that are here.

use std::{sync::Arc, time::Instant};

use rustc_hash::FxHashMap;

use super::{Config, Service};
use crate::{
    signal::{Address, Reason, Reject},
    xmpp::federation::{
        link::{Bounds, Item, Link, Pushed},
        pair::Pair,
    },
};

/// The services by their domains.
#[derive(Debug)]
pub(in crate::xmpp) struct Services {
    by_domain: FxHashMap<Address, Place>,
    bounds: Bounds,
}

/// One service.
#[derive(Debug)]
pub(in crate::xmpp::federation) struct Place {
    pub(in crate::xmpp::federation) service: Service,
    pub(in crate::xmpp::federation) link: Arc<Link>,
}

impl Services {
    /// Those of the configuration; none is here yet. `local` is the first of our own domains.
    pub(in crate::xmpp::federation) fn new(config: &Config, local: &Address) -> Self {
        let place = |service: &Service| {
            let pair = Pair { local: local.clone(), remote: service.domain.clone() };
            (service.domain.clone(), Place { service: service.clone(), link: Arc::new(Link::new(pair)) })
        };
        Self {
            by_domain: config.services.iter().map(place).collect(),
            bounds: Bounds { stanzas: config.queue, bytes: config.queue_bytes },
        }
    }

    pub(in crate::xmpp::federation) fn find(&self, domain: &Address) -> Option<&Place> {
        self.by_domain.get(domain)
    }

    /// Whether this is the domain of a service, here or not.
    pub(in crate::xmpp::federation) fn has(&self, domain: &Address) -> bool {
        self.by_domain.contains_key(domain)
    }

    /// Has something wait for a service; refused where it is not here, or too much waits for it.
    pub(in crate::xmpp::federation) fn push(&self, place: &Place, item: Item) -> Pushed {
        place.link.push_carried(item, &absent(), self.bounds, Instant::now())
    }

    /// The services that are here, each with its name for people, in the order of their domains.
    pub(in crate::xmpp) fn present(&self) -> Vec<(&Address, Option<&str>)> {
        let here = self.by_domain.values().filter(|place| place.link.is_carried());
        let mut here: Vec<_> =
            here.map(|place| (&place.service.domain, place.service.name.as_deref())).collect();
        here.sort_unstable();
        here
    }
}

/// What who writes to a service that is not here is told.
pub(super) fn absent() -> Reject {
    Reject::with_text(Reason::RemoteTimeout, "this service is not here now")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_have_what_is_for_them_while_they_are_here() {
        let text =
            "services = [{ domain = 'b.x', secret = 's' }, { domain = 'a.x', secret = 's', name = 'A' }]";
        let local = Address::parse("x").unwrap();
        let services = Services::new(&toml::from_str(text).unwrap(), &local);
        let domain = Address::parse("a.x").unwrap();
        let item = || Item::new(b"<message/>".to_vec(), None);
        assert!(services.present().is_empty());
        let place = services.find(&domain).unwrap();
        let Pushed::Refused(_, reject) = services.push(place, item()) else { panic!("it is not here") };
        assert_eq!((reject.reason, place.link.has_waiting()), (Reason::RemoteTimeout, false));
        assert!(place.link.begin());
        assert!(matches!(services.push(place, item()), Pushed::Waits));
        assert!(place.link.has_waiting());
        assert_eq!(services.present(), [(&domain, Some("A"))]);
        assert!(!services.has(&local));
    }
}

//! The bus of a server that is one process, with a way out of it for signals to other domains.

use std::sync::{Arc, OnceLock};

use serde::{Serialize, de::DeserializeOwned};

use crate::signal::{Address, News, Signal};

/// A signal on its way, with the place `R` that its reply goes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<R> {
    pub signal: Signal,
    pub reply: Option<R>,
}

/// Takes signals: those for accounts of this process, or those for accounts elsewhere. Must not block.
pub trait Receive<R>: Send + Sync {
    /// Whether what is for this domain may arrive.
    fn reaches(&self, _domain: &str) -> bool {
        true
    }

    fn receive(&self, envelope: Envelope<R>);

    /// Takes what all of `to` are told alike.
    fn receive_all(&self, to: Vec<Address>, news: &News);
}

/// The way from any account to any other. Cheap to clone.
pub struct Bus<R> {
    inner: Arc<Inner<R>>,
}

struct Inner<R> {
    /// The domains whose accounts live here.
    domains: Vec<Address>,
    receiver: OnceLock<Box<dyn Receive<R>>>,
    /// Who takes what is for other domains.
    outside: OnceLock<Box<dyn Receive<R>>>,
}

impl<R> Clone for Bus<R> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<R: Serialize + DeserializeOwned> Bus<R> {
    /// A bus for the accounts of `domains`.
    #[must_use]
    pub fn new(domains: Vec<Address>) -> Self {
        Self { inner: Arc::new(Inner { domains, receiver: OnceLock::new(), outside: OnceLock::new() }) }
    }

    /// Names who receives. The first one named stays.
    pub fn connect(&self, receiver: Box<dyn Receive<R>>) {
        let _ = self.inner.receiver.set(receiver);
    }

    /// Names who takes what is for other domains. The first one named stays.
    pub fn connect_outside(&self, receiver: Box<dyn Receive<R>>) {
        let _ = self.inner.outside.set(receiver);
    }

    /// Whether there is a way to this domain, which is another than those served here.
    #[must_use]
    pub fn leads_to(&self, domain: &str) -> bool {
        self.inner.outside.get().is_some_and(|receiver| receiver.reaches(domain))
    }

    /// Whether accounts of this domain are served here.
    #[must_use]
    pub fn serves(&self, domain: &str) -> bool {
        self.inner.domains.iter().any(|own| own.domain() == domain)
    }

    /// The domains that are served here.
    #[must_use]
    pub fn domains(&self) -> &[Address] {
        &self.inner.domains
    }

    /// Sends a signal on its way.
    ///
    /// # Errors
    /// Gives the envelope back where no way leads to its receiver.
    pub fn send(&self, envelope: Envelope<R>) -> Result<(), Envelope<R>> {
        let is_home = self.serves(envelope.signal.to().domain());
        let way = if is_home { &self.inner.receiver } else { &self.inner.outside };
        match way.get() {
            Some(receiver) => {
                receiver.receive(envelope);
                Ok(())
            }
            None => Err(envelope),
        }
    }

    /// Tells all of `to` the same. Where no way leads, nobody hears it.
    pub fn send_all(&self, mut to: Vec<Address>, news: &News) {
        let outside: Vec<_> = to.extract_if(.., |address| !self.serves(address.domain())).collect();
        if let Some(receiver) = self.inner.receiver.get() {
            receiver.receive_all(to, news);
        }
        if let Some(carrier) = self.inner.outside.get().filter(|_| !outside.is_empty()) {
            carrier.receive_all(outside, news);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::signal::{Party, Probe};

    struct Collect(Arc<Mutex<Vec<Signal>>>);

    impl Receive<()> for Collect {
        fn receive(&self, envelope: Envelope<()>) {
            self.0.lock().unwrap().push(envelope.signal);
        }

        fn receive_all(&self, to: Vec<Address>, news: &News) {
            self.0.lock().unwrap().extend(to.into_iter().map(|to| news.signal(to)));
        }
    }

    #[test]
    fn own_domains_are_served_and_others_come_back() {
        let seen = Arc::default();
        let bus = Bus::new(vec![Address::domain_only("example.org").unwrap()]);
        bus.connect(Box::new(Collect(Arc::clone(&seen))));
        let probe = |to: &str| Envelope {
            signal: Signal::Probe(Box::new(Probe {
                from: Arc::new(Party::parse("alice@example.org").unwrap()),
                to: Party::parse(to).unwrap(),
                origin_id: None,
            })),
            reply: None,
        };
        assert!(bus.send(probe("bob@example.org")).is_ok());
        assert!(bus.send(probe("bob@example.com")).is_err());
        assert_eq!(seen.lock().unwrap().len(), 1);
        let to = ["bob@example.org", "bob@example.com", "eve@example.org"];
        let to = to.map(|to| Address::parse(to).unwrap()).to_vec();
        bus.send_all(to, &News::Probe(Arc::new(Party::parse("alice@example.org").unwrap())));
        assert_eq!(seen.lock().unwrap().len(), 3);
    }

    #[test]
    fn other_domains_have_a_way_of_their_own() {
        let (here, elsewhere) = (Arc::default(), Arc::default());
        let bus = Bus::new(vec![Address::domain_only("example.org").unwrap()]);
        bus.connect(Box::new(Collect(Arc::clone(&here))));
        bus.connect_outside(Box::new(Collect(Arc::clone(&elsewhere))));
        let from = Arc::new(Party::parse("alice@example.org").unwrap());
        let to = ["bob@example.org", "bob@example.com"].map(|to| Address::parse(to).unwrap());
        for to in to.clone() {
            let probe = Probe { from: Arc::clone(&from), to: to.into(), origin_id: None };
            let signal = Signal::Probe(Box::new(probe));
            assert!(bus.send(Envelope { signal, reply: None }).is_ok());
        }
        bus.send_all(to.to_vec(), &News::Probe(from));
        let domains = |seen: &Mutex<Vec<Signal>>| -> Vec<String> {
            seen.lock().unwrap().iter().map(|signal| signal.to().domain().to_owned()).collect()
        };
        assert_eq!(domains(&here), ["example.org", "example.org"]);
        assert_eq!(domains(&elsewhere), ["example.com", "example.com"]);
    }
}

//! The bus of a server that is one process.

use std::sync::{Arc, OnceLock};

use serde::{Serialize, de::DeserializeOwned};

use crate::signal::{Address, News, Signal};

/// A signal on its way, with the place `R` that its reply goes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<R> {
    pub signal: Signal,
    pub reply: Option<R>,
}

/// Takes the signals that are for accounts of this process. Must not block.
pub trait Receive<R>: Send + Sync {
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
        Self { inner: Arc::new(Inner { domains, receiver: OnceLock::new() }) }
    }

    /// Names who receives. The first one named stays.
    pub fn connect(&self, receiver: Box<dyn Receive<R>>) {
        let _ = self.inner.receiver.set(receiver);
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
        match self.inner.receiver.get() {
            Some(receiver) if self.serves(envelope.signal.to().domain()) => {
                receiver.receive(envelope);
                Ok(())
            }
            _ => Err(envelope),
        }
    }

    /// Tells all of `to` the same. Where no way leads, nobody hears it.
    pub fn send_all(&self, mut to: Vec<Address>, news: &News) {
        to.retain(|address| self.serves(address.domain()));
        if let Some(receiver) = self.inner.receiver.get() {
            receiver.receive_all(to, news);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::signal::Party;

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
            signal: Signal::Probe {
                from: Arc::new(Party::parse("alice@example.org").unwrap()),
                to: Address::parse(to).unwrap(),
            },
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
}

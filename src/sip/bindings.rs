//! The bindings of one address of record: the rules of RFC 3261 §10.3, pure.
//!
//! A request is planned against what there is, and the whole plan is applied or none of it. A binding is
//! known again by its instance (RFC 5626 §4.1) or by its URI (RFC 3261 §19.1.4). `reg-id` is not looked
//! at: this registrar keeps one flow for each instance and so never claims `outbound` (RFC 5626 §6).

use std::time::Duration;

use compact_str::CompactString;
use tokio::time::Instant;

use super::{
    answer::Refusal,
    config::Config,
    message::{Contacts, HeaderName, Message, NameAddr, Quality, Uri},
};

/// The bindings of one account; `D` is what stands behind each.
#[derive(Debug)]
pub(super) struct Record<D> {
    /// Grows with every change, so that a plan made before another change is not applied.
    version: u64,
    bindings: Vec<Binding<D>>,
}

/// One registered contact.
#[derive(Debug)]
pub(super) struct Binding<D> {
    pub(super) device: D,
    contact: Contact,
    call_id: CompactString,
    cseq: u32,
    pub(super) expires: Instant,
}

/// A contact as the phone gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contact {
    pub(super) uri: Uri,
    pub(super) instance: Option<CompactString>,
    q: Option<Quality>,
    /// As asked for, of the contact or else of the message, in seconds.
    expires: Option<u32>,
}

/// What a REGISTER wants.
#[derive(Debug)]
pub(super) struct Asked {
    call_id: CompactString,
    cseq: u32,
    wanted: Wanted,
}

#[derive(Debug)]
enum Wanted {
    /// Only a list of what there is.
    Fetch,
    RemoveAll,
    Set(Vec<Contact>),
}

/// What is done for one contact; numbers are places in the record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Remove(usize),
    Refresh(usize, Contact, Duration),
    Add(Contact, Duration),
}

/// A plan and the state it was made for.
#[derive(Debug)]
pub(super) struct Plan {
    version: u64,
    pub(super) steps: Vec<Step>,
}

/// What a plan did.
#[derive(Debug)]
pub(super) struct Changes<D> {
    pub(super) removed: Vec<D>,
    pub(super) refreshed: Vec<(D, Contact)>,
}

impl Asked {
    /// Reads a REGISTER.
    ///
    /// # Errors
    /// 400 where Contact or Expires make no sense (RFC 3261 §10.3 step 6).
    pub(super) fn read(message: &Message) -> Result<Self, Refusal> {
        let expires = message.expires();
        let wanted = match message.contacts()? {
            Contacts::Wildcard if expires == Some(0) => Wanted::RemoveAll,
            Contacts::Wildcard => return Err(Refusal::because(400, "Bad Request: * needs Expires: 0")),
            Contacts::List(list) if list.is_empty() => Wanted::Fetch,
            Contacts::List(list) if list.len() > CONTACTS => return Err(Refusal::new(513)),
            Contacts::List(list) => {
                Wanted::Set(list.into_iter().map(|contact| Contact::read(contact, expires)).collect())
            }
        };
        Ok(Self { call_id: message.call_id()?.into(), cseq: message.cseq()?.number, wanted })
    }
}

impl Contact {
    fn read(contact: NameAddr, expires: Option<u32>) -> Self {
        Self {
            instance: contact.instance().filter(|instance| !instance.is_empty()),
            q: contact.q(),
            expires: contact.expires().or(expires),
            uri: contact.uri,
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (&self.instance, &other.instance) {
            (Some(one), Some(two)) => one == two,
            _ => self.uri.is_equivalent(&other.uri),
        }
    }
}

impl<D> Default for Record<D> {
    fn default() -> Self {
        Self { version: 0, bindings: Vec::new() }
    }
}

impl<D: Clone> Record<D> {
    /// Decides what a REGISTER changes.
    ///
    /// # Errors
    /// 423 for too brief a time, 500 for a request older than the binding it is about (RFC 3261 §10.3
    /// steps 6 and 7), 403 where there are too many phones. Nothing changes then.
    pub(super) fn plan(&self, asked: &Asked, config: &Config) -> Result<Plan, Refusal> {
        let mut steps = Vec::new();
        match &asked.wanted {
            Wanted::Fetch => {}
            Wanted::RemoveAll => {
                for (index, binding) in self.bindings.iter().enumerate() {
                    binding.check_order(asked)?;
                    steps.push(Step::Remove(index));
                }
            }
            Wanted::Set(contacts) => {
                for (at, contact) in contacts.iter().enumerate() {
                    if contacts.iter().take(at).any(|earlier| earlier.is_same(contact)) {
                        return Err(Refusal::because(400, "Bad Request: repeated contact"));
                    }
                    steps.extend(self.plan_contact(contact, asked, config)?);
                }
            }
        }
        let added = steps.iter().filter(|step| matches!(step, Step::Add(..))).count();
        let removed = steps.iter().filter(|step| matches!(step, Step::Remove(_))).count();
        if added > 0 && self.bindings.len() + added - removed > config.devices {
            return Err(Refusal::because(403, "Forbidden: too many phones"));
        }
        Ok(Plan { version: self.version, steps })
    }

    fn plan_contact(
        &self,
        contact: &Contact,
        asked: &Asked,
        config: &Config,
    ) -> Result<Option<Step>, Refusal> {
        let seconds = contact.expires.unwrap_or(config.register_default_seconds);
        if seconds > 0 && seconds < config.register_min_seconds {
            return Err(Refusal::new(423).with(HeaderName::MinExpires, config.register_min_seconds));
        }
        let lifetime = Duration::from_secs(seconds.min(config.register_max_seconds).into());
        let found = self.bindings.iter().position(|binding| binding.contact.is_same(contact));
        let Some(index) = found else {
            return Ok((seconds > 0).then(|| Step::Add(contact.clone(), lifetime)));
        };
        if let Some(binding) = self.bindings.get(index) {
            binding.check_order(asked)?;
        }
        Ok(Some(match seconds {
            0 => Step::Remove(index),
            _ => Step::Refresh(index, contact.clone(), lifetime),
        }))
    }

    /// Does what was planned; `added` are the devices of its [`Step::Add`]s, in their order. `None`
    /// where something else changed since the plan was made.
    pub(super) fn apply(
        &mut self,
        plan: Plan,
        asked: &Asked,
        added: Vec<D>,
        now: Instant,
    ) -> Option<Changes<D>> {
        if plan.version != self.version {
            return None;
        }
        let mut added = added.into_iter();
        let (mut gone, mut changes) = (Vec::new(), Changes { removed: Vec::new(), refreshed: Vec::new() });
        for step in plan.steps {
            self.version += 1;
            match step {
                Step::Remove(index) => gone.push(index),
                Step::Refresh(index, contact, lifetime) => {
                    let Some(binding) = self.bindings.get_mut(index) else { continue };
                    binding.renew(contact.clone(), asked, now + lifetime);
                    changes.refreshed.push((binding.device.clone(), contact));
                }
                Step::Add(contact, lifetime) => {
                    let Some(device) = added.next() else { continue };
                    let (call_id, cseq, expires) = (asked.call_id.clone(), asked.cseq, now + lifetime);
                    // One more and no room besides: most accounts have one phone, and there are many.
                    self.bindings.reserve_exact(1);
                    self.bindings.push(Binding { device, contact, call_id, cseq, expires });
                }
            }
        }
        gone.sort_unstable();
        for index in gone.into_iter().rev() {
            changes.removed.push(self.bindings.remove(index).device);
        }
        Some(changes)
    }

    /// Takes away the binding that `is_it` names.
    pub(super) fn remove(&mut self, is_it: impl Fn(&D) -> bool) -> Option<D> {
        let index = self.bindings.iter().position(|binding| is_it(&binding.device))?;
        self.version += 1;
        Some(self.bindings.remove(index).device)
    }

    pub(super) fn bindings(&self) -> &[Binding<D>] {
        &self.bindings
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bindings.is_empty()
    }
}

impl<D> Binding<D> {
    /// RFC 3261 §10.3: a request that is older than the one that made the binding changes nothing.
    fn check_order(&self, asked: &Asked) -> Result<(), Refusal> {
        if self.call_id == asked.call_id && asked.cseq <= self.cseq {
            return Err(Refusal::because(500, "Server Internal Error: request out of order"));
        }
        Ok(())
    }

    fn renew(&mut self, contact: Contact, asked: &Asked, expires: Instant) {
        self.contact = contact;
        self.call_id.clone_from(&asked.call_id);
        self.cseq = asked.cseq;
        self.expires = expires;
    }

    /// The binding as the 200 of a REGISTER lists it (RFC 3261 §10.3 step 8).
    pub(super) fn print(&self, now: Instant) -> NameAddr {
        let left = self.expires.saturating_duration_since(now);
        // Rounded up: what was just granted is listed in full.
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        let mut contact = NameAddr::new(self.contact.uri.clone());
        if let Some(q) = self.contact.q {
            contact = contact.with_param("q", Some(&print_quality(q)));
        }
        if let Some(instance) = &self.contact.instance {
            contact = contact.with_param("+sip.instance", Some(&format!("<{instance}>")));
        }
        contact.with_param("expires", Some(&seconds.to_string()))
    }
}

fn print_quality(q: Quality) -> String {
    format!("{}.{:03}", q.thousandths() / 1000, q.thousandths() % 1000)
}

/// Most contacts in one request.
const CONTACTS: usize = 16;

#[cfg(test)]
mod tests;

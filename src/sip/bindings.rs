//! The bindings of one address of record: the rules of RFC 3261 §10.3, pure.
//!
//! A request is planned against what there is, and the whole plan is applied or none of it. A binding is
//! known again by its instance and `reg-id` (RFC 5626 §6), by its instance alone where either has no
//! `reg-id`, or by its URI (RFC 3261 §19.1.4). The bindings of an instance share what stands behind them:
//! they are ways to one phone.

use std::{num::NonZeroU32, time::Duration};

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use tokio::time::Instant;

use super::{
    answer::Refusal,
    asked::{Asked, Wanted},
    config::Config,
    message::{HeaderName, NameAddr, Quality, Uri},
};

/// The bindings of one account; `D` is the phone behind each, equal to itself only.
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
    pub(super) contact: Contact,
    pub(super) call_id: CompactString,
    pub(super) cseq: u32,
    pub(super) expires: Instant,
    /// What happened to it last.
    pub(super) last: Last,
}

/// What can happen to a binding that lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Last {
    Registered,
    Refreshed,
    /// Its connection went with the server: it has less time than it was promised.
    Shortened,
}

/// A contact as the phone gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Contact {
    pub(super) uri: Uri,
    pub(super) instance: Option<CompactString>,
    /// Only where it is honoured, and never without an instance.
    pub(super) reg_id: Option<RegId>,
    pub(super) q: Option<Quality>,
    /// As asked for, of the contact or else of the message, in seconds.
    pub(super) expires: Option<u32>,
}

/// Which of its flows an instance registers (RFC 5626 §4.2).
pub(super) type RegId = NonZeroU32;

/// What is done for one contact; numbers are places in the record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Remove(usize),
    Refresh(usize, Contact, Duration),
    /// One more way to the phone of the binding at this place.
    Join(usize, Contact, Duration),
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
    /// Phones that no binding leads to any more.
    pub(super) removed: Vec<D>,
    /// Ways to phones that have others.
    pub(super) lost: Vec<(D, Option<RegId>)>,
    pub(super) refreshed: Vec<Refreshed<D>>,
}

/// A binding that was there before, or that joined others of its phone.
#[derive(Debug)]
pub(super) struct Refreshed<D> {
    pub(super) device: D,
    pub(super) contact: Contact,
    /// The binding had another `reg-id`, or none.
    pub(super) before: Option<RegId>,
    /// It came with another Call-ID than before: temporary GRUUs end (RFC 5627 §5.1).
    pub(super) is_new_call: bool,
}

impl Contact {
    pub(super) fn read(contact: NameAddr, expires: Option<u32>) -> Self {
        let instance = contact.instance().filter(|instance| !instance.is_empty());
        Self {
            // RFC 5626 §6: without an instance it means nothing.
            reg_id: instance.as_ref().and_then(|_| RegId::new(contact.reg_id()?)),
            instance,
            q: contact.q(),
            expires: contact.expires().or(expires),
            uri: contact.uri,
        }
    }

    /// Whether one replaces the other. COMPAT(linphone): a phone that was restarted registers its instance
    /// from another port, with or without `reg-id`.
    fn is_same(&self, other: &Self) -> bool {
        match (&self.instance, &other.instance) {
            (Some(one), Some(two)) if one == two => match (self.reg_id, other.reg_id) {
                (Some(one), Some(two)) => one == two,
                _ => true,
            },
            (Some(_), Some(_)) => false,
            _ => self.uri.is_equivalent(&other.uri),
        }
    }

    fn is_same_phone(&self, other: &Self) -> bool {
        self.instance.is_some() && self.instance == other.instance
    }
}

impl<D> Default for Changes<D> {
    fn default() -> Self {
        Self { removed: Vec::new(), lost: Vec::new(), refreshed: Vec::new() }
    }
}

impl<D> Default for Record<D> {
    fn default() -> Self {
        Self { version: 0, bindings: Vec::new() }
    }
}

impl<D: Clone + PartialEq> Record<D> {
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
        let added = steps.iter().filter(|step| matches!(step, Step::Add(..) | Step::Join(..))).count();
        let removed = steps.iter().filter(|step| matches!(step, Step::Remove(_))).count();
        if added > 0 && self.bindings.len() + added - removed > config.devices {
            return Err(Refusal::because(403, "Forbidden: too many phones"));
        }
        Ok(Plan { version: self.version, steps })
    }

    fn plan_contact(&self, contact: &Contact, asked: &Asked, config: &Config) -> Result<Steps, Refusal> {
        let seconds = contact.expires.unwrap_or(config.register_default_seconds);
        if seconds > 0 && seconds < config.register_min_seconds {
            return Err(Refusal::new(423).with(HeaderName::MinExpires, config.register_min_seconds));
        }
        let lifetime = Duration::from_secs(seconds.min(config.register_max_seconds).into());
        let (mut steps, mut sibling) = (Steps::new(), None);
        for (index, binding) in self.bindings.iter().enumerate() {
            if !binding.contact.is_same(contact) {
                sibling = sibling.or_else(|| binding.contact.is_same_phone(contact).then_some(index));
                continue;
            }
            binding.check_order(asked)?;
            // The first one becomes what is asked for; others of the instance are flows that it gave up.
            steps.push(match seconds {
                0 => Step::Remove(index),
                _ if !steps.is_empty() => Step::Remove(index),
                _ => Step::Refresh(index, contact.clone(), lifetime),
            });
        }
        if steps.is_empty() && seconds > 0 {
            steps.push(match sibling {
                Some(index) => Step::Join(index, contact.clone(), lifetime),
                None => Step::Add(contact.clone(), lifetime),
            });
        }
        Ok(steps)
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
        let (mut gone, mut refreshed) = (Vec::new(), Vec::new());
        for step in plan.steps {
            self.version += 1;
            match step {
                Step::Remove(index) => gone.push(index),
                Step::Refresh(index, contact, lifetime) => {
                    let Some(binding) = self.bindings.get_mut(index) else { continue };
                    let (device, before) = (binding.device.clone(), binding.contact.reg_id);
                    let is_new_call = binding.call_id != asked.call_id;
                    binding.renew(contact.clone(), asked, now + lifetime);
                    refreshed.push(Refreshed { device, contact, before, is_new_call });
                }
                Step::Join(index, contact, lifetime) => {
                    let Some(device) = self.bindings.get(index).map(|found| found.device.clone()) else {
                        continue;
                    };
                    let before = contact.reg_id;
                    self.add(device.clone(), contact.clone(), asked, now + lifetime);
                    refreshed.push(Refreshed { device, contact, before, is_new_call: false });
                }
                Step::Add(contact, lifetime) => {
                    let Some(device) = added.next() else { continue };
                    self.add(device, contact, asked, now + lifetime);
                }
            }
        }
        gone.sort_unstable();
        let gone: Vec<_> = gone.into_iter().rev().map(|index| self.bindings.remove(index)).collect();
        Some(self.sort_out(gone, refreshed))
    }

    fn add(&mut self, device: D, contact: Contact, asked: &Asked, expires: Instant) {
        let (call_id, cseq) = (asked.call_id.clone(), asked.cseq);
        // One more and no room besides: most accounts have one phone, and there are many.
        self.bindings.reserve_exact(1);
        let last = Last::Registered;
        self.bindings.push(Binding { device, contact, call_id, cseq, expires, last });
    }

    /// Tells the phones that are gone from those that have other ways.
    fn sort_out(&self, gone: Vec<Binding<D>>, refreshed: Vec<Refreshed<D>>) -> Changes<D> {
        let mut changes = Changes { removed: Vec::new(), lost: Vec::new(), refreshed };
        for Binding { device, contact, .. } in gone {
            if self.bindings.iter().any(|binding| binding.device == device) {
                changes.lost.push((device, contact.reg_id));
            } else if !changes.removed.contains(&device) {
                changes.removed.push(device);
            }
        }
        changes
    }

    /// As it was before a restart.
    pub(super) fn restored(bindings: Vec<Binding<D>>) -> Self {
        Self { version: 0, bindings }
    }

    /// Takes away the bindings for which `is_it` holds.
    pub(super) fn remove(&mut self, is_it: impl Fn(&Binding<D>) -> bool) -> Changes<D> {
        let gone: Vec<_> = self.bindings.extract_if(.., |binding| is_it(binding)).collect();
        self.version += u64::from(!gone.is_empty());
        self.sort_out(gone, Vec::new())
    }

    pub(super) fn bindings(&self) -> &[Binding<D>] {
        &self.bindings
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bindings.is_empty()
    }

    /// When the first of a phone's bindings ends; `None` where it has none.
    pub(super) fn expiry(&self, is_it: impl Fn(&D) -> bool) -> Option<Instant> {
        let own = self.bindings.iter().filter(|binding| is_it(&binding.device));
        own.map(|binding| binding.expires).min()
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
        self.last = Last::Refreshed;
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
        if let Some(reg_id) = self.contact.reg_id {
            contact = contact.with_param("reg-id", Some(&reg_id.to_string()));
        }
        contact.with_param("expires", Some(&seconds.to_string()))
    }
}

pub(super) fn print_quality(q: Quality) -> String {
    format!("{}.{:03}", q.thousandths() / 1000, q.thousandths() % 1000)
}

/// What is done for one contact: more than one step only where it replaces several flows.
type Steps = SmallVec<[Step; 1]>;

#[cfg(test)]
mod tests;

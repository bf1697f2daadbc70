//! What this door shows of its own: where somebody is registered, and who talks (see [`Package`]).

use super::{
    Address, Arc, CallStates, ContactEvent, Content, Device, Dialogs, Door, Instant, MutexGuard, Package,
    PoisonError, SessionId, SubscriptionId, Subscriptions, TouchedCalls, Uri, registration_of,
};

impl Subscriptions {
    /// The registrations of an account changed; contacts that are gone ended by `ended`.
    pub(in crate::sip) fn note_registrations(&self, door: &Door, of: &Address, ended: ContactEvent) {
        if !self.layer.transport().is_running() || !self.table.has_readers(Package::Registrations, of) {
            return;
        }
        let state = Arc::new(registration_of(door, of));
        let content = |_: &Address| Content::Registrations { state: Arc::clone(&state), ended };
        if self.table.show_own(Package::Registrations, of, Instant::now(), content) {
            self.work.notify_one();
        }
    }

    /// Something happened to a call.
    pub(in crate::sip) fn note_calls(&self, change: impl FnOnce(&mut CallStates) -> TouchedCalls) {
        let touched = change(&mut self.calls());
        self.show_calls(&touched);
    }

    /// A phone's session is over, and with it what it talked.
    pub(in crate::sip) fn note_left(&self, account: &Address, session: SessionId) {
        let all = self.calls().leave(account, session);
        all.iter().for_each(|touched| self.show_calls(touched));
    }

    /// A phone registered, perhaps by a new connection: its subscriptions go on there.
    pub(in crate::sip) fn handle_registered(&self, device: &Device) {
        let Some(target) = device.target() else { return };
        let is_same = |contact: &Uri| {
            contact.is_equivalent(&target.uri)
                || device.is_meant_by(contact)
                || (contact.raw_user().is_some()
                    && contact.raw_user() == target.uri.raw_user()
                    && contact.host() == target.uri.host())
        };
        let is_its = |contact: &Uri| device.is_meant_by(contact);
        let is_ready = self.table.aim(device.address(), (&target.uri, target.flow), is_its);
        let ids = self.table.rejoin(device.address(), target.flow, is_same);
        for id in &ids {
            self.save(*id);
        }
        if is_ready || !ids.is_empty() {
            self.work.notify_one();
        }
    }

    /// Has NOTIFYs for a GRUU go to where its phone is registered (RFC 5627 §6.1), as long as it is a phone of
    /// the watcher.
    pub(super) fn aim(&self, door: &Door, id: SubscriptionId) {
        let gruu = self.table.with(id, |entry| {
            entry.dialog.has_gruu().then(|| (entry.watcher.clone(), entry.dialog.target().clone()))
        });
        let Some((watcher, uri)) = gruu.flatten() else { return };
        let device = door.find_phone(&uri).filter(|device| *device.address() == watcher);
        if let Some(target) = device.and_then(|device| device.target()) {
            self.table.with(id, |entry| entry.dialog.aim(&target.uri));
        }
    }

    fn show_calls(&self, touched: &TouchedCalls) {
        for account in &touched.accounts {
            if !self.table.has_readers(Package::Calls, account) {
                continue;
            }
            let all = self.calls().of(account, Some(touched));
            let content = |watcher: &Address| calls_for(watcher, account, &all);
            if self.table.show_own(Package::Calls, account, Instant::now(), content) {
                self.work.notify_one();
            }
        }
    }

    /// Shows a subscription what this door knows itself.
    pub(super) fn show_first(&self, door: &Door, id: SubscriptionId) {
        let Some((package, watcher, of)) =
            self.table.with(id, |entry| (entry.package, entry.watcher.clone(), entry.teller.of().clone()))
        else {
            return;
        };
        let content = match package {
            Package::Registrations => Content::Registrations {
                state: Arc::new(registration_of(door, &of)),
                ended: ContactEvent::Expired,
            },
            Package::Calls => calls_for(&watcher, &of, &self.calls().of(&of, None)),
            Package::Presence
            | Package::PresenceList
            | Package::Watchers
            | Package::Waiting
            | Package::Documents => return,
        };
        self.table.with(id, |entry| entry.show_own(content, Instant::now()));
    }

    /// The states are whole after every call, and nothing calls back while the lock is held.
    fn calls(&self) -> MutexGuard<'_, CallStates> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The calls of an account as a watcher may see them: others than the owner learn that she talks, and not
/// with whom (RFC 4235 §3.7.2).
fn calls_for(watcher: &Address, of: &Address, all: &Dialogs) -> Content {
    let seen = if watcher == of { all.clone() } else { all.clone().without_names() };
    Content::Calls(Arc::new(seen))
}

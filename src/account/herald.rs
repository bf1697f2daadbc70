//! The way to devices that sleep: a door says in its own words what the rules want them told, and hears what
//! becomes of it.

use std::sync::Arc;

use super::{
    Accounts, Input, ReplyTo, WakeAddress, WakeOutcome, WakeUp,
    mailbox::Mail,
    shell::{Inner, Post},
};
use crate::signal::{Address, Query, Signal};

/// Says in a protocol's words that a device is to wake up.
pub trait Herald: Send + Sync + 'static {
    /// The question to whoever calls the device, from the domain of `account`; `None` where too many wait for their
    /// answers. Whoever makes it tells what came of it ([`Accounts::note_roused`]). Called with the account at work:
    /// must return at once and must not call back into any account.
    fn herald(&self, account: &Address, wake: &WakeUp) -> Option<Query>;
}

impl Accounts {
    /// Names who calls devices that sleep. The first one named stays; without one they sleep on.
    pub fn rouse_by(&self, herald: Arc<dyn Herald>) {
        let _ = self.inner().herald.set(herald);
    }

    /// What became of a call to a device of `account`.
    pub fn note_roused(&self, account: &Address, at: WakeAddress, outcome: WakeOutcome) {
        self.inner().post_to(account, Mail::Input(Input::Roused { at, outcome }));
    }
}

impl Inner {
    /// Sends a call on its way.
    pub(super) fn rouse(self: &Arc<Self>, account: &Address, wake: &WakeUp) {
        let query = self.herald.get().and_then(|herald| herald.herald(account, wake));
        if let Some(query) = query {
            let reply = ReplyTo::Call(Box::new((account.clone(), wake.at.clone())));
            self.route(Signal::Query(Arc::new(query)), Some(reply));
        }
    }
}

/// A call could not be sent.
pub(super) fn note_lost(post: &Post, account: &Address, at: WakeAddress) {
    post.input(account, Input::Roused { at, outcome: WakeOutcome::InVain });
}

//! What programs on the web are to be told, on its way to whoever tells them.

use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;
use tracing::warn;

use crate::signal::HookCall;

/// A queue of [`WAITING`] calls. What comes while it is full is not told, and the log says so.
pub(super) struct Hooks {
    sender: mpsc::Sender<HookCall>,
    receiver: Mutex<Option<mpsc::Receiver<HookCall>>>,
}

impl Default for Hooks {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Self { sender, receiver: Mutex::new(Some(receiver)) }
    }
}

impl Hooks {
    pub(super) fn send(&self, call: HookCall) {
        if let Err(mpsc::error::TrySendError::Full(call)) = self.sender.try_send(call) {
            warn!(account = %call.account, rule = %call.rule, "too many webhooks wait: one is not called");
        }
    }

    /// The end where calls come out; `None` from the second time on.
    pub(super) fn take(&self) -> Option<mpsc::Receiver<HookCall>> {
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Calls that may wait.
const WAITING: usize = 1000;

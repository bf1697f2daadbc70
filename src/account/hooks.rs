//! What programs on the web are to be told, on its way to whoever tells them. The store keeps it until it was told
//! or given up, so that nothing is forgotten when the server stops; whoever tells it takes it from there.

use tokio::sync::{Notify, mpsc};
use tracing::error;

use super::Accounts;
use crate::{signal::HookCall, storage::StoreError};

/// Says that something was stored that is to be told.
#[derive(Default)]
pub(super) struct Hooks {
    added: Notify,
}

impl Hooks {
    /// A call is durable.
    pub(super) fn note_added(&self) {
        self.added.notify_one();
    }
}

impl Accounts {
    /// Gives out what programs are to be told, with its number, in the order in which it was stored, what an earlier
    /// run left included; until the other end is closed. Runs once. Whoever takes a call says when it is over
    /// ([`Accounts::end_hook`]), else it comes again after the next start.
    pub async fn feed_hooks(self, calls: mpsc::Sender<(i64, HookCall)>) {
        let mut last = 0;
        loop {
            let page = match self.hooks_after(last).await {
                Ok(page) => page,
                Err(fault) => {
                    error!(%fault, "webhooks cannot be read");
                    Vec::new()
                }
            };
            if page.is_empty() {
                let inner = self.inner();
                tokio::select! {
                    () = inner.hooks.added.notified() => continue,
                    () = calls.closed() => return,
                }
            }
            for (id, call) in page {
                last = id;
                if calls.send((id, call)).await.is_err() {
                    return;
                }
            }
        }
    }

    /// A call was made, or there is no sense in it.
    pub fn end_hook(&self, id: i64) {
        self.inner().store.remove_hook(id);
    }

    async fn hooks_after(&self, last: i64) -> Result<Vec<(i64, HookCall)>, StoreError> {
        let inner = self.inner();
        let read = move || inner.store.hooks(last, PAGE);
        tokio::task::spawn_blocking(read).await.unwrap_or(Err(StoreError::Closed))
    }
}

/// Calls that are read at a time.
const PAGE: usize = 100;

//! What a door must find again after a restart, and nobody else understands: its registrations,
//! subscriptions, publications. Plain bytes by key, on the disk; no account's state.

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::{
    signal::{Reason, Reject},
    storage::{self, StoreError},
};

/// The durable values of one room, by key. Cheap to clone; every clone is the same memory.
///
/// A change waits a few milliseconds at most before it is written, together with others; of the
/// changes of a key that wait together only the last one is written, and a key's changes reach the
/// disk in the order of the calls. A kill loses what was not written yet: whoever promises
/// something to a peer waits for it ([`Memory::put_durably`]).
///
/// A key has at most 4096 bytes, a value with its key 1 MiB. At most 64 MiB wait; where there is
/// more to write than the disk takes, changes are refused as [`Reason::Overloaded`].
#[derive(Clone)]
pub struct Memory(storage::Memory);

impl Memory {
    pub(super) fn new(memory: storage::Memory) -> Self {
        Self(memory)
    }

    /// Remembers a value. Never blocks.
    ///
    /// # Errors
    /// [`Reason::Overloaded`] or [`Reason::TooLarge`]: nothing changed.
    pub fn put(&self, key: Bytes, value: Bytes) -> Result<(), Reject> {
        self.0.change(key, Some(value), None).map_err(refusal)
    }

    /// Remembers a value. It is on its way when this returns, and durable when what this returns is
    /// done; who drops that changes nothing.
    ///
    /// # Errors
    /// As [`Memory::put`], and [`Reason::Internal`] where it could not be written.
    pub fn put_durably(
        &self,
        key: Bytes,
        value: Bytes,
    ) -> impl Future<Output = Result<(), Reject>> + Send + use<> {
        self.change_durably(key, Some(value))
    }

    /// Forgets a key. Never blocks.
    ///
    /// # Errors
    /// As [`Memory::put`].
    pub fn remove(&self, key: Bytes) -> Result<(), Reject> {
        self.0.change(key, None, None).map_err(refusal)
    }

    /// Forgets a key, as [`Memory::put_durably`] remembers one.
    ///
    /// # Errors
    /// As [`Memory::put_durably`].
    pub fn remove_durably(&self, key: Bytes) -> impl Future<Output = Result<(), Reject>> + Send + use<> {
        self.change_durably(key, None)
    }

    /// Everything that is remembered, in the order of the keys. Blocks: for the start, before
    /// anything is put.
    ///
    /// # Errors
    /// [`Reason::Internal`] where it cannot be read.
    pub fn all(&self) -> Result<Vec<(Bytes, Bytes)>, Reject> {
        self.0.all().map_err(refusal)
    }

    fn change_durably(
        &self,
        key: Bytes,
        value: Option<Bytes>,
    ) -> impl Future<Output = Result<(), Reject>> + Send + use<> {
        let (told, tell) = oneshot::channel();
        let done = Box::new(move |outcome: Result<(), StoreError>| {
            // Who does not wait any more need not know.
            let _ = told.send(outcome);
        });
        // The refusal reaches `done`, too.
        let _ = self.0.change(key, value, Some(done));
        async move { tell.await.unwrap_or(Err(StoreError::Closed)).map_err(refusal) }
    }
}

fn refusal(error: StoreError) -> Reject {
    match error {
        StoreError::Overloaded => Reason::Overloaded.into(),
        StoreError::TooLarge => Reason::TooLarge.into(),
        error => {
            tracing::error!(%error, "memory of a door");
            Reason::Internal.into()
        }
    }
}

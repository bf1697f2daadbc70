//! Files that owners put here for others: promised, brought, fetched. Their bytes pass on threads that may wait.

use std::fs::File;

use bytes::Bytes;
use tracing::error;

use super::Accounts;
use crate::{
    signal::{Address, Reason, Reject, Timestamp},
    storage::{ReceiveError, Receiving, SharedFile, Store, StoreError, read_some},
};

/// What an owner wants to put here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Unguessable: letters, digits, `-` and `_`.
    pub name: String,
    /// What people call it.
    pub title: String,
    pub media_type: String,
    /// In bytes.
    pub size: u64,
}

impl Accounts {
    /// Largest file that an owner may put here, in bytes; 0 for none.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.inner().shared.limits.file_bytes
    }

    /// Promises a place to a file of this owner for the next minutes.
    ///
    /// # Errors
    /// [`Reason::TooLarge`] for a file that is larger than one may be, [`Reason::Overloaded`] where the owner's files
    /// take all their room, [`Reason::NotFound`] where there is no such account.
    pub async fn reserve_file(&self, owner: &Address, new: NewFile) -> Result<(), Reject> {
        let inner = self.inner();
        let limits = &inner.shared.limits;
        if new.size > limits.file_bytes {
            return Err(Reason::TooLarge.into());
        }
        let (most_bytes, store, owner) = (limits.files_bytes, inner.store.clone(), owner.clone());
        let reserve = move || {
            let Some(account) = store.account(&owner)? else { return Ok(None) };
            let NewFile { name, title, media_type, size } = new;
            let expires = Timestamp::now().plus_seconds(PROMISED_SECONDS);
            let file = SharedFile {
                account: account.key,
                is_whole: false,
                name,
                owner,
                title,
                media_type,
                size,
                expires,
            };
            store.reserve_file(file, MOST_FILES, most_bytes).map(Some)
        };
        match waiting(reserve).await? {
            Some(true) => Ok(()),
            Some(false) => Err(Reason::Overloaded.into()),
            None => Err(Reason::NotFound.into()),
        }
    }

    /// The file, or the promise of it, of this name, where it has not lapsed.
    ///
    /// # Errors
    /// [`Reason::NotFound`] where there is none.
    pub async fn shared_file(&self, name: String) -> Result<SharedFile, Reject> {
        let store = self.inner().store.clone();
        let found = waiting(move || store.shared_file(&name)).await?;
        found.filter(|file| file.expires > Timestamp::now()).ok_or_else(|| Reason::NotFound.into())
    }

    /// Begins to take the bytes of a file that was promised.
    ///
    /// # Errors
    /// [`Reason::Conflict`] where it is here, or on its way here.
    pub async fn receive_file(&self, file: SharedFile) -> Result<IncomingFile, Reject> {
        if file.is_whole {
            return Err(Reason::Conflict.into());
        }
        let inner = self.inner();
        let store = inner.store.clone();
        let days = i64::from(inner.shared.limits.file_days);
        let (beginning, name) = (store.clone(), file.name.clone());
        let receiving = writing(move || beginning.receive_file(&file)).await?;
        Ok(IncomingFile { receiving, store, name, seconds: days * 86_400 })
    }

    /// Opens a file from `offset` on.
    ///
    /// # Errors
    /// [`Reason::NotFound`] where it is not here.
    pub async fn open_file(&self, file: SharedFile, offset: u64) -> Result<OutgoingFile, Reject> {
        let store = self.inner().store.clone();
        let opened = waiting(move || Ok(store.open_file(&file, offset)?)).await;
        opened.map(|file| OutgoingFile(Some(file)))
    }

    /// Removes files and promises that have lapsed. Call it now and then.
    ///
    /// # Errors
    /// [`Reason::Internal`] where the store cannot.
    pub async fn forget_files(&self) -> Result<usize, Reject> {
        let store = self.inner().store.clone();
        waiting(move || store.forget_files(Timestamp::now())).await
    }
}

/// A file on its way here.
pub struct IncomingFile {
    receiving: Receiving,
    store: Store,
    name: String,
    /// How long it stays.
    seconds: i64,
}

impl IncomingFile {
    /// Appends bytes, and gives the file back.
    ///
    /// # Errors
    /// [`Reason::TooLarge`] where these are more than promised.
    pub async fn write(self, bytes: Bytes) -> Result<Self, Reject> {
        let Self { mut receiving, store, name, seconds } = self;
        let write = move || receiving.write(&bytes).map(|()| receiving);
        let receiving = writing(write).await?;
        Ok(Self { receiving, store, name, seconds })
    }

    /// Makes the file durable and known.
    ///
    /// # Errors
    /// [`Reason::TooLarge`] where bytes are missing.
    pub async fn finish(self) -> Result<(), Reject> {
        let Self { receiving, store, name, seconds } = self;
        writing(move || receiving.finish()).await?;
        let expires = Timestamp::now().plus_seconds(seconds);
        waiting(move || store.complete_file(name, expires)).await
    }
}

/// A file that is read.
#[derive(Debug)]
pub struct OutgoingFile(Option<File>);

impl OutgoingFile {
    /// The next bytes, at most `most`; none at the end.
    ///
    /// # Errors
    /// [`Reason::Internal`] where it cannot be read.
    pub async fn read(&mut self, most: usize) -> Result<Bytes, Reject> {
        let Some(mut file) = self.0.take() else { return Ok(Bytes::new()) };
        let (file, bytes) = waiting(move || {
            let bytes = read_some(&mut file, most)?;
            Ok((file, bytes))
        })
        .await?;
        self.0 = Some(file);
        Ok(bytes.into())
    }
}

async fn waiting<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Reject> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(fault)) => {
            error!(%fault, "a shared file");
            Err(Reason::Internal.into())
        }
        Err(_) => Err(Reason::Internal.into()),
    }
}

async fn writing<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ReceiveError> + Send + 'static,
) -> Result<T, Reject> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(ReceiveError::Busy)) => Err(Reason::Conflict.into()),
        Ok(Err(ReceiveError::Size)) => Err(Reason::TooLarge.into()),
        Ok(Err(ReceiveError::Io(fault))) => {
            error!(%fault, "a shared file cannot be written");
            Err(Reason::Internal.into())
        }
        Err(_) => Err(Reason::Internal.into()),
    }
}

/// How long a place is kept for a file that was promised.
const PROMISED_SECONDS: i64 = 600;
/// Files of one account, promised ones included.
const MOST_FILES: u32 = 10_000;

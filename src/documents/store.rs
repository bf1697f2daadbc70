//! The door of the room: read, list, change and follow documents.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use compact_str::{CompactString, format_compact};
use sha2::{Digest, Sha256};

use super::{
    application::print_icon,
    icon,
    shelves::{Shelf, Shelves},
    step::{self, Step},
};
use crate::{
    account::{
        Accounts, Amendment, DocumentChange, Facts, Reply, Request, StoredDocument, Watch, WatchKind,
        WatchSink, WatchSpec,
    },
    signal::{Address, DocumentEntry, DocumentId, Reason, Reject, Timestamp, Wanted},
};

/// The documents of all accounts. Cheap to clone.
#[derive(Clone)]
pub struct Documents {
    accounts: Accounts,
    shelves: Arc<Shelves>,
    /// Below which path of the web documents are, for references from one to another.
    root: Arc<str>,
}

/// A document as it is at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub entry: DocumentEntry,
    pub bytes: Bytes,
}

/// What becomes of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It has these bytes.
    Put(Bytes),
    Remove,
    /// Nothing changes: what is there is what is wanted.
    Keep,
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// As it was before.
    pub before: Option<Document>,
    /// As it is now; `None` where it was removed.
    pub after: Option<Document>,
}

/// Why a document was not changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ChangeError<E> {
    /// Whoever edits it refused, on the document as it is.
    #[error("the edit is refused")]
    Edit(E),
    /// The account refused.
    #[error(transparent)]
    Rejected(#[from] Reject),
}

impl Document {
    /// The strong entity tag, in its quotes: another one after each change, the same after a restart.
    #[must_use]
    pub fn etag(&self) -> CompactString {
        etag(&self.entry)
    }
}

impl From<StoredDocument> for Document {
    fn from(stored: StoredDocument) -> Self {
        Self { entry: stored.entry, bytes: stored.bytes }
    }
}

impl Documents {
    #[must_use]
    pub fn new(accounts: Accounts) -> Self {
        Self { accounts, shelves: Arc::default(), root: ROOT.into() }
    }

    /// The same, where clients find documents below another path of the web than `/xcap-root`.
    #[must_use]
    pub fn with_root(self, root: &str) -> Self {
        Self { root: root.trim_end_matches('/').into(), ..self }
    }

    /// A document of an account, in step with the account; `None` where there is none.
    ///
    /// # Errors
    /// [`Reason::NotFound`] where there is no such account, or what the account refuses.
    pub async fn read(&self, account: &Address, id: &DocumentId) -> Result<Option<Document>, Reject> {
        Ok(self.shelf(account).await?.documents.get(id).cloned())
    }

    /// Every document of an account with its tag, in the order of their ids, in step with the account.
    ///
    /// # Errors
    /// As [`Documents::read`].
    pub async fn index(&self, account: &Address) -> Result<Vec<(DocumentId, CompactString)>, Reject> {
        let shelf = self.shelf(account).await?;
        Ok(shelf.documents.iter().map(|(id, document)| (id.clone(), document.etag())).collect())
    }

    /// Changes a document as `edit` says, who is shown it as it is, in step with the account, and refuses or
    /// tells what becomes of it. `edit` is asked again where something else was changed meanwhile.
    ///
    /// # Errors
    /// What `edit` refuses, what the account refuses ([`Reason::TooLarge`], [`Reason::PolicyViolation`],
    /// [`Reason::NotAcceptable`] for a document that it cannot follow), or
    /// [`Reason::Overloaded`] where others change the account all the time.
    pub async fn change<E>(
        &self,
        account: &Address,
        id: &DocumentId,
        mut edit: impl FnMut(Option<&Document>) -> Result<Change, E>,
    ) -> Result<Changed, ChangeError<E>> {
        for _ in 0..TRIES {
            let shelf = self.shelf(account).await?;
            let before = shelf.documents.get(id).cloned();
            let change = match edit(before.as_ref()).map_err(ChangeError::Edit)? {
                Change::Put(bytes) => DocumentChange::Put { id: id.clone(), hash: hash(&bytes), bytes },
                Change::Remove if before.is_some() => DocumentChange::Remove(id.clone()),
                Change::Remove | Change::Keep => return Ok(Changed { after: before.clone(), before }),
            };
            let bytes = match &change {
                DocumentChange::Put { bytes, .. } => Some(bytes.clone()),
                DocumentChange::Remove(_) => None,
            };
            let after = after(&shelf, &change);
            let taken = step::take(account, &shelf.facts, &shelf.documents, &after, now());
            let facts = taken.map_err(|unfit| unfit.reject())?;
            let revision = shelf.facts.revision;
            let amendment = Amendment { revision, documents: vec![change], facts };
            match self.accounts.ask(account, Request::Amend(Box::new(amendment))).await {
                Ok(Reply::Amended { documents, .. }) => {
                    let put = documents.into_iter().find(|entry| entry.id == *id);
                    let after = put.zip(bytes).map(|(entry, bytes)| Document { entry, bytes });
                    return Ok(Changed { before, after });
                }
                Ok(_) => return Err(Reject::from(Reason::Internal).into()),
                Err(reject) if reject.reason == Reason::Conflict => {}
                Err(reject) => return Err(reject.into()),
            }
        }
        Err(Reject::from(Reason::Overloaded).into())
    }

    /// Has `sink` shown [`crate::account::Shown::Documents`] at once, and whenever something may have changed
    /// that the account's documents tell, until the [`Watch`] is dropped or `until` is over: look at
    /// [`Documents::index`] then. For the owner alone: another `watcher` is rejected.
    ///
    /// # Errors
    /// [`Reason::NotFound`] where no such account can be here.
    pub fn watch(
        &self,
        account: &Address,
        watcher: Address,
        until: Timestamp,
        sink: Arc<dyn WatchSink>,
    ) -> Result<Watch, Reject> {
        let spec = WatchSpec { watcher, name: None, kind: WatchKind::Documents, until };
        self.accounts.watch(account, spec, sink)
    }

    /// Brings documents up to their accounts whenever these change, until it is dropped. Runs once. Without it,
    /// that is done when somebody reads them.
    pub async fn keep_in_step(self) {
        let Some(mut changed) = self.accounts.documents_to_keep() else { return };
        let mut waiting = Vec::new();
        while changed.recv_many(&mut waiting, KEPT_TOGETHER).await > 0 {
            waiting.sort_unstable();
            waiting.dedup();
            for account in waiting.drain(..) {
                if self.shelves.find(&account).is_some_and(|shelf| !shelf.is_settled) {
                    continue;
                }
                if let Err(reject) = self.shelf(&account).await {
                    tracing::debug!(%account, %reject, "documents are left for later");
                }
            }
        }
    }

    /// Largest document, in bytes.
    #[must_use]
    pub fn document_bytes(&self) -> usize {
        self.accounts.document_bytes()
    }

    /// Every document of an account as they are at one moment.
    ///
    /// # Errors
    /// As [`Documents::read`].
    pub(super) async fn all(&self, account: &Address) -> Result<BTreeMap<DocumentId, Document>, Reject> {
        Ok(self.shelf(account).await?.documents.clone())
    }

    /// All documents of an account, in step with it, as they are at one revision of it.
    async fn shelf(&self, account: &Address) -> Result<Arc<Shelf>, Reject> {
        let mut steps = 0;
        for attempt in 0..TRIES {
            let known = self.shelves.find(account);
            let unless = known.as_ref().map(|shelf| shelf.facts.revision);
            let facts = match (self.accounts.ask(account, Request::Facts { unless }).await?, known) {
                (Reply::Facts(None), Some(shelf)) => return Ok(shelf),
                (Reply::Facts(Some(facts)), _) => facts,
                _ => return Err(Reason::Internal.into()),
            };
            let Some(shelf) = self.fill(account, facts, attempt > 0).await? else { continue };
            let mut step =
                step::keep(account, &shelf.facts, &shelf.documents, &self.lists_url(account), now());
            self.keep_icon(account, &shelf, &mut step).await?;
            let is_settled = step.is_empty();
            if !is_settled && steps < STEPS && self.follow(account, &shelf, step).await? {
                steps += 1;
                continue;
            }
            // What does not come to rest is a defect, and is served as it is.
            let shelf = Arc::new(Shelf { is_settled, ..shelf });
            self.shelves.put(account, &shelf);
            return Ok(shelf);
        }
        Err(Reason::Overloaded.into())
    }

    /// Makes the picture that the document shows the one that the account has.
    async fn keep_icon(&self, account: &Address, shelf: &Shelf, step: &mut Step) -> Result<(), Reject> {
        let icon = match icon::wanted(&shelf.facts, &shelf.documents) {
            icon::Wanted::Same => return Ok(()),
            icon::Wanted::Nothing => None,
            icon::Wanted::Picture(hash) => {
                let wanted = Wanted::Picture { hash: Some(hash) };
                match self.accounts.ask(account, Request::Enquire { of: account.clone(), wanted }).await {
                    Ok(Reply::Picture { avatar, bytes }) => {
                        Some(print_icon(&avatar.media_type, &bytes).into())
                    }
                    Ok(_) => return Err(Reason::Internal.into()),
                    // She has another one by now, or none.
                    Err(reject) if reject.reason == Reason::NotFound => return Ok(()),
                    Err(reject) => return Err(reject),
                }
            }
        };
        step.documents.push((icon::ICON, icon));
        Ok(())
    }

    /// Brings the documents up to the account; tells whether they may be other ones now.
    async fn follow(&self, account: &Address, shelf: &Shelf, step: Step) -> Result<bool, Reject> {
        let documents = step.documents.into_iter().map(|(id, bytes)| match bytes {
            Some(bytes) => DocumentChange::Put { id, hash: hash(&bytes), bytes },
            None => DocumentChange::Remove(id),
        });
        let revision = shelf.facts.revision;
        let amendment = Amendment { revision, documents: documents.collect(), facts: step.facts };
        match self.accounts.ask(account, Request::Amend(Box::new(amendment))).await {
            Ok(_) => Ok(true),
            Err(reject) if reject.reason == Reason::Conflict => Ok(true),
            // There is no room for more: what there is, is shown.
            Err(reject) if matches!(reject.reason, Reason::TooLarge | Reason::PolicyViolation) => {
                tracing::warn!(%account, %reject, "documents stay behind");
                Ok(false)
            }
            Err(reject) => Err(reject),
        }
    }

    /// Where an account's lists are, for references to them.
    fn lists_url(&self, account: &Address) -> String {
        format!("https://{}{}/resource-lists/users/sip:{account}/index", account.domain(), self.root)
    }

    /// Reads the documents that the facts name; `None` where the account is somewhere else already.
    async fn fill(
        &self,
        account: &Address,
        facts: Arc<Facts>,
        in_turn: bool,
    ) -> Result<Option<Shelf>, Reject> {
        let known = self.shelves.find(account);
        let mut documents = known.map(|shelf| shelf.documents.clone()).unwrap_or_default();
        documents.retain(|_, document| facts.documents.contains(&document.entry));
        let missing = facts.documents.iter().filter(|entry| !documents.contains_key(&entry.id));
        let missing: Vec<DocumentId> = missing.map(|entry| entry.id.clone()).collect();
        if !missing.is_empty() {
            let found = self.accounts.documents(account, missing, in_turn).await?;
            documents.extend(found.into_iter().map(|stored| (stored.entry.id.clone(), stored.into())));
        }
        let is_complete = facts.documents.len() == documents.len()
            && facts.documents.iter().zip(documents.values()).all(|(entry, found)| *entry == found.entry);
        Ok(is_complete.then_some(Shelf { facts, documents, is_settled: true }))
    }
}

/// All documents as a change leaves them.
fn after(shelf: &Shelf, change: &DocumentChange) -> step::All {
    let mut documents = shelf.documents.clone();
    match change {
        DocumentChange::Put { id, bytes, hash } => {
            let size = bytes.len() as u64;
            let entry =
                DocumentEntry { id: id.clone(), version: 0, hash: *hash, changed: Timestamp(0), size };
            documents.insert(id.clone(), Document { entry, bytes: bytes.clone() });
        }
        DocumentChange::Remove(id) => {
            documents.remove(id);
        }
    }
    documents
}

fn now() -> Timestamp {
    Timestamp::now()
}

/// The tag of a document that is known so.
fn etag(entry: &DocumentEntry) -> CompactString {
    format_compact!("\"{:x}-{:016x}\"", entry.version, entry.hash)
}

/// Tells contents of a document apart.
fn hash(bytes: &[u8]) -> u64 {
    let digest = Sha256::digest(bytes);
    digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// How often a change is made anew, or a reading begun anew, because something else changed meanwhile.
const TRIES: usize = 16;
/// Below which path of the web clients find documents, unless the operator chose another.
const ROOT: &str = "/xcap-root";
/// Most accounts whose documents are looked at in one round.
const KEPT_TOGETHER: usize = 1000;
/// How often documents are brought up to the account for one reading. Once is enough, unless it changes.
const STEPS: usize = 4;

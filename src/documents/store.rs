//! The door of the room: read, list, change and follow documents.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use compact_str::CompactString;
use sha2::{Digest, Sha256};

use super::{
    Document,
    application::print_icon,
    icon::{self, IconKeys},
    shelves::{Shelf, Shelves},
    step::{self, Step},
    tree::Tree,
};
use crate::{
    account::{
        Accounts, Amendment, DocumentChange, Facts, Reply, Request, Watch, WatchKind, WatchSink, WatchSpec,
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
    icon_keys: Option<IconKeys>,
}

/// What becomes of a document.
#[derive(Debug, Clone)]
pub enum Change {
    /// It has these bytes.
    Put(Bytes),
    /// It is this, which was read already.
    Write(Arc<Tree>),
    /// It is this, made of the one before by changing parts of it that were named; the others were not thought of.
    Edit(Arc<Tree>),
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

/// What came of bringing documents up to the account.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Followed {
    /// They are other ones now.
    Done,
    /// The account is another one than was looked at.
    Late,
    /// There is no room for more: what there is, is shown.
    NoRoom,
}

impl Documents {
    #[must_use]
    pub fn new(accounts: Accounts) -> Self {
        Self { accounts, shelves: Arc::default(), root: ROOT.into(), icon_keys: None }
    }

    /// The same, where clients find documents below another path of the web than `/xcap-root`.
    #[must_use]
    pub fn with_root(self, root: &str) -> Self {
        Self { root: root.trim_end_matches('/').into(), ..self }
    }

    /// The same, where pictures have URLs.
    #[must_use]
    pub fn with_icon_keys(self, icon_keys: IconKeys) -> Self {
        Self { icon_keys: Some(icon_keys), ..self }
    }

    /// What opens one picture to everybody who was told its URL; without it pictures have none.
    #[must_use]
    pub fn icon_keys(&self) -> Option<IconKeys> {
        self.icon_keys
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
            let change = edit(before.as_ref()).map_err(ChangeError::Edit)?;
            let extent = if let Change::Edit(_) = change { step::Extent::Parts } else { step::Extent::Whole };
            let draft = match change {
                Change::Put(bytes) => Some(Document::new(draft(id, &bytes), bytes)),
                Change::Write(tree) | Change::Edit(tree) => {
                    let bytes = Bytes::copy_from_slice(tree.as_str().as_bytes());
                    Some(Document::of_tree(draft(id, &bytes), bytes, tree))
                }
                Change::Remove if before.is_some() => None,
                Change::Remove | Change::Keep => return Ok(Changed { after: before.clone(), before }),
            };
            let after = after(&shelf, id, draft.as_ref());
            let versions = (&shelf.documents, &after, extent);
            let taken = step::take(account, &shelf.facts, versions, now());
            let facts = taken.map_err(|unfit| unfit.reject())?;
            let revision = shelf.facts.revision;
            let amendment = Amendment { revision, documents: vec![change_to(id, draft.as_ref())], facts };
            if let Some(draft) = &draft {
                self.shelves.put_draft(account, &shelf, draft.clone());
            }
            match self.accounts.ask(account, Request::Amend(Box::new(amendment))).await {
                Ok(Reply::Amended { documents, .. }) => {
                    let put = documents.into_iter().find(|entry| entry.id == *id);
                    let after = put.zip(draft).map(|(entry, draft)| draft.known_as(entry));
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

    /// Whether clients find documents on the web.
    #[must_use]
    pub fn are_served(&self) -> bool {
        !self.root.is_empty()
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
        let mut last = None;
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
            if !is_settled && steps < STEPS {
                let followed = self.follow(account, &shelf, step).await?;
                // What others have changed meanwhile is no step of ours: the account is looked at anew.
                steps += usize::from(followed == Followed::Done);
                if followed != Followed::NoRoom {
                    last = Some(shelf);
                    continue;
                }
            }
            // What does not come to rest is a defect, and is served as it is.
            let shelf = Arc::new(Shelf { is_settled, ..shelf });
            self.shelves.put(account, &shelf);
            return Ok(shelf);
        }
        // Others change the account all the time: what was read last is served as it is.
        let shelf = last.ok_or(Reason::Overloaded)?;
        Ok(Arc::new(Shelf { is_settled: false, ..shelf }))
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

    /// Brings the documents up to the account.
    async fn follow(&self, account: &Address, shelf: &Shelf, step: Step) -> Result<Followed, Reject> {
        let documents = step.documents.into_iter().map(|(id, bytes)| match bytes {
            Some(bytes) => DocumentChange::Put { id, hash: hash(&bytes), bytes },
            None => DocumentChange::Remove(id),
        });
        let revision = shelf.facts.revision;
        let amendment = Amendment { revision, documents: documents.collect(), facts: step.facts };
        match self.accounts.ask(account, Request::Amend(Box::new(amendment))).await {
            Ok(_) => Ok(Followed::Done),
            Err(reject) if reject.reason == Reason::Conflict => Ok(Followed::Late),
            Err(reject) if matches!(reject.reason, Reason::TooLarge | Reason::PolicyViolation) => {
                tracing::warn!(%account, %reject, "documents stay behind");
                Ok(Followed::NoRoom)
            }
            Err(reject) => Err(reject),
        }
    }

    /// Where an account's lists are, for references to them.
    fn lists_url(&self, account: &Address) -> String {
        let (domain, user) = (account.domain_in_ascii(), account.with_ascii_domain());
        format!("https://{domain}{}/resource-lists/users/sip:{user}/index", self.root)
    }

    /// Reads the documents that the facts name; `None` where the account is somewhere else already.
    async fn fill(
        &self,
        account: &Address,
        facts: Arc<Facts>,
        in_turn: bool,
    ) -> Result<Option<Shelf>, Reject> {
        let known = self.shelves.find(account);
        let mut documents = known.as_ref().map(|shelf| shelf.documents.clone()).unwrap_or_default();
        documents.retain(|_, document| facts.documents.contains(&document.entry));
        let draft = known.as_ref().and_then(|shelf| shelf.draft.as_ref());
        if let Some(draft) = draft
            && let Some(entry) = facts.documents.iter().find(|entry| is_of(draft, entry))
        {
            documents.entry(entry.id.clone()).or_insert_with(|| draft.known_as(entry.clone()));
        }
        let missing = facts.documents.iter().filter(|entry| !documents.contains_key(&entry.id));
        let missing: Vec<DocumentId> = missing.map(|entry| entry.id.clone()).collect();
        if !missing.is_empty() {
            let found = self.accounts.documents(account, missing, in_turn).await?;
            documents.extend(found.into_iter().map(|stored| (stored.entry.id.clone(), stored.into())));
        }
        let is_complete = facts.documents.len() == documents.len()
            && facts.documents.iter().zip(documents.values()).all(|(entry, found)| *entry == found.entry);
        Ok(is_complete.then_some(Shelf { facts, documents, draft: None, is_settled: true }))
    }
}

/// All documents as a change of one leaves them.
fn after(shelf: &Shelf, id: &DocumentId, draft: Option<&Document>) -> step::All {
    let mut documents = shelf.documents.clone();
    match draft {
        Some(draft) => drop(documents.insert(id.clone(), draft.clone())),
        None => drop(documents.remove(id)),
    }
    documents
}

fn change_to(id: &DocumentId, draft: Option<&Document>) -> DocumentChange {
    match draft {
        Some(Document { entry, bytes, .. }) => {
            DocumentChange::Put { id: id.clone(), hash: entry.hash, bytes: bytes.clone() }
        }
        None => DocumentChange::Remove(id.clone()),
    }
}

/// The entry of a document that the account does not have yet: it will say its version and time.
fn draft(id: &DocumentId, bytes: &[u8]) -> DocumentEntry {
    let size = bytes.len() as u64;
    DocumentEntry { id: id.clone(), version: 0, hash: hash(bytes), changed: Timestamp(0), size }
}

/// Whether an entry of the account is of this draft.
fn is_of(draft: &Document, entry: &DocumentEntry) -> bool {
    let drafted = &draft.entry;
    entry.id == drafted.id && entry.hash == drafted.hash && entry.size == drafted.size
}

fn now() -> Timestamp {
    Timestamp::now()
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

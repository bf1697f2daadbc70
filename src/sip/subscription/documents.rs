//! Subscriptions to what documents say: to documents themselves (`xcap-diff`, RFC 5875), those of the watcher's own
//! account that the SUBSCRIBE lists, and to the lists of services ([`super::list`]).
//!
//! The account says that something may have changed; a task looks at the documents and shows what is there to the
//! subscription, which tells its watcher what that changes. A SUBSCRIBE within the dialog may bring another list.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use rustc_hash::FxHashSet;
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, timeout},
};
use tracing::debug;

use super::{
    Begun, PATIENCE, Sink, SubscriptionId, Subscriptions,
    asked::{Asked, accepted, until},
    list::Origin,
};
use crate::{
    account::{Shown, WatchId, WatchSink, WatchState},
    formats::resource_lists::{self, Limits},
    signal::{Address, Reject},
    sip::{
        answer::Refusal,
        device::locked,
        document_watch::{Mode, Wanted, gather, read_wanted},
        door::Door,
        events::Content,
        message::{HeaderName, MediaType, Message},
        resource_list::{Carried, print_list_uri},
        transaction::IncomingRequest,
    },
};

/// Subscriptions whose documents may have changed, each once.
#[derive(Default)]
pub(super) struct Changed {
    ids: Mutex<FxHashSet<SubscriptionId>>,
    work: Notify,
}

impl Changed {
    pub(super) fn push(&self, id: SubscriptionId) {
        locked(&self.ids).insert(id);
        self.work.notify_one();
    }
}

/// What a subscription follows from now on, and how that is.
pub(super) struct Followed {
    pub(super) wanted: Arc<[Wanted]>,
    pub(super) state: Content,
}

impl Subscriptions {
    /// As [`Subscriptions::begin`], for documents. The answer waits until they were looked at.
    pub(super) async fn begin_documents(
        self: &Arc<Self>,
        door: &Door,
        request: &IncomingRequest,
        watcher: &Address,
        asked: Asked,
    ) -> Result<(), Refusal> {
        let message = &request.message;
        let uri = message.request_uri()?;
        if !uri.host().is_some_and(|host| self.accounts.serves(&host.to_string())) {
            return Err(Refusal::new(404));
        }
        let carried = read_list(message)?;
        let carried = carried.ok_or_else(|| Refusal::because(400, "Bad Request: no list of documents"))?;
        let followed = self.look(watcher, &carried, asked.mode).await?;
        let (contact, tag) = (self.contact(&request.flow), self.layer.new_token());
        let (first, stand) = oneshot::channel();
        let mut entry = self.entry(request, watcher, watcher, &asked, (&tag, first))?;
        let origin = Origin { uri: print_list_uri(&uri), carried: Some(carried.text), is_service: false };
        entry.origin = Some(origin.clone());
        entry.wanted = Some(followed.wanted);
        entry.content = Some(followed.state);
        entry.teller.set_mode(asked.mode);
        let id = self.table.insert(entry, self.limits.per_account);
        let id = id.ok_or_else(|| Refusal::because(403, "Forbidden: too many subscriptions"))?;
        let begun = Begun { subscriptions: self, id };
        self.aim(door, id);
        let sink = self.documents_sink(id);
        let watch = self.documents.watch(watcher, watcher.clone(), until(asked.duration), sink)?;
        drop(self.table.keep_watch(id, Arc::new(watch)));
        match timeout(PATIENCE, stand).await {
            Ok(Ok(WatchState::Active)) => {}
            Ok(Ok(_)) => return Err(Refusal::new(403)),
            _ => return Err(Refusal::new(503).with(HeaderName::RetryAfter, 10)),
        }
        if !asked.duration.is_zero() {
            self.save_origin(&tag, &origin);
        }
        self.save_first(id, asked.duration).await;
        request.transaction.respond(accepted(message, 200, &tag, &contact, &asked));
        begun.accept(asked.duration);
        Ok(())
    }

    /// A SUBSCRIBE within a dialog: a list that it brings takes the place of the one before (RFC 5875 §4.4).
    pub(super) async fn refresh_documents(
        &self,
        door: &Door,
        request: &IncomingRequest,
        watcher: &Address,
        (tag, asked): (&str, Asked),
    ) -> Result<(), Refusal> {
        let carried = read_list(&request.message)?;
        let followed = match &carried {
            Some(carried) => Some(self.look(watcher, carried, asked.mode).await?),
            None => self.look_in_mode(tag, watcher, asked.mode).await?,
        };
        let id = self.refresh(door, request, watcher, (tag, asked, followed))?;
        let origin = carried.and_then(|carried| {
            self.table.with(id, |entry| {
                let origin = entry.origin.as_mut()?;
                let is_other = origin.carried.as_ref() != Some(&carried.text);
                origin.carried = Some(carried.text);
                is_other.then(|| (entry.tag.clone(), origin.clone()))
            })?
        });
        if let Some((tag, origin)) = origin {
            self.save_origin(&tag, &origin);
        }
        Ok(())
    }

    /// Documents that go on being followed after a restart.
    pub(super) fn resume_documents(
        self: &Arc<Self>,
        id: SubscriptionId,
        of: &Address,
        origin: &Origin,
    ) -> Arc<dyn WatchSink> {
        let carried = origin.carried.clone().and_then(|text| Carried::parse(text, &Limits::default()).ok());
        let wanted = carried.map(|carried| read_wanted(&carried.lists, of)).unwrap_or_default();
        self.table.with(id, |entry| entry.wanted = Some(wanted.into()));
        self.documents_sink(id)
    }

    fn documents_sink(self: &Arc<Self>, id: SubscriptionId) -> Arc<dyn WatchSink> {
        Arc::new(DocumentsSink(Sink { subscriptions: Arc::downgrade(self), id }))
    }

    /// Looks at the documents of those for whom they may have changed, until it is dropped. Runs once.
    pub(super) async fn follow_documents(&self) {
        let mut again: FxHashSet<SubscriptionId> = FxHashSet::default();
        loop {
            let pushed = self.changed.work.notified();
            if again.is_empty() {
                pushed.await;
            } else {
                // What an account had no time for is asked once more, though nothing changes.
                let _ = timeout(AGAIN, pushed).await;
            }
            let ids = std::mem::take(&mut *locked(&self.changed.ids));
            for id in std::mem::take(&mut again).into_iter().chain(ids) {
                if let Err(reject) = self.look_again(id).await {
                    debug!(%reject, "documents not looked at");
                    again.insert(id);
                }
            }
        }
    }

    async fn look_again(&self, id: SubscriptionId) -> Result<(), Reject> {
        let service = self.table.with(id, |entry| {
            let origin = entry.origin.as_ref().filter(|origin| origin.is_service)?;
            Some((entry.watcher.clone(), origin.uri.clone(), entry.following.clone()?))
        });
        if let Some((owner, uri, following)) = service.flatten() {
            // A service that was taken away has nobody in its list.
            following.set(self.members_of(&owner, &uri).await?.unwrap_or_default());
            return Ok(());
        }
        let wanted = self.table.with(id, |entry| {
            let wanted = entry.wanted.clone()?;
            Some((entry.watcher.clone(), wanted, entry.teller.mode()))
        });
        let Some((owner, wanted, mode)) = wanted.flatten() else { return Ok(()) };
        let (state, now) = (self.gather(&owner, &wanted, mode).await?, Instant::now());
        let mut first = None;
        let is_ready = self.table.change(id, |entry| {
            // Another list may have come meanwhile, with what is there of it.
            if !entry.wanted.as_ref().is_some_and(|known| Arc::ptr_eq(known, &wanted)) {
                return false;
            }
            entry.show_own(state, now);
            if entry.notifier.stand().is_none() {
                entry.notifier.show(WatchState::Active, now);
                first = entry.first.take();
            }
            !entry.notifier.is_held()
        });
        if let Some(first) = first {
            // Who waited may have given up.
            let _ = first.send(WatchState::Active);
        }
        if is_ready {
            self.work.notify_one();
        }
        Ok(())
    }

    async fn look(&self, owner: &Address, carried: &Carried, mode: Mode) -> Result<Followed, Refusal> {
        let wanted: Arc<[Wanted]> = read_wanted(&carried.lists, owner).into();
        let state = self.gather(owner, &wanted, mode).await?;
        Ok(Followed { wanted, state })
    }

    /// The same resources, where they are told in another mode from now on.
    async fn look_in_mode(
        &self,
        tag: &str,
        watcher: &Address,
        mode: Mode,
    ) -> Result<Option<Followed>, Refusal> {
        let wanted = self.table.find(tag, |entry| {
            let wanted = entry.wanted.clone().filter(|_| entry.watcher == *watcher);
            wanted.filter(|_| entry.teller.mode() != mode)
        });
        let Some(wanted) = wanted.flatten() else { return Ok(None) };
        let state = self.gather(watcher, &wanted, mode).await?;
        Ok(Some(Followed { wanted, state }))
    }

    async fn gather(&self, owner: &Address, wanted: &[Wanted], mode: Mode) -> Result<Content, Reject> {
        let resources = gather(&self.documents, owner, (wanted, mode), &self.xcap_root).await?;
        Ok(Content::Documents(Arc::new(resources)))
    }
}

/// The list that a SUBSCRIBE brings; `None` where it brings none.
///
/// # Errors
/// 415 for another body, 400 and 413 as for any list.
fn read_list(message: &Message) -> Result<Option<Carried>, Refusal> {
    let body = message.body();
    if body.is_empty() {
        return Ok(None);
    }
    let is_list = |kind: MediaType| kind.is(resource_lists::MEDIA_TYPE);
    if !message.content_type()?.is_some_and(is_list) {
        return Err(Refusal::new(415).with(HeaderName::Accept, resource_lists::MEDIA_TYPE));
    }
    Carried::parse(Bytes::copy_from_slice(&body), &Limits::default()).map(Some)
}

/// The account's way to a subscription to documents: that they may have changed is said with the account at work,
/// when nothing may be asked of it.
struct DocumentsSink(Sink);

impl WatchSink for DocumentsSink {
    fn show(&self, watch: WatchId, state: WatchState, shown: Option<Shown>) {
        let Some(subscriptions) = self.0.subscriptions.upgrade() else { return };
        if let Some(Shown::Documents { steps, .. }) = shown {
            if !steps.is_empty() {
                subscriptions.table.with(self.0.id, |entry| entry.note(&steps));
            }
            subscriptions.changed.push(self.0.id);
        }
        // After a restart nothing is known of the documents yet: they are looked at first.
        let is_known = subscriptions.table.with(self.0.id, |entry| entry.content.is_some());
        if state != WatchState::Active || is_known == Some(true) {
            self.0.show(watch, state, None);
        }
    }
}

/// When documents are looked at again that could not be.
const AGAIN: Duration = Duration::from_secs(5);

//! Subscriptions to lists of resources (RFC 4662): to an account's contacts, which are a list that has the
//! account's name, to a list of its services (RFC 4826 §4), or to a list that comes with the SUBSCRIBE (RFC 5367).
//!
//! Such a subscription is one to the owner's own contact list, so it ends with the account, and what it shows
//! is made of the watches of its [`Following`]. Who sends a list wants to see those in it: they become
//! contacts, as they do by subscriptions of their own.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use compact_str::CompactString;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};
use tracing::{debug, error};

use super::{Asked, Begun, PATIENCE, Sink, SubscriptionId, Subscriptions, accepted, entry::Entry, until};
use crate::{
    account::{Shown, WatchId, WatchKind, WatchSink, WatchSpec, WatchState},
    formats::{
        resource_lists::{self, Limits},
        rlmi,
    },
    signal::{Address, Reject, Timestamp},
    sip::{
        answer::Refusal,
        door::Door,
        events::{Content, PACKAGES, Package},
        message::{HeaderName, MediaType, Message, Uri},
        resource_list::{
            Carried, Following, List, RECIPIENT_LIST_SUBSCRIBE, SharedList, Wanted, owner_of, print_list_uri,
            read_carried, wanted_of_lists, wanted_of_members,
        },
        transaction::IncomingRequest,
        translate,
    },
};

/// Where the resources of a list come from: what has to be remembered of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    /// The URI that was subscribed to.
    pub(super) uri: CompactString,
    /// The document that came with the SUBSCRIBE last; `None` for the owner's contacts.
    pub(super) carried: Option<Bytes>,
    /// The URI is a service of the owner's, whose list her documents have (RFC 4826 §4).
    pub(super) is_service: bool,
}

/// The list that a SUBSCRIBE is for.
pub(super) struct Source {
    origin: Origin,
    /// What it carries.
    carried: Option<Carried>,
    /// What a service's list is.
    members: Option<Vec<Wanted>>,
}

impl Origin {
    /// What of the owner's account says that the list is another one.
    pub(super) fn kind(&self, package: Package) -> WatchKind {
        if self.is_service { WatchKind::Documents } else { package.kind() }
    }
}

impl Subscriptions {
    /// The list that a SUBSCRIBE outside of dialogs is for; `None` where it is for a single resource.
    ///
    /// # Errors
    /// 404 where no list of that domain is served, 421 where the watcher cannot take a list, 406 where he
    /// does not want to, 489 where it is a list for a package that has none; and what
    /// [`read_carried`] refuses.
    pub(super) fn origin_of(
        &self,
        message: &Message,
        watcher: &Address,
        package: Package,
    ) -> Result<Option<Source>, Refusal> {
        if package != Package::Presence {
            let wants = message.has_token(HeaderName::Require, RECIPIENT_LIST_SUBSCRIBE);
            return if wants { Err(Refusal::new(489)) } else { Ok(None) };
        }
        let uri = message.request_uri()?;
        let carried = read_carried(message, &Limits::default())?;
        if carried.is_none() && owner_of(&uri).as_ref() != Some(watcher) {
            return Ok(None);
        }
        let serves =
            translate::address_of(&uri).is_some_and(|address| self.accounts.serves(address.domain()));
        if !serves {
            return Err(Refusal::new(404));
        }
        let takes_lists = [HeaderName::Supported, HeaderName::Require];
        if !takes_lists.into_iter().any(|name| message.has_token(name, EVENTLIST)) {
            return Err(Refusal::new(421).with(HeaderName::Require, EVENTLIST));
        }
        if !message.accept()?.is_none_or(|ranges| is_acceptable(&ranges)) {
            return Err(Refusal::new(406).with(HeaderName::Accept, TYPES));
        }
        let text = carried.as_ref().map(|carried| carried.text.clone());
        let origin = Origin { uri: print_list_uri(&uri), carried: text, is_service: false };
        Ok(Some(Source { origin, carried, members: None }))
    }

    /// The list of the watcher's own services that a SUBSCRIBE is for; `None` where it is for none, or from somebody
    /// who takes no lists.
    ///
    /// # Errors
    /// 406 where he does not want one, 489 where it is one for other packages (RFC 4826 §4.5), and what the account
    /// refuses.
    pub(super) async fn service_of(
        &self,
        message: &Message,
        watcher: &Address,
        package: Package,
    ) -> Result<Option<Source>, Refusal> {
        let takes_lists = [HeaderName::Supported, HeaderName::Require];
        let uri = message.request_uri()?;
        if package != Package::Presence
            || !takes_lists.into_iter().any(|name| message.has_token(name, EVENTLIST))
            || translate::address_of(&uri).is_none_or(|address| address == *watcher)
        {
            return Ok(None);
        }
        let uri = print_list_uri(&uri);
        let Some(members) = self.members_of(watcher, &uri).await? else {
            let is_other = self.documents.has_service(watcher, is_service(&uri)).await?;
            let refusal = || Refusal::new(489).with(HeaderName::AllowEvents, PACKAGES);
            return if is_other { Err(refusal()) } else { Ok(None) };
        };
        if !message.accept()?.is_none_or(|ranges| is_acceptable(&ranges)) {
            return Err(Refusal::new(406).with(HeaderName::Accept, TYPES));
        }
        let origin = Origin { uri, carried: None, is_service: true };
        Ok(Some(Source { origin, carried: None, members: Some(members) }))
    }

    /// Who is in the list of a service.
    pub(super) async fn members_of(&self, owner: &Address, uri: &str) -> Result<Option<Vec<Wanted>>, Reject> {
        let members = self.documents.members(owner, Package::Presence.as_str(), is_service(uri)).await?;
        Ok(members.map(wanted_of_members))
    }

    /// As [`Subscriptions::begin`], for a list. The answer waits for what is known of its resources.
    pub(super) async fn begin_list(
        self: &Arc<Self>,
        door: &Door,
        request: &IncomingRequest,
        watcher: &Address,
        (mut asked, Source { origin, carried, members }): (Asked, Source),
    ) -> Result<(), Refusal> {
        asked.package = Package::PresenceList;
        let contact = self.contact(&request.flow);
        let tag = self.layer.new_token();
        let (first, stand) = oneshot::channel();
        let mut entry = self.entry(request, watcher, watcher, &asked, (&tag, first))?;
        entry.dialog.require(EVENTLIST);
        entry.origin = Some(origin.clone());
        let id = self.table.insert(entry, self.limits.per_account);
        let id = id.ok_or_else(|| Refusal::because(403, "Forbidden: too many subscriptions"))?;
        let begun = Begun { subscriptions: self, id };
        self.aim(door, id);
        let following = self.follow(id, (&tag, watcher), &origin, until(asked.duration));
        let spec = WatchSpec {
            watcher: watcher.clone(),
            name: None,
            kind: origin.kind(asked.package),
            until: until(asked.duration),
        };
        let sink = self.list_sink(id, &origin, &following);
        let watch = Arc::new(self.accounts.watch(watcher, spec, sink)?);
        drop(self.table.keep_watch(id, watch));
        match timeout(PATIENCE, stand).await {
            Ok(Ok(WatchState::Active)) => {}
            Ok(Ok(_)) => return Err(Refusal::new(403)),
            _ => return Err(Refusal::new(503).with(HeaderName::RetryAfter, 10)),
        }
        let wanted = members.or_else(|| carried.as_ref().map(|carried| wanted_of_lists(&carried.lists)));
        self.fill(request, &following, wanted).await?;
        if !asked.duration.is_zero() {
            self.save_origin(&tag, &origin);
        }
        self.save_first(id, asked.duration).await;
        request.transaction.respond(accepted(&request.message, 200, &tag, &contact, &asked));
        begun.accept(asked.duration);
        if carried.is_some() && !asked.duration.is_zero() {
            self.add_contacts(watcher, &following).await;
        }
        Ok(())
    }

    /// Makes the list of a subscription and what follows its resources.
    fn follow(
        self: &Arc<Self>,
        id: SubscriptionId,
        (tag, watcher): (&str, &Address),
        origin: &Origin,
        until: Timestamp,
    ) -> Arc<Following> {
        let list = SharedList::new(List::new(origin.uri.clone(), tag, &watcher.domain_in_ascii()));
        let subscriptions = Arc::downgrade(self);
        let tell = move || {
            let Some(subscriptions) = subscriptions.upgrade() else { return };
            if subscriptions.table.change(id, |entry| entry.notifier.touch(Instant::now())) {
                subscriptions.work.notify_one();
            }
        };
        let following = Following::new(watcher.clone(), self.accounts.clone(), list.clone(), until, tell);
        self.table.with(id, |entry| {
            entry.content = Some(Content::List(list));
            entry.following = Some(Arc::clone(&following));
        });
        following
    }

    /// The owner's account's way to a subscription to a list.
    fn list_sink(
        self: &Arc<Self>,
        id: SubscriptionId,
        origin: &Origin,
        following: &Arc<Following>,
    ) -> Arc<dyn WatchSink> {
        let sink = Sink { subscriptions: Arc::downgrade(self), id };
        let is_contacts = origin.carried.is_none() && !origin.is_service;
        let contacts = is_contacts.then(|| Arc::downgrade(following));
        Arc::new(ListSink { sink, contacts })
    }

    /// Fills a new list, and waits a little until something is known about its resources.
    ///
    /// # Errors
    /// 403 where the list alone is too long for the datagrams that the watcher gets.
    async fn fill(
        &self,
        request: &IncomingRequest,
        following: &Arc<Following>,
        wanted: Option<Vec<Wanted>>,
    ) -> Result<(), Refusal> {
        match wanted {
            Some(wanted) => following.set(wanted),
            None => following.take_up(),
        }
        following.settle().await;
        if !request.flow.is_reliable() && !following.list().lock().fits_datagram() {
            return Err(Refusal::because(403, "Forbidden: the list is too long for UDP"));
        }
        Ok(())
    }

    /// A list that goes on after a restart: where its owner's account tells of itself.
    pub(super) fn resume_list(
        self: &Arc<Self>,
        id: SubscriptionId,
        of: (&str, &Address),
        origin: &Origin,
        until: Timestamp,
    ) -> Arc<dyn WatchSink> {
        let following = self.follow(id, of, origin, until);
        let carried = origin.carried.clone().and_then(|text| Carried::parse(text, &Limits::default()).ok());
        if let Some(carried) = carried {
            following.set(wanted_of_lists(&carried.lists));
        }
        self.list_sink(id, origin, &following)
    }

    /// Remembers where the resources of a list come from: once, unlike the versions of its documents.
    pub(super) fn save_origin(&self, tag: &str, origin: &Origin) {
        let value = postcard::to_stdvec(origin).unwrap_or_default();
        let put = self.lists.put(Bytes::copy_from_slice(tag.as_bytes()), value.into());
        if let Err(reject) = put {
            debug!(%reject, "list not remembered");
        }
    }

    pub(super) fn forget_origin(&self, tag: &str) {
        if let Err(reject) = self.lists.remove(Bytes::copy_from_slice(tag.as_bytes())) {
            debug!(%reject, "list not forgotten");
        }
    }

    /// What was remembered of lists, by tag. Blocks.
    pub(super) fn read_origins(&self) -> FxHashMap<CompactString, Origin> {
        let records = self.lists.all().unwrap_or_else(|reject| {
            error!(%reject, "lists cannot be read");
            Vec::new()
        });
        let read = |(key, value): (Bytes, Bytes)| {
            Some((str::from_utf8(&key).ok()?.into(), postcard::from_bytes(&value).ok()?))
        };
        records.into_iter().filter_map(read).collect()
    }

    /// A list goes on: so do the watches on its resources.
    pub(super) fn renew_list(&self, id: SubscriptionId, asked: &Asked) {
        let following = self.table.with(id, |entry| entry.following.clone()).flatten();
        if let Some(following) = following.filter(|_| !asked.duration.is_zero()) {
            following.renew(until(asked.duration));
        }
    }

    /// Who sends a list wants those in it as contacts.
    async fn add_contacts(&self, watcher: &Address, following: &Arc<Following>) {
        for address in following.living() {
            if address != *watcher {
                self.add_contact(watcher, address).await;
            }
        }
    }
}

/// A subscription that was found after a restart, with its list where it is to one, or to documents of one;
/// `None` where that was not found.
pub(super) fn with_origin(entry: Entry, origins: &mut FxHashMap<CompactString, Origin>) -> Option<Entry> {
    if !matches!(entry.package, Package::PresenceList | Package::Documents) {
        return Some(entry);
    }
    let origin = origins.remove(&entry.tag)?;
    Some(Entry { origin: Some(origin), ..entry })
}

/// Refuses a list that comes with a SUBSCRIBE within a dialog (RFC 5367 §5.1).
///
/// COMPAT(Linphone): it says `Require: recipient-list-subscribe` in every SUBSCRIBE, with a list or without.
///
/// # Errors
/// 415.
pub(super) fn check_body(message: &Message, package: Package) -> Result<(), Refusal> {
    let is_list = |kind: MediaType| kind.is(resource_lists::MEDIA_TYPE);
    let has_list = !message.body().is_empty() && message.content_type()?.is_some_and(is_list);
    if package == Package::Presence && has_list { Err(Refusal::new(415)) } else { Ok(()) }
}

/// Whether the address of a service, as it is written, means this one.
fn is_service(uri: &str) -> impl Fn(&str) -> bool {
    let wanted = Uri::parse(uri).ok();
    move |written| {
        let written = Uri::parse(&resource_lists::resource_uri(written)).ok();
        wanted.as_ref().zip(written).is_some_and(|(wanted, written)| written.is_equivalent(wanted))
    }
}

/// Whether an `Accept` takes a list (RFC 4662 §4.3).
fn is_acceptable(ranges: &[MediaType]) -> bool {
    let takes = |essence| ranges.iter().any(|range| range.covers(essence) && range.q().thousandths() > 0);
    takes(rlmi::RELATED) && takes(rlmi::MEDIA_TYPE)
}

/// The owner's account's way to a subscription to a list: the contacts go to the list.
struct ListSink {
    sink: Sink,
    /// What follows the contacts; `None` where the list is another.
    contacts: Option<Weak<Following>>,
}

impl WatchSink for ListSink {
    fn show(&self, watch: WatchId, state: WatchState, shown: Option<Shown>) {
        if let (Some(Shown::Documents { .. }), Some(subscriptions)) =
            (&shown, self.sink.subscriptions.upgrade())
        {
            subscriptions.changed.push(self.sink.id);
        }
        if let Some(Shown::Contacts(contacts)) = shown
            && let Some(following) = self.contacts.as_ref().and_then(Weak::upgrade)
            && following.put_down(contacts)
            && let Some(subscriptions) = self.sink.subscriptions.upgrade()
        {
            subscriptions.news.push(&following);
        }
        self.sink.show(watch, state, None);
    }
}

/// The option of lists (RFC 4662 §8.1).
pub(in crate::sip) const EVENTLIST: &str = "eventlist";
/// What who follows a list has to accept.
const TYPES: &str = "multipart/related, application/rlmi+xml, application/pidf+xml";

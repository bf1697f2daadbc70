//! Where publications are shown that no registered phone shows: by sessions of their own, also after a restart.

use std::{sync::Arc, time::Duration};

use rustc_hash::FxHashMap;
use tokio::{task::JoinSet, time::Instant};
use tracing::debug;

use super::{Due, Place, PresenceAgent, key_of};
use crate::{
    account::{CloseReason, Event, Parcel, Session, SessionKind, SessionSpec, Sink, SinkFull},
    signal::{Address, Reason, Reject, Resource, SessionId, Timestamp},
    sip::{
        alarm::Alarm,
        device::{Device, locked},
        door::Door,
        publications::{Publication, PublicationId},
    },
};

impl PresenceAgent {
    pub(super) fn find_place(&self, id: PublicationId) {
        locked(&self.homeless).push(id);
        self.lost.notify_one();
    }

    /// Finds places for publications: for all of an account one after the other, so that no two take one name,
    /// and for some accounts at a time.
    pub(super) async fn show_all(&self, door: &Arc<Door>, homeless: Vec<PublicationId>) {
        let mut by_account: FxHashMap<Address, Vec<PublicationId>> = FxHashMap::default();
        for id in homeless {
            if let Some(publication) = self.homeless(id) {
                by_account.entry(publication.account).or_default().push(id);
            }
        }
        let mut showing = JoinSet::new();
        for ids in by_account.into_values() {
            if showing.len() >= AT_ONCE {
                showing.join_next().await;
            }
            let door = Arc::clone(door);
            showing.spawn(async move {
                for id in ids {
                    door.presence_agent.show_somewhere(&door, id).await;
                }
            });
        }
        while showing.join_next().await.is_some() {}
    }

    /// Shows a publication that nobody shows: by its phone where that is registered, else by a session
    /// of its own.
    async fn show_somewhere(&self, door: &Door, id: PublicationId) {
        let Some(publication) = self.homeless(id) else { return };
        let account = publication.account.clone();
        let devices = door.locations.devices(&account);
        let is_its = |device: &&Arc<Device>| publication.phone.as_ref() == Some(device.resource());
        if let Some(device) = devices.iter().find(is_its) {
            self.handle_registered(device);
        }
        let Some(publication) = self.homeless(id) else { return };
        let shown = self.open(door, &publication).await;
        // Looked at last: a password that changes from now on ends the session. The publication of a phone whose
        // password was revoked ends with the phone.
        let mark = door.authenticator.mark(&account, publication.device).await;
        let shown = match mark {
            Ok(Some(mark)) if mark == publication.mark => shown,
            Ok(_) => Err(Reason::Forbidden.into()),
            Err(_) => Err(Reason::Overloaded.into()),
        };
        match shown {
            Ok(session) => {
                let place = Place::Own(session);
                let is_homeless = self.homeless(id).is_some();
                if is_homeless {
                    self.book().place(id, place.clone());
                    self.show(door, &account, &place);
                }
            }
            Err(reject) if reject.reason == Reason::Overloaded => {
                self.due.set(Instant::now() + AGAIN, Due::Again(id));
            }
            Err(reject) => {
                debug!(%account, %reject, "publication is of no account");
                let removed = self.book().remove(&account, &publication.tag);
                removed.iter().for_each(|publication| self.forget(key_of(publication)));
            }
        }
    }

    /// A publication that is shown nowhere.
    fn homeless(&self, id: PublicationId) -> Option<Publication<Place>> {
        self.book().get(id).filter(|found| found.place == Place::Nowhere).cloned()
    }

    /// Opens a session for a publication whose device is not registered itself.
    pub(super) async fn open(
        &self,
        door: &Door,
        publication: &Publication<Place>,
    ) -> Result<Arc<Session>, Reject> {
        let account = &publication.account;
        let spec = SessionSpec {
            kind: SessionKind::Publication,
            resource: self.name(door, publication)?,
            since: Timestamp::now(),
            device: publication.device,
            client: None,
            contact: publication.contact.clone(),
            takes_messages: false,
            takes_calls: false,
            takes_copies: false,
            follows_roster: false,
        };
        let sink = Arc::new(Closing { account: account.clone(), due: Arc::clone(&self.due) });
        Ok(Arc::new(door.accounts.open(account, spec, sink).await?))
    }

    /// The tuple's id, or that and a piece of the tag: a session must not close another by its name.
    fn name(&self, door: &Door, publication: &Publication<Place>) -> Result<Resource, Reject> {
        let (account, tag) = (&publication.account, publication.key.as_str());
        let wanted = publication.name.as_deref().unwrap_or("presence");
        let taken = |name: &str| {
            let own = |place: &Place| match place {
                Place::Own(session) => {
                    session.party().resource.as_ref().is_some_and(|own| own.as_str() == name)
                }
                Place::Phone(_) | Place::Nowhere => false,
            };
            self.book().of(account).any(|(_, found)| own(&found.place))
                || door.locations.devices(account).iter().any(|device| device.resource().as_str() == name)
        };
        let unique = || format!("{wanted}-{}", tag.get(tag.len().saturating_sub(6)..).unwrap_or(tag));
        let name = if taken(wanted) { unique() } else { wanted.to_owned() };
        Resource::new(&name)
            .or_else(|_| Resource::new(tag))
            .map_err(|_| Reject::with_text(Reason::Malformed, "tuple id"))
    }
}

/// The account's way to a session that only shows something: it hears of nothing but its end.
struct Closing {
    account: Address,
    due: Arc<Alarm<Due>>,
}

impl Sink for Closing {
    fn push(&self, session: SessionId, parcel: Parcel) -> Result<(), SinkFull> {
        // What is published outlives the server's stop.
        if matches!(parcel, Parcel::Event(Event::Closed(reason)) if reason != CloseReason::Shutdown) {
            self.due.set(Instant::now(), Due::Closed(self.account.clone(), session));
        }
        Ok(())
    }
}

/// Accounts whose publications find places at a time.
const AT_ONCE: usize = 64;
/// When a publication is looked at again that could not be shown.
const AGAIN: Duration = Duration::from_secs(5);

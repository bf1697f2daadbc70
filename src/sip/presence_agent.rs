//! PUBLISH (RFC 3903): a phone says how its user is.
//!
//! While a publication lives it decides the presence of the session of the phone it came from: the
//! one that is registered by the same flow, or else a session of its own that takes nothing. The
//! newest publication of a phone counts, and one that speaks for another device by the same flow has a
//! session of its own; when none is left the phone is online again, because it is registered.
//!
//! Publications outlive the process: what a 200 promised is on the disk. What is kept is
//! [`super::publications`]' business, what a request says [`super::publish`]'s.

mod places;

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use compact_str::{CompactString, ToCompactString};
use tokio::{sync::Notify, time::Instant};
use tracing::{debug, warn};

use super::{
    alarm::Alarm,
    answer::{Refusal, answer, check_require},
    auth::{Role, Sender},
    clock::Clock,
    device::{Device, locked},
    door::Door,
    message::{HeaderName, Message},
    publications::{Book, Content, Expiry, Phone, Publication, PublicationId, Renewal, record},
    publish::{Publish, Said},
    transaction::IncomingRequest,
    transport::Flow,
    turns::Turns,
};
use crate::{
    account::{Memory, Session},
    signal::{Address, Presence, Reject, SessionId, Timestamp},
};

/// What is published, and where it is shown.
pub(in crate::sip) struct PresenceAgent {
    book: Mutex<Book<Place>>,
    turns: Turns,
    due: Arc<Alarm<Due>>,
    memory: Memory,
    /// Publications that are shown nowhere; the task of [`Self::run`] finds them a place.
    homeless: Mutex<Vec<PublicationId>>,
    lost: Notify,
}

/// Where a publication is shown.
#[derive(Clone)]
enum Place {
    /// By the session of a registered phone.
    Phone(SessionId),
    /// By a session of its own, which ends with the last publication that is shown there.
    Own(Arc<Session>),
    /// Not yet, or not any more, and soon again.
    Nowhere,
}

impl Place {
    fn session(&self) -> Option<SessionId> {
        match self {
            Self::Phone(session) => Some(*session),
            Self::Own(session) => Some(session.id()),
            Self::Nowhere => None,
        }
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.session() == other.session()
    }
}

/// Something falls due.
enum Due {
    /// A publication may have expired.
    Expiry(PublicationId),
    /// The account closed a session of ours.
    Closed(Address, SessionId),
    /// A publication could not be shown.
    Again(PublicationId),
}

/// Done when a change is on the disk.
type Written = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Answers a PUBLISH.
///
/// # Errors
/// The refusals of RFC 3903 §6, in its order.
pub(in crate::sip) async fn handle_publish(
    door: Arc<Door>,
    request: Arc<IncomingRequest>,
) -> Result<Message, Refusal> {
    let message = &request.message;
    check_require(&request, &[])?;
    let sender = door.authenticate(&request, Role::Server).await?;
    let target = door.find_target(message)?;
    if target.address != sender.login.address {
        return Err(Refusal::because(403, "Forbidden: not your presence"));
    }
    let agent = &door.presence_agent;
    let is_known = |tag: &str| agent.book().find(&sender.login.address, tag).is_some();
    let publish = Publish::read(&door.config, message, Timestamp::now(), is_known)?;
    let seconds = publish.seconds;
    let tag = door.layer.new_token().to_compact_string();
    let written = {
        let turn = agent.turns.take(&sender.login.address).await;
        let _turn = turn.map_err(|_| Refusal::new(503).with(HeaderName::RetryAfter, 1))?;
        agent.carry_out(&door, &request.flow, &sender, publish, &tag).await?
    };
    written.await;
    Ok(answer(message, 200, &door.layer.new_token())
        .header(HeaderName::SipEtag, &tag)
        .header(HeaderName::Expires, seconds)
        .finish())
}

impl PresenceAgent {
    /// With all that was published before a restart. Reads the disk.
    pub(in crate::sip) fn new(memory: Memory) -> Self {
        let agent = Self {
            book: Mutex::default(),
            turns: Turns::default(),
            due: Arc::default(),
            memory,
            homeless: Mutex::default(),
            lost: Notify::new(),
        };
        agent.restore(Clock::now());
        agent
    }

    fn restore(&self, now: Clock) {
        let known = self.memory.all().unwrap_or_else(|reject| {
            warn!(%reject, "publications of before the restart are lost");
            Vec::new()
        });
        for (key, value) in known {
            match record::parse(&key, &value, now, Place::Nowhere) {
                Some(publication) => {
                    let expires = publication.expires;
                    // Its account had no more than it might have.
                    let Ok(id) = self.book().add(publication, usize::MAX) else { continue };
                    self.due.set(expires, Due::Expiry(id));
                    self.find_place(id);
                }
                None => self.forget(key),
            }
        }
    }

    /// Handles what falls due, until it is dropped. Runs once.
    pub(in crate::sip) async fn run(&self, door: &Arc<Door>) {
        let alarms = self.due.run(|due| match due {
            Due::Expiry(id) => self.handle_expiry(door, id),
            Due::Closed(account, session) => self.handle_closed(&account, session),
            Due::Again(id) => self.find_place(id),
        });
        let places = async {
            loop {
                self.lost.notified().await;
                let homeless = std::mem::take(&mut *locked(&self.homeless));
                self.show_all(door, homeless).await;
            }
        };
        tokio::join!(alarms, places);
    }

    /// A connection ended, and with it what was published there: its phones are gone already. When the
    /// server stops, its connections end for no fault of the phones.
    pub(in crate::sip) fn handle_flow_closed(&self, door: &Door, flow: &Flow) {
        if !door.layer.transport().is_running() {
            return;
        }
        let ended = self.book().remove_flow(flow);
        ended.iter().for_each(|publication| self.forget(key_of(publication)));
    }

    /// A phone registered: what it published before is shown by its session from now on.
    pub(in crate::sip) fn handle_registered(&self, device: &Device) {
        let Some(session) = device.session_id() else { return };
        let place = Place::Phone(session);
        let phone = Phone { resource: device.resource(), flow: device.flow(), place: &place };
        // Both are dropped when the book is not locked any more: that may end sessions.
        let (moved, shown) = {
            let mut book = self.book();
            let moved = book.move_to(device.address(), phone);
            let shown = book.shown_at(device.address(), &place);
            (moved, shown)
        };
        for mut publication in moved.iter().cloned() {
            publication.phone = Some(device.resource().clone());
            drop(self.remember(&publication));
        }
        if let (Some(presence), false) = (shown, moved.is_empty()) {
            device.announce(presence);
        }
    }

    /// A phone is registered no more. What it published lives on, and is shown without it.
    pub(in crate::sip) fn handle_unregistered(&self, account: &Address, session: SessionId) {
        let left = self.book().leave(account, &Place::Phone(session), &Place::Nowhere);
        left.into_iter().for_each(|id| self.find_place(id));
    }

    /// Does what a PUBLISH asks. What this returns is done when it is on the disk.
    async fn carry_out(
        &self,
        door: &Door,
        flow: &Flow,
        sender: &Sender,
        publish: Publish,
        tag: &CompactString,
    ) -> Result<Written, Refusal> {
        let expires = Instant::now() + Duration::from_secs(publish.seconds.into());
        match (publish.tag, publish.said) {
            // RFC 3903 §6 step 4: it would be gone at once.
            (None, _) if publish.seconds == 0 => Ok(Box::pin(std::future::ready(()))),
            (None, None) => Err(Refusal::because(400, "Bad Request: no document")),
            (None, Some(said)) => self.begin(door, flow, sender, tag, expires, said).await,
            (Some(old), _) if publish.seconds == 0 => self.end(door, &sender.login.address, &old),
            (Some(old), said) => {
                let content = said.map(Content::from);
                let renewal = Renewal { tag: tag.clone(), expires, flow: *flow, content };
                self.renew(door, sender, &old, renewal)
            }
        }
    }

    /// An initial publication.
    async fn begin(
        &self,
        door: &Door,
        flow: &Flow,
        sender: &Sender,
        tag: &CompactString,
        expires: Instant,
        said: Said,
    ) -> Result<Written, Refusal> {
        let account = &sender.login.address;
        let mark = door.authenticator.mark(account, sender.login.device).await.ok().flatten();
        // Its password may have changed meanwhile.
        let mark = mark.ok_or_else(|| Refusal::new(403))?;
        let phone = sender.device.as_ref().filter(|device| self.is_free_for(account, device, &said));
        let phone = phone.and_then(|device| Some((device.resource().clone(), device.session_id()?)));
        let mut publication = Publication {
            account: account.clone(),
            key: tag.clone(),
            tag: tag.clone(),
            presence: said.presence,
            published: Timestamp::now(),
            name: said.name,
            contact: said.contact,
            flow: Some(*flow),
            phone: None,
            device: sender.login.device,
            mark,
            expires,
            place: Place::Nowhere,
        };
        publication.place = match phone {
            Some((resource, session)) => {
                publication.phone = Some(resource);
                Place::Phone(session)
            }
            None => Place::Own(self.open(door, &publication).await?),
        };
        let written = self.remember(&publication);
        let place = publication.place.clone();
        let added = self.book().add(publication, door.config.publications);
        match added {
            Ok(id) => self.due.set(expires, Due::Expiry(id)),
            Err(refused) => {
                self.forget(key_of(&refused));
                return Err(Refusal::because(403, "Forbidden: too many publications"));
            }
        }
        self.show(door, account, &place);
        // It may have registered while the session was opened.
        if let (Place::Own(_), Some(device)) = (&place, door.locations.device_at(account, flow)) {
            self.handle_registered(&device);
        }
        Ok(written)
    }

    /// Whether a phone can show a document: it shows none yet, or one of the same device.
    fn is_free_for(&self, account: &Address, device: &Device, said: &Said) -> bool {
        let Some(session) = device.session_id() else { return false };
        self.book().newest_at(account, &Place::Phone(session)).is_none_or(|shown| shown.name == said.name)
    }

    /// A refresh or modification. It may come from a phone that has registered anew meanwhile.
    fn renew(&self, door: &Door, sender: &Sender, old: &str, renewal: Renewal) -> Result<Written, Refusal> {
        let account = &sender.login.address;
        let expires = renewal.expires;
        let is_modified = renewal.content.is_some();
        let renewed = self.book().renew(account, old, renewal);
        let (id, _) = renewed.ok_or_else(|| Refusal::new(412))?;
        self.due.set(expires, Due::Expiry(id));
        if let Some(device) = &sender.device {
            self.handle_registered(device);
        }
        let publication = self.book().get(id).cloned();
        let publication = publication.ok_or_else(|| Refusal::new(412))?;
        if is_modified {
            self.show(door, account, &publication.place);
        }
        Ok(self.remember(&publication))
    }

    fn end(&self, door: &Door, account: &Address, tag: &str) -> Result<Written, Refusal> {
        let removed = self.book().remove(account, tag);
        let removed = removed.ok_or_else(|| Refusal::new(412))?;
        self.show(door, account, &removed.place);
        let forgotten = self.memory.remove_durably(key_of(&removed));
        Ok(Box::pin(async move { note_failure(forgotten.await) }))
    }

    fn handle_expiry(&self, door: &Door, id: PublicationId) {
        let expiry = self.book().expire(id, Instant::now());
        match expiry {
            Expiry::Ended(ended) => {
                debug!(account = %ended.account, "publication expired");
                self.forget(key_of(&ended));
                self.show(door, &ended.account, &ended.place);
            }
            Expiry::Later(at) => self.due.set(at, Due::Expiry(id)),
            Expiry::Gone => {}
        }
    }

    fn handle_closed(&self, account: &Address, session: SessionId) {
        let ended = self.book().remove_place(account, &Place::Phone(session));
        ended.iter().for_each(|publication| self.forget(key_of(publication)));
    }

    /// Has a place show what counts there now. A session of our own ends by being dropped.
    fn show(&self, door: &Door, account: &Address, place: &Place) {
        let shown = self.book().shown_at(account, place);
        match (place, shown) {
            (Place::Own(session), Some(presence)) => session.announce(presence),
            (Place::Own(_), None) | (Place::Nowhere, _) => {}
            (Place::Phone(session), shown) => {
                if let Some(device) = door.locations.device(*session) {
                    device.announce(shown.unwrap_or_else(|| Arc::new(Presence::online(Timestamp::now()))));
                }
            }
        }
    }

    /// Writes a publication; what this returns is done when it is on the disk, or when it cannot be
    /// brought there: after a restart its phone would be told to publish anew.
    fn remember(&self, publication: &Publication<Place>) -> Written {
        let Some(value) = record::print(publication, Clock::now()) else {
            return Box::pin(std::future::ready(()));
        };
        let written = self.memory.put_durably(key_of(publication), value);
        Box::pin(async move { note_failure(written.await) })
    }

    fn forget(&self, key: Bytes) {
        note_failure(self.memory.remove(key));
    }

    /// The book is whole after every call, so a panic elsewhere cannot have broken it. Publications are
    /// never dropped while it is locked: that may run an account's rules.
    fn book(&self) -> MutexGuard<'_, Book<Place>> {
        locked(&self.book)
    }
}

impl From<Said> for Content {
    fn from(said: Said) -> Self {
        let Said { presence, name, contact } = said;
        Self { presence, published: Timestamp::now(), name, contact }
    }
}

fn key_of(publication: &Publication<Place>) -> Bytes {
    Bytes::copy_from_slice(publication.key.as_bytes())
}

fn note_failure(outcome: Result<(), Reject>) {
    if let Err(reject) = outcome {
        warn!(%reject, "publication would not survive a restart");
    }
}

//! PUBLISH (RFC 3903): a phone says how its user is.
//!
//! While a publication lives it decides the presence of the session of the phone it came from: the
//! one that is registered by the same flow, or else a session of its own that takes nothing. The
//! newest publication of a phone counts; when none is left the phone is online again, because it is
//! registered. What is kept is [`super::publications`]' business, what a document says that of
//! [`crate::formats::pidf`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use compact_str::{CompactString, ToCompactString};
use tokio::time::Instant;
use tracing::debug;

use super::{
    alarm::Alarm,
    answer::{Refusal, answer, check_require},
    auth::{Role, Sender},
    device::Device,
    door::Door,
    message::{HeaderName, Message},
    publications::{Book, Expiry, Publication, PublicationId, Renewal},
    subscription::EVENTS,
    transaction::IncomingRequest,
    transport::Flow,
};
use crate::{
    account::{Event, Parcel, Session, SessionKind, SessionSpec, Sink, SinkFull},
    formats::{pidf, xml},
    signal::{Address, Presence, Resource, SessionId, Timestamp},
};

/// What is published, and where it is shown.
#[derive(Default)]
pub(in crate::sip) struct PresenceAgent {
    book: Mutex<Book<Place>>,
    due: Arc<Alarm<Due>>,
}

/// Where a publication is shown.
#[derive(Clone)]
enum Place {
    /// By the session of a registered phone.
    Phone(SessionId),
    /// By a session of its own, which ends with the last publication that is shown there.
    Own(Arc<Session>),
}

impl Place {
    fn session(&self) -> SessionId {
        match self {
            Self::Phone(session) => *session,
            Self::Own(session) => session.id(),
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
}

/// A PUBLISH, read.
struct Publish {
    /// The tag of the publication it is about; none for an initial one.
    tag: Option<CompactString>,
    /// Seconds granted; zero removes.
    seconds: u32,
    /// Nothing for a refresh or removal.
    said: Option<Said>,
}

/// What a document says.
struct Said {
    presence: Arc<Presence>,
    /// The id of the tuple that speaks for the device.
    name: Option<CompactString>,
    contact: Option<CompactString>,
}

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
    let publish = Publish::read(&door, message)?;
    let seconds = publish.seconds;
    let tag = door.layer.new_token().to_compact_string();
    let agent = &door.presence_agent;
    match (publish.tag.clone(), publish.said) {
        (None, None) => return Err(Refusal::because(400, "Bad Request: no document")),
        // RFC 3903 §6 step 4: it would be gone at once.
        (None, Some(_)) if seconds == 0 => {}
        (None, Some(said)) => agent.begin(&door, &request.flow, &sender, &tag, seconds, said).await?,
        (Some(old), _) if seconds == 0 => agent.end(&door, &sender.login.address, &old)?,
        (Some(old), said) => {
            let renewal = Renewal {
                tag: tag.clone(),
                expires: Instant::now() + std::time::Duration::from_secs(seconds.into()),
                flow: request.flow,
                presence: said.map(|said| said.presence),
            };
            agent.renew(&door, &sender, &old, renewal)?;
        }
    }
    Ok(answer(message, 200, &door.layer.new_token())
        .header(HeaderName::SipEtag, &tag)
        .header(HeaderName::Expires, seconds)
        .finish())
}

impl Publish {
    fn read(door: &Door, message: &Message) -> Result<Self, Refusal> {
        let event = message.event()?;
        if event.is_none_or(|event| event.token != EVENTS) {
            return Err(Refusal::new(489).with(HeaderName::AllowEvents, EVENTS));
        }
        let mut tags = message.values(HeaderName::SipIfMatch).map(CompactString::from);
        let tag = tags.next();
        if tags.next().is_some() {
            return Err(Refusal::because(400, "Bad Request: more than one SIP-If-Match"));
        }
        let seconds = door.config.publish_range().grant(message.expires())?;
        Ok(Self { tag, seconds, said: Said::read(message)? })
    }
}

impl Said {
    /// COMPAT(baresip): a refresh may have a Content-Type and no body.
    fn read(message: &Message) -> Result<Option<Self>, Refusal> {
        let body = message.body();
        if body.is_empty() {
            return Ok(None);
        }
        let is_pidf = message.content_type()?.is_some_and(|found| found.is(pidf::MEDIA_TYPE));
        let is_plain = message.text(HeaderName::ContentEncoding).is_none_or(|coding| coding == "identity");
        if !is_pidf || !is_plain {
            let refusal = Refusal::new(415).with(HeaderName::Accept, pidf::MEDIA_TYPE);
            return Err(refusal.with(HeaderName::AcceptEncoding, "identity"));
        }
        let document = pidf::Document::parse(&body, &xml::Limits::default())
            .map_err(|fault| Refusal::because(400, format!("Bad Request: {fault}")))?;
        let principal = document.principal();
        Ok(Some(Self {
            name: principal.map(|tuple| tuple.id.clone()),
            contact: principal.and_then(|tuple| Some(tuple.contact.as_ref()?.uri.clone())),
            presence: Arc::new(document.presence(Timestamp::now())),
        }))
    }
}

impl PresenceAgent {
    /// Handles what falls due, until it is dropped. Runs once.
    pub(in crate::sip) async fn run(&self, door: &Door) {
        self.due
            .run(|due| match due {
                Due::Expiry(id) => self.handle_expiry(door, id),
                Due::Closed(account, session) => self.handle_closed(&account, session),
            })
            .await;
    }

    /// A connection ended, and with it what was published there. Its phones are gone already.
    pub(in crate::sip) fn handle_flow_closed(&self, flow: &Flow) {
        let ended = self.book().remove_flow(flow);
        drop(ended);
    }

    /// A phone registered: what it published before is shown by its session from now on.
    pub(in crate::sip) fn handle_registered(&self, device: &Device) {
        let (Some(session), Some(flow)) = (device.session_id(), device.flow()) else { return };
        let (left, shown) = self.book().move_to(device.address(), &flow, &Place::Phone(session));
        if let Some(presence) = shown {
            device.announce(presence);
        }
        drop(left);
    }

    /// An initial publication.
    async fn begin(
        &self,
        door: &Door,
        flow: &Flow,
        sender: &Sender,
        tag: &str,
        seconds: u32,
        said: Said,
    ) -> Result<(), Refusal> {
        let account = sender.login.address.clone();
        let presence = Arc::clone(&said.presence);
        let place = match sender.device.as_ref().and_then(|device| device.session_id()) {
            Some(session) => Place::Phone(session),
            None => Place::Own(self.open(door, sender, &said, tag).await?),
        };
        let expires = Instant::now() + std::time::Duration::from_secs(seconds.into());
        let flow = *flow;
        let publication = Publication {
            account: account.clone(),
            tag: tag.into(),
            presence,
            flow,
            expires,
            place: place.clone(),
        };
        let added = self.book().add(publication, door.config.devices);
        match added {
            Ok(id) => self.due.set(expires, Due::Expiry(id)),
            Err(refused) => {
                drop(refused);
                return Err(Refusal::because(403, "Forbidden: too many publications"));
            }
        }
        self.show(door, &account, &place);
        Ok(())
    }

    /// Opens a session for a device that is not registered itself.
    async fn open(
        &self,
        door: &Door,
        sender: &Sender,
        said: &Said,
        tag: &str,
    ) -> Result<Arc<Session>, Refusal> {
        let account = &sender.login.address;
        let spec = SessionSpec {
            kind: SessionKind::Publication,
            resource: self.name(door, account, said.name.as_deref(), tag)?,
            since: Timestamp::now(),
            device: sender.login.device,
            contact: said.contact.clone(),
            takes_messages: false,
            takes_calls: false,
            takes_copies: false,
            follows_roster: false,
        };
        let sink = Arc::new(Closing { account: account.clone(), due: Arc::clone(&self.due) });
        Ok(Arc::new(door.accounts.open(account, spec, sink).await?))
    }

    /// The tuple's id, or that and a piece of the tag: a session must not close another by its name.
    fn name(
        &self,
        door: &Door,
        account: &Address,
        wanted: Option<&str>,
        tag: &str,
    ) -> Result<Resource, Refusal> {
        let wanted = wanted.unwrap_or("presence");
        let taken = |name: &str| {
            let own = |place: &Place| match place {
                Place::Own(session) => {
                    session.party().resource.as_ref().is_some_and(|own| own.as_str() == name)
                }
                Place::Phone(_) => false,
            };
            self.book().of(account).any(|(_, found)| own(&found.place))
                || door.locations.devices(account).iter().any(|device| device.resource().as_str() == name)
        };
        let unique = || format!("{wanted}-{}", tag.get(tag.len().saturating_sub(6)..).unwrap_or(tag));
        let name = if taken(wanted) { unique() } else { wanted.to_owned() };
        Resource::new(&name)
            .or_else(|_| Resource::new(tag))
            .map_err(|_| Refusal::because(400, "Bad Request: tuple id"))
    }

    /// A refresh or modification. It may come from a phone that has registered anew meanwhile.
    fn renew(&self, door: &Door, sender: &Sender, old: &str, renewal: Renewal) -> Result<(), Refusal> {
        let account = &sender.login.address;
        self.forget_orphan(door, sender, old);
        let expires = renewal.expires;
        let is_modified = renewal.presence.is_some();
        let renewed = self.book().renew(account, old, renewal);
        let (id, publication) = renewed.ok_or_else(|| Refusal::new(412))?;
        self.due.set(expires, Due::Expiry(id));
        if let Some(device) = &sender.device {
            self.handle_registered(device);
        }
        if is_modified {
            self.show(door, account, &publication.place);
        }
        Ok(())
    }

    /// A publication whose phone has gone, and that comes from no other, has no place to be shown: the
    /// 412 that follows makes its client publish anew.
    fn forget_orphan(&self, door: &Door, sender: &Sender, tag: &str) {
        if sender.device.is_some() {
            return;
        }
        let account = &sender.login.address;
        let place = self.book().find(account, tag).map(|(_, found)| found.place.clone());
        if let Some(Place::Phone(session)) = place
            && door.locations.device(session).is_none()
        {
            let orphan = self.book().remove(account, tag);
            drop(orphan);
        }
    }

    fn end(&self, door: &Door, account: &Address, tag: &str) -> Result<(), Refusal> {
        let removed = self.book().remove(account, tag);
        let removed = removed.ok_or_else(|| Refusal::new(412))?;
        self.show(door, account, &removed.place);
        Ok(())
    }

    fn handle_expiry(&self, door: &Door, id: PublicationId) {
        let expiry = self.book().expire(id, Instant::now());
        match expiry {
            Expiry::Ended(ended) => {
                debug!(account = %ended.account, "publication expired");
                self.show(door, &ended.account, &ended.place);
            }
            Expiry::Later(at) => self.due.set(at, Due::Expiry(id)),
            Expiry::Gone => {}
        }
    }

    fn handle_closed(&self, account: &Address, session: SessionId) {
        let ended = self.book().remove_place(account, &Place::Phone(session));
        drop(ended);
    }

    /// Has a place show what counts there now. A session of our own ends by being dropped.
    fn show(&self, door: &Door, account: &Address, place: &Place) {
        let shown = self.book().shown_at(account, place);
        match (place, shown) {
            (Place::Own(session), Some(presence)) => session.announce(presence),
            (Place::Own(_), None) => {}
            (Place::Phone(session), shown) => {
                if let Some(device) = door.locations.device(*session) {
                    device.announce(shown.unwrap_or_else(|| Arc::new(Presence::online(Timestamp::now()))));
                }
            }
        }
    }

    /// The book is whole after every call, so a panic elsewhere cannot have broken it. Publications are
    /// never dropped while it is locked: that may run an account's rules.
    fn book(&self) -> MutexGuard<'_, Book<Place>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The account's way to a session that only shows something: it hears of nothing but its end.
struct Closing {
    account: Address,
    due: Arc<Alarm<Due>>,
}

impl Sink for Closing {
    fn push(&self, session: SessionId, parcel: Parcel) -> Result<(), SinkFull> {
        if matches!(parcel, Parcel::Event(Event::Closed(_))) {
            self.due.set(Instant::now(), Due::Closed(self.account.clone(), session));
        }
        Ok(())
    }
}

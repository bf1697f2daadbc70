//! What another server's stanzas set off here (RFC 6121 §8.5 and §4.4.3, §3.1.3): signals to our accounts, and
//! answers to questions. Who it is from and for was judged before.

use std::{fmt, pin::Pin, sync::Arc};

use super::{answer, component, door::Shared, faces, guests::Wish, pair::Pair};
use crate::{
    account::Outcome,
    signal::{
        Address, ContactEvent, ContactSignal, Enquiry, FaceNews, Party, PresenceNotice, Probe, Reject,
        Signal, Timestamp, Wanted,
    },
    xmpp::{
        stanza::{Head, Jid, Kind, Stanza},
        translate::{
            Envelope, Refusal, Scope, parse_contact_content, parse_contact_failure, parse_message,
            parse_presence, parse_query,
        },
        xep::{caps, invitation, nickname, push, temporary_presence, vcard_update},
    },
};

/// What is left to do for a stanza.
pub(super) enum Received {
    Done,
    /// To wait for what becomes of it, and tell the other server.
    Later(Fate),
}

/// Waits, and tells.
pub(super) type Fate = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Handles one stanza, for us or for a service.
pub(super) fn handle(shared: &Arc<Shared>, stanza: &Stanza, from: Party, to: Party) -> Received {
    if !shared.accounts.serves(to.address.domain()) {
        component::pass_on(shared, stanza, from, to);
        return Received::Done;
    }
    match stanza.kind() {
        Kind::Message => handle_message(shared, stanza, from, to),
        Kind::Presence => handle_presence(shared, stanza, from, to),
        Kind::Iq => handle_iq(shared, stanza, from, to),
        Kind::Other => Received::Done,
    }
}

fn handle_message(shared: &Arc<Shared>, stanza: &Stanza, from: Party, to: Party) -> Received {
    let is_error = stanza.stanza_type().as_deref() == Some("error");
    let back = Back::new(shared, stanza, from.clone(), to.clone());
    if to.address.is_domain() {
        if !is_error {
            back.refuse(&Refusal::SERVICE_UNAVAILABLE);
        }
        return Received::Done;
    }
    if let Some(ended) = push::ended(stanza, &from, &to) {
        let accounts = shared.accounts.clone();
        return Received::Later(Box::pin(async move {
            // Whether there was one is nobody's business.
            let _ = accounts.ask(&to.address, ended).await;
        }));
    }
    if let Some(part) = faces::told(stanza, &from) {
        let news = FaceNews::new(from.address.clone(), to.address.clone(), part);
        shared.accounts.tell(Signal::Face(news));
    }
    let now = Timestamp::now();
    let id = shared.accounts.new_message_id(now);
    let message = parse_message(stanza, Envelope { id, from, to, language: None, now });
    let signal = Signal::Message(Arc::new(message));
    if is_error {
        shared.accounts.tell(signal);
        return Received::Done;
    }
    Received::Later(Box::pin(back.tell_failure(shared.accounts.dispatch(signal))))
}

fn handle_presence(shared: &Arc<Shared>, stanza: &Stanza, from: Party, to: Party) -> Received {
    if to.address.is_domain() {
        return Received::Done;
    }
    let event = match stanza.stanza_type().as_deref() {
        None | Some("unavailable") => {
            let presence = Arc::new(parse_presence(stanza, None, Timestamp::now()));
            let is_available = presence.is_available();
            let (guest, host) = (from.clone(), to.address.clone());
            let notice = PresenceNotice::new(from, presence, None).with_avatar(vcard_update::claimed(stanza));
            let wants = temporary_presence::parse(stanza).filter(|_| is_available);
            let notice = PresenceNotice { wants, ..notice.meant_for(&to) };
            shared.accounts.tell(Signal::Presence { to, notice: Arc::new(notice) });
            if is_available {
                let wish = shared.links.guests.note_presence(stanza, &guest, &host);
                fulfil(shared, wish, &guest, &host);
            } else {
                shared.links.guests.note_gone(&guest, &host);
            }
            return Received::Done;
        }
        Some("probe") => {
            let origin_id = stanza.id().map(Into::into);
            let probe = Probe { from: Arc::new(from), to, origin_id };
            shared.accounts.tell(Signal::Probe(Box::new(probe)));
            return Received::Done;
        }
        Some("subscribe") => ContactEvent::Subscribe,
        Some("subscribed") => ContactEvent::Subscribed,
        Some("unsubscribe") => ContactEvent::Unsubscribe,
        Some("unsubscribed") => ContactEvent::Unsubscribed,
        Some("error") => {
            // Where it answers no question to become a contact, the account does not care.
            let failure = parse_contact_failure(stanza, from.address, to.address);
            let outcome = shared.accounts.dispatch(Signal::ContactFailure(Arc::new(failure)));
            return Received::Later(Box::pin(async move { drop(outcome.wait().await) }));
        }
        // Anything else nobody knows.
        Some(_) => return Received::Done,
    };
    let back = Back::new(shared, stanza, from.clone(), to.clone());
    let (note, native) = parse_contact_content(stanza);
    let origin_id = stanza.id().map(Into::into);
    let signal = ContactSignal { from: from.address, to: to.address, event, note, native, origin_id };
    let asks = event == ContactEvent::Subscribe;
    let name = nickname::told(stanza).filter(|_| asks);
    let name = name.map(|part| FaceNews::new(signal.from.clone(), signal.to.clone(), part));
    let accounts = shared.accounts.clone();
    let tell = move |signal: ContactSignal| {
        let outcome = accounts.dispatch(Signal::Contact(Arc::new(signal)));
        if let Some(news) = name {
            accounts.tell(Signal::Face(news));
        }
        // It may be acknowledged once it is on disk, and nobody says it twice: who cannot be told of it is named.
        back.tell_failure(outcome)
    };
    let Some(token) = invitation::token(stanza).filter(|_| asks) else {
        return Received::Later(Box::pin(tell(signal)));
    };
    let admin = shared.answers.0.admin.clone();
    Received::Later(Box::pin(async move {
        invitation::bring(&admin, &token, &signal.to, &signal.from).await;
        tell(signal).await;
    }))
}

fn handle_iq(shared: &Arc<Shared>, stanza: &Stanza, from: Party, to: Party) -> Received {
    let is_question = match stanza.stanza_type().as_deref() {
        Some("get" | "set") => true,
        Some("result" | "error") => false,
        _ => {
            Back::new(shared, stanza, from, to).refuse(&Refusal::BAD_REQUEST);
            return Received::Done;
        }
    };
    let is_whole = stanza.id().is_some() && (!is_question || stanza.children().count() == 1);
    match (is_whole, is_question) {
        (false, true) => Back::new(shared, stanza, from, to).refuse(&Refusal::BAD_REQUEST),
        (false, false) => {}
        (true, _) if to.resource.is_some() => {
            let back = Back::new(shared, stanza, from.clone(), to.clone());
            let question =
                stanza.children().next().filter(|_| stanza.stanza_type().as_deref() == Some("get"));
            if let Some(caps) = question.and_then(|question| caps::answer_for_session(&question)) {
                back.send("result", caps.as_bytes());
                return Received::Done;
            }
            let Some(query) = parse_query(stanza, from, to) else { return Received::Done };
            let signal = Signal::Query(Arc::new(query));
            if is_question {
                return Received::Later(Box::pin(back.tell_failure(shared.accounts.dispatch(signal))));
            }
            shared.accounts.tell(signal);
        }
        (true, true) => return Received::Later(Box::pin(answer::give(shared, stanza, from, to))),
        (true, false) => {
            if shared.answers.0.pushes.handle_answer(&shared.accounts, stanza, &from) {
                return Received::Done;
            }
            if let Some((pair, next)) =
                shared.links.pictures.handle_answer(stanza, &from, &to, Timestamp::now())
            {
                shared.links.send(&pair, next);
            }
            let wish = shared.links.guests.handle_answer(stanza, &from);
            fulfil(shared, wish, &from, &to.address);
        }
    }
    Received::Done
}

/// Does what somebody wants who shows himself, to whom `host` or its server speaks.
fn fulfil(shared: &Shared, wish: Wish, guest: &Party, host: &Address) {
    match wish {
        Wish::Nothing => {}
        Wish::Latest { guest, hosts, topics } => {
            for to in hosts {
                let wanted = Wanted::Latest { topics: Arc::clone(&topics) };
                let enquiry = Enquiry { from: guest.clone(), to, wanted };
                shared.accounts.tell(Signal::Enquiry(Arc::new(enquiry)));
            }
        }
        Wish::Ask { id, question } => {
            let Some(pair) = Pair::of(host, &guest.address) else { return };
            let head = Head {
                kind: Kind::Iq,
                from: Some(Jid::from(&pair.local)),
                to: Some(Jid::from(guest)),
                id: Some(&id),
                stanza_type: Some("get"),
                ..Head::default()
            };
            let mut out = Vec::new();
            head.print(&[&question], &mut out);
            shared.links.send(&pair, out);
        }
    }
}

impl fmt::Debug for Back {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Back({} to {})", self.to.address, self.from.address)
    }
}

/// The way back to who sent a stanza.
pub(super) struct Back {
    shared: Arc<Shared>,
    kind: Kind,
    id: Option<String>,
    /// Who sent it, and to whom: the answer goes the other way.
    from: Party,
    to: Party,
}

impl Back {
    pub(super) fn new(shared: &Arc<Shared>, stanza: &Stanza, from: Party, to: Party) -> Self {
        let id = stanza.id().map(std::borrow::Cow::into_owned);
        Self { shared: Arc::clone(shared), kind: stanza.kind(), id, from, to }
    }

    /// Answers with an error.
    pub(super) fn refuse(&self, refusal: &Refusal) {
        let mut error = Vec::new();
        refusal.print(&mut error);
        self.send("error", &error);
    }

    /// Answers with this.
    pub(super) fn send(&self, stanza_type: &str, content: &[u8]) {
        let head = Head {
            kind: self.kind,
            from: Some(Jid::from(&self.to)),
            to: Some(Jid::from(&self.from)),
            id: self.id.as_deref(),
            stanza_type: Some(stanza_type),
            ..Head::default()
        };
        let mut out = Vec::new();
        head.print(&[content], &mut out);
        if let Some(pair) = Pair::of(&self.to.address, &self.from.address) {
            self.shared.links.send(&pair, out);
        }
    }

    async fn tell_failure(self, outcome: Outcome) {
        if let Err(reject) = outcome.wait().await {
            self.refuse_by(&reject);
        }
    }

    pub(super) fn refuse_by(&self, reject: &Reject) {
        self.refuse(&Refusal::from_reject(reject, Scope::Routed));
    }
}

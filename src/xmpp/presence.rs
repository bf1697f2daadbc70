//! What a client's `<presence/>` sets off (RFC 6121 §3, §4).

use std::sync::Arc;

use super::session::{Client, Pending};
use super::stanza::Stanza;
use super::translate::{Refusal, parse_contact_content, parse_presence};
use super::xep::{Answer, invitation, temporary_presence};
use crate::account::Request;
use crate::signal::{ContactEvent, Party, Timestamp};

impl Client {
    /// Presence for everybody, for one party, or about who may see whom.
    pub(super) fn handle_presence(&mut self, stanza: &Stanza, to: Option<Party>) {
        let event = match stanza.stanza_type().as_deref() {
            None | Some("unavailable") => return self.announce(stanza, to),
            Some("subscribe") => ContactEvent::Subscribe,
            Some("subscribed") => ContactEvent::Subscribed,
            Some("unsubscribe") => ContactEvent::Unsubscribe,
            Some("unsubscribed") => ContactEvent::Unsubscribed,
            Some("probe") => return self.probe(stanza, to),
            // It answers what we sent on.
            Some("error") => return,
            Some(_) => return self.refuse(stanza, &Refusal::BAD_REQUEST),
        };
        match to {
            Some(to) => self.handle_contact(stanza, to, event),
            None => self.refuse(stanza, &Refusal::BAD_REQUEST),
        }
    }

    fn announce(&mut self, stanza: &Stanza, to: Option<Party>) {
        let presence = Arc::new(parse_presence(stanza, self.language.as_deref(), Timestamp::now()));
        match to {
            Some(to) => self.session.show(to, presence, temporary_presence::parse(stanza)),
            None => {
                self.told.note_presence(&presence);
                let is_available = presence.is_available();
                self.session.announce(presence);
                if is_available {
                    self.note_claim(stanza);
                }
            }
        }
    }

    /// Servers probe for their users, so clients need not; whoever does is answered (RFC 6121 §4.3).
    fn probe(&self, stanza: &Stanza, to: Option<Party>) {
        let Some(to) = to else { return };
        let origin_id = stanza.id().map(Into::into);
        self.session.ask_tagged(Request::Probe { to, origin_id }, None);
    }

    fn handle_contact(&mut self, stanza: &Stanza, to: Party, event: ContactEvent) {
        let to = to.address;
        if event == ContactEvent::Unsubscribed {
            self.denied = Some(to.clone());
        }
        let (note, native) = parse_contact_content(stanza);
        let tag = self.expect(Pending::Contact { to: to.to_string(), id: stanza.id().map(Into::into) });
        let origin_id = stanza.id().map(Into::into);
        let token = invitation::token(stanza).filter(|_| event == ContactEvent::Subscribe);
        let host = to.clone();
        let request = Request::Contact { to, event, note, native, origin_id };
        match token {
            Some(token) if self.shared.accounts.serves(host.domain()) => {
                let (admin, guest) = (self.shared.admin.clone(), self.session.party().address.clone());
                let work = async move {
                    invitation::bring(&admin, &token, &host, &guest).await;
                    Answer::done()
                };
                self.begin_before(request, tag, Box::pin(work));
            }
            _ => self.session.ask_tagged(request, Some(tag)),
        }
    }
}

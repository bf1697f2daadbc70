//! What a client's `<presence/>` sets off (RFC 6121 §3, §4).

use std::sync::Arc;

use super::session::{Client, Pending};
use super::stanza::Stanza;
use super::stream::Ticket;
use super::translate::{Refusal, parse_contact_content, parse_presence};
use super::xep::{Answer, invitation, temporary_presence};
use crate::account::{Direct, Request};
use crate::signal::{ContactEvent, Party, Timestamp};

impl Client {
    /// Presence for everybody, for one party, or about who may see whom. Gives back the ticket unless something is
    /// left to wait for.
    pub(super) fn handle_presence(
        &mut self,
        stanza: &Stanza,
        to: Option<Party>,
        ticket: Option<Ticket>,
    ) -> Option<Ticket> {
        let event = match stanza.stanza_type().as_deref() {
            None | Some("unavailable") => {
                self.announce(stanza, to);
                return ticket;
            }
            Some("probe") => {
                self.probe(stanza, to);
                return ticket;
            }
            // It answers what we sent on.
            Some("error") => return ticket,
            Some("subscribe") => Some(ContactEvent::Subscribe),
            Some("subscribed") => Some(ContactEvent::Subscribed),
            Some("unsubscribe") => Some(ContactEvent::Unsubscribe),
            Some("unsubscribed") => Some(ContactEvent::Unsubscribed),
            Some(_) => None,
        };
        let (Some(event), Some(to)) = (event, to) else {
            self.refuse(stanza, &Refusal::BAD_REQUEST);
            return ticket;
        };
        self.handle_contact(stanza, to, event, ticket);
        None
    }

    fn announce(&mut self, stanza: &Stanza, to: Option<Party>) {
        let presence = Arc::new(parse_presence(stanza, self.language.as_deref(), Timestamp::now()));
        match to {
            Some(to) => {
                let (wants, origin_id) = (temporary_presence::parse(stanza), stanza.id().map(Into::into));
                self.session.show(Direct { to, presence, wants, origin_id });
            }
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

    /// What is acknowledged of it is on disk.
    fn handle_contact(&mut self, stanza: &Stanza, to: Party, event: ContactEvent, ticket: Option<Ticket>) {
        let to = to.address;
        if event == ContactEvent::Unsubscribed {
            self.denied = Some(to.clone());
        }
        let (note, native) = parse_contact_content(stanza);
        let id = stanza.id().map(Into::into);
        let tag = self.expect(Pending::Contact { to: to.to_string(), id, ticket });
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

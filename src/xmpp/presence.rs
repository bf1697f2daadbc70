//! What a client's `<presence/>` sets off (RFC 6121 §3, §4).

use std::sync::Arc;

use super::session::{Client, Pending};
use super::stanza::{CLIENT, Stanza};
use super::translate::{Refusal, parse_presence};
use crate::account::Request;
use crate::signal::{ContactEvent, Native, Party, Text, Timestamp};

impl Client {
    /// Presence for everybody, for one party, or about who may see whom.
    pub(super) fn handle_presence(&mut self, stanza: &Stanza, to: Option<Party>) {
        let event = match stanza.stanza_type().as_deref() {
            None | Some("unavailable") => return self.announce(stanza, to),
            Some("subscribe") => ContactEvent::Subscribe,
            Some("subscribed") => ContactEvent::Subscribed,
            Some("unsubscribe") => ContactEvent::Unsubscribe,
            Some("unsubscribed") => ContactEvent::Unsubscribed,
            // Servers probe for their users (RFC 6121 §4.3.1); an error answers what we sent on.
            Some("probe" | "error") => return,
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
            Some(to) => self.session.show(to, presence),
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

    fn handle_contact(&mut self, stanza: &Stanza, to: Party, event: ContactEvent) {
        let to = to.address;
        if event == ContactEvent::Unsubscribed {
            self.denied = Some(to.clone());
        }
        let note = stanza.child("status", CLIENT).map(|status| Text {
            lang: status.language().or_else(|| stanza.language()).map(Into::into),
            text: status.text().into(),
        });
        let native = Native::Elements {
            payload: stanza.payload().unwrap_or_default(),
            lang: stanza.language().map(Into::into),
        };
        let tag = self.expect(Pending::Contact { to: to.to_string(), id: stanza.id().map(Into::into) });
        self.session.ask_tagged(Request::Contact { to, event, note, native }, Some(tag));
    }
}

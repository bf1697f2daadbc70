//! What a client's `<message/>` sets off (RFC 6121 §5, §8). Where it goes the account decides.

use std::sync::Arc;

use super::session::{Client, Pending};
use super::stanza::Stanza;
use super::stream::Ticket;
use super::translate::{Envelope, parse_message};
use crate::signal::{Party, Timestamp};

impl Client {
    /// Passes the message on. A client that counts acknowledgements gets its own once the message is
    /// delivered or stored; any other hears only of failure.
    pub(super) fn handle_message(&mut self, stanza: &Stanza, to: Option<Party>, ticket: Option<Ticket>) {
        let from = self.session.party().clone();
        let to = to.unwrap_or_else(|| Party::bare(from.address.clone()));
        let now = Timestamp::now();
        let id = self.shared.accounts.new_message_id(now);
        let envelope = Envelope { id, from, to, language: self.language.as_deref(), now };
        let message = Arc::new(parse_message(stanza, envelope));
        let request = ticket.map(|ticket| self.expect(Pending::Message(ticket)));
        self.session.send(message, request);
    }
}

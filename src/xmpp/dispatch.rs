//! Which handler a stanza is for (RFC 6120 §8.1, §10; RFC 6121 §8).

use std::sync::Arc;

use super::session::{Asked, Client, Kept};
use super::stanza::{Kind, Stanza};
use super::stream::{Condition, Reply, StreamError, Ticket};
use super::translate::{Refusal, parse_query};
use super::xep::{self, Answer, Iq, Target, caps, csi};
use crate::account::SessionChange;
use crate::signal::{Address, Party, Timestamp};

impl Client {
    /// Handles one first-level element of a bound stream.
    pub(super) fn handle_element(&mut self, stanza: &Stanza) -> Result<(), StreamError> {
        if stanza.kind() == Kind::Other {
            return self.handle_other(stanza);
        }
        self.check_from(stanza)?;
        let ticket = self.management.note_received();
        let Ok(to) = stanza.to().map(|to| Party::parse(&to)).transpose() else {
            self.refuse(stanza, &Refusal::JID_MALFORMED);
            self.settle(ticket);
            return Ok(());
        };
        // Whoever leaves something to wait for keeps the ticket until then.
        let left = match stanza.kind() {
            Kind::Message => {
                self.handle_message(stanza, to, ticket);
                None
            }
            Kind::Presence => self.handle_presence(stanza, to, ticket),
            Kind::Iq | Kind::Other => self.handle_iq(stanza, to, ticket),
        };
        self.settle(left);
        Ok(())
    }

    /// A client may name itself as sender, with or without resource, and nobody else (RFC 6120 §8.1.2.1).
    fn check_from(&self, stanza: &Stanza) -> Result<(), StreamError> {
        let Some(from) = stanza.from() else { return Ok(()) };
        let own = self.session.party();
        let is_own = is_text_of(&from, own)
            || Party::parse(&from).is_ok_and(|from| {
                from.address == own.address && (from.resource.is_none() || from.resource == own.resource)
            });
        if is_own { Ok(()) } else { Err(Condition::InvalidFrom.into()) }
    }

    fn handle_other(&mut self, element: &Stanza) -> Result<(), StreamError> {
        if element.namespace() == csi::NAMESPACE {
            return self.handle_state(element);
        }
        if element.namespace() != "urn:xmpp:sm:3" {
            return Err(Condition::UnsupportedStanzaType.into());
        }
        self.take_seat(element);
        let resumption = self.seat.as_ref().map(|seat| (seat.id(), self.shared.config.resume_seconds));
        let reply = self.management.handle_element(element, resumption);
        self.handle_management(reply)
    }

    /// Somebody looks at the client, or nobody does (XEP-0352).
    fn handle_state(&mut self, element: &Stanza) -> Result<(), StreamError> {
        match element.name() {
            "inactive" => {
                self.held.get_or_insert_default();
                self.session.change(SessionChange::Attended(false));
                Ok(())
            }
            "active" => {
                let written = self.write_held();
                if self.held.take().is_some() {
                    self.session.change(SessionChange::Attended(true));
                }
                written
            }
            _ => Err(Condition::UnsupportedStanzaType.into()),
        }
    }

    /// Does what the counters want done.
    pub(super) fn handle_management(&mut self, reply: Reply<Kept>) -> Result<(), StreamError> {
        match reply {
            Reply::Send(bytes) => self.out.extend_from_slice(&bytes),
            Reply::Acknowledged(stanzas) => {
                for kept in stanzas {
                    if let Kept::Message(delivery) = kept {
                        delivery.confirm();
                    }
                }
            }
            Reply::Fail(error) => return Err(error),
        }
        Ok(())
    }

    /// Gives back the ticket unless something is left to wait for.
    fn handle_iq(&mut self, stanza: &Stanza, to: Option<Party>, ticket: Option<Ticket>) -> Option<Ticket> {
        let is_set = match stanza.stanza_type().as_deref() {
            Some("get") => Some(false),
            Some("set") => Some(true),
            Some("result" | "error") => None,
            _ => {
                self.refuse(stanza, &Refusal::BAD_REQUEST);
                return ticket;
            }
        };
        if stanza.id().is_none() || (is_set.is_some() && stanza.children().count() != 1) {
            self.refuse(stanza, &Refusal::BAD_REQUEST);
            return ticket;
        }
        match (self.target(to.as_ref()), to, is_set) {
            (Some(target), _, Some(is_set)) => {
                let own = self.session.party().address.clone();
                return self.answer_iq(stanza, is_set, target, &own, ticket);
            }
            // Answers to what the server asked: roster pushes, pings, features.
            (Some(_), _, None) => self.handle_answer(stanza),
            (None, Some(to), _)
                if to.resource.is_none() && self.shared.accounts.serves(to.address.domain()) =>
            {
                if let Some(is_set) = is_set {
                    return self.answer_iq(stanza, is_set, Target::Other, &to.address, ticket);
                }
            }
            (None, to, is_set) => match session_caps(stanza, is_set).filter(|_| self.is_here(to.as_ref())) {
                Some(caps) => {
                    let (id, to) = (stanza.id(), stanza.to());
                    let asked =
                        Asked { id: id.as_deref().unwrap_or_default(), from: to.as_deref(), ticket: None };
                    self.act_on(asked, Answer::Result(caps));
                }
                None => self.pass_iq(stanza, to),
            },
        }
        ticket
    }

    /// What the server answers for: itself, and the session's own account.
    fn target(&self, to: Option<&Party>) -> Option<Target> {
        match to {
            None => Some(Target::Account),
            Some(Party { resource: Some(_), .. }) => None,
            Some(Party { address, .. }) if *address == self.session.party().address => Some(Target::Account),
            Some(Party { address, .. }) => (address.is_domain()
                && self.shared.accounts.serves(address.domain()))
            .then_some(Target::Server),
        }
    }

    fn is_here(&self, to: Option<&Party>) -> bool {
        to.is_some_and(|to| self.shared.accounts.serves(to.address.domain()))
    }

    fn pass_iq(&mut self, stanza: &Stanza, to: Option<Party>) {
        let from = self.session.party().clone();
        if let Some(query) = to.and_then(|to| parse_query(stanza, from, to)) {
            self.session.query(Arc::new(query));
        }
    }

    /// Gives back the ticket of what only asks: what changes something is dealt with once it is answered.
    fn answer_iq(
        &mut self,
        stanza: &Stanza,
        is_set: bool,
        target: Target,
        account: &Address,
        ticket: Option<Ticket>,
    ) -> Option<Ticket> {
        let Some(payload) = stanza.children().next() else { return ticket };
        let accounts = &self.shared.accounts;
        let fresh = || accounts.new_message_id(Timestamp::now()).to_string();
        let asker = self.session.party();
        let is_device = self.origin.as_ref().is_some_and(|origin| origin.device.is_some());
        let (shared, admin) = (&*self.shared, &self.shared.admin);
        let fresh = &fresh;
        let answer =
            xep::answer(&Iq { payload, is_set, target, account, asker, is_device, fresh, shared, admin });
        let (held, left) = if is_set { (ticket, None) } else { (None, ticket) };
        let (id, to) = (stanza.id(), stanza.to());
        let asked = Asked { id: id.as_deref().unwrap_or_default(), from: to.as_deref(), ticket: held };
        self.act_on(asked, answer);
        left
    }
}

/// The answer to a question about what a session of another protocol can do, which the server answers for it.
fn session_caps(stanza: &Stanza, is_set: Option<bool>) -> Option<String> {
    let question = stanza.children().next().filter(|_| is_set == Some(false))?;
    caps::answer_for_session(&question)
}

/// Whether `text` is the full address of `party`, in its normal form.
fn is_text_of(text: &str, party: &Party) -> bool {
    let rest = text.strip_prefix(party.address.as_str()).and_then(|rest| rest.strip_prefix('/'));
    rest.is_some() && rest == party.resource.as_ref().map(|resource| resource.as_str())
}

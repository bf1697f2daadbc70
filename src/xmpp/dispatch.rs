//! Which handler a stanza is for (RFC 6120 §8.1, §10; RFC 6121 §8).

use std::sync::Arc;

use super::session::{Client, Expect, Kept, Pending};
use super::stanza::{Kind, Stanza};
use super::stream::{Condition, Reply, StreamError};
use super::translate::{Refusal, parse_query};
use super::xep::{self, Answer, Iq, Target};
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
        match stanza.kind() {
            Kind::Message => {
                self.handle_message(stanza, to, ticket);
                return Ok(());
            }
            Kind::Presence => self.handle_presence(stanza, to),
            Kind::Iq | Kind::Other => self.handle_iq(stanza, to),
        }
        self.settle(ticket);
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
        if element.namespace() != "urn:xmpp:sm:3" {
            return Err(Condition::UnsupportedStanzaType.into());
        }
        self.take_seat(element);
        let resumption = self.seat.as_ref().map(|seat| (seat.id(), self.shared.config.resume_seconds));
        let reply = self.management.handle_element(element, resumption);
        self.handle_management(reply)
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

    fn handle_iq(&mut self, stanza: &Stanza, to: Option<Party>) {
        let is_set = match stanza.stanza_type().as_deref() {
            Some("get") => Some(false),
            Some("set") => Some(true),
            Some("result" | "error") => None,
            _ => return self.refuse(stanza, &Refusal::BAD_REQUEST),
        };
        if stanza.id().is_none() || (is_set.is_some() && stanza.children().count() != 1) {
            return self.refuse(stanza, &Refusal::BAD_REQUEST);
        }
        match (self.target(to.as_ref()), to, is_set) {
            (Some(target), _, Some(is_set)) => {
                let own = self.session.party().address.clone();
                self.answer_iq(stanza, is_set, target, &own);
            }
            // Answers to what the server asked: roster pushes, pings, features.
            (Some(_), _, None) => self.handle_answer(stanza),
            (None, Some(to), _)
                if to.resource.is_none() && self.shared.accounts.serves(to.address.domain()) =>
            {
                if let Some(is_set) = is_set {
                    self.answer_iq(stanza, is_set, Target::Other, &to.address);
                }
            }
            (None, to, _) => self.pass_iq(stanza, to),
        }
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

    fn pass_iq(&mut self, stanza: &Stanza, to: Option<Party>) {
        let from = self.session.party().clone();
        if let Some(query) = to.and_then(|to| parse_query(stanza, from, to)) {
            self.session.query(Arc::new(query));
        }
    }

    fn answer_iq(&mut self, stanza: &Stanza, is_set: bool, target: Target, account: &Address) {
        let Some(payload) = stanza.children().next() else { return };
        let accounts = &self.shared.accounts;
        let fresh = || accounts.new_message_id(Timestamp::now()).to_string();
        let asker = self.session.party();
        let answer = xep::answer(&Iq { payload, is_set, target, account, asker, fresh: &fresh });
        self.act_on(stanza, answer);
    }

    fn act_on(&mut self, stanza: &Stanza, answer: Answer) {
        match answer {
            Answer::Result(content) => self.send_result(stanza, content.as_bytes()),
            Answer::Refuse(refusal) => self.refuse(stanza, &refusal),
            Answer::Change(change) => {
                self.change(change);
                self.send_result(stanza, b"");
            }
            Answer::FollowBlocks(then) => {
                self.follows_blocks = true;
                self.act_on(stanza, *then);
            }
            Answer::Messages(contents, result) => {
                self.send_messages(&contents);
                self.send_result(stanza, result.as_bytes());
            }
            Answer::Then(request, then) => {
                let id = stanza.id().map(Into::into).unwrap_or_default();
                let from = stanza.to().map(Into::into);
                let tag = self.expect(Pending::Iq { id, from, expect: Expect::Then(then) });
                self.session.ask_tagged(*request, Some(tag));
            }
            Answer::Ask(request, expect) => {
                if matches!(expect, Expect::Roster) {
                    self.change(SessionChange::FollowsRoster(true));
                }
                let id = stanza.id().map(Into::into).unwrap_or_default();
                let from = stanza.to().map(Into::into);
                let tag = self.expect(Pending::Iq { id, from, expect });
                self.session.ask_tagged(*request, Some(tag));
            }
        }
    }
}

/// Whether `text` is the full address of `party`, in its normal form.
fn is_text_of(text: &str, party: &Party) -> bool {
    let rest = text.strip_prefix(party.address.as_str()).and_then(|rest| rest.strip_prefix('/'));
    rest.is_some() && rest == party.resource.as_ref().map(|resource| resource.as_str())
}

//! XEP-0077 before login, for people who have no account yet: by an invitation (XEP-0445), or for everybody where
//! the operator wants that.

use serde::{Deserialize, Serialize};

use super::negotiation::{Action, Ask, Negotiation, Phase};
use super::{Condition, StartTls};
use crate::auth::Invitation;
use crate::signal::Address;
use crate::xmpp::stanza::{Stanza, print_attribute, print_text};
use crate::xmpp::translate::Refusal;

/// Who may make an account from a chat client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Registration {
    /// Nobody.
    Closed,
    /// Who was invited.
    Invited,
    /// Everybody.
    Open,
}

/// What a stream without an account knows of the one that it is to make.
#[derive(Debug, Default)]
pub(super) struct Guest {
    /// The token that it showed last, and what it is for.
    invitation: Option<(String, Invitation)>,
    /// The id of the request that waits for an answer.
    asked: Option<String>,
}

impl Negotiation {
    /// Appends what the features tell of it.
    pub(super) fn print_registration(&self, out: &mut Vec<u8>) {
        if self.start_tls == StartTls::Required || self.settings.registration == Registration::Closed {
            return;
        }
        out.extend_from_slice(
            b"<register xmlns='urn:xmpp:ibr-token:0'/><register xmlns='http://jabber.org/features/iq-register'/>",
        );
    }

    /// A client asks something before it logged in.
    pub(super) fn handle_guest(&mut self, request: &Stanza) -> Vec<Action> {
        let is_secure = self.start_tls != StartTls::Required;
        if !is_secure || self.settings.registration == Registration::Closed {
            return self.close(Condition::NotAuthorized);
        }
        let id = request.id().map(std::borrow::Cow::into_owned);
        let is_set = match (request.stanza_type().as_deref(), &id) {
            (Some("set"), Some(_)) => true,
            (Some("get"), Some(_)) => false,
            _ => return self.close(Condition::NotAuthorized),
        };
        self.guest.get_or_insert_default().asked = id;
        if let Some(preauth) = request.child("preauth", PREAUTH).filter(|_| is_set) {
            let token = preauth.attribute("token").map(std::borrow::Cow::into_owned);
            return match token {
                Some(token) => self.ask_registration(Ask::Invitation { token }),
                None => self.refuse_guest(&Refusal::BAD_REQUEST),
            };
        }
        let query = request.child("query", REGISTER).and_then(|query| query.to_element());
        match (query, is_set) {
            (None, _) => self.close(Condition::NotAuthorized),
            (Some(_), false) => self.show_form(),
            (Some(query), true) => self.handle_newcomer(&query),
        }
    }

    fn ask_registration(&mut self, ask: Ask) -> Vec<Action> {
        self.phase = Phase::Asked;
        vec![Action::Ask(ask)]
    }

    fn invitation(&self) -> Option<&(String, Invitation)> {
        self.guest.as_ref()?.invitation.as_ref()
    }

    fn show_form(&mut self) -> Vec<Action> {
        let mut form = format!("<query xmlns='{REGISTER}'><instructions>").into_bytes();
        let name = match self.invitation() {
            None if self.settings.registration == Registration::Invited => {
                return self.refuse_guest(&Refusal::NOT_ALLOWED);
            }
            Some((_, invitation)) => invitation.place.local().map(str::to_owned),
            None => None,
        };
        form.extend_from_slice(b"Choose a name and a password.</instructions><username>");
        print_text(name.as_deref().unwrap_or_default(), &mut form);
        form.extend_from_slice(b"</username><password/></query>");
        self.answer_guest(&form)
    }

    fn handle_newcomer(&mut self, query: &minidom::Element) -> Vec<Action> {
        let text = |name| query.get_child(name, REGISTER).map(minidom::Element::text);
        let (Some(user), Some(password)) = (text("username"), text("password")) else {
            return self.refuse_guest(&Refusal::NOT_ACCEPTABLE);
        };
        let Ok(address) = Address::new(user.trim(), &self.domain) else {
            return self.refuse_guest(&Refusal::NOT_ACCEPTABLE);
        };
        let token = match self.invitation() {
            Some((_, invitation)) if !invitation.fits(&address) => {
                return self.refuse_guest(&Refusal::NOT_ALLOWED);
            }
            Some((token, _)) => Some(token.clone()),
            None if self.settings.registration == Registration::Open => None,
            None => return self.refuse_guest(&Refusal::NOT_ALLOWED),
        };
        self.ask_registration(Ask::Register { token, address, password })
    }

    /// What the invitation that the client showed is to; an error where it is none.
    pub(in crate::xmpp) fn handle_invitation(
        &mut self,
        token: &str,
        found: Result<Invitation, Refusal>,
    ) -> Vec<Action> {
        self.phase = Phase::Login;
        let found = found.and_then(|invitation| {
            let is_here = invitation.place.domain() == self.domain;
            if is_here { Ok(invitation) } else { Err(Refusal::ITEM_NOT_FOUND) }
        });
        match found {
            Ok(invitation) => {
                self.guest.get_or_insert_default().invitation = Some((token.to_owned(), invitation));
                self.answer_guest(b"")
            }
            Err(refusal) => self.refuse_guest(&refusal),
        }
    }

    /// The account is there, or not.
    pub(in crate::xmpp) fn handle_registered(&mut self, outcome: Result<(), Refusal>) -> Vec<Action> {
        self.phase = Phase::Login;
        match outcome {
            Ok(()) => {
                let answer = self.answer_guest(b"");
                self.guest = None;
                answer
            }
            Err(refusal) => self.refuse_guest(&refusal),
        }
    }

    fn answer_guest(&mut self, content: &[u8]) -> Vec<Action> {
        let mut out = self.print_head("result");
        out.extend_from_slice(content);
        out.extend_from_slice(b"</iq>");
        vec![Action::Send(out)]
    }

    /// Who is refused too often has to come again.
    fn refuse_guest(&mut self, refusal: &Refusal) -> Vec<Action> {
        let mut out = self.print_head("error");
        refusal.print(&mut out);
        out.extend_from_slice(b"</iq>");
        self.failures += 1;
        if self.failures < REFUSALS {
            return vec![Action::Send(out)];
        }
        let mut actions = vec![Action::Send(out)];
        actions.extend(self.close(Condition::PolicyViolation));
        actions
    }

    fn print_head(&mut self, kind: &str) -> Vec<u8> {
        let mut out = format!("<iq type='{kind}' from='").into_bytes();
        print_attribute(&self.domain, &mut out);
        out.extend_from_slice(b"' id='");
        let id = self.guest.as_mut().and_then(|guest| guest.asked.take());
        print_attribute(id.as_deref().unwrap_or_default(), &mut out);
        out.extend_from_slice(b"'>");
        out
    }
}

const REGISTER: &str = "jabber:iq:register";
const PREAUTH: &str = "urn:xmpp:pars:0";
/// Refusals after which the stream ends. Choosing a name and a password takes some attempts.
const REFUSALS: u8 = 10;

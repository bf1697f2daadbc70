//! The part of the negotiation in which a client proves who it is: the exchanges of RFC 6120 §6 and, around the
//! same mechanisms, of XEP-0388.

use std::mem;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::management::SM;
use super::negotiation::{Action, Ask, Negotiation, Phase, Welcome};
use super::{Condition, StartTls, StreamError, features, sasl2, upgrade};
use crate::auth::ScramTask;
use crate::signal::{Address, Party};
use crate::xmpp::sasl::{Exchange, Failure, Mechanism, Step, Verifier};
use crate::xmpp::stanza::Stanza;

impl Negotiation {
    pub(super) fn handle_sasl(&mut self, element: &Stanza) -> Vec<Action> {
        let outcome = match element.name() {
            "auth" => self.begin_auth(element),
            "response" if self.second.is_none() => self.continue_exchange(&element.text()),
            "response" => Err(Failure::MalformedRequest),
            "abort" => Err(Failure::Aborted),
            _ => return self.close(Condition::UnsupportedStanzaType),
        };
        match outcome {
            Ok(step) => self.handle_step(step),
            Err(failure) => self.refuse_login(failure),
        }
    }

    /// An element of XEP-0388.
    pub(super) fn handle_sasl2(&mut self, element: &Stanza) -> Vec<Action> {
        let outcome = match element.name() {
            "authenticate" => self.begin_authenticate(element),
            "response" if self.second.is_some() => self.continue_exchange(&element.text()),
            "response" => Err(Failure::MalformedRequest),
            "abort" => Err(Failure::Aborted),
            _ => return self.close(Condition::UnsupportedStanzaType),
        };
        // The answer to a failed request is of the same kind, also where it was not understood.
        self.second.get_or_insert_default();
        match outcome {
            Ok(step) => self.handle_step(step),
            Err(failure) => self.refuse_login(failure),
        }
    }

    fn begin_auth(&mut self, element: &Stanza) -> Result<Step, Failure> {
        self.second = None;
        let name = element.attribute("mechanism").ok_or(Failure::InvalidMechanism)?;
        let mechanism = self.offer.find(&name).ok_or(Failure::InvalidMechanism);
        let text = element.text();
        let first = match &*text {
            "" => None,
            "=" => Some(String::new()),
            text => Some(text.to_owned()),
        };
        self.begin_exchange(mechanism, first.as_deref())
    }

    fn begin_authenticate(&mut self, element: &Stanza) -> Result<Step, Failure> {
        self.second = None;
        let name = element.attribute("mechanism").ok_or(Failure::InvalidMechanism)?.into_owned();
        let tree = element.to_element().ok_or(Failure::MalformedRequest)?;
        let request = sasl2::Request::parse(&tree, &self.offer);
        let first = tree.get_child("initial-response", sasl2::SASL2).map(|first| first.text());
        let is_by_token = request.fast.is_some() && request.agent.is_some();
        let mechanism = match self.offer.find_token(&name) {
            Some(binding) if is_by_token => Ok(Mechanism::HashedToken(binding)),
            _ => self.offer.find(&name).ok_or(Failure::InvalidMechanism),
        };
        self.second = Some(Box::new(sasl2::Login { request, ..sasl2::Login::default() }));
        self.begin_exchange(mechanism, first.as_deref())
    }

    fn begin_exchange(
        &mut self,
        mechanism: Result<Mechanism, Failure>,
        first: Option<&str>,
    ) -> Result<Step, Failure> {
        if self.start_tls == StartTls::Required {
            return Err(Failure::EncryptionRequired);
        }
        let mut exchange = Exchange::new(mechanism?, &self.offer).protected(&self.offer);
        let step = match first {
            None => exchange.handle_response(None),
            Some(text) => exchange.handle_response(Some(&decode(text)?)),
        }?;
        self.exchange = Some(exchange);
        Ok(step)
    }

    fn continue_exchange(&mut self, text: &str) -> Result<Step, Failure> {
        let response = decode(text)?;
        self.exchange.as_mut().ok_or(Failure::MalformedRequest)?.handle_response(Some(&response))
    }

    fn handle_step(&mut self, step: Step) -> Vec<Action> {
        match step {
            Step::Challenge(challenge) => {
                let namespace = if self.second.is_some() { sasl2::SASL2 } else { SASL };
                vec![Action::Send(print_sasl("challenge", namespace, &challenge))]
            }
            Step::CheckPassword { username, password, authzid } => {
                self.ask(&username, authzid, |address| Ask::Password { address, password })
            }
            Step::CheckToken { username, proof } => {
                let user = self.second.as_mut().and_then(|login| {
                    login.by_token = true;
                    login.request.token_user()
                });
                let Some((agent, count)) = user else {
                    return self.refuse_login(Failure::MalformedRequest);
                };
                let proof = crate::xmpp::sasl::TokenProof { count, ..proof };
                self.ask(&username, None, |address| Ask::Token { address, agent, proof })
            }
            Step::NeedVerifier { username, hash } => {
                self.ask(&username, None, |address| Ask::Verifier { address, hash })
            }
            Step::Success { username, authzid, additional } => {
                self.additional = additional;
                self.ask(&username, authzid, |address| Ask::Proved { address })
            }
            Step::WrongProof { username } => {
                let mut actions = self.refuse_login(Failure::NotAuthorized);
                if let Ok(address) = Address::new(&username, &self.domain) {
                    actions.insert(0, Action::Ask(Ask::WrongProof { address }));
                }
                actions
            }
        }
    }

    fn ask(
        &mut self,
        username: &str,
        authzid: Option<String>,
        question: impl FnOnce(Address) -> Ask,
    ) -> Vec<Action> {
        let Ok(address) = Address::new(username, &self.domain) else {
            return self.refuse_login(Failure::NotAuthorized);
        };
        // With XEP-0388 the stream has to be from whom the client wants to be (§2.2).
        let is_from = self.second.is_none() || self.from.as_ref().is_none_or(|from| *from == address);
        let is_self = authzid.is_none_or(|authzid| {
            is_from
                && Party::parse(&authzid)
                    .is_ok_and(|party| party.address == address && party.resource.is_none())
        });
        if !is_self {
            return self.refuse_login(Failure::InvalidAuthzid);
        }
        self.phase = Phase::Asked;
        vec![Action::Ask(question(address))]
    }

    /// The verifier that was asked for. `nonce` is unguessable, printable and has no comma.
    pub fn handle_verifier(&mut self, verifier: Result<Verifier, Failure>, nonce: &str) -> Vec<Action> {
        self.phase = Phase::Login;
        let step = verifier.and_then(|verifier| {
            self.exchange.as_mut().ok_or(Failure::Temporary)?.handle_verifier(verifier, nonce)
        });
        match step {
            Ok(step) => self.handle_step(step),
            Err(failure) => self.refuse_login(failure),
        }
    }

    /// The authenticator's word on a password or a token, or on an account whose proof was right.
    pub fn handle_login(&mut self, outcome: Result<Welcome, Failure>) -> Vec<Action> {
        self.phase = Phase::Login;
        self.exchange = None;
        let welcome = match outcome {
            Ok(welcome) => welcome,
            Err(failure) => return self.refuse_login(failure),
        };
        let mut additional = mem::take(&mut self.additional);
        if let Some(mut login) = self.second.take() {
            login.additional = welcome.answer.unwrap_or(additional);
            login.token = welcome.token;
            login.account = Some(welcome.address);
            let is_wanted = |task: &ScramTask| login.request.upgrades.contains(&task.hash);
            login.tasks = welcome.tasks.into_iter().filter(is_wanted).collect();
            return self.ask_for_task(login);
        }
        self.account = Some(welcome.address);
        self.begin_anew();
        additional.extend(welcome.answer.unwrap_or_default());
        vec![Action::Send(print_sasl("success", SASL, &additional)), Action::Restart]
    }

    /// Has the client do the first of its tasks, or lets it in where there is none (XEP-0388 §2.6.3).
    fn ask_for_task(&mut self, mut login: Box<sasl2::Login>) -> Vec<Action> {
        login.is_begun = false;
        if let Some(task) = login.tasks.first() {
            let sent = upgrade::print_continue(task, &login.additional);
            login.additional.clear();
            self.phase = Phase::Task;
            self.second = Some(login);
            return vec![Action::Send(sent)];
        }
        self.account = login.account.take();
        let mut actions = vec![Action::Trust];
        actions.extend(self.go_on(login));
        actions
    }

    /// The client does what it was asked to do.
    pub(super) fn handle_task(&mut self, element: &Stanza) -> Vec<Action> {
        self.phase = Phase::Login;
        let Some(login) = &mut self.second else { return self.close(Condition::InternalServerError) };
        let (Some(task), Some(address)) = (login.tasks.first(), &login.account) else {
            return self.close(Condition::InternalServerError);
        };
        match element.name() {
            "next" if !login.is_begun && upgrade::is_next(element, task) => {
                let sent = upgrade::print_salt(task);
                login.is_begun = true;
                self.phase = Phase::Task;
                vec![Action::Send(sent)]
            }
            "task-data"
                if login.is_begun
                    && let Some(salted) = upgrade::parse_salted(element, task) =>
            {
                let (address, task) = (address.clone(), task.clone());
                self.phase = Phase::Asked;
                vec![Action::Ask(Ask::Task { address, task, salted })]
            }
            "abort" => self.refuse_login(Failure::Aborted),
            _ => self.refuse_login(Failure::MalformedRequest),
        }
    }

    /// The authenticator's word on the outcome of a task.
    pub fn handle_task_done(&mut self, outcome: Result<(), Failure>) -> Vec<Action> {
        self.phase = Phase::Login;
        match (outcome, self.second.take()) {
            (Ok(()), Some(mut login)) => {
                login.tasks.drain(..1);
                self.ask_for_task(login)
            }
            (Err(failure), login) => {
                self.second = login;
                self.refuse_login(failure)
            }
            (Ok(()), None) => self.close(Condition::InternalServerError),
        }
    }

    /// Does what the client wanted done with its login, one thing after the other: resumption, then binding where
    /// that is not possible (XEP-0386 §4). At the end it is told all of it.
    pub(super) fn go_on(&mut self, mut login: Box<sasl2::Login>) -> Vec<Action> {
        let resume = login.request.resume.take();
        let bind = if resume.is_none() { login.request.bind.take() } else { None };
        let Some(account) = self.account.clone() else { return self.close(Condition::InternalServerError) };
        let (phase, action) = match (resume, bind) {
            (Some(resume), _) => (Phase::ResumeAsked, Action::Resume(resume)),
            (None, Some(bind)) => (Phase::Bind2Asked, Action::Bind2(bind)),
            (None, None) => {
                self.phase = Phase::Binding;
                return vec![Action::Send(self.print_success(*login, &Party::bare(account), b""))];
            }
        };
        self.phase = phase;
        self.second = Some(login);
        vec![action]
    }

    /// The end of a login by XEP-0388, with `inline` of what was negotiated with it, and the features of the
    /// stream that goes on.
    pub(super) fn print_success(&self, login: sasl2::Login, party: &Party, inline: &[u8]) -> Vec<u8> {
        let mut out = login.print_success(party, inline);
        match self.phase {
            Phase::Bound => features::print_bound(&self.settings, has_management(inline), &mut out),
            _ => features::print_after_login(&self.settings, &mut out),
        }
        out
    }

    fn refuse_login(&mut self, failure: Failure) -> Vec<Action> {
        self.exchange = None;
        self.additional.clear();
        self.failures = self.failures.saturating_add(1);
        let refusal = match self.second.take() {
            Some(_) => sasl2::print_failure(failure),
            None => format!("<failure xmlns='{SASL}'><{}/></failure>", failure.condition()).into_bytes(),
        };
        let mut actions = vec![Action::Send(refusal)];
        if self.failures >= self.settings.login_attempts {
            let error = StreamError::with_text(Condition::PolicyViolation, "too many failed logins");
            actions.extend(self.close(error));
        }
        actions
    }
}

/// Whether stream management began with the login: then it is no feature any more, and a client that saw it would try
/// to resume the stream that it has.
fn has_management(inline: &[u8]) -> bool {
    let begins = [format!("<enabled xmlns='{SM}'"), format!("<resumed xmlns='{SM}'")];
    begins.iter().any(|element| memchr::memmem::find(inline, element.as_bytes()).is_some())
}

/// `=` stands for an empty response (RFC 6120 §6.4.2).
fn decode(text: &str) -> Result<Vec<u8>, Failure> {
    match text.trim() {
        "=" => Ok(Vec::new()),
        text => BASE64.decode(text).map_err(|_| Failure::IncorrectEncoding),
    }
}

fn print_sasl(name: &str, namespace: &str, data: &[u8]) -> Vec<u8> {
    if data.is_empty() && name == "success" {
        return format!("<success xmlns='{namespace}'/>").into_bytes();
    }
    format!("<{name} xmlns='{namespace}'>{}</{name}>", BASE64.encode(data)).into_bytes()
}

pub(super) const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

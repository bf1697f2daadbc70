//! A connection before it is a session: carries out what [`Negotiation`] wants, and brings it what it asks.

use std::{collections::VecDeque, sync::Arc};

use compact_str::CompactString;
use tracing::{debug, info};

use super::{
    chance::Chance,
    door::{Entrance, Shared},
    queue::Queue,
    resumption::Handover,
    sasl::{Bindings, Failure, Offer},
    session::Client,
    stanza::{Event, Limits, Scanner},
    stream::{Action, Ask, BindRequest, Condition, Negotiation, Resume, StartTls, Welcome},
    wire::Wire,
};
use crate::{
    account::{CloseReason, Opened, SessionKind, SessionSpec},
    auth::{AuthError, Login as Proved, Noted},
    net::Stream,
    signal::{Address, Resource, Timestamp},
};

/// A client that has logged in and bound its resource.
pub(super) struct Bound {
    pub(super) client: Box<Client>,
    pub(super) wire: Box<Wire>,
    pub(super) queue: Arc<Queue>,
}

/// Who has logged in.
#[derive(Clone)]
struct Owner {
    address: Address,
    /// The device password that was used.
    device: Option<i64>,
    /// The program, where it said which installation it is.
    client: Option<i64>,
}

/// The state of one login.
struct Login {
    shared: Arc<Shared>,
    negotiation: Negotiation,
    language: Option<CompactString>,
    account: Option<Owner>,
    /// The mark of the account whose password somebody is about to prove.
    mark: Option<u64>,
    chance: Chance,
    /// What is to be written.
    out: Vec<u8>,
}

/// Brings a new connection to a bound resource; `None` when it ends before.
pub(super) async fn log_in(shared: Arc<Shared>, entrance: Entrance, stream: Stream) -> Option<Bound> {
    let deadline = shared.limits.login();
    let offer = Offer {
        allows_plain: entrance != Entrance::StartTls,
        allows_tokens: shared.authenticator.gives_tokens(),
        bindings: bindings(&stream),
    };
    let start_tls = if entrance == Entrance::StartTls { StartTls::Required } else { StartTls::Unavailable };
    let negotiation = Negotiation::new(Arc::clone(&shared.settings), start_tls, offer);
    let mut login = Login {
        shared: Arc::clone(&shared),
        negotiation,
        language: None,
        account: None,
        mark: None,
        chance: Chance::default(),
        out: Vec::new(),
    };
    let scanner = Scanner::new(shared.limits_before_login());
    let mut wire = Some(Wire::new(stream, scanner, &shared.limits, shared.patience()));
    let bound = tokio::time::timeout(deadline, login.run(&mut wire)).await;
    match (bound, wire) {
        (Ok(bound), _) => bound,
        (Err(_), Some(mut wire)) => {
            debug!("no login in time");
            login.act_closing(&mut wire).await;
            None
        }
        (Err(_), None) => None,
    }
}

fn bindings(stream: &Stream) -> Bindings {
    Bindings {
        exporter: stream.exporter_binding().map(|binding| binding.to_vec()),
        end_point: stream.end_point_binding().map(<[u8]>::to_vec),
    }
}

impl Login {
    /// `wire` is empty only while the connection changes to TLS.
    async fn run(&mut self, wire: &mut Option<Wire>) -> Option<Bound> {
        loop {
            let actions = self.next_actions(wire.as_mut()?);
            let Some(actions) = actions else {
                self.flush(wire.as_mut()?).await?;
                if wire.as_mut()?.read().await.ok()? == 0 {
                    return None;
                }
                continue;
            };
            let mut actions = VecDeque::from(actions);
            while let Some(action) = actions.pop_front() {
                match action {
                    Action::Send(bytes) => self.out.extend_from_slice(&bytes),
                    Action::Restart => wire.as_mut()?.scanner.restart(self.shared.limits_after_login()),
                    Action::Trust => wire.as_mut()?.scanner.widen(self.shared.limits_after_login()),
                    Action::StartTls => self.secure(wire).await?,
                    Action::Ask(ask) => {
                        let peer = wire.as_ref()?.stream.peer().ip();
                        actions.extend(self.ask(ask, peer).await);
                    }
                    Action::Bind(resource) => match self.bind(resource).await {
                        Ok((client, queue)) => {
                            return Some(Bound { client, wire: Box::new(wire.take()?), queue });
                        }
                        Err(more) => actions.extend(more),
                    },
                    Action::Bind2(request) => match self.bind_within(&request).await {
                        Ok((client, queue)) => {
                            return Some(Bound { client, wire: Box::new(wire.take()?), queue });
                        }
                        Err(more) => actions.extend(more),
                    },
                    Action::Resume(resume) => match self.resume(resume).await {
                        Ok((client, queue)) => {
                            return Some(Bound { client, wire: Box::new(wire.take()?), queue });
                        }
                        Err(more) => actions.extend(more),
                    },
                    Action::Close => {
                        let mut wire = wire.take()?;
                        self.flush(&mut wire).await?;
                        wire.close().await;
                        return None;
                    }
                }
            }
        }
    }

    /// What the next thing that was read calls for; `None` when more must be read.
    fn next_actions(&mut self, wire: &mut Wire) -> Option<Vec<Action>> {
        match wire.scanner.next_event() {
            Ok(Some(Event::Header(header))) => {
                self.language = header.language.as_deref().map(CompactString::from);
                Some(self.negotiation.handle_header(&header, &self.chance.text()))
            }
            Ok(Some(Event::Stanza(element))) => Some(self.negotiation.handle_element(&element)),
            Ok(Some(Event::End)) => Some(vec![Action::Send(b"</stream:stream>".to_vec()), Action::Close]),
            Ok(None) => None,
            Err(error) => {
                debug!(%error, "stream cannot be read");
                Some(self.negotiation.close(error))
            }
        }
    }

    async fn flush(&mut self, wire: &mut Wire) -> Option<()> {
        if !self.out.is_empty() {
            wire.write(&std::mem::take(&mut self.out)).await.ok()?;
        }
        Some(())
    }

    async fn secure(&mut self, wire: &mut Option<Wire>) -> Option<()> {
        let mut plain = wire.take()?;
        self.flush(&mut plain).await?;
        plain.scanner.discard();
        let Wire { stream, scanner, .. } = plain;
        let stream = match stream.upgrade(&self.shared.acceptor).await {
            Ok(stream) => stream,
            Err(error) => {
                debug!(%error, "handshake");
                return None;
            }
        };
        self.negotiation.handle_secured(bindings(&stream));
        *wire = Some(Wire::new(stream, scanner, &self.shared.limits, self.shared.patience()));
        Some(())
    }

    async fn ask(&mut self, ask: Ask, peer: std::net::IpAddr) -> Vec<Action> {
        let authenticator = &self.shared.authenticator;
        if let Ask::Verifier { address, .. } | Ask::Password { address, .. } | Ask::Token { address, .. } =
            &ask
        {
            // Looked at first: a password that changes from now on ends the login.
            self.mark = authenticator.mark(address, None).await.ok().flatten();
        }
        let mut answer = None;
        let outcome = match ask {
            Ask::Verifier { address, hash } => {
                let verifier = authenticator.scram_verifier(&address, hash, peer).await;
                return self.negotiation.handle_verifier(verifier.map_err(failure), &self.chance.text());
            }
            Ask::WrongProof { address } => {
                authenticator.login_failed(&address, peer);
                return Vec::new();
            }
            Ask::Invitation { token } => {
                let found = self.shared.find_invitation(&token).await;
                return self.negotiation.handle_invitation(&token, found);
            }
            Ask::Register { token, address, password } => {
                let made = self.shared.register(token.as_deref(), &address, password).await;
                return self.negotiation.handle_registered(made);
            }
            Ask::Password { address, password } => {
                authenticator.verify_password(&address, &password, peer).await
            }
            Ask::Proved { address } => authenticator.login_succeeded(&address, peer).await,
            Ask::Task { address, task, salted } => {
                let outcome = authenticator.finish_scram_task(&address, &task, &salted).await;
                return self.negotiation.handle_task_done(outcome.map_err(failure));
            }
            Ask::Token { address, agent, proof } => {
                let outcome = authenticator.verify_fast(&address, &agent, &proof, peer).await;
                outcome.map(|(login, proof)| {
                    answer = Some(proof);
                    login
                })
            }
        };
        let outcome = match outcome {
            Ok(login) => self.welcome(login, answer).await,
            Err(error) => Err(error),
        };
        self.negotiation.handle_login(outcome.map_err(failure))
    }

    /// Notes who logged in, and gives him what he asked for with it.
    async fn welcome(&mut self, login: Proved, answer: Option<Vec<u8>>) -> Result<Welcome, AuthError> {
        let authenticator = &self.shared.authenticator;
        let is_good = || authenticator.is_still_good(&login.address, self.mark, login.device, None);
        if !is_good().await? {
            return Err(AuthError::Wrong);
        }
        let noted = match self.negotiation.visitor() {
            Some((agent, wishes)) => authenticator.note_client(&login, agent, wishes).await?,
            None => None,
        };
        let (client, token) = noted.map_or((None, None), |Noted { client, token }| (Some(client), token));
        if let Some(client) = client
            && !is_good().await?
        {
            // What ended all access meanwhile did not know of this one.
            authenticator.remove_client(&login.address, client).await?;
            return Err(AuthError::Wrong);
        }
        let tasks = match self.negotiation.wants_tasks() {
            true => self.shared.authenticator.scram_tasks(&login).await?,
            false => Vec::new(),
        };
        let Proved { address, device, .. } = login;
        info!(account = %address, client, "logged in");
        self.account = Some(Owner { address: address.clone(), device, client });
        Ok(Welcome { address, answer, token, tasks })
    }

    async fn bind(&mut self, wanted: Option<Resource>) -> Result<(Box<Client>, Arc<Queue>), Vec<Action>> {
        let resource = wanted.or_else(|| Resource::new(&self.chance.text()).ok()).ok_or_else(Vec::new)?;
        let (mut client, queue) = self.open(resource).await?;
        self.out.extend_from_slice(&self.negotiation.handle_bound(client.session.party(), b""));
        client.out.extend_from_slice(&std::mem::take(&mut self.out));
        Ok((client, queue))
    }

    /// Binds a resource within the login. An earlier session of the same installation ends (XEP-0386 §4).
    async fn bind_within(&mut self, request: &BindRequest) -> Result<(Box<Client>, Arc<Queue>), Vec<Action>> {
        let Owner { address, client, .. } = self.account.as_ref().ok_or_else(Vec::new)?;
        if let Some(client) = client {
            self.shared.accounts.evict(address, CloseReason::Replaced, Opened::ByClient(*client));
        }
        let agent = self.negotiation.visitor().map(|(agent, _)| agent.id.as_str());
        let fresh = self.chance.text();
        let resource = request.resource(address, agent, &self.shared.secret, &fresh);
        let resource = resource.ok_or_else(Vec::new)?;
        let (mut client, queue) = self.open(resource).await?;
        let inline = client.turn_on(request).await;
        self.out.extend_from_slice(&self.negotiation.handle_bound(client.session.party(), &inline));
        client.out.extend_from_slice(&std::mem::take(&mut self.out));
        Ok((client, queue))
    }

    /// Opens the session, or says what to do instead.
    async fn open(&mut self, resource: Resource) -> Result<(Box<Client>, Arc<Queue>), Vec<Action>> {
        let Owner { address, device, client } = self.account.clone().ok_or_else(Vec::new)?;
        let queue = queue(&self.shared);
        let sink: Arc<dyn crate::account::Sink> = Arc::<Queue>::clone(&queue);
        let spec = SessionSpec { client, ..spec(resource, device) };
        match self.shared.accounts.open(&address, spec, sink).await {
            // From now on it ends with what opened it: but that may be gone since the login.
            Ok(_) if !self.is_still_good().await => {
                info!(account = %address, "login is no longer good");
                Err(self.negotiation.close(Condition::Reset))
            }
            Ok(session) => {
                let mut bound = Client::new(Arc::clone(&self.shared), session, device, self.language.take());
                if client.is_some() {
                    bound.origin().client = client;
                }
                Ok((Box::new(bound), queue))
            }
            Err(reject) => {
                debug!(account = %address, %reject, "no session");
                Err(vec![Action::Send(self.negotiation.handle_bind_refused())])
            }
        }
    }

    /// Whether the password, device and program by which somebody logged in may still do so.
    async fn is_still_good(&self) -> bool {
        let Some(Owner { address, device, client }) = &self.account else { return false };
        let authenticator = &self.shared.authenticator;
        authenticator.is_still_good(address, self.mark, *device, *client).await.unwrap_or_default()
    }

    /// Goes on with an earlier session of the account, or tells what to do instead.
    async fn resume(&mut self, resume: Resume) -> Result<(Box<Client>, Arc<Queue>), Vec<Action>> {
        let handover = match &self.account {
            Some(owner) if self.is_still_good().await => {
                self.shared.seats.claim(&resume.id, &owner.address).await
            }
            _ => None,
        };
        let Some(Handover { mut client, queue }) = handover else {
            return Err(self.negotiation.handle_resume_refused());
        };
        let handled = client.management.handled();
        if let Err(error) = client.resume(resume.handled) {
            client.finish_jobs().await;
            return Err(self.negotiation.close(error));
        }
        let mut out = std::mem::take(&mut self.out);
        let party = client.session.party();
        out.extend_from_slice(&self.negotiation.handle_resumed(party, &resume.id, handled));
        out.append(&mut client.out);
        client.out = out;
        client.language = self.language.take();
        debug!(session = %client.session.party(), "stream resumed");
        Ok((client, queue))
    }

    async fn act_closing(&mut self, wire: &mut Wire) {
        for action in self.negotiation.close(Condition::ConnectionTimeout) {
            if let Action::Send(bytes) = action {
                let _ = wire.write(&bytes).await;
            }
        }
    }
}

/// A queue for a new session.
pub(super) fn queue(shared: &Shared) -> Arc<Queue> {
    Queue::new(shared.config.queue, shared.limits.outgoing_bytes)
}

/// A new session of a chat client.
pub(super) fn spec(resource: Resource, device: Option<i64>) -> SessionSpec {
    SessionSpec {
        kind: SessionKind::Client,
        resource,
        since: Timestamp::now(),
        device,
        client: None,
        contact: None,
        takes_messages: true,
        takes_calls: false,
        takes_copies: false,
        follows_roster: false,
    }
}

fn failure(error: AuthError) -> Failure {
    match error {
        AuthError::Wrong | AuthError::NoSuchAccount => Failure::NotAuthorized,
        AuthError::Expired => Failure::CredentialsExpired,
        other => {
            debug!(%other, "login cannot be checked");
            Failure::Temporary
        }
    }
}

impl Shared {
    fn limits_before_login(&self) -> Limits {
        Limits { stanza_bytes: self.limits.unauthenticated_bytes, ..Limits::before_login() }
    }

    pub(super) fn limits_after_login(&self) -> Limits {
        Limits {
            stanza_bytes: self.limits.message_bytes,
            depth: self.limits.depth,
            attributes: self.limits.attributes,
            ..Limits::default()
        }
    }
}

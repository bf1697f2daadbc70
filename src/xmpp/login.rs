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
    stream::{Action, Ask, Condition, Negotiation, Resume, StartTls},
    wire::Wire,
};
use crate::{
    account::{SessionKind, SessionSpec},
    auth::AuthError,
    net::Stream,
    signal::{Address, Resource, Timestamp},
};

/// A client that has logged in and bound its resource.
pub(super) struct Bound {
    pub(super) client: Box<Client>,
    pub(super) wire: Box<Wire>,
    pub(super) queue: Arc<Queue>,
}

/// The state of one login.
struct Login {
    shared: Arc<Shared>,
    negotiation: Negotiation,
    language: Option<CompactString>,
    account: Option<(Address, Option<i64>)>,
    chance: Chance,
    /// What is to be written.
    out: Vec<u8>,
}

/// Brings a new connection to a bound resource; `None` when it ends before.
pub(super) async fn log_in(shared: Arc<Shared>, entrance: Entrance, stream: Stream) -> Option<Bound> {
    let deadline = shared.limits.login();
    let offer = Offer { allows_plain: entrance != Entrance::StartTls, bindings: bindings(&stream) };
    let start_tls = if entrance == Entrance::StartTls { StartTls::Required } else { StartTls::Unavailable };
    let negotiation = Negotiation::new(Arc::clone(&shared.settings), start_tls, offer);
    let mut login = Login {
        shared: Arc::clone(&shared),
        negotiation,
        language: None,
        account: None,
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
                    Action::StartTls => self.secure(wire).await?,
                    Action::Ask(ask) => {
                        let peer = wire.as_ref()?.stream.peer().ip();
                        actions.extend(self.ask(ask, peer).await);
                    }
                    Action::Bind(resource) => {
                        if let Some((client, queue)) = self.bind(resource).await {
                            return Some(Bound { client, wire: Box::new(wire.take()?), queue });
                        }
                    }
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
        let outcome = match ask {
            Ask::Verifier { address, hash } => {
                let verifier = authenticator.scram_verifier(&address, hash, peer).await;
                return self.negotiation.handle_verifier(verifier.map_err(failure), &self.chance.text());
            }
            Ask::WrongProof { address } => {
                authenticator.login_failed(&address, peer);
                return Vec::new();
            }
            Ask::Password { address, password } => {
                authenticator.verify_password(&address, &password, peer).await
            }
            Ask::Proved { address } => authenticator.login_succeeded(&address, peer).await,
        };
        let outcome = outcome.map(|login| {
            info!(account = %login.address, "logged in");
            self.account = Some((login.address.clone(), login.device));
            login.address
        });
        self.negotiation.handle_login(outcome.map_err(failure))
    }

    async fn bind(&mut self, wanted: Option<Resource>) -> Option<(Box<Client>, Arc<Queue>)> {
        let (address, device) = self.account.clone()?;
        let resource = wanted.or_else(|| Resource::new(&self.chance.text()).ok())?;
        let queue = queue(&self.shared);
        let sink: Arc<dyn crate::account::Sink> = Arc::<Queue>::clone(&queue);
        match self.shared.accounts.open(&address, spec(resource, device), sink).await {
            Ok(session) => {
                let bound = self.negotiation.handle_bound(session.party());
                self.out.extend_from_slice(&bound);
                let mut client = Client::new(Arc::clone(&self.shared), session, device, self.language.take());
                client.out.extend_from_slice(&std::mem::take(&mut self.out));
                Some((Box::new(client), queue))
            }
            Err(reject) => {
                debug!(account = %address, %reject, "no session");
                let refusal = self.negotiation.handle_bind_refused();
                self.out.extend_from_slice(&refusal);
                None
            }
        }
    }

    /// Goes on with an earlier session of the account, or tells what to do instead.
    async fn resume(&mut self, resume: Resume) -> Result<(Box<Client>, Arc<Queue>), Vec<Action>> {
        let handover = match &self.account {
            Some((address, _)) => self.shared.seats.claim(&resume.id, address).await,
            None => None,
        };
        let Some(Handover { mut client, queue }) = handover else {
            return Err(vec![Action::Send(self.negotiation.handle_resume_refused())]);
        };
        let handled = client.management.handled();
        client.resume(resume.handled).map_err(|error| self.negotiation.close(error))?;
        let mut out = std::mem::take(&mut self.out);
        out.extend_from_slice(&self.negotiation.handle_resumed(&resume.id, handled));
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

    fn limits_after_login(&self) -> Limits {
        Limits {
            stanza_bytes: self.limits.message_bytes,
            depth: self.limits.depth,
            attributes: self.limits.attributes,
            ..Limits::default()
        }
    }
}

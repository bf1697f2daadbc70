//! One connection of a service: header, handshake (XEP-0114 §3), then stanzas both ways.

use std::{sync::Arc, time::Duration};

use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{debug, info};

use super::{Service, passing::wants_answer, services::absent};
use crate::{
    account::DomainReach,
    formats::hex,
    net::{ShutdownSignal, Stream, Tasks},
    signal::{Address, Party, Reason, Reject},
    xmpp::{
        chance::Chance,
        federation::{
            door::Shared,
            link::{Item, Link},
            pair::domain_of,
            print,
            receive::{self, Back, Received},
        },
        stanza::{COMPONENT, Event, Head, Header, Jid, Kind, Scanner, Stanza, print_attribute},
        stream::{Condition, StreamError},
        translate::Refusal,
        wire::Wire,
        xep::ping,
    },
};

/// One connection of a service, until it ends.
pub(in crate::xmpp::federation) async fn serve(shared: Arc<Shared>, stream: Stream, signal: ShutdownSignal) {
    let scanner = Scanner::of_component(shared.limits_before_proof());
    let wire = Wire::new(stream, scanner, &shared.limits, shared.components.patience());
    let mut session =
        Session { shared, wire, has_header: false, tasks: Tasks::new(), chance: Chance::default() };
    let deadline = Instant::now() + session.shared.limits.login();
    let welcomed = tokio::select! {
        welcomed = timeout_at(deadline, session.welcome()) => {
            welcomed.unwrap_or_else(|_| Err(Condition::ConnectionTimeout.into()))
        }
        () = signal.draining() => Err(Condition::SystemShutdown.into()),
    };
    let end = match welcomed {
        Ok((service, link)) => session.attend(&service, &link, &signal).await,
        Err(error) => Some(error),
    };
    session.finish(end).await;
}

struct Session {
    shared: Arc<Shared>,
    wire: Wire,
    has_header: bool,
    /// Stanzas whose fate is not known yet.
    tasks: Tasks,
    chance: Chance,
}

/// How a stream that was let in ends: with an error, or because the other side is done.
type End = Option<StreamError>;

impl Session {
    /// Lets a service in that knows its secret.
    async fn welcome(&mut self) -> Result<(Service, Arc<Link>), StreamError> {
        let Event::Header(header) = self.next().await? else { return Err(Condition::BadFormat.into()) };
        let id = self.chance.text();
        self.open(header.to.as_deref().unwrap_or_default(), &id).await?;
        let (service, link) = self.find(&header)?;
        let Event::Stanza(handshake) = self.next().await? else { return Err(Condition::BadFormat.into()) };
        // The scanner reads the namespace of these streams as that of clients.
        if handshake.name() != "handshake" || !is_proof(&handshake.text(), &id, &service.secret) {
            info!(domain = %service.domain, "a service does not know its secret");
            return Err(Condition::NotAuthorized.into());
        }
        if !link.begin() {
            return Err(StreamError::with_text(Condition::Conflict, "this service is here already"));
        }
        Ok((service, link))
    }

    /// The service that a header asks for.
    fn find(&self, header: &Header) -> Result<(Service, Arc<Link>), StreamError> {
        if header.default_namespace != COMPONENT {
            return Err(Condition::InvalidNamespace.into());
        }
        let domain = header.to.as_deref().and_then(|to| Address::domain_only(to).ok());
        let place = domain.and_then(|domain| self.shared.links.services.find(&domain));
        let place = place.ok_or(Condition::HostUnknown)?;
        Ok((place.service.clone(), Arc::clone(&place.link)))
    }

    async fn open(&mut self, domain: &str, id: &str) -> Result<(), StreamError> {
        let streams = print::STREAMS;
        let start = format!(
            "<?xml version='1.0'?><stream:stream xmlns='{COMPONENT}' xmlns:stream='{streams}' id='{id}' from='"
        );
        let mut out = start.into_bytes();
        print_attribute(domain, &mut out);
        out.extend_from_slice(b"'>");
        self.has_header = true;
        self.write(&out).await
    }

    /// Talks to a service that was let in, until it is gone.
    async fn attend(&mut self, service: &Service, link: &Arc<Link>, signal: &ShutdownSignal) -> End {
        info!(domain = %service.domain, "a service is here");
        let limits = self.shared.limits_of_peers();
        self.wire.scanner.set_limits(limits);
        self.shared.accounts.note_reach(&service.domain, DomainReach::Back);
        let end = match self.write(b"<handshake/>").await {
            Ok(()) => self.converse(service, link, signal).await,
            Err(error) => Some(error),
        };
        info!(domain = %service.domain, "a service is gone");
        link.fail(&absent(), std::time::Instant::now(), |_| Duration::ZERO);
        self.shared.accounts.note_reach(&service.domain, DomainReach::Lost);
        end
    }

    async fn converse(&mut self, service: &Service, link: &Arc<Link>, signal: &ShutdownSignal) -> End {
        let (ping, patience) = (self.shared.components.ping(), self.shared.components.patience());
        let mut heard = Instant::now();
        let mut is_asked = false;
        loop {
            let takes_input = self.tasks.len() < TASKS;
            let due = heard + if is_asked { ping + patience } else { ping };
            let outcome = tokio::select! {
                read = self.wire.read(), if takes_input => match read {
                    Ok(0) | Err(_) => Err(None),
                    Ok(_) => {
                        (heard, is_asked) = (Instant::now(), false);
                        self.handle_input(service, link).await
                    }
                },
                () = link.wake.notified() => self.carry(link).await.map_err(Some),
                () = self.tasks.reap() => Ok(()),
                () = sleep_until(due), if takes_input => {
                    if is_asked {
                        Err(Some(Condition::ConnectionTimeout.into()))
                    } else {
                        is_asked = true;
                        self.ask(&service.domain).await.map_err(Some)
                    }
                }
                () = signal.draining() => Err(Some(Condition::SystemShutdown.into())),
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    /// Asks a silent service whether it is there (XEP-0199); any answer tells.
    async fn ask(&mut self, domain: &Address) -> Result<(), StreamError> {
        let id = self.chance.text();
        let head = Head {
            kind: Kind::Iq,
            from: self.shared.accounts.domains().first().map(Jid::from),
            to: Some(Jid::from(domain)),
            id: Some(&id),
            stanza_type: Some("get"),
            ..Head::default()
        };
        let mut out = Vec::new();
        head.print(&[ping::QUESTION], &mut out);
        self.write(&out).await
    }

    /// Handles all that was read.
    async fn handle_input(&mut self, service: &Service, link: &Link) -> Result<(), End> {
        let rate = service.stanzas.unwrap_or(self.shared.components.stanzas);
        while let Some(event) = self.wire.scanner.next_event().map_err(StreamError::from)? {
            match event {
                Event::Header(_) => return Err(Some(Condition::BadFormat.into())),
                Event::End => return Err(None),
                Event::Stanza(stanza) if stanza.is("error", print::STREAMS) => {
                    debug!("the service ends the stream with an error");
                    return Err(None);
                }
                Event::Stanza(stanza) if stanza.kind() == Kind::Other => {
                    return Err(Some(Condition::UnsupportedStanzaType.into()));
                }
                Event::Stanza(stanza) => {
                    link.wait_for_turn(rate, &self.shared.accounts).await;
                    self.handle_stanza(&stanza, service).await?;
                }
            }
        }
        self.wire.scanner.release();
        Ok(())
    }

    async fn handle_stanza(&mut self, stanza: &Stanza, service: &Service) -> Result<(), StreamError> {
        let from = stanza.from().and_then(|from| Party::parse(&from).ok());
        let from = from.filter(|from| from.address.domain() == service.domain.domain());
        let from = from.ok_or(Condition::InvalidFrom)?;
        let to = stanza.to().ok_or(Condition::ImproperAddressing)?;
        let Ok(to) = Party::parse(&to) else { return self.refuse_address(stanza, &from).await };
        if !service.federated && !self.is_at_home(&to) {
            if wants_answer(stanza) {
                let reject =
                    Reject::with_text(Reason::RemoteNotFound, "this service speaks to no other server");
                Back::new(&self.shared, stanza, from, to).refuse_by(&reject);
            }
            return Ok(());
        }
        match receive::handle(&self.shared, stanza, from, to) {
            Received::Done => {}
            Received::Later(fate) => self.tasks.spawn(fate),
        }
        Ok(())
    }

    /// Whether this is somebody of ours or of a service.
    fn is_at_home(&self, to: &Party) -> bool {
        self.shared.accounts.serves(to.address.domain())
            || domain_of(&to.address).is_some_and(|domain| self.shared.links.services.has(&domain))
    }

    /// Says that nobody can have the address that something is for.
    async fn refuse_address(&mut self, stanza: &Stanza, from: &Party) -> Result<(), StreamError> {
        if !wants_answer(stanza) {
            return Ok(());
        }
        let (id, mut error, mut out) = (stanza.id(), Vec::new(), Vec::new());
        Refusal::JID_MALFORMED.print(&mut error);
        let head = Head {
            kind: stanza.kind(),
            from: self.shared.accounts.domains().first().map(Jid::from),
            to: Some(Jid::from(from)),
            id: id.as_deref(),
            stanza_type: Some("error"),
            ..Head::default()
        };
        head.print(&[&error], &mut out);
        self.write(&out).await
    }

    /// Writes what waits, as much as a buffer holds.
    async fn carry(&mut self, link: &Link) -> Result<(), StreamError> {
        let items = link.take(WRITE_BYTES);
        if items.is_empty() {
            return Ok(());
        }
        // There may be more.
        link.wake.notify_one();
        let bytes = items.iter().map(|item| item.stanza.as_slice()).collect::<Vec<_>>().concat();
        let written = self.write(&bytes).await;
        match &written {
            Ok(()) => items.into_iter().for_each(Item::settle),
            Err(_) => items.into_iter().for_each(|item| item.refuse(&absent())),
        }
        written
    }

    /// The next thing that comes, before the service is let in.
    async fn next(&mut self) -> Result<Event, StreamError> {
        loop {
            if let Some(event) = self.wire.scanner.next_event()? {
                return Ok(event);
            }
            if !self.wire.read().await.is_ok_and(|count| count > 0) {
                return Err(Condition::ConnectionTimeout.into());
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        self.wire.write(bytes).await.map_err(|_| Condition::ConnectionTimeout.into())
    }

    /// Says why, and waits for what was passed on.
    async fn finish(mut self, end: End) {
        let mut last = Vec::new();
        match &end {
            Some(error) => {
                debug!(condition = error.condition.name(), text = error.text, "stream of a service closed");
                if !self.has_header {
                    let _ = self.open("", "0").await;
                }
                error.print(&mut last);
            }
            None => last.extend_from_slice(b"</stream:stream>"),
        }
        let _ = self.write(&last).await;
        self.wire.close().await;
        while !self.tasks.is_empty() {
            self.tasks.reap().await;
        }
    }
}

/// Whether this is the hash of stream id and secret, in hexadecimal digits.
fn is_proof(text: &str, id: &str, secret: &str) -> bool {
    let hash = Sha1::new().chain_update(id.as_bytes()).chain_update(secret.as_bytes()).finalize();
    let proof = text.trim().to_ascii_lowercase();
    proof.as_bytes().ct_eq(hex::print(&hash).as_bytes()).into()
}

/// Bytes that are gathered before they are written.
const WRITE_BYTES: usize = 64 * 1024;
/// Stanzas whose fate is not known yet, before more is read.
const TASKS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proof_is_the_hash_of_id_and_secret() {
        let hash = hex::print(&Sha1::digest(b"3BF96D32test"));
        assert!(is_proof(&hash, "3BF96D32", "test"));
        assert!(is_proof(&format!("\n{} ", hash.to_uppercase()), "3BF96D32", "test"));
        for (text, id, secret) in
            [(&*hash, "3BF96D33", "test"), (&hash, "3BF96D32", "tess"), ("", "3BF96D32", "test")]
        {
            assert!(!is_proof(text, id, secret));
        }
    }
}

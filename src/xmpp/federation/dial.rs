//! Opens a stream to another server: finds places, tries them one after another, and carries out what
//! [`Initiation`] wants.

use std::{net::SocketAddr, time::Duration};

use tokio::{net::TcpStream, time::timeout};
use tracing::debug;

use super::{
    dns::Candidate,
    door::Shared,
    initiation::{Initiation, Policy, Purpose, Step},
    pair::Pair,
    reception::is_certificate_for,
};
use crate::{
    net::{MutualConnector, Stream},
    signal::{Reason, Reject},
    xmpp::{stanza::Scanner, wire::Wire},
};

/// What a stream that was opened is good for.
pub(super) enum Reached {
    /// To send stanzas; where it `is_bidirectional`, to get some, too; where it `acknowledges`, to hear what arrived.
    Ready { wire: Box<Wire>, is_bidirectional: bool, acknowledges: bool },
    /// The other domain's word on a key.
    Answered(bool),
}

/// Why an attempt came to nothing; where it `is_final`, another address is of no use.
struct Failure {
    reject: Reject,
    is_final: bool,
}

/// Reaches the server of the pair's remote domain, in the time that the operator gives for it.
///
/// # Errors
/// [`Reason::RemoteNotFound`] where there is none, or it is not who it should be; [`Reason::RemoteTimeout`] where it
/// cannot be reached.
pub(super) async fn dial(shared: &Shared, pair: &Pair, purpose: Purpose) -> Result<Reached, Reject> {
    match timeout(shared.config.connect(), try_all(shared, pair, &purpose)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(unreachable(pair)),
    }
}

async fn try_all(shared: &Shared, pair: &Pair, purpose: &Purpose) -> Result<Reached, Reject> {
    let mut last = None;
    let mut left = ADDRESSES;
    for candidate in shared.dns.candidates(&pair.remote).await? {
        let addresses = match shared.dns.addresses(&candidate).await {
            Ok(addresses) => addresses,
            Err(reject) => {
                last.get_or_insert(reject);
                continue;
            }
        };
        for address in addresses {
            if left == 0 {
                return Err(last.unwrap_or_else(|| unreachable(pair)));
            }
            left -= 1;
            let attempt = attempt(shared, pair, purpose.clone(), &candidate, address);
            match timeout(shared.config.connect() / 2, attempt).await {
                Ok(Ok(reached)) => return Ok(reached),
                Ok(Err(failure)) => {
                    debug!(%pair, %address, reject = %failure.reject, "attempt failed");
                    if failure.is_final {
                        return Err(failure.reject);
                    }
                    last = Some(failure.reject);
                }
                Err(_) => last = Some(unreachable(pair)),
            }
        }
    }
    Err(last.unwrap_or_else(|| unreachable(pair)))
}

fn unreachable(pair: &Pair) -> Reject {
    let text = format!("{} cannot be reached", pair.remote);
    Reject::with_text(Reason::RemoteTimeout, &text)
}

async fn attempt(
    shared: &Shared,
    pair: &Pair,
    purpose: Purpose,
    candidate: &Candidate,
    address: SocketAddr,
) -> Result<Reached, Failure> {
    let gone = || Failure { reject: unreachable(pair), is_final: false };
    let tcp = timeout(CONNECT, TcpStream::connect(address)).await.map_err(|_| gone())?.map_err(|_| gone())?;
    let _ = tcp.set_nodelay(true);
    let stream = Stream::from_tcp(tcp).map_err(|_| gone())?;
    let policy = Policy {
        require_tls: shared.config.require_tls,
        require_certificates: shared.config.require_certificates,
        dialback: shared.config.dialback,
    };
    let mut attempt = Attempt { shared, pair, initiation: Initiation::new(pair.clone(), purpose, policy) };
    let (stream, first) = match candidate.direct_tls {
        true => attempt.secure(stream, &shared.direct_connector).await.ok_or_else(gone)?,
        false => (stream, attempt.initiation.open()),
    };
    let mut wire = attempt.wire(stream);
    wire.write(&first).await.map_err(|_| gone())?;
    attempt.negotiate(wire).await.unwrap_or_else(|| Err(gone()))
}

/// One stream on its way.
struct Attempt<'a> {
    shared: &'a Shared,
    pair: &'a Pair,
    initiation: Initiation,
}

impl Attempt<'_> {
    fn wire(&self, stream: Stream) -> Wire {
        let scanner = Scanner::between_servers(self.shared.limits_of_peers());
        Wire::new(stream, scanner, &self.shared.limits, self.shared.config.patience())
    }

    /// Begins TLS; what is to be said then.
    async fn secure(&mut self, stream: Stream, connector: &MutualConnector) -> Option<(Stream, Vec<u8>)> {
        let (peer, own) = (self.pair.remote.domain_in_ascii(), self.pair.local.domain_in_ascii());
        match stream.secure_mutually(connector, &peer, &own).await {
            Ok(stream) => {
                let proof = stream.proof(&self.shared.trust);
                let first = self.initiation.handle_secured(is_certificate_for(&proof, &self.pair.remote));
                Some((stream, first))
            }
            Err(error) => {
                debug!(pair = %self.pair, %error, "handshake");
                None
            }
        }
    }

    /// `None` when the connection is gone.
    async fn negotiate(&mut self, mut wire: Wire) -> Option<Result<Reached, Failure>> {
        loop {
            let event = match wire.scanner.next_event() {
                Ok(Some(event)) => event,
                Ok(None) if wire.read().await.ok()? == 0 => return None,
                Ok(None) => continue,
                Err(error) => {
                    debug!(pair = %self.pair, %error, "stream cannot be read");
                    return None;
                }
            };
            for step in self.initiation.handle(&event, &self.shared.settings.secret) {
                match step {
                    Step::Send(bytes) => wire.write(&bytes).await.ok()?,
                    Step::Restart => wire.scanner.restart(self.shared.limits_of_peers()),
                    Step::StartTls => {
                        let (stream, first) = self.secure(wire.stream, &self.shared.connector).await?;
                        wire = self.wire(stream);
                        wire.write(&first).await.ok()?;
                    }
                    Step::Ready { is_bidirectional, acknowledges } => {
                        let wire = Box::new(wire);
                        return Some(Ok(Reached::Ready { wire, is_bidirectional, acknowledges }));
                    }
                    Step::Answered(is_valid) => {
                        let _ = wire.write(b"</stream:stream>").await;
                        wire.close().await;
                        return Some(Ok(Reached::Answered(is_valid)));
                    }
                    Step::Fail { reject, is_final } => {
                        let _ = wire.write(b"</stream:stream>").await;
                        wire.close().await;
                        return Some(Err(Failure { reject, is_final }));
                    }
                }
            }
        }
    }
}

/// Most addresses that are tried: whoever names a domain has us connect to them.
const ADDRESSES: usize = 8;
/// How long one address may take to answer at all.
const CONNECT: Duration = Duration::from_secs(8);

//! TLS for every listener: certificates chosen by the name asked for, replaced without a restart.
//!
//! One [`Tls`] holds the certificates in use; an [`Acceptor`] per listener adds its ALPN names. A
//! handshake uses the certificates of the moment it began, and remembers which one for
//! `tls-server-end-point` (RFC 5929 §4). The provider is ring, always named; protocol versions are
//! TLS 1.2 and 1.3.
//!
//! Sessions are resumed by tickets (RFC 8446 §2.2, RFC 5077), under keys that every listener shares and
//! that change every six hours; the server keeps nothing per session. A ticket is good for the name it
//! was given for. A reload that brings other certificates replaces the ticket keys with them, so a
//! resumed session never outlives the certificate it was made with. No early data: it can be replayed.

mod certificate;
mod connector;
mod mutual;
mod self_signed;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, CipherSuite, ServerConfig, SupportedCipherSuite,
        crypto::{CryptoProvider, ring},
        server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
        sign::CertifiedKey,
    },
    server::TlsStream,
};

use self::{certificate::Certificate, mutual::Anybody};

pub use connector::Connector;
pub use mutual::{MutualConnector, Proof, Trust};

/// Section `[tls]` of the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// Certificates, each with its key. The first that is valid for the name the peer asks for is
    /// used, else the first of all. Empty: a self-signed one is made in the data folder.
    pub certificates: Vec<CertificateFiles>,
}

/// Where a certificate and its key are; both in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// The certificate, followed by its intermediates.
    pub certificate: PathBuf,
    /// The private key (PKCS #8, PKCS #1 or SEC 1), not encrypted.
    pub key: PathBuf,
}

/// A certificate or key that cannot be used. Every message names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not PEM, or holds nothing of the kind it should.
    #[error("{}: no usable {expected} in it: {reason}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// "certificate" or "private key".
        expected: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Certificate and key do not belong together, or the key is of an unknown kind.
    #[error("{} with {}: {source}", certificate.display(), key.display())]
    Pair {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// The self-signed certificate cannot be made for these names.
    #[error("self-signed certificate: {0}")]
    SelfSigned(#[from] rcgen::Error),
    /// The TLS library refuses its own set-up, for instance without a source of randomness.
    #[error("tls set-up: {0}")]
    Setup(#[from] rustls::Error),
}

/// A handshake that came to nothing; the connection is closed.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The peer spoke no TLS, refused our certificate, or went away.
    #[error("tls handshake: {0}")]
    Failed(#[from] io::Error),
    /// The handshake took too long.
    #[error("tls handshake not finished in time")]
    TimedOut,
    /// What we connect to is neither a DNS name nor an IP address, so nothing can be proved of it.
    #[error("not a name that a certificate can have")]
    Name,
    /// The stream is TLS already.
    #[error("the stream is secured already")]
    AlreadySecure,
}

/// The certificates in use, shared by all acceptors.
#[derive(Debug)]
pub struct Tls {
    files: Vec<CertificateFiles>,
    current: ArcSwap<Generation>,
}

/// What one load of the files gave.
#[derive(Debug)]
struct Generation {
    certificates: Arc<Certificates>,
    config: Arc<ServerConfig>,
    /// The same, where peers are asked for their certificates.
    mutual: Arc<ServerConfig>,
}

/// Whether a peer is asked for its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peers {
    /// Nobody is.
    Clients,
    /// Everybody is, and may have none.
    Servers,
}

impl Tls {
    /// Reads the configured certificates; when there are none, makes a self-signed one for `domains`
    /// (and `localhost`, 127.0.0.1, ::1) as `certificate.pem` and `key.pem` in `folder`, or uses the
    /// one made there before.
    pub fn open(
        config: &TlsConfig,
        folder: &std::path::Path,
        domains: &[String],
    ) -> Result<Arc<Self>, TlsError> {
        let files = if config.certificates.is_empty() {
            vec![self_signed::ensure(folder, domains)?]
        } else {
            config.certificates.clone()
        };
        let current = ArcSwap::from_pointee(Generation::load(&files, None)?);
        Ok(Arc::new(Self { files, current }))
    }

    /// Reads the files again. On an error the certificates in use stay.
    pub fn reload(&self) -> Result<(), TlsError> {
        let current = self.current.load_full();
        self.current.store(Arc::new(Generation::load(&self.files, Some(&current))?));
        Ok(())
    }

    /// The files that are read, for a watcher or a log line.
    pub fn files(&self) -> &[CertificateFiles] {
        &self.files
    }

    /// An acceptor that offers `alpn` names, most wanted first (RFC 7301); none means no ALPN. A
    /// handshake that takes longer than `patience` fails.
    pub fn acceptor(self: &Arc<Self>, alpn: &[&str], patience: Duration) -> Acceptor {
        self.acceptor_of(Peers::Clients, alpn, patience)
    }

    /// As [`Tls::acceptor`]; peers are asked for their certificates, and need not have one.
    pub fn mutual_acceptor(self: &Arc<Self>, alpn: &[&str], patience: Duration) -> Acceptor {
        self.acceptor_of(Peers::Servers, alpn, patience)
    }

    fn acceptor_of(self: &Arc<Self>, peers: Peers, alpn: &[&str], patience: Duration) -> Acceptor {
        let alpn: Vec<Vec<u8>> = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let offer = Offer::new(self.current.load_full(), peers, &alpn);
        Acceptor {
            shared: Arc::new(Shared {
                tls: Arc::clone(self),
                peers,
                alpn,
                patience,
                offer: ArcSwap::from_pointee(offer),
            }),
        }
    }

    /// The key and certificate for a name of ours, to be shown to a peer that we connect to.
    fn key_for(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load().certificates.choose(Some(name))?.key())
    }
}

impl Generation {
    fn load(files: &[CertificateFiles], before: Option<&Self>) -> Result<Self, TlsError> {
        let provider = Arc::new(provider());
        let loaded =
            files.iter().map(|files| Certificate::load(files, &provider)).collect::<Result<_, _>>()?;
        let certificates = Arc::new(Certificates(loaded));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificates) as Arc<dyn ResolvesServerCert>);
        config.ticketer = match before.filter(|before| before.certificates.is_same(&certificates)) {
            Some(before) => Arc::clone(&before.config.ticketer),
            None => ring::Ticketer::new()?,
        };
        // Each is sealed and sent at every login. Who connects several times at once resumes once.
        config.send_tls13_tickets = 1;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ignore_client_order = true;
        let mut mutual = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(Anybody))
            .with_cert_resolver(Arc::clone(&certificates) as Arc<dyn ResolvesServerCert>);
        mutual.send_tls13_tickets = 0;
        mutual.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self { certificates, config: Arc::new(config), mutual: Arc::new(mutual) })
    }
}

/// ring, with AES-128-GCM before the other ciphers: it comes with SHA-256, for which processors have
/// instructions, while SHA-384 of AES-256-GCM is a quarter of a handshake's cost. Every one of them
/// keeps the same promise today (RFC 9325 §4.2).
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    let is_later = |suite: &SupportedCipherSuite| {
        !matches!(
            suite.suite(),
            CipherSuite::TLS13_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        )
    };
    provider.cipher_suites.sort_by_key(is_later);
    provider
}

/// The loaded certificates in the order of the configuration.
#[derive(Debug)]
struct Certificates(Vec<Certificate>);

impl Certificates {
    /// The certificate for a name: a pure choice, so it can be asked again after the handshake.
    fn choose(&self, name: Option<&str>) -> Option<&Certificate> {
        let fitting = name.and_then(|name| self.0.iter().find(|certificate| certificate.is_for(name)));
        fitting.or_else(|| self.0.first())
    }

    /// Whether these are the same certificates, in the same order; their keys then are, too.
    fn is_same(&self, other: &Self) -> bool {
        let chains = |of: &Self| of.0.iter().map(|one| one.key()).collect::<Vec<_>>();
        let (ours, theirs) = (chains(self), chains(other));
        ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(ours, theirs)| ours.cert == theirs.cert)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.choose(hello.server_name())?.key())
    }
}

/// Performs the server's side of handshakes for one listener. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Acceptor {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    tls: Arc<Tls>,
    peers: Peers,
    alpn: Vec<Vec<u8>>,
    patience: Duration,
    offer: ArcSwap<Offer>,
}

/// A generation with this listener's ALPN names.
#[derive(Debug)]
struct Offer {
    generation: Arc<Generation>,
    config: Arc<ServerConfig>,
}

impl Offer {
    fn new(generation: Arc<Generation>, peers: Peers, alpn: &[Vec<u8>]) -> Self {
        let config = match peers {
            Peers::Clients => &generation.config,
            Peers::Servers => &generation.mutual,
        };
        let mut config = ServerConfig::clone(config);
        config.alpn_protocols = alpn.to_vec();
        Self { generation, config: Arc::new(config) }
    }
}

/// A handshake's result: the stream and the `tls-server-end-point` binding of the certificate used.
type Accepted = (TlsStream<TcpStream>, Option<Box<[u8]>>);

impl Acceptor {
    pub(super) async fn accept(&self, tcp: TcpStream) -> Result<Accepted, HandshakeError> {
        let offer = self.offer();
        let handshake = TlsAcceptor::from(Arc::clone(&offer.config)).accept(tcp);
        let stream =
            timeout(self.shared.patience, handshake).await.map_err(|_| HandshakeError::TimedOut)??;
        let used = offer.generation.certificates.choose(stream.get_ref().1.server_name());
        let end_point = used.and_then(Certificate::end_point).map(Box::from);
        Ok((stream, end_point))
    }

    /// The offer made of the generation in use, renewed after a reload.
    fn offer(&self) -> Arc<Offer> {
        let offer = self.shared.offer.load_full();
        let current = self.shared.tls.current.load_full();
        if Arc::ptr_eq(&offer.generation, &current) {
            return offer;
        }
        let renewed = Arc::new(Offer::new(current, self.shared.peers, &self.shared.alpn));
        self.shared.offer.store(Arc::clone(&renewed));
        renewed
    }
}

#[cfg(test)]
mod tests;

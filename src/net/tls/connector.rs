//! The client's side of TLS, for connections that we make.
//!
//! Trust comes from a file of root certificates and nowhere else; the peer must have a certificate for
//! the name we looked for. No certificate of ours is shown.

use std::{path::Path, sync::Arc, time::Duration};

use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
};

use super::{HandshakeError, TlsError, certificate::read_chain};

/// Performs the client's side of handshakes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Connector {
    config: Arc<ClientConfig>,
    patience: Duration,
}

impl Connector {
    /// A connector that trusts the certificates in a PEM file (Debian's are in
    /// `/etc/ssl/certs/ca-certificates.crt`). A handshake longer than `patience` fails.
    ///
    /// # Errors
    /// The file that cannot be read or has no certificate.
    pub fn trusting(roots: &Path, patience: Duration) -> Result<Self, TlsError> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(read_chain(roots)?);
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), patience })
    }

    pub(in crate::net) async fn connect(
        &self,
        tcp: TcpStream,
        name: &str,
    ) -> Result<TlsStream<TcpStream>, HandshakeError> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| HandshakeError::Name)?;
        let handshake = TlsConnector::from(Arc::clone(&self.config)).connect(name, tcp);
        Ok(timeout(self.patience, handshake).await.map_err(|_| HandshakeError::TimedOut)??)
    }
}

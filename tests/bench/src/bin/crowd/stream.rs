//! A byte stream to the server, in the clear or through TLS, that reads units and keeps nothing else.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use memchr::memmem;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
        client::{
            Resumption,
            danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        },
        crypto::{CryptoProvider, ring},
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};

/// An open connection. While nothing is read it has no buffer.
pub struct Stream {
    io: Io,
    unread: Vec<u8>,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Connects the client of this number. Clients come from addresses of their own, twenty thousand
    /// from each, because an address has not more ports than that to give.
    pub async fn connect(number: usize, server: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        let [high, low] = u16::try_from(1 + number / CLIENTS_PER_ADDRESS)?.to_be_bytes();
        socket.bind(SocketAddr::from(([127, 9, high, low], 0)))?;
        let tcp = socket.connect(server).await?;
        tcp.set_nodelay(true)?;
        Ok(Self { io: Io::Plain(tcp), unread: Vec::new() })
    }

    /// The same with TLS, whatever the certificate; every handshake is a whole one.
    pub async fn secure(self, tls: &TlsConnector) -> anyhow::Result<Self> {
        let Io::Plain(tcp) = self.io else { bail!("it has TLS already") };
        let stream = tls.connect(ServerName::try_from("localhost")?, tcp).await?;
        Ok(Self { io: Io::Tls(Box::new(stream)), unread: self.unread })
    }

    pub async fn send(&mut self, text: &str) -> anyhow::Result<()> {
        match &mut self.io {
            Io::Plain(io) => io.write_all(text.as_bytes()).await?,
            Io::Tls(io) => {
                io.write_all(text.as_bytes()).await?;
                io.flush().await?;
            }
        }
        Ok(())
    }

    /// Everything that comes up to and including the end of the first `mark`, as text.
    pub async fn until(&mut self, mark: &str) -> anyhow::Result<String> {
        let mut looked_at = 0;
        loop {
            if let Some(at) = memmem::find(&self.unread[looked_at..], mark.as_bytes()) {
                let rest = self.unread.split_off(looked_at + at + mark.len());
                let found = std::mem::replace(&mut self.unread, rest);
                self.unread.shrink_to_fit();
                return Ok(String::from_utf8_lossy(&found).into_owned());
            }
            looked_at = self.unread.len().saturating_sub(mark.len());
            self.fill().await.with_context(|| {
                let tail = self.unread.len().saturating_sub(300);
                format!("waiting for {mark:?} after {:?}", String::from_utf8_lossy(&self.unread[tail..]))
            })?;
        }
    }

    /// The next `length` bytes, as text.
    pub async fn exactly(&mut self, length: usize) -> anyhow::Result<String> {
        while self.unread.len() < length {
            self.fill().await?;
        }
        let rest = self.unread.split_off(length);
        Ok(String::from_utf8_lossy(&std::mem::replace(&mut self.unread, rest)).into_owned())
    }

    async fn fill(&mut self) -> anyhow::Result<()> {
        self.unread.reserve(4096);
        let read = async {
            match &mut self.io {
                Io::Plain(io) => io.read_buf(&mut self.unread).await,
                Io::Tls(io) => io.read_buf(&mut self.unread).await,
            }
        };
        match timeout(PATIENCE, read).await {
            Ok(Ok(0)) => bail!("the server closed the connection"),
            Ok(read) => Ok(read.map(|_| ())?),
            Err(_) => bail!("nothing came in {} seconds", PATIENCE.as_secs()),
        }
    }
}

/// A TLS client that takes any certificate.
pub fn connector() -> anyhow::Result<TlsConnector> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

const CLIENTS_PER_ADDRESS: usize = 20_000;
const PATIENCE: Duration = Duration::from_secs(60);

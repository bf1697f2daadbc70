//! One connection's byte stream, plain or TLS, so that a door needs one type.
//!
//! It carries the connection's place at the [`Gate`](super::Gate), kept over an upgrade to TLS and
//! freed when the stream is dropped. It has no buffer of its own.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{
    TlsStream,
    rustls::{CommonState, ProtocolVersion},
};

use super::{Acceptor, Connector, HandshakeError, MutualConnector, Place, Proof, Trust};

/// A connected peer.
#[derive(Debug)]
pub struct Stream {
    bytes: Bytes,
    peer: SocketAddr,
    local: SocketAddr,
    place: Option<Place>,
}

/// Where the bytes come from and go to.
#[derive(Debug)]
enum Bytes {
    Plain(TcpStream),
    /// Boxed: a TLS session is a kilobyte that plain streams should not pay for.
    Tls(Box<Secured>),
    /// Carried inside another protocol.
    Carried {
        carrier: Box<dyn Carrier>,
        is_secure: bool,
    },
    #[cfg(test)]
    Memory(tokio::io::DuplexStream),
}

/// Carries a connection's bytes inside another protocol, such as frames or requests.
pub trait Carrier: AsyncRead + AsyncWrite + Send + Unpin + std::fmt::Debug {}

#[derive(Debug)]
struct Secured {
    stream: TlsStream<TcpStream>,
    /// RFC 5929 §4.1 `tls-server-end-point` of the certificate of ours that this handshake used.
    end_point: Option<Box<[u8]>>,
}

impl Stream {
    /// A stream over a connected socket, without a place of its own (outgoing connections, tests).
    pub fn from_tcp(tcp: TcpStream) -> io::Result<Self> {
        Ok(Self { peer: tcp.peer_addr()?, local: tcp.local_addr()?, bytes: Bytes::Plain(tcp), place: None })
    }

    /// A stream inside another protocol, whose other end is at `peer`. What it is carried by has its own place, and
    /// its own security: nothing can be bound to it.
    pub fn carried(carrier: Box<dyn Carrier>, peer: IpAddr, is_secure: bool) -> Self {
        let nowhere = SocketAddr::from(([0; 4], 0));
        let bytes = Bytes::Carried { carrier, is_secure };
        Self { bytes, peer: SocketAddr::new(peer, 0), local: nowhere, place: None }
    }

    /// Keeps a place at the gate for as long as the stream lives.
    #[must_use]
    pub fn with_place(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// A stream in memory and the peer's end of it, for tests of doors on a paused clock.
    #[cfg(test)]
    pub(crate) fn in_memory(bytes: usize) -> (Self, tokio::io::DuplexStream) {
        let (near, far) = tokio::io::duplex(bytes);
        let local = SocketAddr::from(([127, 0, 0, 1], 1));
        let peer = SocketAddr::from(([127, 0, 0, 1], 2));
        (Self { bytes: Bytes::Memory(near), peer, local, place: None }, far)
    }

    /// The remote address.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The address of ours that the peer connected to.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Whether the bytes are protected by TLS, their own or that of what carries them.
    pub fn is_secure(&self) -> bool {
        matches!(self.bytes, Bytes::Tls(_) | Bytes::Carried { is_secure: true, .. })
    }

    /// Performs the server's side of a TLS handshake on a plain stream (STARTTLS or direct TLS).
    ///
    /// The caller must have dropped whatever it read before (RFC 6120 §5.4.3.3). An error ends the
    /// connection; so does a stream that is TLS already.
    pub async fn upgrade(self, acceptor: &Acceptor) -> Result<Self, HandshakeError> {
        let Self { bytes: Bytes::Plain(tcp), peer, local, place } = self else {
            return Err(HandshakeError::AlreadySecure);
        };
        let (stream, end_point) = acceptor.accept(tcp).await?;
        let secured = Secured { stream: stream.into(), end_point };
        Ok(Self { bytes: Bytes::Tls(Box::new(secured)), peer, local, place })
    }

    /// Performs the client's side of a TLS handshake on a plain stream that we connected; the peer must
    /// prove that it is `name`, a DNS name or an IP address.
    pub async fn secure(self, connector: &Connector, name: &str) -> Result<Self, HandshakeError> {
        let Self { bytes: Bytes::Plain(tcp), peer, local, place } = self else {
            return Err(HandshakeError::AlreadySecure);
        };
        let secured = Secured { stream: connector.connect(tcp, name).await?.into(), end_point: None };
        Ok(Self { bytes: Bytes::Tls(Box::new(secured)), peer, local, place })
    }

    /// As [`Stream::secure`], between servers: asks for `peer`, shows the certificate for `own`, and takes
    /// whatever the peer shows; see [`Stream::proof`].
    pub async fn secure_mutually(
        self,
        connector: &MutualConnector,
        peer: &str,
        own: &str,
    ) -> Result<Self, HandshakeError> {
        let Self { bytes: Bytes::Plain(tcp), peer: address, local, place } = self else {
            return Err(HandshakeError::AlreadySecure);
        };
        let stream = connector.connect(tcp, peer, own).await?.into();
        let secured = Secured { stream, end_point: None };
        Ok(Self { bytes: Bytes::Tls(Box::new(secured)), peer: address, local, place })
    }

    /// What the peer's certificate proves to who has this trust.
    pub fn proof(&self, trust: &Trust) -> Proof {
        let chain = self.tls().and_then(CommonState::peer_certificates);
        chain.map(|chain| trust.judge(chain)).unwrap_or_default()
    }

    /// The application protocol chosen in the handshake (RFC 7301).
    pub fn alpn(&self) -> Option<&[u8]> {
        self.tls()?.alpn_protocol()
    }

    /// The name that the peer asked us for in the handshake (SNI, RFC 6066 §3).
    pub fn server_name(&self) -> Option<&str> {
        match &self.secured()?.stream {
            TlsStream::Server(stream) => stream.get_ref().1.server_name(),
            TlsStream::Client(_) => None,
        }
    }

    /// The TLS version, for an answer about the connection's security.
    pub fn tls_version(&self) -> Option<&'static str> {
        match self.tls()?.protocol_version()? {
            ProtocolVersion::TLSv1_2 => Some("TLSv1.2"),
            ProtocolVersion::TLSv1_3 => Some("TLSv1.3"),
            _ => None,
        }
    }

    /// The `tls-exporter` channel binding (RFC 9266). `None` below TLS 1.3, where it proves nothing
    /// without the extended master secret.
    pub fn exporter_binding(&self) -> Option<[u8; 32]> {
        if self.tls()?.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            return None;
        }
        let (label, context, key) = (b"EXPORTER-Channel-Binding", Some(&b""[..]), [0; 32]);
        match &self.secured()?.stream {
            TlsStream::Server(stream) => stream.get_ref().1.export_keying_material(key, label, context).ok(),
            TlsStream::Client(stream) => stream.get_ref().1.export_keying_material(key, label, context).ok(),
        }
    }

    /// The `tls-server-end-point` channel binding (RFC 5929 §4): the hash of our certificate. `None`
    /// without TLS, where we are the client, or for a certificate whose signature has no single hash function.
    pub fn end_point_binding(&self) -> Option<&[u8]> {
        self.secured()?.end_point.as_deref()
    }

    fn tls(&self) -> Option<&CommonState> {
        Some(self.secured()?.stream.get_ref().1)
    }

    fn secured(&self) -> Option<&Secured> {
        match &self.bytes {
            Bytes::Tls(secured) => Some(secured),
            _ => None,
        }
    }
}

/// Calls the same method on whatever stream is inside.
macro_rules! inside {
    ($self:ident, $stream:ident => $call:expr) => {
        match &mut $self.get_mut().bytes {
            Bytes::Plain(tcp) => {
                let $stream = Pin::new(tcp);
                $call
            }
            Bytes::Tls(secured) => {
                let $stream = Pin::new(&mut secured.stream);
                $call
            }
            Bytes::Carried { carrier, .. } => {
                let $stream = Pin::new(carrier.as_mut());
                $call
            }
            #[cfg(test)]
            Bytes::Memory(memory) => {
                let $stream = Pin::new(memory);
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        inside!(self, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        inside!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        inside!(self, stream => stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.bytes {
            Bytes::Plain(tcp) => tcp.is_write_vectored(),
            Bytes::Tls(secured) => secured.stream.is_write_vectored(),
            Bytes::Carried { carrier, .. } => carrier.is_write_vectored(),
            #[cfg(test)]
            Bytes::Memory(memory) => memory.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        inside!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        inside!(self, stream => stream.poll_shutdown(context))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn stream_in_memory_carries_bytes_and_no_security() {
        let (mut near, mut far) = Stream::in_memory(64);
        near.write_all(b"hello").await.unwrap();
        let mut heard = [0; 5];
        far.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
        assert!(!near.is_secure());
        assert_eq!((near.exporter_binding(), near.end_point_binding(), near.alpn()), (None, None, None));
        drop(far);
        assert_eq!(near.read(&mut heard).await.unwrap(), 0);
    }
}

//! An XMPP client of raw text: it sends what a test writes and hands back one stanza at a time.

use std::{collections::VecDeque, net::SocketAddr};

use base64::Engine;
use rollcall::xmpp::stanza::{Event, Limits, Scanner};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use super::{PASSWORD, PATIENCE, soon};

/// Anything that carries bytes both ways.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// A connection, at whatever point of its negotiation the test brought it to.
pub(crate) struct RawXmpp {
    name: String,
    socket: Box<dyn Connection>,
    scanner: Scanner,
    /// Stanzas that came and that nobody has asked for yet.
    kept: VecDeque<String>,
}

impl RawXmpp {
    /// Connects to a plain listener and says nothing.
    pub(crate) async fn connect(name: &str, server: SocketAddr) -> Self {
        let socket = soon("a connection", TcpStream::connect(server)).await.unwrap();
        Self::over(name, Box::new(socket))
    }

    /// Speaks over a connection that the test made.
    pub(crate) fn over(name: &str, socket: Box<dyn Connection>) -> Self {
        let scanner = Scanner::new(Limits::default());
        Self { name: name.to_owned(), socket, scanner, kept: VecDeque::new() }
    }

    /// Expects a new stream of the server.
    pub(crate) fn restart(&mut self) {
        self.scanner.restart(Limits::default());
    }

    /// Logs in as `name@localhost` with [`PASSWORD`]. No resource yet.
    pub(crate) async fn authenticated(name: &str, server: SocketAddr) -> Self {
        let mut client = Self::connect(name, server).await;
        client.open().await;
        client.stanza("stream:features").await;
        let password = base64::engine::general_purpose::STANDARD.encode(format!("\0{name}\0{PASSWORD}"));
        client
            .send(&format!(
                "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{password}</auth>"
            ))
            .await;
        client.stanza("<success").await;
        client.restart();
        client.open().await;
        client.stanza("stream:features").await;
        client
    }

    /// As [`RawXmpp::authenticated`], then binds a resource. No presence yet.
    pub(crate) async fn login(name: &str, resource: &str, server: SocketAddr) -> Self {
        let mut client = Self::authenticated(name, server).await;
        client.name = format!("{name}/{resource}");
        client
            .send(&format!(
                "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
                 <resource>{resource}</resource></bind></iq>"
            ))
            .await;
        client.stanza("id='bind'").await;
        client
    }

    /// As [`RawXmpp::login`], then gets the roster and becomes available.
    pub(crate) async fn online(name: &str, resource: &str, server: SocketAddr) -> Self {
        let mut client = Self::login(name, resource, server).await;
        client.ask("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>", "roster").await;
        client.send("<presence/>").await;
        let own = format!("from='{name}@localhost/{resource}'");
        client.stanza(&own).await;
        client
    }

    /// Opens a stream to `localhost`.
    pub(crate) async fn open(&mut self) {
        self.send(
            "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
             xmlns:stream='http://etherx.jabber.org/streams'>",
        )
        .await;
    }

    /// Sends text.
    pub(crate) async fn send(&mut self, text: &str) {
        soon("a write", self.socket.write_all(text.as_bytes())).await.unwrap();
    }

    /// Sends a request and returns the stanza that has its id.
    pub(crate) async fn ask(&mut self, request: &str, id: &str) -> String {
        self.send(request).await;
        self.stanza(&format!("id='{id}'")).await
    }

    /// Waits for a stanza that has this text in it. Others that come before are kept.
    #[track_caller]
    pub(crate) fn stanza(&mut self, text: &str) -> impl Future<Output = String> {
        let caller = std::panic::Location::caller();
        let text = text.to_owned();
        async move {
            match tokio::time::timeout(PATIENCE, self.find(&text)).await {
                Ok(Some(stanza)) => stanza,
                Ok(None) => panic!("{caller}: {}: no {text} before the end of {:#?}", self.name, self.kept),
                Err(_) => panic!("{caller}: {}: no {text} in {:#?}", self.name, self.kept),
            }
        }
    }

    async fn find(&mut self, text: &str) -> Option<String> {
        if let Some(at) = self.kept.iter().position(|stanza| stanza.contains(text)) {
            return self.kept.remove(at);
        }
        loop {
            let stanza = self.next().await;
            if stanza.is_empty() {
                return None;
            }
            if stanza.contains(text) {
                return Some(stanza);
            }
            self.kept.push_back(stanza);
        }
    }

    /// Takes the stanzas with this text among those that came and were not asked for.
    pub(crate) fn take_kept(&mut self, text: &str) -> Vec<String> {
        let (taken, kept) = self.kept.drain(..).partition(|stanza| stanza.contains(text));
        self.kept = kept;
        Vec::from_iter::<VecDeque<String>>(taken)
    }

    /// Makes sure that everything sent so far was handled, and that nothing with this text came of it.
    #[track_caller]
    pub(crate) fn has_not(&mut self, text: &str) -> impl Future<Output = ()> {
        let text = text.to_owned();
        async move {
            self.ask("<iq type='get' id='sync' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>", "sync")
                .await;
            assert!(!self.kept.iter().any(|stanza| stanza.contains(&text)), "{}: {:?}", self.name, self.kept);
        }
    }

    /// Waits for the end of the stream; what came before it.
    pub(crate) async fn end(&mut self) -> Vec<String> {
        loop {
            let stanza = soon("the end of the stream", self.next()).await;
            if stanza.is_empty() {
                return self.kept.drain(..).collect();
            }
            self.kept.push_back(stanza);
        }
    }

    /// Waits for the header of the server's stream; the id that it has.
    pub(crate) async fn stream_id(&mut self) -> String {
        loop {
            match self.scanner.next_event().unwrap() {
                Some(Event::Header(header)) => return header.id.unwrap(),
                Some(other) => panic!("{}: {other:?} in place of a header", self.name),
                None => {
                    let count = soon("a header", self.socket.read_buf(self.scanner.buffer())).await.unwrap();
                    assert!(count > 0, "{}: no header", self.name);
                }
            }
        }
    }

    /// The next stanza, empty when the stream or the connection ended.
    async fn next(&mut self) -> String {
        loop {
            match self.scanner.next_event().unwrap() {
                Some(Event::Stanza(stanza)) => return String::from_utf8(stanza.bytes().to_vec()).unwrap(),
                Some(Event::Header(_)) => {}
                Some(Event::End) => return String::new(),
                None => {
                    let read = self.socket.read_buf(self.scanner.buffer()).await;
                    if !read.is_ok_and(|count| count > 0) {
                        return String::new();
                    }
                }
            }
        }
    }
}

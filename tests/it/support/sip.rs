//! A SIP phone made of a socket: for what must be seen byte by byte. It knows digest with MD5.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use bytes::BytesMut;
use md5::{Digest, Md5};
use rollcall::sip::message::{AuthParams, Frame, Framer, HeaderName, Limits, Message, Method};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use super::{PASSWORD, soon};

/// A phone of one user, over UDP unless it says otherwise.
pub(crate) struct SipPhone {
    wire: Wire,
    server: SocketAddr,
    pub(crate) user: String,
    password: String,
    next: u32,
    call_id: String,
    /// Requests that came while a response was awaited.
    requests: VecDeque<Message>,
}

enum Wire {
    Udp(UdpSocket),
    Tcp { stream: TcpStream, framer: Box<Framer>, buffer: BytesMut },
}

impl Wire {
    fn address(&self) -> SocketAddr {
        match self {
            Self::Udp(socket) => socket.local_addr().unwrap(),
            Self::Tcp { stream, .. } => stream.local_addr().unwrap(),
        }
    }

    async fn send(&mut self, bytes: &[u8], server: SocketAddr) {
        match self {
            Self::Udp(socket) => drop(socket.send_to(bytes, server).await.unwrap()),
            Self::Tcp { stream, .. } => stream.write_all(bytes).await.unwrap(),
        }
    }

    /// The next message; `None` at the end of a connection.
    async fn receive(&mut self) -> Option<Message> {
        match self {
            Self::Udp(socket) => {
                let mut bytes = vec![0; 65_536];
                let (length, _) = socket.recv_from(&mut bytes).await.unwrap();
                bytes.truncate(length);
                Some(Message::parse_datagram(bytes.into(), &Limits::default()).unwrap())
            }
            Self::Tcp { stream, framer, buffer } => loop {
                if let Some(Frame::Message(message)) = framer.next(buffer, &Limits::default()).unwrap() {
                    return Some(message);
                }
                if stream.read_buf(buffer).await.unwrap_or_default() == 0 {
                    return None;
                }
            },
        }
    }
}

impl SipPhone {
    /// A phone of `USER@localhost` that has not registered.
    pub(crate) async fn new(user: &str, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Self::by(Wire::Udp(socket), user, server)
    }

    /// A phone of `USER@localhost` that has connected over TCP and not registered.
    pub(crate) async fn connected(user: &str, server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).await.unwrap();
        let (framer, buffer) = (Box::default(), BytesMut::new());
        Self::by(Wire::Tcp { stream, framer, buffer }, user, server)
    }

    fn by(wire: Wire, user: &str, server: SocketAddr) -> Self {
        // A port may be taken once for datagrams and once for connections.
        let transport = if matches!(wire, Wire::Udp(_)) { "u" } else { "t" };
        let call_id = format!("{user}-{transport}{}", wire.address().port());
        let password = PASSWORD.to_owned();
        Self { wire, server, user: user.to_owned(), password, next: 0, call_id, requests: VecDeque::new() }
    }

    /// A phone that is registered, with further headers.
    pub(crate) async fn registered(user: &str, server: SocketAddr, headers: &str) -> Self {
        let mut phone = Self::new(user, server).await;
        let response = phone.register(600, headers).await;
        assert_eq!(response.status(), Some(200), "{response:?}");
        phone
    }

    /// A sign of life over UDP: a STUN binding request, which is answered (RFC 5626 §4.4.2).
    pub(crate) async fn ping_stun(&mut self) {
        let Wire::Udp(socket) = &self.wire else { panic!("STUN is for datagrams") };
        let mut request = [0; 20];
        request[..8].copy_from_slice(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
        socket.send_to(&request, self.server).await.unwrap();
        let mut answer = [0; 64];
        let (length, _) = socket.recv_from(&mut answer).await.unwrap();
        assert_eq!((length, &answer[..2]), (32, &[1, 1][..]));
    }

    /// Its user has another password.
    pub(crate) fn set_password(&mut self, password: &str) {
        password.clone_into(&mut self.password);
    }

    /// The server is elsewhere now.
    pub(crate) fn move_to(&mut self, server: SocketAddr) {
        self.server = server;
    }

    /// Where it takes requests.
    pub(crate) fn address(&self) -> SocketAddr {
        self.wire.address()
    }

    /// The same phone by another socket, where its dialogs go on; this one is left behind.
    pub(crate) async fn moved(&self) -> Self {
        let mut moved = Self::new(&self.user, self.server).await;
        moved.set_call_id(&self.call_id);
        moved.next = self.next;
        moved
    }

    /// The Call-ID of its requests from now on.
    pub(crate) fn set_call_id(&mut self, call_id: &str) {
        call_id.clone_into(&mut self.call_id);
    }

    /// Registers its one contact.
    pub(crate) async fn register(&mut self, seconds: u32, headers: &str) -> Message {
        let address = self.address();
        let contact = format!("Contact: <sip:{}@{address}>;expires={seconds}\r\n{headers}", self.user);
        let user = self.user.clone();
        self.ask("REGISTER", "sip:localhost", &user, &contact, "").await
    }

    /// Writes a text to `USER@localhost`.
    pub(crate) async fn write(&mut self, to: &str, text: &str) -> Message {
        self.ask("MESSAGE", &format!("sip:{to}@localhost"), to, "Content-Type: text/plain\r\n", text).await
    }

    /// Sends a request, proves itself where asked, and gives the final response.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        uri: &str,
        to: &str,
        headers: &str,
        body: &(impl AsRef<[u8]> + ?Sized),
    ) -> Message {
        let response = self.ask_once(method, uri, to, headers, body).await;
        let (challenge, answer) = match response.status() {
            Some(401) => (HeaderName::WwwAuthenticate, "Authorization"),
            Some(407) => (HeaderName::ProxyAuthenticate, "Proxy-Authorization"),
            _ => return response,
        };
        let challenges = response.auth_params(challenge).unwrap();
        let md5 = challenges.iter().find(|each| each.value("algorithm").as_deref() == Some("MD5")).unwrap();
        let credentials = self.credentials(md5, method, uri);
        self.ask_once(method, uri, to, &format!("{headers}{answer}: {credentials}\r\n"), body).await
    }

    /// Sends a request as it is and gives the final response.
    pub(crate) async fn ask_once(
        &mut self,
        method: &str,
        uri: &str,
        to: &str,
        headers: &str,
        body: &(impl AsRef<[u8]> + ?Sized),
    ) -> Message {
        self.next += 1;
        let (next, user, call_id) = (self.next, &self.user, &self.call_id);
        let address = self.address();
        // Within a dialog the whole header is given, with its tag.
        let to = if to.starts_with('<') { to.to_owned() } else { format!("<sip:{to}@localhost>") };
        let transport = if matches!(self.wire, Wire::Udp(_)) { "UDP" } else { "TCP" };
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {address};rport;branch=z9hG4bK{call_id}{next}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@localhost>;tag={user}\r\nTo: {to}\r\n\
             Call-ID: {call_id}\r\nCSeq: {next} {method}\r\n{headers}Content-Length: {}\r\n\r\n",
            body.as_ref().len()
        );
        let request = [text.as_bytes(), body.as_ref()].concat();
        self.wire.send(&request, self.server).await;
        let answered = async {
            loop {
                let message = self.receive_again(&request).await;
                if message.is_request() {
                    self.requests.push_back(message);
                } else if message.status() >= Some(200) && message.cseq().unwrap().number == next {
                    return message;
                }
            }
        };
        soon(&format!("the answer to {method}"), answered).await
    }

    /// Waits for the next request that takes an answer, and gives it that.
    pub(crate) async fn serve(&mut self, status: u16) -> Message {
        self.serve_with(status, "").await
    }

    /// Waits for the next request that takes an answer, and answers it with a header more.
    pub(crate) async fn serve_with(&mut self, status: u16, header: &str) -> Message {
        let request = loop {
            let request = match self.requests.pop_front() {
                Some(request) => request,
                None => self.receive("a request").await,
            };
            if request.is_request() && request.method() != Some(&Method::Ack) {
                break request;
            }
        };
        let mut response = rollcall::sip::message::Builder::response_to(&request, status, "phone");
        if let Some((name, value)) = header.trim_end().split_once(": ") {
            response = response.extension(name, value);
        }
        self.wire.send(response.finish().bytes(), self.server).await;
        request
    }

    /// The headers of a request over TCP with this number, proved where there is a challenge.
    pub(crate) fn request_over_tcp(
        &self,
        method: &str,
        uri: &str,
        to: &str,
        number: u32,
        challenged: Option<&Message>,
    ) -> String {
        let (user, call_id) = (&self.user, &self.call_id);
        let credentials = challenged.map_or_else(String::new, |response| {
            let challenges = response.auth_params(HeaderName::WwwAuthenticate).unwrap();
            format!("Authorization: {}\r\n", self.credentials(&challenges[0], method, uri))
        });
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKt{call_id}{number}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@localhost>;tag={user}\r\nTo: <sip:{to}@localhost>\r\n\
             Call-ID: t{call_id}\r\nCSeq: {number} {method}\r\n{credentials}"
        )
    }

    /// The next message. A datagram may be lost, where the machine is busy on the way to itself too: the request
    /// is sent again when nothing comes (RFC 3261 §17.1.2.2, with less haste).
    async fn receive_again(&mut self, request: &[u8]) -> Message {
        loop {
            match timeout(RESENDING, self.wire.receive()).await {
                Ok(message) => return message.expect("the connection stays open"),
                Err(_) if matches!(self.wire, Wire::Tcp { .. }) => {}
                Err(_) => self.wire.send(request, self.server).await,
            }
        }
    }

    async fn receive(&mut self, what: &str) -> Message {
        soon(what, self.wire.receive()).await.unwrap_or_else(|| panic!("{what}: the connection ended"))
    }

    /// RFC 2617 §3.2.2.
    fn credentials(&self, challenge: &AuthParams, method: &str, uri: &str) -> String {
        let hash =
            |text: String| Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let (realm, nonce) = (challenge.value("realm").unwrap(), challenge.value("nonce").unwrap());
        let user = &self.user;
        let (ha1, ha2) = (hash(format!("{user}:{realm}:{}", self.password)), hash(format!("{method}:{uri}")));
        let response = hash(format!("{ha1}:{nonce}:00000001:c:auth:{ha2}"));
        format!(
            "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c\""
        )
    }
}

/// How long a phone on datagrams waits before it asks again.
const RESENDING: Duration = Duration::from_secs(10);

/// The body of a message as text.
pub(crate) fn body(message: &Message) -> String {
    String::from_utf8(message.body().to_vec()).unwrap()
}

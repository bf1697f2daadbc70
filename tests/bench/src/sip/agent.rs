//! A phone: one socket of its own, framing, digest authentication, retransmission.

use std::{collections::VecDeque, fmt::Write as _, rc::Rc, time::Duration};

use anyhow::{Context as _, bail, ensure};
use memchr::memmem;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use super::{
    Shared,
    digest::Credentials,
    text::{Request, cseq, header, status},
};
use crate::measure::{now_ns, process_token, since_us};

/// One account's phone.
pub struct Agent {
    pub config: Shared,
    pub name: String,
    pub address: String,
    /// Of the last request.
    pub cseq: u32,
    /// Requests that had to be sent again.
    pub retransmits: u32,
    io: Io,
    local: String,
    buffer: Vec<u8>,
    out: Vec<u8>,
    /// Requests that came while a response was waited for.
    inbox: VecDeque<String>,
    credentials: Option<Credentials>,
    /// The header that the server wants outside REGISTER.
    proof: &'static str,
}

enum Io {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Agent {
    /// The phone of account number `user`.
    pub async fn open(config: &Shared, user: usize) -> anyhow::Result<Self> {
        let server = (config.host.as_str(), config.port);
        let (io, local) = if config.is_tcp {
            let stream = TcpStream::connect(server).await?;
            stream.set_nodelay(true)?;
            let local = stream.local_addr()?;
            (Io::Tcp(stream), local)
        } else {
            let socket = UdpSocket::bind("127.0.0.1:0").await?;
            socket.connect(server).await?;
            let local = socket.local_addr()?;
            (Io::Udp(socket), local)
        };
        Ok(Self {
            config: Rc::clone(config),
            name: format!("{}{user}", config.prefix),
            address: config.address(user),
            cseq: 0,
            retransmits: 0,
            io,
            local: local.to_string(),
            buffer: Vec::new(),
            out: Vec::new(),
            inbox: VecDeque::new(),
            credentials: None,
            proof: "Proxy-Authorization",
        })
    }

    /// The header line that says where this phone is.
    pub fn contact(&self) -> String {
        let transport = if self.config.is_tcp { ";transport=tcp" } else { "" };
        format!("Contact: <sip:{}@{}{transport}>\r\n", self.name, self.local)
    }

    /// A Call-ID that nobody used before.
    pub fn new_call_id(&self) -> String {
        format!("{:x}-{:x}-{}", process_token(), now_ns(), self.name)
    }

    /// The next request has to be challenged again.
    pub fn forget_nonce(&mut self) {
        self.credentials = None;
    }

    /// The text of a request under the next CSeq number, with credentials where there is a nonce.
    pub fn print_request(&mut self, request: &Request) -> String {
        self.cseq += 1;
        let header = if request.method == "REGISTER" { "Authorization" } else { self.proof };
        let proof = self.credentials.as_mut().map_or_else(String::new, |credentials| {
            format!("{header}: {}\r\n", credentials.answer(&self.name, request.method, &request.uri))
        });
        self.print_as(request, "", &proof)
    }

    /// The ACK of the last request, with `branch` added to its branch (RFC 3261 §13.2.2.4, §17.1.1.3).
    pub fn print_ack(&self, request: &Request, branch: &str) -> String {
        self.print_as(request, branch, "")
    }

    fn print_as(&self, request: &Request, branch: &str, proof: &str) -> String {
        let Request { method, uri, to, call_id, headers, body } = request;
        let (name, address, cseq, local) = (&self.name, &self.address, self.cseq, &self.local);
        let protocol = if self.config.is_tcp { "TCP" } else { "UDP" };
        let mut text = String::with_capacity(1024);
        let _ = write!(
            text,
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/{protocol} {local};branch=z9hG4bK{:x}-{name}-{cseq}{branch}\r\n\
             Max-Forwards: 70\r\nFrom: <{address}>;tag={name}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\n{headers}{proof}Content-Length: {}\r\n\r\n{body}",
            process_token(),
            body.len()
        );
        text
    }

    /// Learns from a 401 or 407.
    pub fn handle_challenge(&mut self, message: &str) -> anyhow::Result<()> {
        let (asks, proves) = match status(message) {
            401 => ("WWW-Authenticate", "Authorization"),
            _ => ("Proxy-Authenticate", "Proxy-Authorization"),
        };
        let challenge = header(message, asks).context("a challenge without its header")?;
        if header(message, "CSeq").is_some_and(|value| !value.ends_with("REGISTER")) {
            self.proof = proves;
        }
        let credentials = Credentials::new(challenge, &self.name, &self.config.password);
        self.credentials = Some(credentials.context("a challenge without nonce")?);
        Ok(())
    }

    /// Over UDP it is sent now, over TCP when the phone waits next.
    pub async fn send(&mut self, message: &str) -> anyhow::Result<()> {
        match &self.io {
            Io::Udp(socket) => {
                socket.send(message.as_bytes()).await?;
            }
            Io::Tcp(_) => self.out.extend(message.as_bytes()),
        }
        Ok(())
    }

    pub async fn flush(&mut self) -> anyhow::Result<()> {
        if let (Io::Tcp(stream), false) = (&mut self.io, self.out.is_empty()) {
            stream.write_all(&self.out).await?;
            self.out.clear();
        }
        Ok(())
    }

    /// The next message; `None` where none comes for `ms` milliseconds.
    pub async fn receive(&mut self, ms: u64) -> anyhow::Result<Option<String>> {
        match self.inbox.pop_front() {
            Some(message) => Ok(Some(message)),
            None => self.receive_from_wire(ms).await,
        }
    }

    async fn receive_from_wire(&mut self, ms: u64) -> anyhow::Result<Option<String>> {
        loop {
            if let Some(message) = self.take_message() {
                return Ok(Some(message));
            }
            self.flush().await?;
            self.buffer.reserve(4096);
            let read = async {
                match &mut self.io {
                    Io::Udp(socket) => socket.recv_buf(&mut self.buffer).await,
                    Io::Tcp(stream) => stream.read_buf(&mut self.buffer).await,
                }
            };
            let Ok(length) = timeout(Duration::from_millis(ms), read).await else { return Ok(None) };
            ensure!(length? > 0 || !self.config.is_tcp, "the server closed the connection");
        }
    }

    /// One whole message, cut from what came.
    fn take_message(&mut self) -> Option<String> {
        let blank = self.buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n' | 0)).count();
        self.buffer.drain(..blank);
        let end = memmem::find(&self.buffer, b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(self.buffer.get(..end)?).ok()?;
        let length: usize = header(head, "Content-Length").and_then(|value| value.parse().ok()).unwrap_or(0);
        if self.buffer.len() < end + length {
            return None;
        }
        let message: Vec<u8> = self.buffer.drain(..end + length).collect();
        Some(String::from_utf8_lossy(&message).into_owned())
    }

    /// Sends a request, answers one challenge; the final response.
    pub async fn ask(&mut self, request: &Request) -> anyhow::Result<String> {
        let mut was_challenged = false;
        let mut text = self.print_request(request);
        self.send(&text).await?;
        let start = now_ns();
        loop {
            let Some(message) = self.receive_from_wire(RETRANSMIT_MS).await? else {
                ensure!(since_us(start) < PATIENCE_US, "no answer to {} in 30 s", request.method);
                self.send_again(&text).await?;
                continue;
            };
            match status(&message) {
                0 => self.inbox.push_back(message),
                100..=199 => {}
                _ if cseq(&message) != self.cseq => {}
                401 | 407 if !was_challenged => {
                    was_challenged = true;
                    if request.method == "INVITE" {
                        self.acknowledge_failure(request, &message).await?;
                    }
                    self.handle_challenge(&message)?;
                    text = self.print_request(request);
                    self.send(&text).await?;
                }
                _ => return Ok(message),
            }
        }
    }

    /// Retransmits over UDP; TCP does it itself.
    pub async fn send_again(&mut self, text: &str) -> anyhow::Result<()> {
        if self.config.is_tcp {
            return Ok(());
        }
        self.retransmits += 1;
        self.send(text).await
    }

    async fn acknowledge_failure(&mut self, request: &Request, response: &str) -> anyhow::Result<()> {
        let to = header(response, "To").unwrap_or(&request.to).to_owned();
        let (method, uri, call_id) = ("ACK", request.uri.clone(), request.call_id.clone());
        let ack = Request { method, uri, to, call_id, ..Request::default() };
        let text = self.print_ack(&ack, "");
        self.send(&text).await
    }

    /// Registers for an hour.
    pub async fn register(&mut self) -> anyhow::Result<()> {
        let headers = format!("{}Expires: 3600\r\n", self.contact());
        let answer = self.ask(&self.registration(headers)).await?;
        if status(&answer) != 200 || header(&answer, "Contact").is_none() {
            bail!("REGISTER was answered {answer}");
        }
        Ok(())
    }

    /// Removes the contacts that earlier runs left.
    pub async fn unregister_all(&mut self) -> anyhow::Result<()> {
        let answer = self.ask(&self.registration("Contact: *\r\nExpires: 0\r\n".to_owned())).await?;
        ensure!(status(&answer) == 200, "REGISTER was answered {answer}");
        Ok(())
    }

    fn registration(&self, headers: String) -> Request {
        Request {
            method: "REGISTER",
            uri: format!("sip:{}", self.config.domain),
            to: format!("<{}>", self.address),
            call_id: format!("{:x}-{}", process_token(), self.local),
            headers,
            body: String::new(),
        }
    }
}

/// RFC 3261 §17.1.2.2, T1.
pub const RETRANSMIT_MS: u64 = 500;
/// How long a server may leave a request unanswered before the run ends.
const PATIENCE_US: u32 = 30_000_000;

//! A browser or program without a picture: the smallest HTTP client that can hold a cookie, and the
//! frames of a WebSocket.

use std::{collections::VecDeque, net::SocketAddr, sync::Arc};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest},
};

use super::{House, PASSWORD, soon};

/// One client of the web door, and what it proves itself with.
#[derive(Clone)]
pub(crate) struct Web {
    server: SocketAddr,
    /// What the server's certificate is checked with; `None` for plain HTTP.
    tls: Option<TlsConnector>,
    /// Header lines that go with every request.
    headers: Vec<(&'static str, String)>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    /// The value of the first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let matches = |line: &&str| line.split_once(':').is_some_and(|(n, _)| n.eq_ignore_ascii_case(name));
        self.head.lines().find(matches).map(|line| line.split_once(':').unwrap().1.trim())
    }

    /// The body, which must be JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The word for what is wrong.
    #[track_caller]
    pub(crate) fn reason(&self) -> String {
        self.json()["error"]["reason"].as_str().unwrap_or_else(|| panic!("no reason: {self:?}")).to_owned()
    }

    /// Fails unless this is the status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

impl Web {
    /// A client that is not logged in.
    pub(crate) fn stranger(house: &House) -> Self {
        Self::stranger_at(house.http())
    }

    /// A client of any server over plain HTTP, not logged in.
    pub(crate) fn stranger_at(server: SocketAddr) -> Self {
        Self { server, tls: None, headers: Vec::new() }
    }

    /// A client over TLS that trusts the server's own certificate and no other.
    pub(crate) fn secure_stranger(house: &House) -> Self {
        let pem = CertificateDer::from_pem_file(house.folder().join("certificate.pem")).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(pem).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { server: house.https(), tls: Some(Arc::new(config).into()), headers: Vec::new() }
    }

    /// A browser in which this account logged in, with a page of ours.
    pub(crate) async fn log_in(house: &House, local: &str) -> Self {
        Self::log_in_at(house.http(), local).await
    }

    /// The same, at any server over plain HTTP.
    pub(crate) async fn log_in_at(server: SocketAddr, local: &str) -> Self {
        Self::log_in_as(server, &format!("{local}@localhost")).await
    }

    /// The same, for an account of any domain.
    pub(crate) async fn log_in_as(server: SocketAddr, address: &str) -> Self {
        let browser = Self::stranger_at(server);
        let credentials = json!({ "address": address, "password": PASSWORD });
        let answer = browser.post("/api/login", &credentials).await.expect(200);
        browser.with_cookie_of(&answer).with("Sec-Fetch-Site", "same-origin")
    }

    /// The same client with the cookie of an answer.
    pub(crate) fn with_cookie_of(&self, answer: &Answer) -> Self {
        let cookie = answer.header("set-cookie").expect("a cookie");
        self.with("Cookie", cookie.split(';').next().unwrap())
    }

    /// The same client with one more header line, or another value of it.
    pub(crate) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.retain(|(other, _)| *other != name);
        client.headers.push((name, value.to_owned()));
        client
    }

    /// The same client without a header line.
    pub(crate) fn without(&self, name: &str) -> Self {
        let mut client = self.clone();
        client.headers.retain(|(other, _)| *other != name);
        client
    }

    /// The texts in the whole archive, oldest first.
    pub(crate) async fn archive(&self) -> Vec<String> {
        let mut texts = Vec::new();
        let mut after = "00000000000000000000000000".to_owned();
        loop {
            let page = self.get(&format!("/api/archive?limit=200&after={after}")).await.expect(200).json();
            let lines = page["messages"].as_array().expect("messages");
            texts.extend(lines.iter().filter_map(|line| line["body"].as_str()).map(str::to_owned));
            match lines.last() {
                Some(last) if page["complete"] == false => {
                    after = last["id"].as_str().expect("an id").to_owned();
                }
                _ => return texts,
            }
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path, Some(&body.to_string())).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.request("PUT", path, Some(&body.to_string())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path, None).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn request(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = body {
            if !self.headers.iter().any(|(name, _)| *name == "Content-Type") {
                text.push_str("Content-Type: application/json\r\n");
            }
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        text.push_str("\r\n");
        text.push_str(body.unwrap_or_default());
        self.exchange(text.as_bytes()).await
    }

    /// Sends bytes as they are and reads what comes until the server closes.
    pub(crate) async fn exchange(&self, bytes: &[u8]) -> Answer {
        soon("an answer", async {
            let tcp = TcpStream::connect(self.server).await.unwrap();
            let answer = match &self.tls {
                None => talk(tcp, bytes).await,
                Some(tls) => {
                    let name = ServerName::try_from("localhost").unwrap();
                    talk(tls.connect(name, tcp).await.unwrap(), bytes).await
                }
            };
            parse_answer(&String::from_utf8(answer).unwrap())
        })
        .await
    }

    /// Opens a WebSocket, which must succeed, and takes its first frame.
    pub(crate) async fn open(&self) -> Socket {
        let mut socket = self.try_open().await.unwrap_or_else(|error| panic!("{error}"));
        let ready = socket.expect("ready").await;
        socket.resource = ready["resource"].as_str().expect("a resource").to_owned();
        socket
    }

    /// Opens a WebSocket, if the server lets it.
    pub(crate) async fn try_open(&self) -> Result<Socket, tungstenite::Error> {
        soon("a socket", async {
            let mut request = format!("ws://{}/api/ws", self.server).into_client_request()?;
            for (name, value) in &self.headers {
                request.headers_mut().insert(*name, value.parse().unwrap());
            }
            let tcp = TcpStream::connect(self.server).await?;
            let (stream, _) = client_async(request, tcp).await?;
            Ok(Socket { stream, early: VecDeque::new(), resource: String::new() })
        })
        .await
    }
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Vec<u8> {
    // The server may refuse before it has read all.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

fn parse_answer(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { join_chunks(body) } else { body.to_owned() };
    Answer { status, head: head.to_owned(), body }
}

fn join_chunks(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        body.push_str(&after[..length]);
        rest = after[length..].trim_start_matches("\r\n");
        if length == 0 {
            break;
        }
    }
    body
}

/// An open WebSocket.
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// Frames that came while the test waited for another one.
    early: VecDeque<Value>,
    pub(crate) resource: String,
}

impl Socket {
    pub(crate) async fn send(&mut self, frame: &Value) {
        self.send_raw(Message::text(frame.to_string())).await;
    }

    /// Sends any message. One that the server will not take may fail.
    pub(crate) async fn send_raw(&mut self, message: Message) {
        use futures_util::SinkExt;
        let _ = self.stream.send(message).await;
    }

    /// The next frame of this type; others wait.
    #[track_caller]
    pub(crate) fn expect(&mut self, kind: &str) -> impl Future<Output = Value> {
        self.expect_that(kind, |_| true)
    }

    /// The next frame of this type for which `fits` holds; others wait.
    #[track_caller]
    pub(crate) fn expect_that(
        &mut self,
        kind: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> impl Future<Output = Value> {
        soon("a frame", async move {
            let wanted = |frame: &Value| frame["type"] == kind && fits(frame);
            if let Some(at) = self.early.iter().position(wanted) {
                return self.early.remove(at).unwrap();
            }
            loop {
                let frame = self
                    .next()
                    .await
                    .unwrap_or_else(|| panic!("closed while waiting for {kind}, after {:?}", self.early));
                if wanted(&frame) {
                    return frame;
                }
                self.early.push_back(frame);
            }
        })
    }

    /// Asks something and gives the reply.
    pub(crate) async fn ask(&mut self, mut frame: Value) -> Value {
        frame["id"] = json!("asked");
        self.send(&frame).await;
        self.expect_that("reply", |reply| reply["id"] == "asked").await
    }

    /// Takes the next message that says something and acknowledges it.
    pub(crate) async fn take_message(&mut self) -> Value {
        let message = self.expect_that("message", |message| !message["body"].is_null()).await;
        self.send(&json!({ "type": "ack", "id": message["id"] })).await;
        message
    }

    /// Takes frames until the server closes the socket.
    pub(crate) async fn until_closed(&mut self) -> Vec<Value> {
        soon("the end", async {
            let mut frames: Vec<Value> = self.early.drain(..).collect();
            while let Some(frame) = self.next().await {
                frames.push(frame);
            }
            frames
        })
        .await
    }

    async fn next(&mut self) -> Option<Value> {
        use futures_util::StreamExt;
        loop {
            match self.stream.next().await? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }
}

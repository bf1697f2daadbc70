//! An XMPP client in as few words as will do: log in, say that one is there, send, wait.

use std::{cell::RefCell, collections::VecDeque, net::SocketAddr, rc::Rc};

use anyhow::{Context as _, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use tokio::task::{JoinSet, spawn_local};
use tokio_rustls::TlsConnector;

use crate::{options::Options, stream::Stream};

/// Where and how to log in.
#[derive(Clone)]
pub struct Server {
    address: SocketAddr,
    tls: Option<TlsConnector>,
}

/// A client that is logged in and has a resource.
pub struct Client {
    stream: Stream,
    pub number: usize,
}

impl Server {
    /// From `--xmpp ADDRESS` and `--tls yes|no` (TLS from the start).
    pub fn of(options: &Options) -> anyhow::Result<Self> {
        let tls = match options.text("tls", "no") {
            "yes" => Some(crate::stream::connector()?),
            _ => None,
        };
        Ok(Self { address: options.text("xmpp", "127.0.0.1:35224").parse()?, tls })
    }
}

impl Client {
    /// Connects, logs in, binds a resource. The password goes in the clear (SASL PLAIN), because
    /// this is about what comes after.
    pub async fn log_in(server: &Server, number: usize) -> anyhow::Result<Self> {
        let mut stream = Stream::connect(number, server.address).await.context("connecting")?;
        if let Some(tls) = &server.tls {
            stream = stream.secure(tls).await.context("handshake")?;
        }
        stream.send(HEADER).await?;
        stream.until("</stream:features>").await?;
        let secret = BASE64_STANDARD.encode(format!("\0u{number}\0secret"));
        stream
            .send(&format!(
                "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>"
            ))
            .await?;
        let answer = stream.until(">").await?;
        ensure!(answer.contains("<success"), "u{number} cannot log in: {answer}");
        stream.send(HEADER).await?;
        stream.until("</stream:features>").await?;
        let mut client = Self { stream, number };
        client
            .ask("set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind>")
            .await?;
        Ok(client)
    }

    /// Logs in and says that one is there; returns when the server has sent that back.
    pub async fn come(server: &Server, number: usize) -> anyhow::Result<Self> {
        let mut client = Self::log_in(server, number).await?;
        client.send("<presence/>").await?;
        client.until(&format!("{}/r", name(number))).await?;
        client.until(">").await?;
        Ok(client)
    }

    pub async fn send(&mut self, text: &str) -> anyhow::Result<()> {
        self.stream.send(text).await
    }

    pub async fn until(&mut self, mark: &str) -> anyhow::Result<String> {
        self.stream.until(mark).await
    }

    /// Sends an `<iq/>` and waits for its result: what came until then.
    pub async fn ask(&mut self, kind: &str, content: &str) -> anyhow::Result<String> {
        self.send(&format!("<iq type='{kind}' id='crowd-ask'>{content}</iq>")).await?;
        let mut answer = self.until("crowd-ask").await?;
        answer += &self.until(">").await?;
        let start = answer.rfind("<iq").unwrap_or_default();
        let head = answer[start..].to_owned();
        ensure!(!head.contains("error"), "u{} was refused {content}: {head}", self.number);
        if !head.ends_with("/>") {
            answer += &self.until("</iq>").await?;
        }
        Ok(answer)
    }

    /// Waits until the server has dealt with everything that was sent so far.
    pub async fn settle(&mut self) -> anyhow::Result<()> {
        self.ask("get", "<ping xmlns='urn:xmpp:ping'/>").await.map(|_| ())
    }

    pub async fn leave(mut self) {
        // It may be gone already.
        let _ = self.send("</stream:stream>").await;
        let _ = self.until("</stream:stream>").await;
    }
}

/// The bare address of a client.
pub fn name(number: usize) -> String {
    format!("u{number}@localhost")
}

/// Has the clients of these numbers come, `together` at a time, in the order of the numbers.
pub async fn gather(
    server: &Server,
    numbers: impl IntoIterator<Item = usize>,
    together: usize,
) -> anyhow::Result<Vec<Client>> {
    let waiting: VecDeque<usize> = numbers.into_iter().collect();
    let mut clients = Vec::with_capacity(waiting.len());
    let waiting = Rc::new(RefCell::new(waiting));
    let mut workers = JoinSet::new();
    for _ in 0..together {
        let (server, waiting) = (server.clone(), Rc::clone(&waiting));
        workers.spawn_local(async move {
            let mut mine = Vec::new();
            loop {
                let next = waiting.borrow_mut().pop_front();
                let Some(number) = next else { return anyhow::Ok(mine) };
                let client = Client::come(&server, number).await;
                mine.push(client.with_context(|| format!("u{number} comes"))?);
            }
        });
    }
    while let Some(mine) = workers.join_next().await {
        clients.extend(mine??);
    }
    clients.sort_unstable_by_key(|client: &Client| client.number);
    Ok(clients)
}

/// Has all clients leave, some at a time.
pub async fn scatter(clients: Vec<Client>) {
    let mut clients = clients.into_iter();
    loop {
        let leaving: Vec<_> = clients.by_ref().take(100).map(|client| spawn_local(client.leave())).collect();
        if leaving.is_empty() {
            return;
        }
        for one in leaving {
            let _ = one.await;
        }
    }
}

const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
    xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>";

//! One client connection: log in, bind, then strings out and stanzas in.

use std::{cell::RefCell, ops::Range, rc::Rc, time::Duration};

use anyhow::{Context as _, bail, ensure};
use memchr::memmem;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    task::spawn_local,
    time::timeout,
};

use super::{
    Config, Mechanism, Shared, Tls,
    sasl::{self, Scram},
    splitter::Splitter,
    stanza::{between, is_error},
    tls,
};
use crate::measure::all;

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// A session that is logged in and bound.
pub struct Session {
    io: Box<dyn Stream>,
    pub splitter: Splitter,
    /// Filled by callers, sent by [`Session::flush`].
    pub out: String,
    pub full_address: String,
    /// TLS was resumed.
    pub is_resumed: bool,
}

impl Session {
    /// Connects, logs in and binds a resource of the server's choice.
    pub async fn open(config: &Config, user: usize) -> anyhow::Result<Self> {
        let tcp = TcpStream::connect((config.host.as_str(), config.port)).await?;
        tcp.set_nodelay(true)?;
        let mut session = match config.tls {
            Tls::None => Self::new(Box::new(tcp), false),
            Tls::Direct => Self::over_tls(tcp, config).await?,
            Tls::Upgraded => Self::over_tls(start_tls(tcp, config).await?, config).await?,
        };
        session.begin_stream(config).await?;
        session.authenticate(config, user).await?;
        session.splitter = Splitter::default();
        session.begin_stream(config).await?;
        session.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>").await?;
        let bound = session.result("b").await?;
        session.full_address = between(&bound, "<jid>", "</jid>").context("no address was bound")?.to_owned();
        Ok(session)
    }

    fn new(io: Box<dyn Stream>, is_resumed: bool) -> Self {
        Self {
            io,
            splitter: Splitter::default(),
            out: String::new(),
            full_address: String::new(),
            is_resumed,
        }
    }

    async fn over_tls(tcp: TcpStream, config: &Config) -> anyhow::Result<Self> {
        let stream = tls::connect(tcp, config).await?;
        let is_resumed = tls::is_resumed(&stream);
        Ok(Self::new(Box::new(stream), is_resumed))
    }

    /// Initial presence; returns when the server has sent it back.
    pub async fn announce(&mut self) -> anyhow::Result<()> {
        self.send("<presence/>").await?;
        loop {
            let stanza = self.stanza().await?;
            if stanza.starts_with("<presence") && stanza.contains(&self.full_address) {
                return Ok(());
            }
        }
    }

    /// Asks the server for a sign of life: everything before it is done then.
    pub async fn ping(&mut self, domain: &str) -> anyhow::Result<()> {
        self.send(&format!("<iq type='get' id='sync' to='{domain}'><ping xmlns='urn:xmpp:ping'/></iq>"))
            .await?;
        self.result("sync").await.map(|_| ())
    }

    pub async fn close(mut self) {
        // The server may have been quicker; what matters was counted before.
        let _ = self.send("</stream:stream>").await;
        let _ = self.io.shutdown().await;
    }

    pub async fn send(&mut self, text: &str) -> anyhow::Result<()> {
        self.io.write_all(text.as_bytes()).await?;
        Ok(self.io.flush().await?)
    }

    /// Sends what was written into `out`.
    pub async fn flush(&mut self) -> anyhow::Result<()> {
        if !self.out.is_empty() {
            self.io.write_all(self.out.as_bytes()).await?;
            self.io.flush().await?;
            self.out.clear();
        }
        Ok(())
    }

    /// Waits for more bytes. To be called once the splitter said that there is no more.
    pub async fn fill(&mut self) -> anyhow::Result<()> {
        self.splitter.compact();
        self.splitter.buffer.reserve(4096);
        let read = self.io.read_buf(&mut self.splitter.buffer);
        let length = timeout(PATIENCE, read).await.context("the server is silent")??;
        ensure!(length > 0, "the server closed the connection");
        Ok(())
    }

    /// The next stanza, for what need not be fast.
    pub async fn stanza(&mut self) -> anyhow::Result<String> {
        loop {
            if let Some(stanza) = self.splitter.next() {
                return Ok(String::from_utf8_lossy(stanza).into_owned());
            }
            self.fill().await?;
        }
    }

    /// The result of the question `id`; other stanzas are skipped.
    pub async fn result(&mut self, id: &str) -> anyhow::Result<String> {
        let (single, double) = (format!("id='{id}'"), format!("id=\"{id}\""));
        loop {
            let stanza = self.stanza().await?;
            if stanza.starts_with("<iq") && (stanza.contains(&single) || stanza.contains(&double)) {
                ensure!(!is_error(stanza.as_bytes()), "{stanza}");
                return Ok(stanza);
            }
        }
    }

    async fn begin_stream(&mut self, config: &Config) -> anyhow::Result<()> {
        self.send(&header(config)).await?;
        while !self.stanza().await?.starts_with("<stream:features") {}
        Ok(())
    }

    async fn authenticate(&mut self, config: &Config, user: usize) -> anyhow::Result<()> {
        let name = config.name(user);
        if config.mechanism == Mechanism::Plain {
            let token = sasl::plain(&name, &config.password);
            self.send(&format!("<auth {SASL} mechanism='PLAIN'>{token}</auth>")).await?;
        } else {
            let (scram, first) = Scram::start(&name);
            self.send(&format!("<auth {SASL} mechanism='SCRAM-SHA-1'>{first}</auth>")).await?;
            let stanza = self.stanza().await?;
            let challenge = between(&stanza, ">", "</challenge>").with_context(|| stanza.clone())?;
            let answer = scram.answer(challenge, &config.password)?;
            self.send(&format!("<response {SASL}>{answer}</response>")).await?;
        }
        let stanza = self.stanza().await?;
        ensure!(stanza.starts_with("<success"), "{stanza}");
        Ok(())
    }
}

/// Opens sessions of `users`, `at_once` at a time, each with initial presence; in the users' order.
pub async fn open_all(config: &Shared, users: Range<usize>, at_once: usize) -> anyhow::Result<Vec<Session>> {
    let next = Rc::new(RefCell::new(users));
    let worker = || {
        let (config, next) = (Rc::clone(config), Rc::clone(&next));
        spawn_local(async move {
            let mut mine = Vec::new();
            loop {
                let Some(user) = next.borrow_mut().next() else { return Ok(mine) };
                let mut session =
                    Session::open(&config, user).await.with_context(|| format!("user {user}"))?;
                session.announce().await.with_context(|| format!("user {user}"))?;
                mine.push((user, session));
            }
        })
    };
    let mut sessions: Vec<_> =
        all((0..at_once).map(|_| worker()).collect()).await?.into_iter().flatten().collect();
    sessions.sort_by_key(|(user, _)| *user);
    Ok(sessions.into_iter().map(|(_, session)| session).collect())
}

/// RFC 6120 §5, up to where TLS begins.
async fn start_tls(mut tcp: TcpStream, config: &Config) -> anyhow::Result<TcpStream> {
    let steps = [
        (header(config), "</stream:features>"),
        ("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>".to_owned(), "<proceed"),
    ];
    for (say, expect) in steps {
        tcp.write_all(say.as_bytes()).await?;
        let mut heard = Vec::new();
        while memmem::find(&heard, expect.as_bytes()).is_none() {
            if tcp.read_buf(&mut heard).await? == 0 {
                bail!("the server closed the connection before TLS");
            }
        }
    }
    Ok(tcp)
}

fn header(config: &Config) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams' to='{}' version='1.0'>",
        config.domain
    )
}

const SASL: &str = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'";

/// How long a server may be silent before the run ends.
const PATIENCE: Duration = Duration::from_secs(30);

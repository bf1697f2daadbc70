//! Phones by the hundred thousand behind one UDP socket: their requests, with digest (RFC 3261 §22).
//!
//! All phones share the socket, and what comes in is told apart by branch and by the user in the
//! Request-URI, so that a phone that waits for calls costs nothing here.

use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use md5::{Digest as _, Md5};
use tokio::{net::UdpSocket, time::timeout};

/// One thing that one phone does.
#[derive(Clone, Copy)]
pub enum Job {
    /// Registers for this many seconds; 0 ends the registration.
    Register { user: usize, seconds: u32 },
    /// Sends a message to another phone.
    Message { user: usize, to: usize },
    /// Subscribes to somebody's presence, or goes on with that: the dialog of this number.
    Subscribe { dialog: usize, user: usize, to: usize, seconds: u32 },
    /// Says how its user is.
    Publish { user: usize },
}

/// A subscription, as its watcher knows it.
#[derive(Default)]
pub struct Dialog {
    /// The server's tag; empty before it was accepted.
    tag: String,
    /// How many NOTIFYs came.
    pub told: u32,
    /// The last of them said that it is over.
    pub is_over: bool,
}

/// All phones.
pub struct Phones {
    socket: UdpSocket,
    local: SocketAddr,
    next: u64,
    pub dialogs: Vec<Dialog>,
}

/// A request that waits for its final response.
struct Flight {
    job: Job,
    text: String,
    begun: Instant,
    sent: Instant,
    is_proved: bool,
}

impl Phones {
    pub async fn open(server: SocketAddr) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.connect(server).await?;
        let local = socket.local_addr()?;
        // Branches of an earlier run must not come again.
        let next = u64::from(std::process::id()) << 32;
        Ok(Self { socket, local, next, dialogs: Vec::new() })
    }

    /// Does all jobs, `together` at a time; how long each took, in microseconds.
    pub async fn run(
        &mut self,
        jobs: impl IntoIterator<Item = Job>,
        together: usize,
    ) -> anyhow::Result<Vec<u32>> {
        let mut jobs = jobs.into_iter();
        let mut flights: HashMap<u64, Flight> = HashMap::new();
        let mut latencies = Vec::new();
        let mut buffer = vec![0; 65_536];
        loop {
            while flights.len() < together {
                let Some(job) = jobs.next() else { break };
                let now = Instant::now();
                self.start(&mut flights, job, now, "").await?;
            }
            if flights.is_empty() {
                return Ok(latencies);
            }
            let Ok(received) = timeout(RETRANSMIT, self.socket.recv(&mut buffer)).await else {
                self.repeat(&mut flights).await?;
                continue;
            };
            let text = std::str::from_utf8(&buffer[..received?])?;
            if text.starts_with("SIP/2.0") {
                self.hear(&mut flights, text, &mut latencies).await?;
            } else {
                self.answer(text).await?;
            }
        }
    }

    /// Answers requests until `is_done`, or for as long as `patience`; tells whether it was done.
    pub async fn listen(
        &mut self,
        patience: Duration,
        is_done: impl Fn(&[Dialog]) -> bool,
    ) -> anyhow::Result<bool> {
        let begun = Instant::now();
        let mut buffer = vec![0; 65_536];
        while !is_done(&self.dialogs) {
            let left = patience.saturating_sub(begun.elapsed());
            let Ok(received) = timeout(left, self.socket.recv(&mut buffer)).await else { return Ok(false) };
            let text = std::str::from_utf8(&buffer[..received?])?;
            if !text.starts_with("SIP/2.0") {
                self.answer(text).await?;
            }
        }
        Ok(true)
    }

    /// Answers a request. One that comes twice counts twice: nothing is lost on the way to ourselves.
    async fn answer(&mut self, text: &str) -> anyhow::Result<()> {
        if text.starts_with("NOTIFY ")
            && let Some(dialog) = dialog_of(text).and_then(|number| self.dialogs.get_mut(number))
        {
            dialog.told += 1;
            dialog.is_over = text.contains("\r\nSubscription-State: terminated");
        }
        self.socket.send(answer(text).as_bytes()).await?;
        Ok(())
    }

    async fn start(
        &mut self,
        flights: &mut HashMap<u64, Flight>,
        job: Job,
        begun: Instant,
        proof: &str,
    ) -> anyhow::Result<()> {
        self.next += 1;
        let text = self.print(job, self.next, proof);
        self.socket.send(text.as_bytes()).await?;
        let sent = Instant::now();
        flights.insert(self.next, Flight { job, text, begun, sent, is_proved: !proof.is_empty() });
        Ok(())
    }

    async fn hear(
        &mut self,
        flights: &mut HashMap<u64, Flight>,
        text: &str,
        latencies: &mut Vec<u32>,
    ) -> anyhow::Result<()> {
        let branch = text.split_once("branch=z9hG4bKcrowd").context("a response to somebody else")?.1;
        let digits = branch.split(|c: char| !c.is_ascii_hexdigit()).next().unwrap_or_default();
        let status = text.get(8..11).unwrap_or_default();
        // A response that comes twice finds no flight.
        if status.starts_with('1') {
            return Ok(());
        }
        let Some(flight) = flights.remove(&u64::from_str_radix(digits, 16)?) else { return Ok(()) };
        match status {
            "401" | "407" => {
                ensure!(!flight.is_proved, "the proof was not accepted: {text}");
                let proof = prove(flight.job, text)?;
                self.start(flights, flight.job, flight.begun, &proof).await
            }
            "200" | "202" => {
                if let Job::Subscribe { dialog, .. } = flight.job {
                    let tag = line_of(text, "To:").and_then(|to| to.split_once(";tag=")).context("a tag")?.1;
                    tag.trim_end().clone_into(&mut self.dialogs[dialog].tag);
                }
                latencies.push(flight.begun.elapsed().as_micros() as u32);
                Ok(())
            }
            _ => bail!("{} was answered {text}", flight.text),
        }
    }

    /// Sends again what was not answered in time (RFC 3261 §17.1.2.2, without the doubling).
    async fn repeat(&self, flights: &mut HashMap<u64, Flight>) -> anyhow::Result<()> {
        for flight in flights.values_mut() {
            ensure!(flight.begun.elapsed() < GIVE_UP, "no answer to {}", flight.text);
            if flight.sent.elapsed() >= RETRANSMIT {
                self.socket.send(flight.text.as_bytes()).await?;
                flight.sent = Instant::now();
            }
        }
        Ok(())
    }

    /// What follows the address of `To` within a dialog that stands.
    fn to_tag(&self, dialog: usize) -> String {
        match &self.dialogs[dialog].tag {
            tag if tag.is_empty() => String::new(),
            tag => format!(";tag={tag}"),
        }
    }

    fn print(&self, job: Job, number: u64, proof: &str) -> String {
        let (method, user) = (job.method(), job.user());
        let (uri, extra, to) = match job {
            Job::Register { seconds, .. } => {
                let contact = format!("Contact: <sip:u{user}@{}>\r\nExpires: {seconds}\r\n", self.local);
                (job.uri(), contact, user)
            }
            Job::Message { to, .. } => (job.uri(), "Content-Type: text/plain\r\n".to_owned(), to),
            Job::Subscribe { to, seconds, .. } => {
                let contact = format!("Contact: <sip:u{user}@{}>\r\n", self.local);
                let about = "Event: presence\r\nAccept: application/pidf+xml\r\n";
                (job.uri(), format!("{contact}{about}Expires: {seconds}\r\n"), to)
            }
            Job::Publish { .. } => {
                let about = "Event: presence\r\nContent-Type: application/pidf+xml\r\n";
                (job.uri(), format!("{about}Expires: 3600\r\n"), user)
            }
        };
        let body = match job {
            Job::Register { .. } | Job::Subscribe { .. } => String::new(),
            Job::Message { .. } => "among so many others, are you there?".to_owned(),
            Job::Publish { .. } => PIDF.replace("ENTITY", &job.uri()).replace("NOTE", &number.to_string()),
        };
        let (tag, call) = match job {
            Job::Subscribe { dialog, .. } => {
                (self.to_tag(dialog), format!("crowd-{dialog}-{}", self.local.port()))
            }
            _ => (String::new(), format!("{}-{user}-{method}", self.local.port())),
        };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKcrowd{number:x}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:u{user}@localhost>;tag=t{user}\r\nTo: <sip:u{to}@localhost>{tag}\r\n\
             Call-ID: {call}\r\nCSeq: {} {method}\r\n{extra}{proof}Content-Length: {}\r\n\r\n{body}",
            self.local,
            number & 0x7fff_ffff,
            body.len(),
        )
    }
}

/// The number of the dialog that a NOTIFY is in.
fn dialog_of(text: &str) -> Option<usize> {
    line_of(text, "Call-ID:")?.trim().strip_prefix("crowd-")?.split('-').next()?.parse().ok()
}

fn line_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name))
}

impl Job {
    fn method(self) -> &'static str {
        match self {
            Self::Register { .. } => "REGISTER",
            Self::Message { .. } => "MESSAGE",
            Self::Subscribe { .. } => "SUBSCRIBE",
            Self::Publish { .. } => "PUBLISH",
        }
    }

    fn user(self) -> usize {
        match self {
            Self::Register { user, .. }
            | Self::Message { user, .. }
            | Self::Subscribe { user, .. }
            | Self::Publish { user } => user,
        }
    }

    fn uri(self) -> String {
        match self {
            Self::Register { .. } => "sip:localhost".to_owned(),
            Self::Message { to, .. } | Self::Subscribe { to, .. } => format!("sip:u{to}@localhost"),
            Self::Publish { user } => format!("sip:u{user}@localhost"),
        }
    }
}

/// The header that answers the first challenge with MD5 (RFC 7616 §3.4).
fn prove(job: Job, challenge: &str) -> anyhow::Result<String> {
    let line = challenge
        .lines()
        .find(|line| line.contains("-Authenticate:") && line.contains("algorithm=MD5"))
        .context("a challenge without MD5")?;
    let (name, method, uri) = (format!("u{}", job.user()), job.method(), job.uri());
    let (realm, nonce) = (quoted(line, "realm")?, quoted(line, "nonce")?);
    let header = if line.starts_with("WWW") { "Authorization" } else { "Proxy-Authorization" };
    let secret = md5(&format!("{name}:{realm}:secret"));
    let request = md5(&format!("{method}:{uri}"));
    let response = md5(&format!("{secret}:{nonce}:00000001:c0ffee:auth:{request}"));
    Ok(format!(
        "{header}: Digest username=\"{name}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c0ffee\", response=\"{response}\"\r\n"
    ))
}

fn quoted<'a>(line: &'a str, name: &str) -> anyhow::Result<&'a str> {
    let value = line.split_once(&format!("{name}=\"")).with_context(|| format!("no {name} in {line}"))?.1;
    Ok(value.split('"').next().unwrap_or_default())
}

fn md5(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A phone's 200 to a request.
fn answer(request: &str) -> String {
    let kept = ["via:", "from:", "to:", "call-id:", "cseq:"];
    let mut text = String::from("SIP/2.0 200 OK\r\n");
    for line in request.lines().skip(1).take_while(|line| !line.is_empty()) {
        let lower = line.to_ascii_lowercase();
        if kept.iter().any(|name| lower.starts_with(name)) {
            text += line;
            if lower.starts_with("to:") && !lower.contains(";tag=") {
                text += ";tag=phone";
            }
            text += "\r\n";
        }
    }
    text + "Content-Length: 0\r\n\r\n"
}

const PIDF: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
    <presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"ENTITY\"><tuple id=\"t1\">\
    <status><basic>open</basic></status><contact>ENTITY</contact><note>NOTE</note></tuple></presence>\r\n";
const RETRANSMIT: Duration = Duration::from_millis(500);
const GIVE_UP: Duration = Duration::from_secs(32);

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
}

/// All phones.
pub struct Phones {
    socket: UdpSocket,
    local: SocketAddr,
    next: u64,
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
        Ok(Self { socket, local, next })
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
                self.socket.send(answer(text).as_bytes()).await?;
            }
        }
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

    fn print(&self, job: Job, number: u64, proof: &str) -> String {
        let (method, user) = (job.method(), job.user());
        let (uri, extra, to) = match job {
            Job::Register { seconds, .. } => {
                let contact = format!("Contact: <sip:u{user}@{}>\r\nExpires: {seconds}\r\n", self.local);
                (job.uri(), contact, user)
            }
            Job::Message { to, .. } => (job.uri(), "Content-Type: text/plain\r\n".to_owned(), to),
        };
        let body = match job {
            Job::Register { .. } => "",
            Job::Message { .. } => "among so many others, are you there?",
        };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKcrowd{number:x}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:u{user}@localhost>;tag=t{user}\r\nTo: <sip:u{to}@localhost>\r\n\
             Call-ID: {}-{user}-{method}\r\nCSeq: {} {method}\r\n{extra}{proof}Content-Length: {}\r\n\r\n{body}",
            self.local,
            self.local.port(),
            number & 0x7fff_ffff,
            body.len(),
        )
    }
}

impl Job {
    fn method(self) -> &'static str {
        match self {
            Self::Register { .. } => "REGISTER",
            Self::Message { .. } => "MESSAGE",
        }
    }

    fn user(self) -> usize {
        match self {
            Self::Register { user, .. } | Self::Message { user, .. } => user,
        }
    }

    fn uri(self) -> String {
        match self {
            Self::Register { .. } => "sip:localhost".to_owned(),
            Self::Message { to, .. } => format!("sip:u{to}@localhost"),
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

const RETRANSMIT: Duration = Duration::from_millis(500);
const GIVE_UP: Duration = Duration::from_secs(32);

//! Documents over HTTP: whether one of 100 KB has changed, and one element of it changed. A server of files cannot
//! change an element: it gets the whole document.

use anyhow::{Context as _, bail, ensure};
use memchr::memmem;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::spawn_local,
};

use crate::{
    measure::{Arguments, Meter, all, now_ns, since_us},
    sip::Credentials,
};

/// `ops` requests in all on `users` connections, each about a document of its own. `mode known` asks with
/// If-None-Match, `mode change` puts; `style files` talks to a server of files, without credentials.
pub async fn document(args: &Arguments) -> anyhow::Result<()> {
    let (users, operations) = (args.number("users", 10usize)?, args.number("ops", 10_000usize)?);
    let (port, size) = (args.number("port", 5280)?, args.number("size", 100_000usize)?);
    let is_change = match args.text("mode", "known").as_str() {
        "known" => false,
        "change" => true,
        other => bail!("--mode: {other:?} is neither known nor change"),
    };
    let is_file = args.text("style", "xcap") == "files";
    let password = args.text("password", "secret");
    let mut clients = Vec::new();
    for user in 0..users {
        let mut client = Client::open(port, format!("u{user}"), password.clone(), is_file).await?;
        let whole = print_document(size, 0);
        let tag = client.put(&client.document(), DOCUMENT, &whole).await?;
        clients.push((client, tag));
    }
    let each = operations / users;
    let meter = Meter::start(args)?;
    let work = |(mut client, mut tag): (Client, Option<String>)| {
        spawn_local(async move {
            let mut latencies = Vec::with_capacity(each);
            for turn in 1..=each {
                // Made before the clock starts.
                let whole = if is_change && is_file { print_document(size, turn) } else { String::new() };
                let start = now_ns();
                match (is_change, is_file) {
                    (false, _) => tag = client.get_known(tag).await?,
                    (true, true) => drop(client.put(&client.document(), DOCUMENT, &whole).await?),
                    (true, false) => {
                        drop(client.put(&client.element(), ELEMENT, &print_entry(0, turn)).await?)
                    }
                }
                latencies.push(since_us(start));
            }
            anyhow::Ok(latencies)
        })
    };
    let mut latencies = all(clients.into_iter().map(work).collect()).await?.concat();
    meter.finish(args, latencies.len() as u64, &mut latencies).print();
    Ok(())
}

/// One connection of one user.
struct Client {
    stream: TcpStream,
    user: String,
    password: String,
    is_file: bool,
    credentials: Option<Credentials>,
}

struct Answer {
    status: u16,
    head: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

impl Client {
    async fn open(port: u16, user: String, password: String, is_file: bool) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, user, password, is_file, credentials: None })
    }

    fn document(&self) -> String {
        let Self { user, .. } = self;
        if self.is_file {
            return format!("/{user}.xml");
        }
        format!("/xcap-root/resource-lists/users/sip:{user}@localhost/index")
    }

    fn element(&self) -> String {
        format!("{}/~~/resource-lists/list/entry%5b@uri=%22sip:0@example.org%22%5d", self.document())
    }

    /// Puts something; its tag, where the server tells one.
    async fn put(&mut self, path: &str, media_type: &str, content: &str) -> anyhow::Result<Option<String>> {
        let headers = format!("Content-Type: {media_type}\r\nContent-Length: {}\r\n", content.len());
        let answer = self.ask("PUT", path, &headers, content).await?;
        ensure!(matches!(answer.status, 200 | 201 | 204), "PUT {path}: {}", answer.head);
        Ok(answer.header("etag").map(str::to_owned))
    }

    /// Asks whether the document is still the one of a tag; a server that has told no tag yet is asked for it.
    async fn get_known(&mut self, tag: Option<String>) -> anyhow::Result<Option<String>> {
        let path = self.document();
        let known = tag.as_ref().map(|tag| format!("If-None-Match: {tag}\r\n"));
        let answer = self.ask("GET", &path, known.as_deref().unwrap_or_default(), "").await?;
        match tag {
            Some(tag) => {
                ensure!(answer.status == 304, "GET {path}: {}", answer.head);
                Ok(Some(tag))
            }
            None => Ok(Some(answer.header("etag").context("no tag")?.to_owned())),
        }
    }

    /// One request, with one more try where credentials are asked for.
    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        content: &str,
    ) -> anyhow::Result<Answer> {
        for _ in 0..2 {
            let proof = match &mut self.credentials {
                Some(known) => format!("Authorization: {}\r\n", known.answer(&self.user, method, path)),
                None => String::new(),
            };
            let request =
                format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{proof}{headers}\r\n{content}");
            self.stream.write_all(request.as_bytes()).await?;
            let answer = self.read().await?;
            if answer.status != 401 {
                return Ok(answer);
            }
            let challenge = answer.header("www-authenticate").context("no challenge")?;
            self.credentials = Credentials::new(challenge, &self.user, &self.password);
        }
        bail!("{method} {path}: the credentials are refused")
    }

    /// The head of an answer; its content is read and thrown away.
    async fn read(&mut self) -> anyhow::Result<Answer> {
        let mut buffer = Vec::with_capacity(4096);
        let end = loop {
            if let Some(at) = memmem::find(&buffer, b"\r\n\r\n") {
                break at + 4;
            }
            ensure!(self.stream.read_buf(&mut buffer).await? > 0, "the server closed the connection");
        };
        let head = String::from_utf8_lossy(buffer.get(..end).unwrap_or_default()).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status")?;
        let answer = Answer { status, head };
        let length: usize = match answer.header("content-length") {
            Some(length) if status != 304 => length.parse()?,
            _ => 0,
        };
        while buffer.len() < end + length {
            ensure!(self.stream.read_buf(&mut buffer).await? > 0, "the server closed the connection");
        }
        Ok(answer)
    }
}

/// A list of entries, of `size` bytes or a little more; `turn` makes the first of them another.
fn print_document(size: usize, turn: usize) -> String {
    let mut text = String::with_capacity(size + 200);
    text.push_str(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<resource-lists \
         xmlns=\"urn:ietf:params:xml:ns:resource-lists\">\n  <list name=\"friends\">\n",
    );
    let mut number = 0;
    while text.len() < size {
        text.push_str("    ");
        text.push_str(&print_entry(number, turn));
        text.push('\n');
        number += 1;
    }
    text.push_str("  </list>\n</resource-lists>\n");
    text
}

fn print_entry(number: usize, turn: usize) -> String {
    format!(
        "<entry uri=\"sip:{number}@example.org\"><display-name>{:>8}</display-name></entry>",
        number + turn
    )
}

const DOCUMENT: &str = "application/resource-lists+xml";
const ELEMENT: &str = "application/xcap-el+xml";

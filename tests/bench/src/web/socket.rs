//! A WebSocket client (RFC 6455) for short text frames, and the login before it.

use anyhow::{Context as _, bail, ensure};
use memchr::memmem;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A socket whose account is logged in.
pub struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// How much of the buffer was read.
    read: usize,
    out: Vec<u8>,
}

impl Socket {
    /// Logs in for a token, then opens the WebSocket with it.
    pub async fn open(port: u16, address: &str, password: &str) -> anyhow::Result<Self> {
        let login = serde_json::json!({ "address": address, "password": password }).to_string();
        let origin = format!("Origin: http://127.0.0.1:{port}\r\n");
        let answer = post(port, "/api/login", &origin, &login).await?;
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        let cookie = cookie.and_then(|value| value.split(';').next()).context("no cookie")?;
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET /api/ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{origin}Cookie: {cookie}\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut socket = Self { stream, buffer: Vec::new(), read: 0, out: Vec::new() };
        let end = loop {
            if let Some(at) = memmem::find(&socket.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            socket.fill().await?;
        };
        ensure!(socket.buffer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&socket.buffer));
        socket.read = end;
        Ok(socket)
    }

    /// Writes a text frame, to be sent by [`Socket::flush`]. Clients mask; the mask of zeros is one.
    pub fn write(&mut self, text: &str) {
        self.out.push(0x81);
        match text.len() {
            length @ 0..=125 => self.out.push(0x80 | length as u8),
            length => {
                self.out.push(0x80 | 126);
                self.out.extend((length as u16).to_be_bytes());
            }
        }
        self.out.extend([0; 4]);
        self.out.extend(text.as_bytes());
    }

    pub async fn flush(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.out).await?;
        self.out.clear();
        Ok(())
    }

    /// Waits for more bytes.
    pub async fn fill(&mut self) -> anyhow::Result<()> {
        self.buffer.drain(..self.read);
        self.read = 0;
        self.buffer.reserve(4096);
        ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server closed the connection");
        Ok(())
    }

    /// The next text frame; pings are skipped, as no run is long enough to fail for it.
    pub fn next(&mut self) -> anyhow::Result<Option<&str>> {
        loop {
            let waiting = self.buffer.get(self.read..).unwrap_or_default();
            let (kind, start, length) = match waiting {
                [kind, length @ 0..=125, ..] => (*kind, 2, usize::from(*length)),
                [kind, 126, high, low, ..] => (*kind, 4, usize::from(u16::from_be_bytes([*high, *low]))),
                [_, 127..=255, ..] => bail!("a frame of more than 64 KB"),
                _ => return Ok(None),
            };
            if waiting.len() < start + length {
                return Ok(None);
            }
            let from = self.read + start;
            self.read = from + length;
            if kind == 0x81 {
                let text = self.buffer.get(from..self.read).unwrap_or_default();
                return Ok(Some(std::str::from_utf8(text)?));
            }
            ensure!(kind & 0x0f != 8, "the server closed the socket");
        }
    }
}

async fn post(port: u16, path: &str, headers: &str, body: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}Content-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    ensure!(answer.starts_with("HTTP/1.1 2"), "{path} was answered {answer}");
    Ok(answer)
}

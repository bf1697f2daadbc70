//! One browser's connection, to read the archive as the web page does.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};

use crate::stream::Stream;

/// A connection with a session cookie.
pub struct Browser {
    stream: Stream,
    cookie: String,
}

impl Browser {
    /// Logs the account of this number in.
    pub async fn open(server: SocketAddr, number: usize) -> anyhow::Result<Self> {
        let stream = Stream::connect(number, server).await?;
        let mut browser = Self { stream, cookie: String::new() };
        let login = format!(r#"{{"address":"u{number}@localhost","password":"secret"}}"#);
        let (head, _) = browser
            .exchange(&format!(
                "POST /api/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{login}",
                login.len()
            ))
            .await?;
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).context("no cookie")?;
        browser.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        Ok(browser)
    }

    /// A page of the archive, with these parameters.
    pub async fn page(&mut self, query: &str) -> anyhow::Result<String> {
        let request = format!(
            "GET /api/archive?{query} HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\r\n",
            self.cookie
        );
        Ok(self.exchange(&request).await?.1)
    }

    async fn exchange(&mut self, request: &str) -> anyhow::Result<(String, String)> {
        self.stream.send(request).await?;
        let head = self.stream.until("\r\n\r\n").await?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let body = self.stream.exactly(length.context("no length")?.trim().parse()?).await?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{request} was answered {head}{body}");
        Ok((head, body))
    }
}

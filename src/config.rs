//! The configuration file: TOML, one section per room, every option with a default.
//!
//! Each room owns its section and its ranges; this file composes them and says where a mistake is:
//! file, line and what is wrong. It reads and checks, and starts nothing. `config/example.toml` shows
//! every option; the tests here prove it.

mod ranges;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use toml::{Spanned, de::DeTable, de::DeValue};

use crate::{account, api, auth, net, signal::Address, sip, storage, webhook, xcap, xmpp};

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Who the server is.
    pub server: Server,
    /// Certificates.
    pub tls: net::TlsConfig,
    /// What a peer may make the server do.
    pub limits: net::Limits,
    /// What is logged and how.
    pub log: Log,
    /// The database and the files.
    pub storage: storage::Config,
    /// Passwords and logins.
    pub auth: auth::Config,
    /// What one account may have.
    pub account: account::Config,
    /// The XMPP listeners.
    pub xmpp: xmpp::Config,
    /// Which other XMPP servers are spoken to.
    pub federation: xmpp::FederationConfig,
    /// Programs with domains of their own.
    pub components: xmpp::ComponentsConfig,
    /// Browsers and programs.
    pub api: api::Config,
    /// Documents of accounts over HTTP.
    pub xcap: xcap::Config,
    /// The SIP listeners, and what phones may do.
    pub sip: sip::Config,
    /// What automated rules tell programs on the web.
    pub webhooks: webhook::Config,
}

/// Section `[server]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// The domains whose accounts live here, at least one, each once. Default: `localhost`.
    pub domains: Vec<Address>,
    /// The folder of everything that is kept: database, files, keys, self-signed certificate. A
    /// relative path counts from the folder in which the server is started. Default: `data`.
    pub data_dir: PathBuf,
}

/// Section `[log]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// What to log: `error`, `warn`, `info`, `debug` or `trace`, and per room after commas, as in
    /// `info,rollcall::sip=debug`. Default: `info`.
    pub filter: String,
    /// How each event is written to the standard error. Default: `text`.
    pub format: LogFormat,
}

/// How a log event looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line for people, in colour on a terminal.
    Text,
    /// One JSON object per line, for a collector.
    Json,
}

impl Default for Server {
    fn default() -> Self {
        let localhost = Address::domain_only("localhost").expect("a valid domain");
        Self { domains: vec![localhost], data_dir: PathBuf::from("data") }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

/// A configuration that cannot be used, and where.
#[derive(Debug)]
pub struct ConfigError {
    /// The file, as it was named.
    pub file: PathBuf,
    /// The line, counted from 1, where the mistake is in one.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "{}:{line}: {}", self.file.display(), self.message),
            None => write!(formatter, "{}: {}", self.file.display(), self.message),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// The file that cannot be read, or the first mistake in it.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let unreadable = |error: io::Error| ConfigError {
            file: file.to_owned(),
            line: None,
            message: format!("cannot be read: {error}"),
        };
        Self::parse(file, &fs::read_to_string(file).map_err(unreadable)?)
    }

    /// Reads and checks a text; `file` is only for the error.
    ///
    /// # Errors
    /// The first mistake in the text.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let wrong = |line, message: String| ConfigError { file: file.to_owned(), line, message };
        let mut config: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| line_at(text, span.start));
            wrong(line, error.message().trim_end().to_owned())
        })?;
        config.check().map_err(|message| wrong(line_of_option(text, &message), message))?;
        config.storage.data_dir.clone_from(&config.server.data_dir);
        Ok(config)
    }

    /// What rooms have on the web listeners must not be in each other's way.
    fn check_paths(&self) -> Result<(), String> {
        let root = &self.xcap.root;
        let is_below = |path: &str| {
            path.strip_prefix(root.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match self.xmpp.web_paths().into_iter().find(|(_, path)| !root.is_empty() && is_below(path)) {
            Some((name, path)) => {
                Err(format!("xmpp.{name} is {path}, where xcap.root is: it must be another"))
            }
            None => Ok(()),
        }
    }

    /// Says what is out of range; the message begins with the option's full name.
    fn check(&self) -> Result<(), String> {
        self.server.check()?;
        self.log.check()?;
        self.ranges().iter().try_for_each(|(section, table)| ranges::check(section, table))?;
        self.xmpp.check()?;
        self.federation.check()?;
        self.components.check(&self.server.domains)?;
        self.api.check()?;
        self.xcap.check()?;
        self.check_paths()?;
        self.sip.check()
    }

    /// The numbers of every section that has any.
    fn ranges(&self) -> [(&'static str, Vec<ranges::Row>); 10] {
        [
            ("limits", self.limits.ranges()),
            ("storage", self.storage.ranges()),
            ("auth", self.auth.ranges()),
            ("account", self.account.ranges()),
            ("xmpp", self.xmpp.ranges()),
            ("federation", self.federation.ranges()),
            ("components", self.components.ranges()),
            ("api", self.api.ranges()),
            ("sip", self.sip.ranges()),
            ("webhooks", self.webhooks.ranges()),
        ]
    }
}

impl Server {
    /// The domains as plain names, for certificates.
    pub fn domain_names(&self) -> Vec<String> {
        self.domains.iter().map(|domain| domain.domain_in_ascii().into_owned()).collect()
    }

    fn check(&self) -> Result<(), String> {
        if self.domains.is_empty() {
            return Err("server.domains is empty, it must name at least one domain".to_owned());
        }
        for (at, domain) in self.domains.iter().enumerate() {
            if domain.local().is_some() {
                return Err(format!("server.domains has an address, {domain}, where a domain should be"));
            }
            if self.domains[..at].contains(domain) {
                return Err(format!("server.domains names {domain} twice"));
            }
        }
        if self.data_dir.as_os_str().is_empty() {
            return Err("server.data_dir is empty, it must name a folder".to_owned());
        }
        Ok(())
    }
}

impl Log {
    fn check(&self) -> Result<(), String> {
        let filter = self.filter.parse::<tracing_subscriber::EnvFilter>();
        filter.map(drop).map_err(|error| format!("log.filter is not a log filter: {error}"))
    }
}

/// The line, counted from 1, of a byte.
fn line_at(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|byte| *byte == b'\n').count()
}

/// The line of the option whose name a message begins with; else of its section, where there is one.
fn line_of_option(text: &str, message: &str) -> Option<usize> {
    let name = message.split_whitespace().next()?;
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut line = None;
    for part in name.split('.') {
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == part) else { break };
        line = Some(line_at(text, Spanned::span(key).start));
        let DeValue::Table(inner) = value.get_ref() else { break };
        table = inner;
    }
    line
}

#[cfg(test)]
mod tests;

//! XMPP clients that know their strings by heart, and the scenarios that they play.

mod chat;
mod fanout;
mod login;
mod offline;
mod ping;
mod sasl;
mod session;
mod splitter;
mod stanza;
mod tls;

use std::rc::Rc;

use crate::measure::Arguments;

pub use chat::chat;
pub use fanout::fanout;
pub use login::{idle, login};
pub use offline::offline;
pub use ping::ping;
pub use session::{Session, open_all};
pub use stanza::{read_stamp, stamp, write_message};

/// Where the server is and how to log in. Accounts are PREFIX0@DOMAIN, PREFIX1@DOMAIN and so on.
pub struct Config {
    pub host: String,
    pub port: u16,
    pub domain: String,
    pub prefix: String,
    pub password: String,
    pub tls: Tls,
    pub mechanism: Mechanism,
    /// Whether a TLS session may be resumed where the server offers it.
    pub resume: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    None,
    /// STARTTLS on a plain connection.
    Upgraded,
    Direct,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    ScramSha1,
}

impl Config {
    pub fn new(args: &Arguments) -> anyhow::Result<Self> {
        let tls = match args.text("tls", "none").as_str() {
            "direct" => Tls::Direct,
            "starttls" => Tls::Upgraded,
            _ => Tls::None,
        };
        let mechanism =
            if args.text("mech", "scram") == "plain" { Mechanism::Plain } else { Mechanism::ScramSha1 };
        Ok(Self {
            host: args.text("host", "127.0.0.1"),
            port: args.number("port", 5222)?,
            domain: args.text("domain", "localhost"),
            prefix: args.text("prefix", "u"),
            password: args.text("password", "secret"),
            resume: args.is_yes("resume", false),
            tls,
            mechanism,
        })
    }

    pub fn name(&self, user: usize) -> String {
        format!("{}{user}", self.prefix)
    }

    pub fn address(&self, user: usize) -> String {
        format!("{}{user}@{}", self.prefix, self.domain)
    }
}

/// What the tasks of a scenario share.
pub type Shared = Rc<Config>;

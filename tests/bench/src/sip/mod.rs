//! SIP phones that know their lines by heart, and the scenarios that they play.

mod agent;
mod call;
mod digest;
mod flights;
mod message;
mod offline;
mod options;
mod publish;
mod register;
mod text;

use std::rc::Rc;

use crate::measure::Arguments;

pub use agent::Agent;
pub use call::call;
pub use digest::Credentials;
pub use message::message;
pub use offline::offline;
pub use options::options;
pub use publish::publish;
pub use register::{idle, register, registered};
pub use text::{body, reply, status};

/// Where the server is and how to log in. Accounts are PREFIX0@DOMAIN, PREFIX1@DOMAIN and so on.
pub struct Config {
    pub host: String,
    pub port: u16,
    pub domain: String,
    pub prefix: String,
    pub password: String,
    pub is_tcp: bool,
}

impl Config {
    pub fn new(args: &Arguments) -> anyhow::Result<Self> {
        Ok(Self {
            host: args.text("host", "127.0.0.1"),
            port: args.number("sip-port", args.number("port", 5060)?)?,
            domain: args.text("domain", "localhost"),
            prefix: args.text("prefix", "u"),
            password: args.text("password", "secret"),
            is_tcp: args.text("transport", "udp") == "tcp",
        })
    }

    pub fn address(&self, user: usize) -> String {
        format!("sip:{}{user}@{}", self.prefix, self.domain)
    }
}

/// What the tasks of a scenario share.
pub type Shared = Rc<Config>;

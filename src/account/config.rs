//! What the operator may choose about accounts.

use serde::{Deserialize, Serialize};

/// The section `[account]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Most sessions of one account at a time; 1 to 10000. Default: 100.
    pub sessions: usize,
    /// Most contacts in one roster; 1 to 100000. Default: 5000.
    pub contacts: usize,
    /// Most unanswered contact requests; a further one is refused. 1 to 100000. Default: 1000.
    pub contact_requests: usize,
    /// Most watchers of one account's presence besides its contacts' sessions; 1 to 100000.
    /// Default: 5000.
    pub watchers: usize,
    /// Most documents that an account keeps for its clients; 1 to 10000. Default: 200.
    pub documents: usize,
    /// Largest document, in bytes; 1024 to 16777216. Default: 1048576, one MiB.
    pub document_bytes: usize,
    /// Most bytes of all documents of one account; 1024 to 1073741824. Default: 8388608, eight MiB.
    pub documents_bytes: usize,
    /// Offline messages handed to a session at a time; 1 to 1000. Default: 50.
    pub offline_batch: usize,
    /// Seconds after which an account that nobody uses leaves the memory; 1 to 86400. Default: 60.
    pub idle_seconds: u32,
    /// Largest picture of a person, in bytes; 1024 to 16777216. Default: 307200.
    pub avatar_bytes: usize,
    /// Most personal nodes of one account; 1 to 100000. Default: 500.
    pub nodes: usize,
    /// Most bytes in the personal nodes of one account; 65536 to 1073741824. Default: 16777216.
    pub node_bytes: usize,
    /// Most explicit subscribers of one personal node; 0 to 100000. Default: 500.
    pub node_subscribers: usize,
    /// Inputs that may wait for one account; more are refused as overloaded. 16 to 1000000.
    /// Default: 10000.
    pub mailbox: usize,
    /// Seconds of ringing after which nobody answers, for automated rules about that; 1 to 170. Default: 25.
    pub no_answer_seconds: u32,
    /// Who may see an account's presence. Default: `rules`.
    pub authorization: Authorization,
    /// Whether who watches an account can be followed. Default: true.
    pub watcher_info: bool,
    /// Who may follow that. Default: `implicit`.
    pub watcher_info_authorization: ListAuthorization,
    /// Whether somebody who asked to watch and has gone is kept until the owner answers. Default: true.
    pub offline_watcher_info: bool,
    /// Seconds after which he is forgotten; 1 to 31536000. Default: 259200, three days.
    pub offline_watcher_info_seconds: u32,
    /// Seconds between two rounds in which the store forgets such watchers; 1 to 86400. Default: 3600.
    pub offline_watcher_info_cleanup_seconds: u32,
}

/// Who may see an account's presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authorization {
    /// Everybody, whatever the owner wishes.
    None,
    /// Nobody: every watcher waits for ever.
    Implicit,
    /// Whom the owner granted it, as contact or by her rules; others wait for her answer.
    Rules,
}

/// Who may follow who watches an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListAuthorization {
    /// Everybody.
    None,
    /// The owner alone.
    Implicit,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sessions: 100,
            contacts: 5000,
            contact_requests: 1000,
            watchers: 5000,
            documents: 200,
            document_bytes: 1 << 20,
            documents_bytes: 8 << 20,
            offline_batch: 50,
            idle_seconds: 60,
            avatar_bytes: 300 * 1024,
            nodes: 500,
            node_bytes: 16 << 20,
            node_subscribers: 500,
            mailbox: 10_000,
            no_answer_seconds: 25,
            authorization: Authorization::Rules,
            watcher_info: true,
            watcher_info_authorization: ListAuthorization::Implicit,
            offline_watcher_info: true,
            offline_watcher_info_seconds: 259_200,
            offline_watcher_info_cleanup_seconds: 3600,
        }
    }
}

impl Config {
    /// Says what is out of range, in words for the operator.
    ///
    /// # Errors
    /// The name of the first option that is wrong, and its range.
    pub fn check(&self) -> Result<(), String> {
        let waits = self.offline_watcher_info_seconds as usize;
        let cleanup = self.offline_watcher_info_cleanup_seconds as usize;
        let ranges = [
            ("sessions", self.sessions, 1, 10_000),
            ("contacts", self.contacts, 1, 100_000),
            ("contact_requests", self.contact_requests, 1, 100_000),
            ("watchers", self.watchers, 1, 100_000),
            ("documents", self.documents, 1, 10_000),
            ("document_bytes", self.document_bytes, 1024, 16 << 20),
            ("documents_bytes", self.documents_bytes, 1024, 1 << 30),
            ("offline_batch", self.offline_batch, 1, 1000),
            ("idle_seconds", self.idle_seconds as usize, 1, 86_400),
            ("avatar_bytes", self.avatar_bytes, 1024, 16 << 20),
            ("nodes", self.nodes, 1, 100_000),
            ("node_bytes", self.node_bytes, 1 << 16, 1 << 30),
            ("node_subscribers", self.node_subscribers, 0, 100_000),
            ("mailbox", self.mailbox, 16, 1_000_000),
            ("no_answer_seconds", self.no_answer_seconds as usize, 1, 170),
            ("offline_watcher_info_seconds", waits, 1, 31_536_000),
            ("offline_watcher_info_cleanup_seconds", cleanup, 1, 86_400),
        ];
        match ranges.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
            Some((name, value, least, most)) => {
                Err(format!("account.{name} is {value}, it must be between {least} and {most}"))
            }
            None => Ok(()),
        }
    }
}

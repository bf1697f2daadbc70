//! What the operator may choose about accounts.

use std::{collections::BTreeMap, ops::RangeInclusive};

use serde::{Deserialize, Serialize};

use crate::signal::ActionName;

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
    /// Largest file that an owner may put here for others, in bytes; 0 to 17179869184, with 0 none. Default: 52428800,
    /// 50 MiB.
    pub file_bytes: u64,
    /// Most bytes of all such files of one account; 0 to 17592186044416. Default: 524288000, 500 MiB.
    pub files_bytes: u64,
    /// Days after which such a file goes; 1 to 3650. Default: 30.
    pub file_days: u32,
    /// Most personal nodes of one account; 1 to 100000. Default: 500.
    pub nodes: usize,
    /// Most bytes in the personal nodes of one account; 65536 to 1073741824. Default: 16777216.
    pub node_bytes: usize,
    /// Most explicit subscribers of one personal node; 0 to 100000. Default: 500.
    pub node_subscribers: usize,
    /// Most devices of one account that can be called while they sleep; one more takes the place of the oldest.
    /// 1 to 1000. Default: 20.
    pub wake_addresses: usize,
    /// Seconds between two calls to such a device; 1 to 60. Default: 5.
    pub wake_seconds: u32,
    /// Inputs that may wait for one account; more are refused as overloaded. 16 to 1000000.
    /// Default: 10000.
    pub mailbox: usize,
    /// Seconds of ringing after which nobody answers, for automated rules about that; 1 to 170. Default: 25.
    pub no_answer_seconds: u32,
    /// Whether people of a domain can look for those who want to be found. Default: false.
    pub directory: bool,
    /// Who may invite people to make accounts of their own. Default: `administrators`.
    pub inviters: Inviters,
    /// Days after which messages leave archives; 0 to 36500, 0 being never. Default: 0.
    pub archive_days: u32,
    /// The same for accounts of single domains.
    pub domain_archive_days: BTreeMap<String, u32>,
    /// Actions that the automated rules of accounts must not have. Default: none.
    pub forbidden_actions: Vec<ActionName>,
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
    /// Seconds between two rounds in which the store forgets such watchers, and messages that had their time; 1 to 86400. Default: 3600.
    pub offline_watcher_info_cleanup_seconds: u32,
    /// Actions that the automated rules of accounts of single domains must not have either, by domain. Default: none.
    pub domain_forbidden_actions: BTreeMap<String, Vec<ActionName>>,
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

/// Who may invite people to make accounts of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inviters {
    Administrators,
    /// Whoever has an account.
    Everybody,
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
            file_bytes: 50 << 20,
            files_bytes: 500 << 20,
            file_days: 30,
            nodes: 500,
            node_bytes: 16 << 20,
            node_subscribers: 500,
            wake_addresses: 20,
            wake_seconds: 5,
            mailbox: 10_000,
            no_answer_seconds: 25,
            directory: false,
            inviters: Inviters::Administrators,
            archive_days: 0,
            domain_archive_days: BTreeMap::new(),
            forbidden_actions: Vec::new(),
            authorization: Authorization::Rules,
            watcher_info: true,
            watcher_info_authorization: ListAuthorization::Implicit,
            offline_watcher_info: true,
            offline_watcher_info_seconds: 259_200,
            offline_watcher_info_cleanup_seconds: 3600,
            domain_forbidden_actions: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Whether whoever has an account may invite people to make one.
    #[must_use]
    pub fn everybody_invites(&self) -> bool {
        self.inviters == Inviters::Everybody
    }

    /// The numbers of the section, each with its name and all that it may be.
    #[must_use]
    pub fn ranges(&self) -> Vec<(&'static str, u64, RangeInclusive<u64>)> {
        let days = self.domain_archive_days.values().copied().max().unwrap_or_default();
        vec![
            ("sessions", self.sessions as u64, 1..=10_000),
            ("contacts", self.contacts as u64, 1..=100_000),
            ("contact_requests", self.contact_requests as u64, 1..=100_000),
            ("watchers", self.watchers as u64, 1..=100_000),
            ("documents", self.documents as u64, 1..=10_000),
            ("document_bytes", self.document_bytes as u64, 1024..=16 << 20),
            ("documents_bytes", self.documents_bytes as u64, 1024..=1 << 30),
            ("offline_batch", self.offline_batch as u64, 1..=1000),
            ("idle_seconds", self.idle_seconds.into(), 1..=86_400),
            ("avatar_bytes", self.avatar_bytes as u64, 1024..=16 << 20),
            ("file_bytes", self.file_bytes, 0..=16 << 30),
            ("files_bytes", self.files_bytes, 0..=16 << 40),
            ("file_days", self.file_days.into(), 1..=3650),
            ("nodes", self.nodes as u64, 1..=100_000),
            ("node_bytes", self.node_bytes as u64, 1 << 16..=1 << 30),
            ("node_subscribers", self.node_subscribers as u64, 0..=100_000),
            ("wake_addresses", self.wake_addresses as u64, 1..=1000),
            ("wake_seconds", self.wake_seconds.into(), 1..=60),
            ("mailbox", self.mailbox as u64, 16..=1_000_000),
            ("no_answer_seconds", self.no_answer_seconds.into(), 1..=170),
            ("archive_days", self.archive_days.into(), 0..=36_500),
            ("offline_watcher_info_seconds", self.offline_watcher_info_seconds.into(), 1..=31_536_000),
            (
                "offline_watcher_info_cleanup_seconds",
                self.offline_watcher_info_cleanup_seconds.into(),
                1..=86_400,
            ),
            ("domain_archive_days", days.into(), 0..=36_500),
        ]
    }
}

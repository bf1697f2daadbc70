//! Personal nodes: named lists of things that a person keeps with her account and shows to some (the
//! eventing of XEP-0163 without its XML). What the things are only those know who read them.

use std::fmt;

use bytes::Bytes;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// The name of a node: 1 to 1023 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeName(CompactString);

impl NodeName {
    /// `None` where the text is empty or too long.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        is_name(text).then(|| Self(text.into()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of something in a node: 1 to 1023 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ItemId(CompactString);

impl ItemId {
    /// `None` where the text is empty or too long.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        is_name(text).then(|| Self(text.into()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_name(text: &str) -> bool {
    (1..=1023).contains(&text.len())
}

/// Something in a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    pub id: ItemId,
    /// The payload as its publisher wrote it.
    pub payload: Bytes,
}

/// Who may read a node and is told of its changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Everybody.
    Open,
    /// Whoever may see the owner's presence.
    Presence,
    /// Contacts in one of these groups who may see it.
    Groups(Vec<CompactString>),
    /// The owner alone.
    Owner,
}

/// When the last item is told to somebody who did not hear of it when it was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SendLast {
    Never,
    /// When he begins to see the owner's presence or to follow the node.
    OnSubscription,
    /// And whenever one of his sessions becomes available.
    OnPresence,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeConfig {
    pub title: Option<CompactString>,
    pub access: Access,
    /// Items that are kept; the oldest go first.
    pub most_items: u32,
    /// Whether items are kept at all.
    pub persists: bool,
    pub send_last: SendLast,
    /// Whether the payload goes with the news.
    pub tells_payloads: bool,
    pub tells_retractions: bool,
    pub tells_deletion: bool,
    pub tells_changes: bool,
}

impl Default for NodeConfig {
    /// As XEP-0163 §4.1 has it.
    fn default() -> Self {
        Self {
            title: None,
            access: Access::Presence,
            most_items: 1,
            persists: true,
            send_last: SendLast::OnPresence,
            tells_payloads: true,
            tells_retractions: true,
            tells_deletion: false,
            tells_changes: false,
        }
    }
}

/// How a node is to be, as far as somebody says it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NodeOptions {
    pub title: Option<CompactString>,
    pub access: Option<Access>,
    pub most_items: Option<u32>,
    pub persists: Option<bool>,
    pub send_last: Option<SendLast>,
    pub tells_payloads: Option<bool>,
    pub tells_retractions: Option<bool>,
    pub tells_deletion: Option<bool>,
    pub tells_changes: Option<bool>,
}

impl NodeOptions {
    /// `config` with these changes.
    #[must_use]
    pub fn applied_to(&self, config: NodeConfig) -> NodeConfig {
        let Self { title, access, most_items, persists, send_last, .. } = self.clone();
        NodeConfig {
            title: title.or(config.title),
            access: access.unwrap_or(config.access),
            most_items: most_items.unwrap_or(config.most_items),
            persists: persists.unwrap_or(config.persists),
            send_last: send_last.unwrap_or(config.send_last),
            tells_payloads: self.tells_payloads.unwrap_or(config.tells_payloads),
            tells_retractions: self.tells_retractions.unwrap_or(config.tells_retractions),
            tells_deletion: self.tells_deletion.unwrap_or(config.tells_deletion),
            tells_changes: self.tells_changes.unwrap_or(config.tells_changes),
        }
    }
}

/// What the owner does to one of her nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeChange {
    Create(NodeOptions),
    Configure(NodeOptions),
    Delete,
    /// Remove every item.
    Purge,
    /// Add items, or put them in the place of those with their ids. Makes the node where there is none;
    /// where there is one, it must be as `options` say.
    Publish {
        items: Vec<Item>,
        options: NodeOptions,
    },
    /// Remove items; `tells` those who follow the node, whatever it says itself.
    Retract {
        ids: Vec<ItemId>,
        tells: bool,
    },
}

/// What is told of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum NodeNews {
    Published(Vec<Item>),
    /// The same without the payloads.
    Touched(Vec<ItemId>),
    Retracted(Vec<ItemId>),
    Purged,
    Deleted,
    Configured,
}

/// What may be read of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Extract {
    /// How it is.
    Config,
    /// The ids of its items.
    Ids,
    /// These items, as far as they are there.
    Named(Vec<ItemId>),
    /// The last so many items, all where none is said.
    Last(Option<u32>),
}

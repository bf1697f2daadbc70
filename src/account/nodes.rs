//! The owner's personal nodes: published, read, told. The ids of all items are at hand, their payloads in
//! the store; of each node the last one is at hand where it is small.

use std::collections::BTreeMap;

use bytes::Bytes;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{
    Effect, Reply, ReplyTo,
    personal::{Fetch, Personal, Purpose},
    state::{Account, Effects},
};
use crate::{
    presence::Standing,
    signal::{
        Access, Address, Extract, Item, ItemId, NodeChange, NodeConfig, NodeName, NodeNews, NodeOptions,
        Party, Piece, Reason, Reject, SendLast, Timestamp,
    },
    storage::{AT_HAND, Pick, Shelved, Write},
};

/// All nodes.
pub(super) type Nodes = BTreeMap<NodeName, Node>;

/// One node.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// `None` only while the account is being read.
    config: Option<NodeConfig>,
    /// In the order in which they were published.
    items: Vec<Head>,
    /// Who asked to be told, beside those who follow it anyway.
    subscribers: Vec<Party>,
}

/// An item as far as it is at hand.
#[derive(Debug)]
struct Head {
    id: ItemId,
    number: u64,
    bytes: usize,
    /// Of the last one, where it is small.
    payload: Option<Bytes>,
}

/// A node's record on its shelf.
#[derive(Debug, Serialize, Deserialize)]
enum Record {
    V1(NodeConfig),
}

impl Node {
    pub(super) fn config(&self) -> NodeConfig {
        self.config.clone().unwrap_or_default()
    }

    /// Whether its record was found with it.
    pub(super) fn is_whole(&self) -> bool {
        self.config.is_some()
    }

    fn bytes(&self) -> usize {
        self.items.iter().map(|item| item.bytes + ITEM_COST).sum()
    }

    /// Adds an item, whose payload alone is kept.
    fn push(&mut self, head: Head) {
        if let Some(last) = self.items.last_mut() {
            last.payload = None;
        }
        self.items.push(head);
    }
}

impl Personal {
    /// Takes over what was read with the account.
    pub(super) fn take_over_node(&mut self, it: Shelved) {
        let bytes = it.length as usize;
        if it.shelf == NODES {
            let record = it.content.and_then(|content| postcard::from_bytes::<Record>(&content).ok());
            if let (Some(name), Some(Record::V1(config))) = (NodeName::parse(&it.name), record) {
                self.nodes.entry(name).or_default().config = Some(config);
            }
        } else if let Some(name) = it.shelf.strip_prefix(ITEMS).and_then(NodeName::parse)
            && let Some(id) = ItemId::parse(&it.name)
        {
            let node = self.nodes.entry(name).or_default();
            node.push(Head { id, number: it.number, bytes, payload: it.content });
        } else if let Some(name) = it.shelf.strip_prefix(SUBSCRIBERS).and_then(NodeName::parse)
            && let Ok(party) = Party::parse(&it.name)
        {
            self.nodes.entry(name).or_default().subscribers.push(party);
        }
    }
}

impl Account {
    fn node(&self, name: &NodeName) -> Option<&Node> {
        self.personal.as_ref()?.nodes.get(name)
    }

    fn node_mut(&mut self, name: &NodeName) -> Option<&mut Node> {
        self.personal.as_mut()?.nodes.get_mut(name)
    }

    /// The owner changes a node.
    pub(super) fn change_node(
        &mut self,
        name: &NodeName,
        change: NodeChange,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        match change {
            NodeChange::Create(options) => self.create_node(name, &options, effects),
            NodeChange::Configure(options) => self.configure_node(name, &options, now, effects),
            NodeChange::Delete => self.delete_node(name, now, effects),
            NodeChange::Purge => self.purge_node(name, now, effects),
            NodeChange::Publish { items, options } => self.publish(name, items, &options, now, effects),
            NodeChange::Retract { ids, tells } => self.retract(name, &ids, tells, now, effects),
        }
    }

    fn create_node(
        &mut self,
        name: &NodeName,
        options: &NodeOptions,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        if self.node(name).is_some() {
            return Err(Reason::Conflict.into());
        }
        let most = self.shared.limits.nodes;
        let personal = self.personal.get_or_insert_default();
        if personal.nodes.len() >= most {
            return Err(Reject::with_text(Reason::PolicyViolation, "too many nodes"));
        }
        let config = options.applied_to(NodeConfig::default());
        check_config(&config)?;
        effects.push(Effect::Store(record_of(name, &config)));
        personal.nodes.insert(name.clone(), Node { config: Some(config), ..Node::default() });
        Ok(Reply::Done)
    }

    fn configure_node(
        &mut self,
        name: &NodeName,
        options: &NodeOptions,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        let node = self.node_mut(name).ok_or(Reason::NotFound)?;
        let config = options.applied_to(node.config());
        check_config(&config)?;
        node.config = Some(config.clone());
        effects.push(Effect::Store(record_of(name, &config)));
        let most = if config.persists { config.most_items as usize } else { 0 };
        trim(name, node, most, effects);
        if config.tells_changes {
            self.tell_node(name, &config, NodeNews::Configured, now, effects);
        }
        Ok(Reply::Done)
    }

    fn delete_node(
        &mut self,
        name: &NodeName,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        let config = self.node(name).ok_or(Reason::NotFound)?.config();
        if config.tells_deletion {
            self.tell_node(name, &config, NodeNews::Deleted, now, effects);
        }
        if let Some(personal) = &mut self.personal {
            personal.nodes.remove(name);
        }
        for shelf in [items_of(name), subscribers_of(name)] {
            effects.push(Effect::Store(Write::Unshelve { shelf, name: None }));
        }
        let name = Some(name.as_str().into());
        effects.push(Effect::Store(Write::Unshelve { shelf: NODES.into(), name }));
        Ok(Reply::Done)
    }

    fn purge_node(
        &mut self,
        name: &NodeName,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        let node = self.node_mut(name).ok_or(Reason::NotFound)?;
        node.items.clear();
        let config = node.config();
        effects.push(Effect::Store(Write::Unshelve { shelf: items_of(name), name: None }));
        if config.tells_retractions {
            self.tell_node(name, &config, NodeNews::Purged, now, effects);
        }
        Ok(Reply::Done)
    }

    fn publish(
        &mut self,
        name: &NodeName,
        items: Vec<Item>,
        options: &NodeOptions,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        let more: usize = items.iter().map(|item| item.payload.len() + ITEM_COST).sum();
        let used: usize = self.personal.iter().flat_map(|it| it.nodes.values()).map(Node::bytes).sum();
        if used + more > self.shared.limits.node_bytes {
            return Err(Reject::with_text(Reason::PolicyViolation, "the nodes are full"));
        }
        match self.node(name).map(Node::config) {
            None => drop(self.create_node(name, options, effects)?),
            Some(config) if options.applied_to(config.clone()) != config => {
                return Err(Reject::with_text(Reason::Conflict, "the node is otherwise"));
            }
            Some(_) => {}
        }
        let node = self.node_mut(name).ok_or(Reason::Internal)?;
        let config = node.config();
        if config.persists {
            for item in &items {
                put(name, node, item, effects);
            }
            trim(name, node, config.most_items as usize, effects);
        }
        let ids = items.iter().map(|item| item.id.clone()).collect();
        let news = match config.tells_payloads {
            true => NodeNews::Published(items),
            false => NodeNews::Touched(items.into_iter().map(|item| item.id).collect()),
        };
        self.tell_node(name, &config, news, now, effects);
        Ok(Reply::Published(ids))
    }

    fn retract(
        &mut self,
        name: &NodeName,
        ids: &[ItemId],
        tells: bool,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        let node = self.node_mut(name).ok_or(Reason::NotFound)?;
        if !ids.iter().all(|id| node.items.iter().any(|head| head.id == *id)) {
            return Err(Reason::NotFound.into());
        }
        let config = node.config();
        node.items.retain(|head| !ids.contains(&head.id));
        for id in ids {
            let id = Some(id.as_str().into());
            effects.push(Effect::Store(Write::Unshelve { shelf: items_of(name), name: id }));
        }
        if tells || config.tells_retractions {
            self.tell_node(name, &config, NodeNews::Retracted(ids.to_vec()), now, effects);
        }
        Ok(Reply::Done)
    }

    /// Tells those who follow the node, and those who asked to be told.
    fn tell_node(
        &self,
        name: &NodeName,
        config: &NodeConfig,
        news: NodeNews,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let what = Piece::Node { node: name.clone(), news };
        let subscribers = self.node(name).map(|node| node.subscribers.as_slice()).unwrap_or_default();
        for to in subscribers {
            if self.check_access(&to.address, config, now).is_ok() {
                self.tell_party(to, what.clone(), true, effects);
            }
        }
        self.tell_personal(what, Some(&config.access), now, effects);
    }

    /// The names and titles of the nodes that somebody may read.
    pub(super) fn nodes_for(
        &self,
        somebody: &Address,
        now: Timestamp,
    ) -> Vec<(NodeName, Option<CompactString>)> {
        let nodes = self.personal.iter().flat_map(|personal| &personal.nodes);
        let readable = nodes.filter(|(_, node)| self.check_access(somebody, &node.config(), now).is_ok());
        readable.map(|(name, node)| (name.clone(), node.config().title)).collect()
    }

    /// Somebody reads a node. What is in the store is read first: then `reply` gets it later.
    pub(super) fn read_node(
        &self,
        somebody: &Address,
        name: &NodeName,
        extract: &Extract,
        reply: &ReplyTo,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Option<Reply>, Reject> {
        let node = self.node(name).ok_or(Reason::NotFound)?;
        self.check_access(somebody, &node.config(), now)?;
        let pick = match extract {
            Extract::Config => return Ok(Some(Reply::Node(Box::new(node.config())))),
            Extract::Ids => {
                return Ok(Some(Reply::Ids(node.items.iter().map(|head| head.id.clone()).collect())));
            }
            Extract::Named(ids) => Pick::Named(ids.iter().map(|id| id.as_str().into()).collect()),
            Extract::Last(most) => Pick::Last(most.map_or(usize::MAX, |most| most as usize)),
        };
        let purpose = Purpose::Items { reply: reply.clone() };
        effects.push(Effect::Fetch(Box::new(Fetch { shelf: items_of(name), pick, purpose })));
        Ok(None)
    }

    /// Whether somebody may read a node.
    ///
    /// # Errors
    /// [`Reason::NotAuthenticated`] where he had to see the owner's presence, [`Reason::Forbidden`] where
    /// it is not for him.
    fn check_access(&self, somebody: &Address, config: &NodeConfig, now: Timestamp) -> Result<(), Reject> {
        if *somebody == self.address {
            return Ok(());
        }
        let sees = !self.shuts_out(somebody, now) && self.standing(somebody) == Standing::Allowed;
        match &config.access {
            Access::Open if !self.shuts_out(somebody, now) => Ok(()),
            Access::Owner => Err(Reason::Forbidden.into()),
            Access::Groups(groups) if !self.is_in_groups(somebody, groups) => Err(Reason::Forbidden.into()),
            Access::Open | Access::Presence | Access::Groups(_) if sees => Ok(()),
            Access::Open | Access::Presence | Access::Groups(_) => Err(Reason::NotAuthenticated.into()),
        }
    }

    /// Whether somebody is a contact in one of these groups.
    pub(super) fn is_in_groups(&self, somebody: &Address, groups: &[CompactString]) -> bool {
        let contact = self.roster.find(somebody);
        contact.is_some_and(|contact| contact.groups.iter().any(|group| groups.contains(group)))
    }

    /// Tells one session of the last item of a node.
    pub(super) fn tell_last(
        &self,
        to: &Party,
        name: &NodeName,
        asked: bool,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let Some(node) = self.node(name) else { return };
        let config = node.config();
        let Some(last) = node.items.last() else { return };
        if config.send_last == SendLast::Never || self.check_access(&to.address, &config, now).is_err() {
            return;
        }
        let tell = |news| Piece::Node { node: name.clone(), news };
        match &last.payload {
            _ if !config.tells_payloads => {
                self.tell_party(to, tell(NodeNews::Touched(vec![last.id.clone()])), asked, effects);
            }
            Some(payload) => {
                let item = Item { id: last.id.clone(), payload: payload.clone() };
                self.tell_party(to, tell(NodeNews::Published(vec![item])), asked, effects);
            }
            None => {
                let purpose = Purpose::TellLast { to: to.clone(), node: name.clone(), asked };
                let pick = Pick::Named(vec![last.id.as_str().into()]);
                effects.push(Effect::Fetch(Box::new(Fetch { shelf: items_of(name), pick, purpose })));
            }
        }
    }

    /// Somebody asks to be told of a node's news, or no more.
    pub(super) fn subscribe_to_node(
        &mut self,
        from: &Party,
        name: &NodeName,
        on: bool,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<Reply, Reject> {
        let config = self.node(name).ok_or(Reason::NotFound)?.config();
        self.check_access(&from.address, &config, now)?;
        let most = self.shared.limits.node_subscribers;
        let node = self.node_mut(name).ok_or(Reason::NotFound)?;
        let known = node.subscribers.iter().position(|one| one == from);
        let (shelf, party) = (subscribers_of(name), CompactString::from(from.to_string()));
        match (known, on) {
            (Some(_), true) => {}
            (Some(known), false) => {
                node.subscribers.remove(known);
                effects.push(Effect::Store(Write::Unshelve { shelf, name: Some(party) }));
            }
            (None, false) => return Err(Reason::Unexpected.into()),
            (None, true) if node.subscribers.len() >= most => {
                return Err(Reject::with_text(Reason::PolicyViolation, "too many subscribers"));
            }
            (None, true) => {
                node.subscribers.push(from.clone());
                effects.push(Effect::Store(Write::Shelve(Shelved::new(shelf, party, 0, Bytes::new()))));
                self.tell_last(from, name, true, now, effects);
            }
        }
        Ok(Reply::Done)
    }
}

/// Items as they were read.
pub(super) fn items_from(found: Vec<Shelved>) -> Vec<Item> {
    let item = |it: Shelved| Some(Item { id: ItemId::parse(&it.name)?, payload: it.content? });
    found.into_iter().filter_map(item).collect()
}

fn put(name: &NodeName, node: &mut Node, item: &Item, effects: &mut Effects) {
    node.items.retain(|head| head.id != item.id);
    let number = node.items.last().map_or(0, |head| head.number) + 1;
    let payload = (item.payload.len() <= AT_HAND).then(|| item.payload.clone());
    node.push(Head { id: item.id.clone(), number, bytes: item.payload.len(), payload });
    let it = Shelved::new(items_of(name), item.id.as_str().into(), number, item.payload.clone());
    effects.push(Effect::Store(Write::Shelve(it)));
}

/// Removes the oldest items beyond `most`.
fn trim(name: &NodeName, node: &mut Node, most: usize, effects: &mut Effects) {
    let over = node.items.len().saturating_sub(most);
    for head in node.items.drain(..over) {
        let id = Some(head.id.as_str().into());
        effects.push(Effect::Store(Write::Unshelve { shelf: items_of(name), name: id }));
    }
}

fn check_config(config: &NodeConfig) -> Result<(), Reject> {
    let groups = match &config.access {
        Access::Groups(groups) => groups.iter().map(|group| group.len()).sum(),
        _ => 0,
    };
    let title = config.title.as_ref().map_or(0, |title| title.len());
    if !(1..=MOST_ITEMS).contains(&config.most_items) || groups + title > NAMES_BYTES {
        return Err(Reject::with_text(Reason::NotAcceptable, "a node cannot be like this"));
    }
    Ok(())
}

fn record_of(name: &NodeName, config: &NodeConfig) -> Write {
    let record = postcard::to_allocvec(&Record::V1(config.clone())).unwrap_or_default();
    Write::Shelve(Shelved::new(NODES.into(), name.as_str().into(), 0, record.into()))
}

fn items_of(name: &NodeName) -> CompactString {
    CompactString::from(format!("{ITEMS}{name}"))
}

fn subscribers_of(name: &NodeName) -> CompactString {
    CompactString::from(format!("{SUBSCRIBERS}{name}"))
}

/// How nodes are, by their names.
const NODES: &str = "nodes";
/// What the shelf of a node's items begins with.
const ITEMS: &str = "items/";
/// What the shelf of those begins with who asked to be told.
const SUBSCRIBERS: &str = "subscribers/";
/// Most items of a node.
pub const MOST_ITEMS: u32 = 1000;
/// Most bytes of a node's title and groups together: its record is to be at hand.
const NAMES_BYTES: usize = 512;
/// What an item costs beside its payload.
const ITEM_COST: usize = 128;

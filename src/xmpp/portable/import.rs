//! Accounts of what a file of XEP-0227 has.

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
};

use bytes::Bytes;
use minidom::Element;

use super::{
    PIE, PUBSUB, PUBSUB_OWNER, PortableError, SCRAM, pieces,
    read::{Step, Steps},
};
use crate::{
    admin::{Admin, AdminError, Kept, Told},
    auth::{ScramHash, ScramVerifier},
    signal::{Access, Address, Item, ItemId, MessageId, NodeName, NodeOptions, Profile, Timestamp},
    xmpp::xep::{
        avatar,
        node_form::{self, Purpose},
        vcard_temp,
    },
};

/// What becomes of accounts that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportChoice {
    /// They are left alone, and that is said.
    NewOnly,
    /// They get what the file has; their password stays.
    IntoExisting,
}

/// Makes the accounts of a file; `say` is told in words what became of each, and what was left out. Returns how many
/// there were. Where something waits that contacts wrote meanwhile, nothing of it is lost.
///
/// # Errors
/// The file cannot be read to its end, or the store not be written. What was said to be done before is done.
pub async fn import(
    admin: &Admin,
    file: &Path,
    choice: ImportChoice,
    say: &mut (dyn FnMut(String) + Send),
) -> Result<usize, PortableError> {
    let mut steps = Steps::open(file)?;
    let mut host = String::new();
    let mut user: Option<User> = None;
    let mut count = 0;
    while let Some(step) = steps.next()? {
        match step {
            Step::Host { domain } => host = domain,
            Step::User { local, password } => {
                user = match User::begin(admin, &local, &host, password, choice).await {
                    Ok(begun) => Some(begun),
                    Err(why) => {
                        say(format!("{local}@{host}: not imported: {why}"));
                        None
                    }
                };
            }
            Step::Piece(text) => {
                if let Some(user) = &mut user {
                    user.take(&text);
                }
            }
            Step::Offline(text) => {
                if let Some(user) = &mut user {
                    let message = pieces::offline(&text, &user.address, Timestamp::now());
                    let waits = message.as_ref().is_some_and(|message| user.waiting.contains(&message.id));
                    if !waits {
                        user.keep("waiting messages", message.map(Kept::Offline));
                    }
                }
            }
            Step::Archived(text) => {
                if let Some(user) = &mut user {
                    let element = text.parse::<Element>().ok();
                    let archived = element.and_then(|element| pieces::archived(&element, &user.address));
                    user.keep("archived messages", archived.map(Kept::Archived));
                }
            }
            Step::UserEnd => {
                if let Some(user) = user.take() {
                    user.end(admin, say).await?;
                    count += 1;
                }
            }
            Step::Unknown(what) => say(format!("not taken over: {what}")),
        }
        if let Some(user) = user.as_mut().filter(|user| user.kept.len() >= BATCH) {
            admin.keep(&user.address, std::mem::take(&mut user.kept)).await?;
        }
    }
    Ok(count)
}

/// An account on its way in.
struct User {
    address: Address,
    /// It is new and has no password by which anybody could log in.
    wants_proof: bool,
    /// What waits for her already.
    waiting: HashSet<MessageId>,
    scram: Vec<(ScramHash, ScramVerifier)>,
    kept: Vec<Kept>,
    profile: Option<Profile>,
    picture: Option<Bytes>,
    options: BTreeMap<NodeName, NodeOptions>,
    nodes: Vec<(NodeName, Vec<Item>)>,
    done: BTreeMap<&'static str, usize>,
    lost: BTreeMap<String, usize>,
}

impl User {
    async fn begin(
        admin: &Admin,
        local: &str,
        host: &str,
        password: Option<String>,
        choice: ImportChoice,
    ) -> Result<Self, String> {
        let address = Address::new(local, host).map_err(|error| error.to_string())?;
        let exists = admin.has_account(&address).await.map_err(|error| error.to_string())?;
        if exists && choice == ImportChoice::NewOnly {
            return Err("the account exists already".to_owned());
        }
        let password = password.filter(|password| !password.is_empty());
        let wants_proof = !exists && password.is_none();
        let mut waiting = HashSet::new();
        if exists {
            let messages = admin.waiting(&address).await.map_err(|error| error.to_string())?;
            waiting.extend(messages.iter().map(|message| message.id));
        } else {
            admin.welcome(&address, password.as_deref()).await.map_err(|error| error.to_string())?;
        }
        Ok(Self {
            address,
            wants_proof,
            waiting,
            scram: Vec::new(),
            kept: Vec::new(),
            profile: None,
            picture: None,
            options: BTreeMap::new(),
            nodes: Vec::new(),
            done: BTreeMap::new(),
            lost: BTreeMap::new(),
        })
    }

    fn keep(&mut self, what: &'static str, kept: Option<Kept>) {
        match kept {
            Some(kept) => {
                *self.done.entry(what).or_default() += 1;
                self.kept.push(kept);
            }
            None => self.lose(what),
        }
    }

    fn lose(&mut self, what: impl Into<String>) {
        *self.lost.entry(what.into()).or_default() += 1;
    }

    fn take(&mut self, text: &str) {
        let Ok(element) = text.parse::<Element>() else {
            return self.lose("an element that is not well-formed");
        };
        match (element.name(), element.ns().as_str()) {
            ("scram-credentials", SCRAM) => match pieces::scram(&element) {
                Some(known) => self.scram.push(known),
                None => self
                    .lose(format!("credentials of {}", element.attr("mechanism").unwrap_or("no mechanism"))),
            },
            ("query", "jabber:iq:roster") => {
                for item in element.children().filter(|item| item.name() == "item") {
                    self.keep("contacts", pieces::contact(item).map(Kept::Contact));
                }
            }
            ("presence", "jabber:client") => {
                self.keep("contact requests", pieces::request(text, Timestamp::now()).map(Kept::Request));
            }
            ("query", "jabber:iq:privacy") => self.take_privacy(&element),
            ("query", "jabber:iq:private") => element.children().for_each(|kept| self.take_private(kept)),
            ("vCard", "vcard-temp") => {
                match vcard_temp::parse_photo(&element) {
                    Ok(picture) => self.picture = picture.or_else(|| self.picture.take()),
                    Err(_) => self.lose("the picture in the vCard"),
                }
                self.profile = Some(vcard_temp::parse(&element));
            }
            ("pubsub", PUBSUB_OWNER) => element.children().for_each(|child| self.take_config(child)),
            ("pubsub", PUBSUB) => element.children().for_each(|child| self.take_items(child)),
            (name, namespace) if namespace == PIE || !namespace.is_empty() => {
                self.lose(format!("{name} of {namespace}"));
            }
            (name, _) => self.lose(name.to_owned()),
        }
    }

    /// Of privacy lists (XEP-0016) there is one for everything here: whom the default list shuts out wholly.
    fn take_privacy(&mut self, privacy: &Element) {
        let default =
            privacy.children().find(|child| child.name() == "default").and_then(|it| it.attr("name"));
        for list in privacy.children().filter(|child| child.name() == "list") {
            if default.is_none() || list.attr("name") != default {
                self.lose(format!("the privacy list '{}'", list.attr("name").unwrap_or_default()));
                continue;
            }
            for item in list.children().filter(|item| item.name() == "item") {
                let is_whole = item.children().next().is_none();
                let denies = item.attr("type") == Some("jid") && item.attr("action") == Some("deny");
                let blocked = item.attr("value").and_then(|value| Address::parse(value).ok());
                match blocked.filter(|_| is_whole && denies) {
                    Some(blocked) => self.keep("blocks", Some(Kept::Blocked(blocked))),
                    // All others pass here anyway.
                    None if item.attr("action") == Some("allow") && item.attr("type").is_none() => {}
                    None => self.lose("privacy rules"),
                }
            }
        }
    }

    /// As the node that XEP-0049 is here.
    fn take_private(&mut self, kept: &Element) {
        let namespace = kept.ns();
        let name = NodeName::parse(&namespace).filter(|_| !namespace.starts_with("jabber:"));
        let Some(name) = name.filter(|_| namespace != "storage:bookmarks") else {
            return self.lose(format!("private data of {namespace}"));
        };
        let item = Item { id: current(), payload: String::from(kept).into() };
        let options = NodeOptions { access: Some(Access::Owner), ..NodeOptions::default() };
        self.options.entry(name.clone()).or_insert(options);
        self.nodes.push((name, vec![item]));
    }

    fn take_config(&mut self, configure: &Element) {
        let node = configure.attr("node").unwrap_or_default();
        if configure.name() != "configure" {
            if configure.children().next().is_some() {
                self.lose(format!("{} of {node}", configure.name()));
            }
            return;
        }
        let options = node_form::parse(configure, Purpose::Configure);
        match (NodeName::parse(node), options) {
            (Some(name), _) if is_derived(&name) => {}
            (Some(name), Ok(options)) => drop(self.options.insert(name, options)),
            // Who may not do what others did keeps it for herself.
            (Some(name), Err(_)) => {
                self.lose(format!("the configuration of {node}"));
                let options = NodeOptions { access: Some(Access::Owner), ..NodeOptions::default() };
                self.options.insert(name, options);
            }
            (None, _) => self.lose(format!("the node '{node}'")),
        }
    }

    fn take_items(&mut self, items: &Element) {
        let node = items.attr("node").unwrap_or_default();
        let Some(name) = NodeName::parse(node).filter(|_| items.name() == "items") else {
            return self.lose(format!("{} of '{node}'", items.name()));
        };
        if node == avatar::DATA {
            let data = items.children().last().and_then(|item| item.children().next()).map(Element::text);
            let wrapped = data.map(|data| {
                format!("<vCard xmlns='vcard-temp'><PHOTO><BINVAL>{data}</BINVAL></PHOTO></vCard>")
            });
            let card = wrapped.and_then(|card| card.parse::<Element>().ok());
            self.picture = card
                .and_then(|card| vcard_temp::parse_photo(&card).ok().flatten())
                .or_else(|| self.picture.take());
            return;
        }
        if is_derived(&name) {
            return;
        }
        let mut taken = Vec::new();
        for item in items.children().filter(|item| item.name() == "item") {
            let id = item.attr("id").and_then(ItemId::parse);
            match id.zip(item.children().next()) {
                Some((id, payload)) => taken.push(Item { id, payload: String::from(payload).into() }),
                None => self.lose(format!("items of {node}")),
            }
        }
        self.nodes.push((name, taken));
    }

    /// Hands over what is left, and says what became of it all.
    async fn end(mut self, admin: &Admin, say: &mut (dyn FnMut(String) + Send)) -> Result<(), PortableError> {
        let address = self.address.clone();
        admin.keep(&address, std::mem::take(&mut self.kept)).await?;
        if self.wants_proof && !self.scram.is_empty() {
            admin.prove_by_scram(&address, &self.scram).await?;
        }
        if let Some(profile) = self.profile.take() {
            self.tell(admin, "profile", Told::Profile(profile)).await;
        }
        if let Some(picture) = self.picture.take() {
            self.tell(admin, "picture", Told::Picture(picture)).await;
        }
        for (name, items) in std::mem::take(&mut self.nodes) {
            let options = self.options.remove(&name).unwrap_or_default();
            self.tell(admin, "nodes", Told::Node { name, options, items }).await;
        }
        for (name, options) in std::mem::take(&mut self.options) {
            self.tell(admin, "nodes", Told::Node { name, options, items: Vec::new() }).await;
        }
        let done: Vec<_> = self.done.iter().map(|(what, count)| format!("{count} {what}")).collect();
        say(format!(
            "{address}: {}",
            if done.is_empty() { "nothing but its name".to_owned() } else { done.join(", ") }
        ));
        for (what, count) in &self.lost {
            say(format!("{address}: not taken over: {count} x {what}"));
        }
        if self.wants_proof && self.scram.is_empty() {
            say(format!("{address}: nobody can log in until a password is set"));
        } else if self.wants_proof {
            let known: Vec<_> = self.scram.iter().map(|(hash, _)| hash.mechanism()).collect();
            say(format!(
                "{address}: logs in by {} with the old password; by all other ways once it was typed on the page or sent \
                 by PLAIN",
                known.join(", ")
            ));
        }
        Ok(())
    }

    async fn tell(&mut self, admin: &Admin, what: &'static str, told: Told) {
        let name = match &told {
            Told::Node { name, .. } => format!("node {name}"),
            Told::Profile(_) | Told::Picture(_) => what.to_owned(),
        };
        match admin.tell(&self.address, told).await {
            Ok(()) => *self.done.entry(what).or_default() += 1,
            Err(AdminError::Refused(reject)) => self.lose(format!("{name}: {reject}")),
            Err(error) => self.lose(format!("{name}: {error}")),
        }
    }
}

/// Whether a node says only what stands in the profile or the picture.
fn is_derived(name: &NodeName) -> bool {
    avatar::is_node(name) || name.as_str() == "urn:xmpp:vcard4"
}

fn current() -> ItemId {
    ItemId::parse("current").expect("a word is an id")
}

/// Things that are put into the store in one go.
const BATCH: usize = 500;

//! What an account keeps of its owner beside contacts and messages: read with the account as far as it is
//! small, fetched from the store where it is large.

use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{
    Answer, Effect, Event, Reply, ReplyTo,
    endpoints::Endpoint,
    faces::{FACES, Faces},
    nodes::{Nodes, items_from},
    profile::profile_from,
    state::{Account, Effects},
    waking::{self, Sleepers},
};
use crate::{
    presence::{Standing, Why},
    signal::{
        Access, Address, Avatar, AvatarHash, Enquiry, Handling, News, NodeName, NodeNews, Party,
        PersonalNews, Piece, Reason, Reject, SessionId, Signal, Timestamp, Topic, Wanted,
    },
    storage::{Pick, Shelved},
};

/// What is at hand. Boxed: many accounts have nothing of it.
#[derive(Debug, Default)]
pub(super) struct Personal {
    pub(super) avatar: AvatarState,
    /// Pictures that were brought and not put on, newest last.
    pub(super) staged: Vec<AvatarHash>,
    /// The picture is for those alone who may see the owner's presence.
    pub(super) is_avatar_private: bool,
    pub(super) nodes: Nodes,
    pub(super) sleepers: Sleepers,
    /// Of people of other domains.
    pub(super) faces: Faces,
}

/// The owner's picture.
#[derive(Debug, Default)]
pub(super) enum AvatarState {
    /// She never had one.
    #[default]
    Never,
    /// She took it off.
    Without,
    Has(Arc<Avatar>),
}

/// Something to be read from the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fetch {
    pub shelf: CompactString,
    pub pick: Pick,
    pub purpose: Purpose,
}

/// What is read for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Purpose {
    /// Somebody asked for this picture.
    Picture { avatar: Arc<Avatar>, reply: ReplyTo },
    /// This picture, which was brought before, becomes the owner's.
    PutOn { hash: AvatarHash, reply: Option<ReplyTo> },
    /// Somebody reads the profile.
    Profile { reply: ReplyTo },
    /// A session is told of the profile.
    TellProfile { to: Party },
    /// Somebody reads these items.
    Items { reply: ReplyTo },
    /// A session is told of the last item of a node.
    TellLast { to: Party, node: NodeName, asked: bool },
}

impl Personal {
    /// What was read with the account.
    pub(super) fn new(shelves: Vec<Shelved>) -> Option<Box<Self>> {
        let mut personal: Option<Box<Self>> = None;
        for it in shelves {
            personal.get_or_insert_default().take_over(it);
        }
        if let Some(personal) = &mut personal {
            personal.nodes.retain(|_, node| node.is_whole());
        }
        personal
    }

    fn take_over(&mut self, it: Shelved) {
        match it.shelf.as_str() {
            super::avatar::PICTURES => self.take_over_picture(&it),
            super::avatar::OWN if it.name == super::avatar::WORN => self.take_over_worn(&it),
            super::avatar::OWN if it.name == super::avatar::PRIVATE => self.is_avatar_private = true,
            waking::SHELF => self.sleepers.take_over(&it),
            FACES => self.take_over_face(&it),
            _ => self.take_over_node(it),
        }
    }
}

impl Account {
    /// A question about the owner, by `from`.
    pub(super) fn handle_enquiry(
        &mut self,
        from: &Party,
        wanted: &Wanted,
        reply: Option<ReplyTo>,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        if let Wanted::Latest { topics } = wanted {
            return self.handle_latest(from, topics, now, effects);
        }
        let Some(reply) = reply else { return };
        let outcome = match wanted {
            _ if self.shuts_out(&from.address, now) => Err(Reason::NoSession.into()),
            Wanted::Profile => return self.fetch_profile(&reply, effects),
            Wanted::AvatarAccess => {
                let hash = self.avatar().map(|avatar| avatar.hash);
                Ok(Reply::AvatarAccess { is_open: self.is_avatar_open(), hash })
            }
            Wanted::Avatar | Wanted::Picture { .. } if !self.may_see_avatar(&from.address) => {
                Err(Reason::NotAuthenticated.into())
            }
            Wanted::Avatar => Ok(Reply::Avatar(self.avatar().cloned())),
            Wanted::Picture { hash } => match self.fetch_picture(*hash, &reply, effects) {
                Ok(()) => return,
                Err(reject) => Err(reject),
            },
            Wanted::LastSeen => self.last_seen(&from.address, now),
            Wanted::Reach => self.reach(&from.address, now).map(Reply::Reach),
            Wanted::Nodes if !self.is_shown_anything(&from.address) => Err(Reason::NoSession.into()),
            Wanted::Nodes => Ok(Reply::Nodes(self.nodes_for(&from.address, now))),
            Wanted::Node { node, extract } => {
                match self.read_node(&from.address, node, extract, &reply, now, effects).transpose() {
                    Some(outcome) => outcome,
                    None => return,
                }
            }
            Wanted::Subscription { node, on, is_bare } => {
                let party = if *is_bare { Party::from(from.address.clone()) } else { from.clone() };
                self.subscribe_to_node(&party, node, *on, now, effects)
            }
            Wanted::Latest { .. } => Ok(Reply::Done),
        };
        effects.push(Effect::Answer(Answer { to: reply, about: None, outcome }));
    }

    /// Whether the owner shuts somebody out, who is told nothing of her, not even what everybody may know.
    pub(super) fn shuts_out(&self, somebody: &Address, now: Timestamp) -> bool {
        let blocks = |handling| matches!(handling, Handling::Block | Handling::PoliteBlock);
        let is_ruled_out = || {
            self.rules_on(somebody, now)
                .is_some_and(|verdict| blocks(verdict.handling) && matches!(verdict.why, Why::Rule(_)))
        };
        *somebody != self.address && (self.is_blocked(somebody) || is_ruled_out())
    }

    /// Somebody's session wants to know how things are that it follows.
    fn handle_latest(&self, from: &Party, topics: &[Topic], now: Timestamp, effects: &mut Effects) {
        let may_see = self.standing(&from.address) == Standing::Allowed;
        if may_see && !self.shuts_out(&from.address, now) {
            self.tell_latest(from, topics, now, effects);
        }
    }

    /// Tells one session how things are.
    fn tell_latest(&self, to: &Party, topics: &[Topic], now: Timestamp, effects: &mut Effects) {
        for topic in topics {
            match topic {
                Topic::Avatar => {
                    if let Some(what) = self.avatar_piece() {
                        self.tell_party(to, what, false, effects);
                    }
                }
                Topic::Profile => self.tell_profile(to, effects),
                Topic::Node(node) => self.tell_last(to, node, false, now, effects),
            }
        }
    }

    /// Tells one party, who `asked` to be told or follows it.
    pub(super) fn tell_party(&self, to: &Party, what: Piece, asked: bool, effects: &mut Effects) {
        let news = PersonalNews { asked, ..PersonalNews::new(self.address.clone(), what) };
        let signal = Signal::Personal { to: to.clone(), news: Arc::new(news) };
        effects.push(Effect::Route { signal, reply: None });
    }

    /// What was to be read is here; `None` where it could not be read.
    pub(super) fn handle_fetched(
        &mut self,
        purpose: Purpose,
        found: Option<Vec<Shelved>>,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let found = found.ok_or_else(|| Reject::from(Reason::Internal));
        let purpose = match purpose {
            Purpose::Items { reply } => {
                let outcome = found.map(|found| Reply::Items(items_from(found)));
                return effects.push(Effect::Answer(Answer { to: reply, about: None, outcome }));
            }
            Purpose::TellLast { to, node, asked } => {
                let items = found.map(items_from).unwrap_or_default();
                if !items.is_empty() {
                    let what = Piece::Node { node, news: NodeNews::Published(items) };
                    self.tell_party(&to, what, asked, effects);
                }
                return;
            }
            Purpose::Profile { reply } => {
                let outcome = found.map(|found| Reply::Profile(profile_from(found)));
                return effects.push(Effect::Answer(Answer { to: reply, about: None, outcome }));
            }
            Purpose::TellProfile { to } => {
                if let Some(profile) = found.ok().and_then(profile_from) {
                    self.tell_party(&to, Piece::Profile(Arc::new(profile)), false, effects);
                }
                return;
            }
            purpose => purpose,
        };
        let first = found.map(|found| found.into_iter().next().and_then(|it| it.content));
        let (reply, outcome) = match purpose {
            Purpose::Picture { avatar, reply } => {
                let picture = first.and_then(|bytes| bytes.ok_or_else(|| Reason::NotFound.into()));
                (Some(reply), picture.map(|bytes| Reply::Picture { avatar, bytes }))
            }
            Purpose::Items { .. }
            | Purpose::TellLast { .. }
            | Purpose::Profile { .. }
            | Purpose::TellProfile { .. } => return,
            Purpose::PutOn { hash, reply } => {
                let bytes = first.and_then(|bytes| bytes.ok_or_else(|| Reason::NotFound.into()));
                (reply, bytes.and_then(|bytes| self.put_on(hash, &bytes, now, effects)))
            }
        };
        if let Some(to) = reply {
            effects.push(Effect::Answer(Answer { to, about: None, outcome }));
        }
    }

    /// Tells the owner's sessions and her contacts, as far as they want to hear of it.
    pub(super) fn tell_personal(
        &self,
        what: Piece,
        access: Option<&Access>,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let topic = what.topic();
        let news = Arc::new(PersonalNews::new(self.address.clone(), what));
        let own = self.endpoints.ids(|endpoint| endpoint.follows(&topic));
        super::announce::tell(own, Event::Personal(Arc::clone(&news)), effects);
        let may_know = |somebody: &&Address| match access {
            Some(Access::Groups(groups)) => self.is_in_groups(somebody, groups),
            Some(Access::Owner) => false,
            Some(Access::Open | Access::Presence) | None => true,
        };
        let to: Vec<_> = self.watching_contacts(now).filter(may_know).cloned().collect();
        if !to.is_empty() {
            effects.push(Effect::RouteAll { to, news: News::Personal(news) });
        }
    }

    /// Contacts who may see the owner.
    fn watching_contacts(&self, now: Timestamp) -> impl Iterator<Item = &Address> {
        let watches =
            move |somebody: &&Address| !self.is_hidden_from(somebody) && !self.shuts_out(somebody, now);
        self.roster.iter().filter(|contact| contact.from).map(|contact| &contact.address).filter(watches)
    }

    /// Somebody tells of himself.
    pub(super) fn handle_personal(&self, to: &Party, news: Arc<PersonalNews>, effects: &mut Effects) {
        if self.is_blocked(&news.from) {
            return;
        }
        let topic = news.what.topic();
        let wanted = |endpoint: &Endpoint| {
            (endpoint.follows(&topic) || (news.asked && endpoint.follows_presence()))
                && to.resource.as_ref().is_none_or(|resource| resource == endpoint.resource())
        };
        super::announce::tell(self.endpoints.ids(wanted), Event::Personal(news), effects);
    }

    /// A session wants to hear of other things than before, or has just become available: it is told how
    /// things are, the owner's own and her contacts'.
    pub(super) fn catch_up(
        &self,
        session: SessionId,
        topics: &[Topic],
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let Some(endpoint) = self.endpoints.find(session) else { return };
        if topics.is_empty() || !endpoint.is_available() {
            return;
        }
        let party = Party::full(self.address.clone(), endpoint.resource().clone());
        let topics: Arc<[Topic]> = topics.into();
        for to in self.roster.iter().filter(|contact| contact.to).map(|contact| &contact.address) {
            ask_for_latest(&party, to, &topics, effects);
        }
        self.tell_latest(&party, &topics, now, effects);
    }

    /// Somebody lets the owner see him: her sessions want to know how the things are that they follow.
    pub(super) fn catch_up_with(&self, somebody: &Address, effects: &mut Effects) {
        for endpoint in self.endpoints.iter().filter(|endpoint| endpoint.is_available()) {
            if !endpoint.topics().is_empty() {
                let party = Party::full(self.address.clone(), endpoint.resource().clone());
                ask_for_latest(&party, somebody, &endpoint.topics().into(), effects);
            }
        }
    }
}

fn ask_for_latest(party: &Party, to: &Address, topics: &Arc<[Topic]>, effects: &mut Effects) {
    let wanted = Wanted::Latest { topics: Arc::clone(topics) };
    let enquiry = Enquiry { from: party.clone(), to: to.clone(), wanted };
    effects.push(Effect::Route { signal: Signal::Enquiry(Arc::new(enquiry)), reply: None });
}

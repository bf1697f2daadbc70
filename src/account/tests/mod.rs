//! The rules of several accounts played against each other: what one routes, the others handle.
//! No disk, no clock: time is a number, stores are only counted.

mod abroad;
mod automation;
mod avatar;
mod blocks;
mod contacts;
mod delivery;
mod last_seen;
mod lasting;
mod nodes;
mod offline;
mod policy;
mod preferences;
mod presence;
mod probes;
mod rules;
mod subscriptions;
mod temporary;
mod waking;
mod watchers;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use crate::{
    account::{
        About, Answer, Copy, Direct, Effect, Event, Fetch, Input, PreferencesChange, Reply, ReplyTo, Request,
        SessionKind, SessionSpec, Shown, WakeUp, WatchId, WatchKind, WatchSpec, WatchState,
        config::Config,
        state::{Account, Shared},
    },
    signal::{
        Address, Availability, AvatarMark, ContactEvent, Content, HookCall, ItemId, Keep, Message, MessageId,
        MessageKind, Native, NodeNews, Occasion, Party, Piece, Presence, Probe, Reason, Reject, RequestId,
        Resource, SessionId, Signal, Snapshot, Text, Timestamp,
    },
    storage::{AT_HAND, AccountKey, AccountRecord, Pick, Preferences, Shelved, Write},
};

/// Several accounts of `example.org`, and what came out of them.
struct World {
    accounts: BTreeMap<Address, Account>,
    next: u64,
    now: Timestamp,
    /// What each session was told since it was last asked, in words.
    told: BTreeMap<SessionId, Vec<String>>,
    shown: BTreeMap<WatchId, Vec<Told>>,
    answers: Vec<Answer>,
    stored: Vec<(Address, Write)>,
    shelves: BTreeMap<Address, Vec<Shelved>>,
    reads: Vec<(Address, SessionId)>,
    counts: Vec<(Address, u32)>,
    wakes: Vec<(Address, Timestamp)>,
    hooks: Vec<HookCall>,
    roused: Vec<WakeUp>,
    /// What was for other domains.
    sent: Vec<Signal>,
    /// Deliveries are confirmed unless the session is in here.
    deaf: Vec<SessionId>,
}

/// What a watcher was shown at one time.
type Told = (WatchState, Option<Shown>);

impl World {
    fn of(names: &[&str]) -> Self {
        Self::with(names, Config::default())
    }

    fn with(names: &[&str], limits: Config) -> Self {
        let mut world = Self {
            accounts: BTreeMap::new(),
            next: 1,
            now: Timestamp(1_000_000),
            told: BTreeMap::new(),
            shown: BTreeMap::new(),
            answers: Vec::new(),
            stored: Vec::new(),
            shelves: BTreeMap::new(),
            reads: Vec::new(),
            counts: Vec::new(),
            wakes: Vec::new(),
            hooks: Vec::new(),
            roused: Vec::new(),
            sent: Vec::new(),
            deaf: Vec::new(),
        };
        let shared = Arc::new(Shared { limits, home: home(), automation: Arc::default() });
        for name in names {
            let address = address(name);
            let account = Account::new(record(&address), Arc::clone(&shared), world.now);
            world.accounts.insert(address, account);
        }
        world
    }

    fn account(&mut self, name: &str) -> &mut Account {
        self.accounts.get_mut(&address(name)).expect("the account is in the world")
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Handles one input and everything that follows from it.
    fn input(&mut self, name: &str, input: Input) {
        let mut queue = VecDeque::from([(address(name), input)]);
        while let Some((owner, input)) = queue.pop_front() {
            self.now = Timestamp(self.now.0 + 1);
            let now = self.now;
            let mut effects = Vec::new();
            if let Some(account) = self.accounts.get_mut(&owner) {
                account.handle(input, now, &mut effects);
            }
            for effect in effects {
                self.perform(&owner, effect, &mut queue);
            }
        }
    }

    fn perform(&mut self, owner: &Address, effect: Effect, queue: &mut VecDeque<(Address, Input)>) {
        match effect {
            Effect::Store(Write::Hook(call)) => self.hooks.push(*call),
            Effect::Store(write) => {
                self.shelve(owner, &write);
                self.stored.push((owner.clone(), write));
            }
            Effect::Deliver { sessions, message, reply, tries } => {
                let mut taken = false;
                for session in sessions {
                    if !self.deaf.contains(&session) {
                        taken = true;
                        self.tell(session, words_of(&message, Copy::Original));
                    }
                }
                if !taken {
                    queue.push_back((owner.clone(), Input::Returned { message, reply, tries: tries + 1 }));
                } else if let Some(to) = reply {
                    let outcome = Ok(Reply::Sent(crate::account::Sent::Delivered));
                    self.answers.push(Answer { to, about: Some(About::Message(message)), outcome });
                }
            }
            Effect::Copy { sessions, message, copy } => {
                for session in sessions {
                    self.tell(session, words_of(&message, copy));
                }
            }
            Effect::DeliverOffline { session, messages } => {
                for message in messages {
                    self.tell(session, words_of(&message, Copy::Offline));
                }
            }
            Effect::Tell { session, event } => self.tell(session, event_words(&event)),
            Effect::TellAll { sessions, event } => {
                for session in sessions {
                    self.tell(session, event_words(&event));
                }
            }
            Effect::Show { watch, state, shown } => {
                self.shown.entry(watch).or_default().push((state, shown));
            }
            Effect::Route { signal, reply } => {
                let to = signal.to().clone();
                if self.accounts.contains_key(&to) {
                    queue.push_back((to, Input::Signal { signal, reply }));
                } else if !is_home(&to) {
                    self.sent.push(signal);
                } else if let Some(to) = reply {
                    let outcome = match signal {
                        Signal::Contact(_) => Ok(Reply::Done),
                        _ => Err(Reason::NotFound.into()),
                    };
                    self.answers.push(Answer { to, about: None, outcome });
                }
            }
            Effect::RouteAll { mut to, news } => {
                let outside = to.extract_if(.., |to| !is_home(to));
                self.sent.extend(outside.map(|to| news.signal(to)));
                for to in to.into_iter().filter(|to| self.accounts.contains_key(to)) {
                    queue.push_back((to.clone(), Input::Signal { signal: news.signal(to), reply: None }));
                }
            }
            Effect::Answer(answer) => self.answers.push(answer),
            Effect::ReadOffline { session } => self.reads.push((owner.clone(), session)),
            Effect::CountOffline { asked } => self.counts.push((owner.clone(), asked)),
            Effect::ReadArchive { .. } => {}
            Effect::Fetch(fetch) => {
                let found = self.pick(owner, &fetch);
                let purpose = Box::new(fetch.purpose);
                queue.push_back((owner.clone(), Input::Fetched { purpose, found: Some(found) }));
            }
            Effect::Rouse(wake) => self.roused.push(*wake),
            Effect::KeepDocuments => {}
            Effect::Wake(at) => self.wakes.push((owner.clone(), at)),
            Effect::End { session, reason } => self.tell(session, format!("closed {reason:?}")),
        }
    }

    fn shelve(&mut self, owner: &Address, write: &Write) {
        let shelves = self.shelves.entry(owner.clone()).or_default();
        match write {
            Write::Shelve(it) => {
                shelves.retain(|other| other.shelf != it.shelf || other.name != it.name);
                shelves.push(it.clone());
            }
            Write::Unshelve { shelf, name } => shelves.retain(|other| {
                other.shelf != *shelf || name.as_ref().is_some_and(|name| other.name != *name)
            }),
            _ => {}
        }
    }

    fn pick(&self, owner: &Address, fetch: &Fetch) -> Vec<Shelved> {
        let shelves = self.shelves.get(owner).cloned().unwrap_or_default();
        let mut found: Vec<_> = shelves.into_iter().filter(|it| it.shelf == fetch.shelf).collect();
        found.sort_by_key(|it| it.number);
        match &fetch.pick {
            Pick::Named(names) => found.retain(|it| names.contains(&it.name)),
            Pick::Last(count) => drop(found.drain(..found.len().saturating_sub(*count))),
        }
        found
    }

    /// The account is read anew, without its sessions.
    fn reload(&mut self, name: &str) {
        let owner = address(name);
        let mut shelves = self.shelves.get(&owner).cloned().unwrap_or_default();
        shelves.sort_by(|a, b| (&a.shelf, a.number).cmp(&(&b.shelf, b.number)));
        for it in &mut shelves {
            it.content = it.content.take().filter(|content| content.len() <= AT_HAND);
        }
        let record = AccountRecord { shelves, ..record(&owner) };
        let shared = Arc::clone(&self.account(name).shared);
        self.accounts.insert(owner, Account::new(record, shared, self.now));
    }

    fn tell(&mut self, session: SessionId, words: String) {
        self.told.entry(session).or_default().push(words);
    }

    /// What the session was told since the last time, in words.
    fn heard(&mut self, session: SessionId) -> Vec<String> {
        self.told.remove(&session).unwrap_or_default()
    }

    /// Everything told so far is of no interest.
    fn forget(&mut self) {
        self.told.clear();
        self.shown.clear();
        self.answers.clear();
        self.stored.clear();
    }

    fn open(&mut self, name: &str, kind: SessionKind, resource: &str) -> SessionId {
        let session = SessionId(self.number());
        let spec = SessionSpec {
            kind,
            resource: Resource::new(resource).expect("a resource"),
            since: self.now,
            device: None,
            client: None,
            contact: None,
            takes_messages: kind != SessionKind::Publication,
            takes_calls: kind == SessionKind::Device,
            takes_copies: true,
            follows_roster: kind != SessionKind::Device,
        };
        self.input(name, Input::Open { session, spec: Box::new(spec) });
        session
    }

    /// A chat client that is online.
    fn client(&mut self, name: &str, resource: &str) -> SessionId {
        let session = self.open(name, SessionKind::Client, resource);
        self.announce(name, session, Availability::Online, 0);
        session
    }

    fn announce(&mut self, name: &str, session: SessionId, availability: Availability, priority: i8) {
        let presence = Presence { availability, priority, since: self.now, ..Presence::default() };
        self.input(name, Input::Presence { session, presence: Arc::new(presence) });
    }

    fn close(&mut self, name: &str, session: SessionId) {
        self.input(name, Input::Close { session });
    }

    fn ask(&mut self, name: &str, session: Option<SessionId>, request: Request) -> Result<Reply, Reject> {
        let reply = Some(ReplyTo::Waiter(RequestId(self.number())));
        self.answers.clear();
        self.input(name, Input::of_request(session, request, reply.clone()));
        let answer = self.answers.iter().find(|answer| Some(&answer.to) == reply.as_ref());
        answer.expect("every request is answered").outcome.clone()
    }

    fn say(&mut self, name: &str, to: &str, event: ContactEvent) {
        let request =
            Request::Contact { to: address(to), event, note: None, native: Native::None, origin_id: None };
        self.ask(name, None, request).expect("the request is fine");
    }

    /// `left` and `right` see each other.
    fn befriend(&mut self, left: &str, right: &str) {
        self.say(left, right, ContactEvent::Subscribe);
        self.say(right, left, ContactEvent::Subscribed);
        self.say(right, left, ContactEvent::Subscribe);
        self.say(left, right, ContactEvent::Subscribed);
        self.forget();
    }

    /// Sends text from `name` to `to`, both with or without resource, and gives the outcome.
    fn send(&mut self, from: &str, to: &str, text: &str) -> Result<Reply, Reject> {
        self.send_as(MessageKind::Chat, Keep::ALL, from, to, text)
    }

    fn send_as(
        &mut self,
        kind: MessageKind,
        keep: Keep,
        from: &str,
        to: &str,
        text: &str,
    ) -> Result<Reply, Reject> {
        let message = self.message(kind, keep, from, to, text);
        let owner = message.from.address.local().expect("an account").to_owned();
        let session = message.from.resource.as_ref().and_then(|resource| {
            self.account(&owner).endpoints.named(resource).map(|endpoint| endpoint.session)
        });
        self.ask(&owner, session, Request::Send(message))
    }

    fn message(&mut self, kind: MessageKind, keep: Keep, from: &str, to: &str, text: &str) -> Arc<Message> {
        let body = (!text.is_empty()).then(|| Text::plain(text));
        Arc::new(Message {
            id: MessageId(u128::from(self.number())),
            from: party(from),
            to: party(to),
            kind,
            sent: self.now,
            origin_id: None,
            content: Content { bodies: body.into_iter().collect(), ..Content::default() },
            native: Native::None,
            keep,
        })
    }

    fn prefer(&mut self, name: &str, change: impl FnOnce(&mut Preferences)) {
        let was = self.account(name).preferences.clone();
        let mut now = was.clone();
        change(&mut now);
        let change = Request::SetPreferences(Box::new(PreferencesChange { was, now }));
        self.ask(name, None, change).expect("preferences are taken");
        self.forget();
    }

    fn watch(&mut self, watcher: &str, presentity: &str) -> WatchId {
        self.follow(watcher, presentity, WatchKind::Presence, 3_600_000)
    }

    fn read_contacts(&mut self, reader: &str, of: &str) -> WatchId {
        self.follow(reader, of, WatchKind::Contacts, 3_600_000)
    }

    /// Begins to watch for so many milliseconds.
    fn follow(&mut self, watcher: &str, presentity: &str, kind: WatchKind, time: i64) -> WatchId {
        let watch = WatchId(self.number());
        let until = Timestamp(self.now.0 + time);
        let spec = WatchSpec { watcher: address(watcher), name: None, kind, until };
        self.input(presentity, Input::Watch { watch, spec: Box::new(spec) });
        watch
    }

    fn unwatch(&mut self, presentity: &str, watch: WatchId) {
        self.input(presentity, Input::Unwatch { watch });
    }

    fn last_shown(&self, watch: WatchId) -> (WatchState, Option<Arc<Snapshot>>) {
        let (state, shown) = self.shown[&watch].last().expect("the watcher was told").clone();
        let snapshot = shown.map(|shown| match shown {
            Shown::Presence { snapshot, .. } => snapshot,
            other => panic!("a watcher of presence was shown {other:?}"),
        });
        (state, snapshot)
    }

    fn archived(&self, name: &str) -> usize {
        let owner = address(name);
        self.stored
            .iter()
            .filter(|(who, write)| *who == owner && matches!(write, Write::Archive { .. }))
            .count()
    }
}

fn words_of(message: &Message, copy: Copy) -> String {
    format!("{copy:?}: {}", message.content.body().unwrap_or("-"))
}

fn event_words(event: &Event) -> String {
    match event {
        Event::Presence(notice) => {
            let aggregate = notice.aggregate.as_ref().map(|presence| presence.availability);
            let wearing = match notice.avatar {
                AvatarMark::Has(hash) => format!(", wearing {hash}"),
                AvatarMark::Without | AvatarMark::Untold => String::new(),
            };
            let availability = notice.presence.availability;
            let named =
                notice.presence.origin_id.as_ref().map_or_else(String::new, |id| format!(" named {id}"));
            let since = notice.happened.map_or_else(String::new, |at| format!(" since {}", at.0));
            format!("{} is {availability:?}, all {aggregate:?}{wearing}{since}{named}", notice.from)
        }
        Event::Contact(signal) => format!("{} says {:?}", signal.from, signal.event),
        Event::ContactSettled { from, granted, .. } => format!("{from} settled {granted}"),
        Event::Roster(change) => {
            let contact = &change.contact;
            let flags = [
                (contact.to, "to"),
                (contact.from, "from"),
                (contact.ask, "ask"),
                (contact.approved, "approved"),
                (change.removed, "gone"),
            ];
            let flags: Vec<_> = flags.iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect();
            format!("roster {} [{}]", contact.address, flags.join(" "))
        }
        Event::ContactFailure(failure) => {
            format!("{} cannot be asked: {:?}", failure.from, failure.why.reason)
        }
        Event::Face(face) => format!("face of {}: {}", face.of, face.nickname.as_deref().unwrap_or_default()),
        Event::Query(query) => format!("query {} from {}", query.id, query.from),
        Event::Blocked(change) => format!("blocked +{} -{}", change.added.len(), change.removed.len()),
        Event::Personal(told) => match &told.what {
            Piece::Node { node, news } => format!("{node} of {}: {}", told.from, news_words(news)),
            Piece::Profile(profile) => format!("profile of {}: {}", told.from, profile.properties.len()),
            Piece::Avatar(avatar) => {
                let hash =
                    avatar.as_ref().map_or_else(|| "none".to_owned(), |avatar| avatar.hash.to_string());
                format!("avatar of {}: {hash}", told.from)
            }
        },
        Event::Marked { marks, quiet, .. } => format!("marked {marks:?} {quiet}"),
        Event::Preferences(_) => "preferences".to_owned(),
        Event::Reply(replied) => format!("reply {:?}", replied.outcome),
        Event::Closed(reason) => format!("closed {reason:?}"),
    }
}

fn news_words(news: &NodeNews) -> String {
    let ids = |ids: &mut dyn Iterator<Item = &ItemId>| {
        ids.map(|id| id.as_str().to_owned()).collect::<Vec<_>>().join(" ")
    };
    match news {
        NodeNews::Published(items) => items
            .iter()
            .map(|item| format!("{}={}", item.id, String::from_utf8_lossy(&item.payload)))
            .collect::<Vec<_>>()
            .join(" "),
        NodeNews::Touched(all) => format!("touched {}", ids(&mut all.iter())),
        NodeNews::Retracted(all) => format!("retracted {}", ids(&mut all.iter())),
        other => format!("{other:?}"),
    }
}

fn home() -> Arc<[Address]> {
    ["example.org", "example.net"]
        .iter()
        .map(|domain| Address::domain_only(domain).expect("a domain"))
        .collect()
}

fn is_home(address: &Address) -> bool {
    home().iter().any(|home| home.domain() == address.domain())
}

fn address(name: &str) -> Address {
    if name.contains('@') {
        return Address::parse(name).expect("an address");
    }
    Address::new(name, "example.org").expect("an address")
}

fn shown_to(to: Party, presence: Arc<Presence>, wants: Option<Occasion>) -> Box<Direct> {
    Box::new(Direct { to, presence, wants, origin_id: None })
}

fn party(text: &str) -> Party {
    match text.split_once('/') {
        Some((name, resource)) => Party::full(address(name), Resource::new(resource).expect("a resource")),
        None => Party::bare(address(text)),
    }
}

fn record(address: &Address) -> AccountRecord {
    AccountRecord {
        key: AccountKey(1),
        address: address.clone(),
        is_admin: false,
        disabled: false,
        preferences: Preferences::default(),
        rules: None,
        message_rules: None,
        call_rules: None,
        automation: None,
        replies: Vec::new(),
        late: Vec::new(),
        hard_state: None,
        roster: Vec::new(),
        roster_version: 0,
        removed: Vec::new(),
        roster_floor: 0,
        requests: Vec::new(),
        shelves: Vec::new(),
        waiting: Vec::new(),
        has_offline: false,
        blocked: Vec::new(),
        documents: Vec::new(),
        documents_version: 0,
    }
}

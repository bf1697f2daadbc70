//! Reads a published document. The order of the parts does not matter: phones put the person before
//! the tuples, others after them. What is not understood is passed over.

use compact_str::CompactString;
use roxmltree::Node;

use super::{AG_PROJECTS, CLIENT, CPIM_PIDF, DATA_MODEL, PIDF, RPID, activity, unescape_uri};
use crate::{
    formats::xml::{self, Limits, XmlError},
    signal::{Activity, Availability, Presence, Text, Timestamp},
};

/// A presence document as it was published.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    /// Whose presence it is, as the publisher wrote it, `%` escapes of the whole URI undone.
    pub entity: CompactString,
    pub tuples: Vec<Tuple>,
    /// What the persons in it do, all of them together.
    pub activities: Vec<Activity>,
    /// Notes outside of tuples: of the person first, then of the document.
    pub notes: Vec<Text>,
    /// The person's `user-input`.
    pub input: Option<Input>,
}

/// One tuple: a service or device of the person.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tuple {
    pub id: CompactString,
    /// `basic`: open or closed; `None` where the document does not say.
    pub open: Option<bool>,
    /// `extended` of the AG Projects namespace, where its value is known.
    pub extended: Option<Extended>,
    /// `show` of `jabber:client`, and whether it is the eager one.
    pub show: Option<(Availability, bool)>,
    /// Activities that the publisher put into the tuple instead of the person.
    pub activities: Vec<Activity>,
    pub contact: Option<CompactString>,
    /// The contact's priority, in thousandths.
    pub priority: Option<u16>,
    pub notes: Vec<Text>,
    pub timestamp: Option<Timestamp>,
    pub input: Option<Input>,
}

/// The four states that Blink's clients show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extended {
    Available,
    Away,
    Busy,
    Offline,
}

/// `user-input` (RFC 4480 §3.18).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    pub idle: bool,
    pub last: Option<Timestamp>,
}

/// Why a text is not a presence document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PidfError {
    #[error(transparent)]
    Xml(#[from] XmlError),
    #[error("the root element is no presence of PIDF")]
    Root,
    #[error("a tuple has no id, or one that is longer than 255 bytes")]
    TupleId,
    #[error("two tuples have the same id")]
    RepeatedId,
}

impl Document {
    /// Reads a document of `application/pidf+xml`.
    ///
    /// # Errors
    /// Not XML within the limits, or not PIDF.
    pub fn parse(body: &[u8], limits: &Limits) -> Result<Self, PidfError> {
        let document = xml::parse(body, limits)?;
        let root = document.root_element();
        let namespace = match root.tag_name().namespace() {
            Some(PIDF) => PIDF,
            Some(CPIM_PIDF) => CPIM_PIDF,
            _ => return Err(PidfError::Root),
        };
        if root.tag_name().name() != "presence" {
            return Err(PidfError::Root);
        }
        let mut read =
            Self { entity: unescape_uri(root.attribute("entity").unwrap_or_default()), ..Self::default() };
        for tuple in xml::children(root, namespace, "tuple") {
            read.add_tuple(parse_tuple(tuple, namespace)?)?;
        }
        for person in xml::children(root, DATA_MODEL, "person") {
            read.activities.extend(parse_activities(person));
            read.notes.extend(parse_notes(person, DATA_MODEL));
            read.input = read.input.or_else(|| parse_input(person));
        }
        read.notes.extend(parse_notes(root, namespace));
        read.notes.truncate(NOTES);
        read.activities.truncate(ACTIVITIES);
        Ok(read)
    }

    fn add_tuple(&mut self, tuple: Tuple) -> Result<(), PidfError> {
        if self.tuples.iter().any(|known| known.id == tuple.id) {
            return Err(PidfError::RepeatedId);
        }
        self.tuples.push(tuple);
        Ok(())
    }

    /// The tuple that speaks for the device: an open one before a closed one, then the newest, then
    /// the first.
    #[must_use]
    pub fn principal(&self) -> Option<&Tuple> {
        let rank = |tuple: &&Tuple| (tuple.is_open(), tuple.timestamp.unwrap_or_default());
        // Of equals `max_by_key` takes the last: the document is walked from its end.
        self.tuples.iter().rev().max_by_key(rank)
    }

    /// What the document says of its person, at `now`. A document without tuples says she is offline.
    #[must_use]
    pub fn presence(&self, now: Timestamp) -> Presence {
        let Some(tuple) = self.principal() else { return Presence::offline(now) };
        let mut activities = self.activities.clone();
        for activity in &tuple.activities {
            if !activities.contains(activity) {
                activities.push(activity.clone());
            }
        }
        let (availability, eager) = availability(tuple, &activities);
        // A clock that is ahead would keep its state the newest for ever.
        let past = |at: Timestamp| at.min(now);
        let input = tuple.input.or(self.input).filter(|input| input.idle);
        Presence {
            availability,
            eager,
            notes: if tuple.notes.is_empty() { self.notes.clone() } else { tuple.notes.clone() },
            activities,
            idle_since: input.map(|input| past(input.last.unwrap_or(now))),
            since: past(tuple.timestamp.unwrap_or(now)),
            priority: tuple.priority.map_or(0, priority),
            ..Presence::default()
        }
    }
}

impl Tuple {
    /// Whether the device is there.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.extended != Some(Extended::Offline) && self.open.unwrap_or(true)
    }
}

/// The tuple's own words come first, then the activities: `show` is exact, `extended` knows away and
/// busy, and `available` leaves it to the activities.
fn availability(tuple: &Tuple, activities: &[Activity]) -> (Availability, bool) {
    if !tuple.is_open() {
        return (Availability::Offline, false);
    }
    if let Some(show) = tuple.show {
        return show;
    }
    let said = match tuple.extended {
        Some(Extended::Away) => Some(Availability::Away),
        Some(Extended::Busy) => Some(Availability::Busy),
        _ => None,
    };
    // Busy outweighs holidays, and these the mere "away" that stands beside them.
    let rank = |availability: &Availability| match availability {
        Availability::Busy => 2,
        Availability::ExtendedAway => 1,
        _ => 0,
    };
    let done = || activities.iter().filter_map(activity::availability_of).max_by_key(rank);
    (said.or_else(done).unwrap_or(Availability::Online), false)
}

/// 0 to 1000 thousandths as 0 to 127.
fn priority(thousandths: u16) -> i8 {
    i8::try_from((u32::from(thousandths) * 127 + 500) / 1000).unwrap_or(i8::MAX)
}

fn parse_tuple(tuple: Node<'_, '_>, namespace: &'static str) -> Result<Tuple, PidfError> {
    let id = tuple.attribute("id").filter(|id| (1..=255).contains(&id.len())).ok_or(PidfError::TupleId)?;
    let status = xml::child(tuple, namespace, "status");
    let within = |namespace, name| status.and_then(|status| xml::child(status, namespace, name));
    let open = match within(namespace, "basic").map(xml::text_of).as_deref() {
        Some("open") => Some(true),
        Some("closed") => Some(false),
        // COMPAT(baresip 1.0): it publishes `unknown` until its user has said something.
        Some(_) | None => None,
    };
    let contact = xml::child(tuple, namespace, "contact");
    let mut activities = parse_activities(tuple);
    activities.extend(status.into_iter().flat_map(parse_activities));
    Ok(Tuple {
        id: id.into(),
        open,
        extended: within(AG_PROJECTS, "extended")
            .and_then(|extended| parse_extended(&xml::text_of(extended))),
        show: within(CLIENT, "show").and_then(|show| parse_show(&xml::text_of(show))),
        activities,
        contact: contact.map(|contact| unescape_uri(&xml::text_of(contact))).filter(|uri| uri.len() <= 1024),
        priority: contact.and_then(|contact| contact.attribute("priority")).and_then(parse_quality),
        notes: parse_notes(tuple, namespace),
        timestamp: xml::child(tuple, namespace, "timestamp").and_then(|at| parse_time(&xml::text_of(at))),
        input: parse_input(tuple),
    })
}

fn parse_extended(text: &str) -> Option<Extended> {
    match text {
        "available" => Some(Extended::Available),
        "away" | "extended-away" => Some(Extended::Away),
        "busy" => Some(Extended::Busy),
        "offline" => Some(Extended::Offline),
        _ => None,
    }
}

fn parse_show(text: &str) -> Option<(Availability, bool)> {
    match text {
        "chat" => Some((Availability::Online, true)),
        "away" => Some((Availability::Away, false)),
        "xa" => Some((Availability::ExtendedAway, false)),
        "dnd" => Some((Availability::Busy, false)),
        _ => None,
    }
}

/// The activities within `parent`. `other` and `unknown` are words for people or none at all.
fn parse_activities(parent: Node<'_, '_>) -> Vec<Activity> {
    let lists = xml::children(parent, RPID, "activities");
    let named = |child: &Node<'_, '_>| {
        child.tag_name().namespace() == Some(RPID)
            && !matches!(child.tag_name().name(), "note" | "other" | "unknown")
            && child.tag_name().name().len() <= 64
    };
    let found = lists.flat_map(|list| list.children().filter(Node::is_element).filter(named));
    found.take(ACTIVITIES).map(|child| activity::from_name(child.tag_name().name())).collect()
}

fn parse_notes(parent: Node<'_, '_>, namespace: &'static str) -> Vec<Text> {
    let note = |note: Node<'_, '_>| {
        let text = xml::text_of(note);
        let lang = xml::lang_of(note).map(CompactString::from);
        (!text.is_empty()).then(|| Text { lang, text: text.into() })
    };
    xml::children(parent, namespace, "note").filter_map(note).take(NOTES).collect()
}

fn parse_input(parent: Node<'_, '_>) -> Option<Input> {
    let input = xml::child(parent, RPID, "user-input")?;
    let last = input.attribute("last-input").and_then(parse_time);
    Some(Input { idle: xml::text_of(input) == "idle", last })
}

/// RFC 3339; a `t` or `z` in lower case is as good.
fn parse_time(text: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(&text.to_ascii_uppercase()).filter(|at| at.0 >= 0)
}

/// A qvalue, in thousandths.
fn parse_quality(text: &str) -> Option<u16> {
    let value: f32 = text.trim().parse().ok().filter(|value| (0.0..=1.0).contains(value))?;
    // In range: checked just above.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
    Some((value * 1000.0).round() as u16)
}

/// Most notes kept of one tuple or person.
const NOTES: usize = 16;
/// Most activities kept of one tuple or person.
const ACTIVITIES: usize = 16;

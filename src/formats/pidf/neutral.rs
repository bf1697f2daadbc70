//! What a published document says of its person in the words that every protocol has. State is read
//! from elements that mean it, never from words written for people.

use compact_str::CompactString;

use super::{
    AG_PROJECTS, CLIENT, RPID, activity,
    element::{self, Element},
    model::{Basic, Document, Extended, Input, Moment, Status, Tuple},
};
use crate::signal::{Activity, Availability, Presence, Text, Timestamp};

impl Document {
    /// The tuple that speaks for the device: an open one before a closed one, then the newest, then
    /// the first.
    #[must_use]
    pub fn principal(&self) -> Option<&Tuple> {
        let rank = |tuple: &&Tuple| (tuple.is_open(), tuple.said_at().unwrap_or_default());
        // Of equals `max_by_key` takes the last: the document is walked from its end.
        self.tuples.iter().rev().max_by_key(rank)
    }

    /// What the document says of its person, at `now`. A document without tuples says she is offline.
    #[must_use]
    pub fn presence(&self, now: Timestamp) -> Presence {
        let Some(tuple) = self.principal() else { return Presence::offline(now) };
        let mut activities: Vec<Activity> =
            self.persons.iter().flat_map(|person| activities_of(&person.extensions)).collect();
        for activity in tuple.activities() {
            if !activities.contains(&activity) {
                activities.push(activity);
            }
        }
        activities.truncate(ACTIVITIES);
        let (availability, eager) = availability(tuple, &activities);
        // A clock that is ahead would keep its state the newest for ever.
        let past = |at: Timestamp| at.min(now);
        let of_person = || self.persons.iter().find_map(|person| input_of(&person.extensions));
        let input = input_of(&tuple.extensions).or_else(of_person).filter(|input| input.idle);
        Presence {
            availability,
            eager,
            notes: self.notes_of(tuple),
            activities,
            sphere: self.sphere(),
            idle_since: input.map(|input| past(input.last.unwrap_or(now))),
            since: past(tuple.said_at().unwrap_or(now)),
            priority: tuple.contact.as_ref().and_then(|contact| contact.priority).map_or(0, priority),
            ..Presence::default()
        }
    }

    /// What a document without tuples says of a person who is there, at `now`: that she does something, and
    /// nothing of whether any service of hers is open. `None` where it has tuples, or no person.
    #[must_use]
    pub fn presence_of_person(&self, now: Timestamp) -> Option<Presence> {
        if !self.tuples.is_empty() || self.persons.is_empty() {
            return None;
        }
        let open = Status { basic: Some(Basic::Open), extensions: Vec::new() };
        let there = Self { tuples: vec![Tuple { status: open, ..Tuple::default() }], ..self.clone() };
        let said_at =
            self.persons.iter().filter_map(|person| person.timestamp.as_ref()).map(Moment::at).max();
        Some(Presence { since: said_at.unwrap_or(now).min(now), ..there.presence(now) })
    }

    /// The sphere that all persons who have one agree on. RFC 4480 has elements for it in its schema and a
    /// text in its example.
    fn sphere(&self) -> Option<CompactString> {
        let spheres =
            self.persons.iter().filter_map(|person| element::find(&person.extensions, RPID, "sphere"));
        let name = |sphere: &Element| {
            let child = sphere.children().next();
            let name = child.map_or_else(|| sphere.text(), |child| child.name.clone());
            name.to_lowercase()
        };
        let mut names = spheres.map(name).filter(|name| (1..=64).contains(&name.len()) && name != "unknown");
        let first = names.next()?;
        names.all(|name| name == first).then_some(first)
    }

    /// The tuple's own notes, else those of the person, then of the document.
    fn notes_of(&self, tuple: &Tuple) -> Vec<Text> {
        if !tuple.notes.is_empty() {
            return tuple.notes.iter().take(NOTES).cloned().collect();
        }
        let persons = self.persons.iter().flat_map(|person| &person.notes);
        persons.chain(&self.notes).take(NOTES).cloned().collect()
    }
}

impl Tuple {
    /// Whether the service is there.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.extended() != Some(Extended::Offline) && self.status.basic != Some(Basic::Closed)
    }

    /// `extended` of the AG Projects namespace, where its value is known.
    #[must_use]
    pub fn extended(&self) -> Option<Extended> {
        let found = element::find(&self.status.extensions, AG_PROJECTS, "extended")?;
        Extended::from_word(&found.text())
    }

    /// `show` of `jabber:client`, and whether it is the eager one.
    #[must_use]
    pub fn show(&self) -> Option<(Availability, bool)> {
        let found = element::find(&self.status.extensions, CLIENT, "show")?;
        match found.text().as_str() {
            "chat" => Some((Availability::Online, true)),
            "away" => Some((Availability::Away, false)),
            "xa" => Some((Availability::ExtendedAway, false)),
            "dnd" => Some((Availability::Busy, false)),
            _ => None,
        }
    }

    /// Activities that the publisher put into the tuple instead of the person.
    fn activities(&self) -> impl Iterator<Item = Activity> {
        activities_of(&self.extensions).chain(activities_of(&self.status.extensions))
    }

    fn said_at(&self) -> Option<Timestamp> {
        self.timestamp.as_ref().map(Moment::at)
    }
}

/// The tuple's own words come first, then the activities: `show` is exact, `extended` knows away and
/// busy, and `available` leaves it to the activities.
pub(super) fn availability(tuple: &Tuple, activities: &[Activity]) -> (Availability, bool) {
    if !tuple.is_open() {
        return (Availability::Offline, false);
    }
    if let Some(show) = tuple.show() {
        return show;
    }
    let said = match tuple.extended() {
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
    let done = || activities.iter().filter_map(Activity::implied).max_by_key(rank);
    (said.or_else(done).unwrap_or(Availability::Online), false)
}

/// The activities among these elements. `other` and `unknown` are words for people or none at all.
pub(super) fn activities_of(elements: &[Element]) -> impl Iterator<Item = Activity> {
    let lists = elements.iter().filter(|element| element.is(RPID, "activities"));
    let is_state = |child: &&Element| {
        child.namespace == RPID
            && !matches!(child.name.as_str(), "note" | "other" | "unknown")
            && child.name.len() <= 64
    };
    let found = lists.flat_map(|list| list.children()).filter(is_state);
    found.take(ACTIVITIES).map(|child| activity::from_name(&child.name))
}

pub(super) fn input_of(elements: &[Element]) -> Option<Input> {
    let input = element::find(elements, RPID, "user-input")?;
    let last = input.attribute("last-input").and_then(Moment::parse).map(|moment| moment.at());
    Some(Input { idle: input.text() == "idle", last })
}

/// 0 to 1000 thousandths as 0 to 127.
fn priority(thousandths: u16) -> i8 {
    i8::try_from((u32::from(thousandths) * 127 + 500) / 1000).unwrap_or(i8::MAX)
}

/// Most notes kept of one tuple or person.
const NOTES: usize = 16;
/// Most activities kept of one tuple or person.
const ACTIVITIES: usize = 16;

//! Several statements about one thing become one: what only one says is taken from it, where two say
//! something the newer one is right (RFC 4479 §3.3).

use super::{
    RPID, activity,
    element::{self, Element, Node},
    model::{Extended, Input, Moment, Person},
    neutral::{activities_of, input_of},
};
use crate::signal::{Activity, Availability, Presence, Text, Timestamp};

/// Elements of several sources, the most trusted first: those of one name come from one source.
pub(super) fn merge_elements<'a>(sources: impl Iterator<Item = &'a [Element]>) -> Vec<Element> {
    let mut merged: Vec<Element> = Vec::new();
    for source in sources {
        let known = merged.len();
        for element in source {
            let is_known = |one: &Element| one.name == element.name && one.namespace == element.namespace;
            if !merged.iter().take(known).any(is_known) {
                merged.push(element.clone());
            }
        }
    }
    merged
}

/// One person of what was published alone, newest first; `None` where there is nobody.
pub(super) fn merge_published(id: &str, occurrences: Vec<Person>) -> Option<Person> {
    let newest = occurrences.first()?;
    let timestamp = newest.timestamp.clone();
    let extensions = merge_elements(occurrences.iter().map(|person| person.extensions.as_slice()));
    Some(Person { id: id.into(), extensions, notes: notes_of(&occurrences), timestamp, occurrences })
}

/// The person of an account whose sessions say `aggregate` in words that every protocol has, with what
/// was published beyond these words, newest first.
pub(super) fn merge_person(id: &str, aggregate: &Presence, occurrences: Vec<Person>) -> Person {
    let merged = merge_elements(occurrences.iter().map(|person| person.extensions.as_slice()));
    let (neutral, others): (Vec<_>, Vec<_>) = merged
        .into_iter()
        .partition(|element| element.is(RPID, "activities") || element.is(RPID, "user-input"));
    let mut extensions = merge_activities(aggregate, &neutral);
    extensions.extend(merge_input(aggregate.idle_since, &neutral));
    extensions.extend(others);
    let notes = if aggregate.notes.is_empty() { notes_of(&occurrences) } else { aggregate.notes.clone() };
    let newest = occurrences.first().and_then(|person| person.timestamp.clone());
    let timestamp = newest.filter(|moment| moment.at() >= aggregate.since);
    let timestamp = Some(timestamp.unwrap_or_else(|| Moment::from(aggregate.since)));
    Person { id: id.into(), extensions, notes, timestamp, occurrences }
}

fn notes_of(occurrences: &[Person]) -> Vec<Text> {
    occurrences
        .iter()
        .map(|person| &person.notes)
        .find(|notes| !notes.is_empty())
        .cloned()
        .unwrap_or_default()
}

/// What she does, as the sessions have it; in the publisher's own form where that says the same.
fn merge_activities(aggregate: &Presence, published: &[Element]) -> Vec<Element> {
    let wanted = activities_said(aggregate);
    let mut lists: Vec<Element> =
        published.iter().filter(|element| element.is(RPID, "activities")).cloned().collect();
    let found: Vec<Activity> = activities_of(&lists).collect();
    for list in &mut lists {
        list.nodes.retain(|node| !matches!(node, Node::Element(child) if is_stale(child, aggregate)));
    }
    lists.retain(|list| list.children().next().is_some());
    if wanted.iter().all(|one| found.contains(one)) && found.iter().all(|one| wanted.contains(one)) {
        return lists;
    }
    let mut list = Element::new(RPID, "activities");
    let words = |is_note: bool| {
        lists.iter().flat_map(|list| list.children()).filter(move |child| {
            let is_word = child.namespace != RPID || child.name == "other";
            if is_note { child.is(RPID, "note") } else { is_word }
        })
    };
    list.nodes.extend(words(true).cloned().map(Node::Element));
    for done in &wanted {
        let name = activity::name_of(done);
        let element = if activity::is_known(name) {
            Element::new(RPID, name)
        } else {
            Element::with_text(RPID, "other", name)
        };
        list.nodes.push(Node::Element(element));
    }
    list.nodes.extend(words(false).cloned().map(Node::Element));
    vec![list]
}

/// The activities that the sessions name, and the one that their availability implies.
fn activities_said(aggregate: &Presence) -> Vec<Activity> {
    let mut said = aggregate.activities.clone();
    let implied = match aggregate.availability {
        Availability::Busy => Some("busy"),
        Availability::Away | Availability::ExtendedAway => Some("away"),
        Availability::Online | Availability::Offline => None,
    };
    let says = |activity: &Activity| activity.implied() == Some(aggregate.availability);
    if let Some(implied) = implied.filter(|_| !said.iter().any(says)) {
        said.push(activity::from_name(implied));
    }
    said
}

/// COMPAT(Blink): it repeats the state of its tuple as a word. Such a word must not contradict the
/// others' states.
fn is_stale(child: &Element, aggregate: &Presence) -> bool {
    child.is(RPID, "other")
        && Extended::from_word(&child.text())
            .is_some_and(|word| word != Extended::from_availability(aggregate.availability))
}

/// Idle is who touches none of her devices; a threshold that somebody published stays with it.
fn merge_input(idle_since: Option<Timestamp>, published: &[Element]) -> Option<Element> {
    let input = element::find(published, RPID, "user-input");
    let Some(since) = idle_since else { return input.filter(|input| input.text() == "active").cloned() };
    let is_same = |input: &&Element| {
        input_of(std::slice::from_ref(input)) == Some(Input { idle: true, last: Some(since) })
    };
    if let Some(input) = input.filter(is_same) {
        return Some(input.clone());
    }
    let idle = idle_input(since);
    Some(match input.and_then(|input| input.attribute("idle-threshold")) {
        Some(threshold) => idle.with("idle-threshold", threshold),
        None => idle,
    })
}

/// `user-input` of somebody who touched nothing since.
pub(super) fn idle_input(since: Timestamp) -> Element {
    Element::with_text(RPID, "user-input", "idle").with("last-input", &since.to_string())
}

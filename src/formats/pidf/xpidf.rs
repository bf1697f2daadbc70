//! `application/xpidf+xml`: an atom for each tuple, with one address. Windows Messenger 4.7 reads what the
//! person does from `msnsubstatus`; libpurple reads open or closed.

use super::{
    RPID, activity,
    element::find,
    model::{Document, Tuple},
    neutral::{activities_of, availability},
    tree::print_quality,
};
use crate::{
    formats::xml::push_element_with,
    signal::{Activity, Availability},
};

pub(super) fn print(document: &Document) -> String {
    let mut out = String::with_capacity(512 + 256 * document.tuples.len());
    out.push_str(PROLOG);
    let watched = format!("{};method=SUBSCRIBE", document.entity);
    out.push_str("<presence>");
    push_element_with(&mut out, "presentity", &[("uri", &watched)], "");
    for tuple in &document.tuples {
        let uri = tuple.contact.as_ref().map_or(&document.entity, |contact| &contact.uri);
        let priority = tuple.contact.as_ref().and_then(|contact| contact.priority);
        push_atom(&mut out, &tuple.id, uri, priority, substatus(document, tuple));
    }
    if document.tuples.is_empty() {
        push_atom(&mut out, "none", &document.entity, None, None);
    }
    out.push_str("</presence>");
    out
}

/// An atom; without substatus it is closed.
fn push_atom(out: &mut String, id: &str, uri: &str, priority: Option<u16>, substatus: Option<&str>) {
    push_start(out, "atom", &[("id", id)]);
    match priority.map(print_quality) {
        Some(priority) => push_start(out, "address", &[("uri", uri), ("priority", &priority)]),
        None => push_start(out, "address", &[("uri", uri)]),
    }
    match substatus {
        Some(substatus) => {
            push_element_with(out, "status", &[("status", "open")], "");
            push_element_with(out, "msnsubstatus", &[("substatus", substatus)], "");
        }
        None => push_element_with(out, "status", &[("status", "closed")], ""),
    }
    out.push_str("</address></atom>");
}

fn push_start(out: &mut String, name: &str, attributes: &[(&str, &str)]) {
    push_element_with(out, name, attributes, "");
    out.truncate(out.len() - "</>".len() - name.len());
}

/// What Messenger shows of an open tuple and its person; `None` for a closed one.
fn substatus(document: &Document, tuple: &Tuple) -> Option<&'static str> {
    let of_person = document.persons.iter().flat_map(|person| activities_of(&person.extensions));
    let activities: Vec<Activity> = activities_of(&tuple.extensions).chain(of_person).collect();
    let inputs = document.persons.iter().map(|person| &person.extensions).chain([&tuple.extensions]);
    let is_idle =
        inputs.filter_map(|found| find(found, RPID, "user-input")).any(|input| input.text() == "idle");
    let does = |names: &[&str]| activities.iter().any(|one| names.contains(&activity::name_of(one)));
    Some(match availability(tuple, &activities).0 {
        Availability::Offline => return None,
        Availability::Busy if does(&["on-the-phone"]) => "onthephone",
        Availability::Busy => "busy",
        _ if does(&["breakfast", "dinner", "lunch", "meal"]) => "outtolunch",
        _ if is_idle => "idle",
        Availability::Away | Availability::ExtendedAway => "away",
        Availability::Online => "online",
    })
}

const PROLOG: &str = "<?xml version=\"1.0\"?>\n\
    <!DOCTYPE presence PUBLIC \"-//IETF//DTD RFCxxxx XPIDF 1.0//EN\" \"xpidf.dtd\">\n";

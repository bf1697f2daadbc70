//! XEP-0292: vCard4 over XMPP (RFC 6351), another face of the account's one profile: its node
//! `urn:xmpp:vcard4`, and the question for it.

use minidom::Element;

use super::{Answer, Handler, Iq, Module, Payload, Target, pubsub};
use crate::account::{Reply, Request};
use crate::signal::{Item, ItemId, NodeName, Profile, Property, PropertyName, Reject, Wanted};
use crate::xmpp::stanza::print_text;
use crate::xmpp::translate::{Refusal, Scope};

const NAMESPACE: &str = "urn:ietf:params:xml:ns:vcard-4.0";
pub(super) const NODE: &str = "urn:xmpp:vcard4";

pub(super) const MODULE: Module = Module {
    account_features: &[NAMESPACE],
    payloads: &[Payload { name: "vcard", namespace: NAMESPACE, handler: Handler::Shared(answer) }],
    ..Module::NONE
};

fn answer(iq: &Iq<'_>) -> Answer {
    match (iq.target, iq.is_set) {
        (Target::Server, _) => Answer::Refuse(Refusal::SERVICE_UNAVAILABLE),
        (_, false) => show(iq),
        (Target::Account, true) => match iq.payload.to_element() {
            Some(card) => store(&card, String::new()),
            None => Answer::Refuse(Refusal::BAD_REQUEST),
        },
        (Target::Other, true) => Answer::Refuse(Refusal::FORBIDDEN),
    }
}

/// The card as a question for it is answered: nobody can tell an account without one from none.
fn show(iq: &Iq<'_>) -> Answer {
    let missing = match iq.target {
        Target::Account => Refusal::ITEM_NOT_FOUND,
        _ => Refusal::SERVICE_UNAVAILABLE,
    };
    read(iq, move |outcome| match outcome {
        Ok(Some(profile)) => Answer::Result(print(&profile)),
        Ok(None) => Answer::Refuse(missing),
        Err(reject) => Answer::Refuse(Refusal::from_reject(&reject, Scope::Routed)),
    })
}

/// Has the profile read; one that says nothing is none.
fn read(
    iq: &Iq<'_>,
    then: impl FnOnce(Result<Option<Profile>, Reject>) -> Answer + Send + 'static,
) -> Answer {
    let request = Request::Enquire { of: iq.account.clone(), wanted: Wanted::Profile };
    Answer::then(request, move |outcome| match outcome {
        Ok(Reply::Profile(profile)) => then(Ok(profile.filter(|profile| !profile.properties.is_empty()))),
        Ok(_) => Answer::Refuse(Refusal::INTERNAL),
        Err(reject) => then(Err(reject)),
    })
}

fn store(card: &Element, result: String) -> Answer {
    Answer::then(Request::SetProfile(parse(card).into()), move |outcome| match outcome {
        Ok(_) => Answer::Result(result),
        Err(reject) => Answer::Refuse(Refusal::from_reject(&reject, Scope::Own)),
    })
}

/// Somebody reads the node.
pub(super) fn retrieve(iq: &Iq<'_>, node: NodeName) -> Answer {
    read(iq, move |outcome| match outcome {
        Ok(Some(profile)) => Answer::Result(pubsub::print_items(&node, &[item(&profile)])),
        Ok(None) => Answer::Refuse(Refusal::ITEM_NOT_FOUND),
        Err(reject) => Answer::Refuse(pubsub::refusal_of(&reject)),
    })
}

/// The owner publishes to the node.
pub(super) fn publish(node: &NodeName, items: &[Item]) -> Answer {
    let Some(item) = items.first() else { return Answer::Refuse(Refusal::BAD_REQUEST) };
    let card = std::str::from_utf8(&item.payload).ok().and_then(|text| text.parse::<Element>().ok());
    match card.filter(|card| card.is("vcard", NAMESPACE)) {
        Some(card) => store(&card, pubsub::print_published(node, std::slice::from_ref(&item.id))),
        None => Answer::Refuse(Refusal::BAD_REQUEST),
    }
}

/// The owner takes everything back.
pub(super) fn remove() -> Answer {
    pubsub::done(Request::SetProfile(Profile::default().into()))
}

/// The one item of the node.
pub(super) fn item(profile: &Profile) -> Item {
    let id = ItemId::parse("current").expect("a word is an id");
    Item { id, payload: print(profile).into() }
}

fn parse(card: &Element) -> Profile {
    Profile {
        properties: card.children().filter(|child| child.ns() == NAMESPACE).map(parse_property).collect(),
    }
}

fn parse_property(element: &Element) -> Property {
    let known = PROPERTIES.iter().find(|(name, ..)| *name == element.name());
    let Some((_, name, parts)) = known else {
        let name = PropertyName::Native(NAMESPACE.into());
        return Property { name, kinds: Vec::new(), values: vec![String::from(element)] };
    };
    let types = element.get_child("parameters", NAMESPACE).and_then(|it| it.get_child("type", NAMESPACE));
    let kinds = types.into_iter().flat_map(Element::children);
    let kinds = kinds.map(|kind| kind.text().trim().to_ascii_lowercase().into()).collect();
    let contents = element.children().filter(|child| child.name() != "parameters");
    let values = match parts {
        // One of several types of value, perhaps several times.
        [_] => contents.map(|child| value_of(name, child)).collect(),
        parts => parts
            .iter()
            .map(|part| element.get_child(*part, NAMESPACE).map(Element::text).unwrap_or_default())
            .collect(),
    };
    Property { name: name.clone(), kinds, values }
}

fn value_of(name: &PropertyName, element: &Element) -> String {
    let text = element.text();
    let scheme = if *name == PropertyName::Telephone { "tel:" } else { "xmpp:" };
    match (name, element.name()) {
        (PropertyName::Telephone | PropertyName::Messaging, "uri") => {
            text.strip_prefix(scheme).unwrap_or(&text).to_owned()
        }
        _ => text,
    }
}

fn print(profile: &Profile) -> String {
    let mut out = format!("<vcard xmlns='{NAMESPACE}'>");
    profile.properties.iter().for_each(|property| print_property(property, &mut out));
    out.push_str("</vcard>");
    out
}

fn print_property(property: &Property, out: &mut String) {
    let Property { name, kinds, values } = property;
    if *name == PropertyName::Native(NAMESPACE.into()) {
        return values.iter().for_each(|value| out.push_str(value));
    }
    let Some((element, _, parts)) = PROPERTIES.iter().find(|(_, known, _)| known == name) else { return };
    out.push_str(&format!("<{element}>"));
    if !kinds.is_empty() {
        out.push_str("<parameters><type>");
        kinds.iter().for_each(|kind| print_element("text", kind, out));
        out.push_str("</type></parameters>");
    }
    for (index, value) in values.iter().enumerate() {
        let part = parts.get(index).or_else(|| parts.last()).copied().unwrap_or_default();
        match name {
            PropertyName::Telephone => print_element(part, &format!("tel:{value}"), out),
            PropertyName::Messaging => print_element(part, &format!("xmpp:{value}"), out),
            _ if value.is_empty() && parts.len() > 1 => out.push_str(&format!("<{part}/>")),
            _ => print_element(part, value, out),
        }
    }
    out.push_str(&format!("</{element}>"));
}

fn print_element(name: &str, text: &str, out: &mut String) {
    let mut escaped = Vec::new();
    print_text(text, &mut escaped);
    out.push_str(&format!("<{name}>{}</{name}>", String::from_utf8_lossy(&escaped)));
}

const PROPERTIES: &[(&str, PropertyName, &[&str])] = &[
    ("fn", PropertyName::FullName, &["text"]),
    ("n", PropertyName::Name, &["surname", "given", "additional", "prefix", "suffix"]),
    ("nickname", PropertyName::Nickname, &["text"]),
    ("bday", PropertyName::Birthday, &["date"]),
    ("url", PropertyName::Url, &["uri"]),
    ("email", PropertyName::Email, &["text"]),
    ("tel", PropertyName::Telephone, &["uri"]),
    ("adr", PropertyName::Address, &["pobox", "ext", "street", "locality", "region", "code", "country"]),
    ("org", PropertyName::Organisation, &["text"]),
    ("title", PropertyName::Title, &["text"]),
    ("role", PropertyName::Role, &["text"]),
    ("note", PropertyName::Note, &["text"]),
    ("impp", PropertyName::Messaging, &["uri"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_read_and_printed_again() {
        let text = "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn><text>A &amp; B</text></fn>\
            <n><surname>B</surname><given>A</given><additional/><prefix/><suffix/></n>\
            <tel><parameters><type><text>work</text><text>voice</text></type></parameters><uri>tel:+1</uri></tel>\
            <org><text>O</text><text>U</text></org><impp><uri>xmpp:a@b</uri></impp>\
            <bday><date>1476-06-09</date></bday><url><uri>http://a.example</uri></url></vcard>";
        let profile = parse(&text.parse().unwrap());
        assert_eq!(print(&profile), text);
        assert_eq!(profile.first(&PropertyName::Telephone), Some("+1"));
    }

    #[test]
    fn what_is_unknown_is_kept() {
        let text = "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><lang><language-tag>de</language-tag></lang></vcard>";
        let printed: Element = print(&parse(&text.parse().unwrap())).parse().unwrap();
        assert!(printed.get_child("lang", NAMESPACE).is_some());
    }
}

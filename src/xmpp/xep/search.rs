//! XEP-0055: Jabber Search in the directory of the domain, for its own accounts; pages by XEP-0059.
//!
//! Announced where the operator wants a directory. Whom it finds is the account room's matter.

use minidom::Element;

use super::{
    Answer, Handler, Iq, Module, Payload, Target,
    form::{self, Field, Filled},
    result_set::{self, Page},
};
use crate::account::{Found, FoundPage, MOST_FOUND, Search, Trait};
use crate::signal::{Address, Reason};
use crate::xmpp::stanza::{print_attribute, print_text};
use crate::xmpp::translate::{Refusal, Scope};

pub(super) const NAMESPACE: &str = "jabber:iq:search";

pub(super) const MODULE: Module = Module {
    payloads: &[Payload { name: "query", namespace: NAMESPACE, handler: Handler::Both(answer) }],
    ..Module::NONE
};

fn answer(iq: &Iq<'_>) -> Answer {
    if iq.target != Target::Server || !iq.shared.accounts.has_directory() {
        return Answer::Refuse(Refusal::SERVICE_UNAVAILABLE);
    }
    if !iq.is_set {
        return Answer::Result(print_form());
    }
    let Some(query) = iq.payload.to_element() else { return Answer::Refuse(Refusal::BAD_REQUEST) };
    let Some(wanted) = Wanted::parse(&query) else { return Answer::Refuse(Refusal::BAD_REQUEST) };
    let (accounts, asker) = (iq.shared.accounts.clone(), iq.asker.address.clone());
    Answer::work(async move {
        match accounts.search(&asker, wanted.search, wanted.after, wanted.most).await {
            Ok(page) => Answer::Result(print(&page, wanted.shape, wanted.is_paged)),
            Err(reject) if reject.reason == Reason::Malformed => {
                Answer::Refuse(Refusal { text: reject.text, ..Refusal::NOT_ACCEPTABLE })
            }
            Err(reject) => Answer::Refuse(Refusal::from_reject(&reject, Scope::Own)),
        }
    })
}

/// How the searcher asked, and so is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Form,
    Legacy,
}

#[derive(Debug, PartialEq)]
struct Wanted {
    search: Search,
    shape: Shape,
    after: Option<Address>,
    most: usize,
    /// The searcher wants to know of pages.
    is_paged: bool,
}

impl Wanted {
    /// `None` where it makes no sense.
    fn parse(query: &Element) -> Option<Self> {
        let page = Page::parse(query).filter(|page| page.before.is_none())?;
        let mut search = Search::default();
        let shape = match Filled::parse(query) {
            Some(filled) => {
                for (name, _, by) in FIELDS {
                    if filled.values(name).any(|value| !search.add(by, value)) {
                        return None;
                    }
                }
                Shape::Form
            }
            None => {
                for (name, _, by) in FIELDS {
                    let value = query.get_child(name, NAMESPACE).map(Element::text).unwrap_or_default();
                    if !search.add(by, &value) {
                        return None;
                    }
                }
                Shape::Legacy
            }
        };
        let after = page.after.map(|after| Address::parse(&after)).transpose().ok()?;
        let is_paged = query.has_child("set", result_set::NAMESPACE);
        Some(Self { search, shape, after, most: page.most.unwrap_or(MOST_FOUND).min(MOST_FOUND), is_paged })
    }
}

fn print_form() -> String {
    let legacy: String = LEGACY.iter().map(|name| format!("<{name}/>")).collect();
    let fields: Vec<_> =
        FIELDS.iter().map(|(name, label, _)| Field::new(name, "text-single", label)).collect();
    let form = form::print("form", NAMESPACE, "Search for people", &fields);
    format!(
        "<query xmlns='{NAMESPACE}'><instructions>Fill in one or more fields: parts of words will do.</instructions>\
         {legacy}{form}</query>"
    )
}

fn print(page: &FoundPage, shape: Shape, is_paged: bool) -> String {
    let mut out = format!("<query xmlns='{NAMESPACE}'>").into_bytes();
    match shape {
        Shape::Form => print_table(&page.people, &mut out),
        Shape::Legacy => page.people.iter().for_each(|found| print_item(found, &mut out)),
    }
    if is_paged {
        let ends = page.people.first().and_then(address_of).zip(page.people.last().and_then(address_of));
        out.extend_from_slice(result_set::print(ends).as_bytes());
    }
    out.extend_from_slice(b"</query>");
    String::from_utf8(out).unwrap_or_default()
}

fn address_of(found: &Found) -> Option<&str> {
    found.address.as_ref().map(Address::as_str)
}

fn print_table(people: &[Found], out: &mut Vec<u8>) {
    let start = format!(
        "<x xmlns='{}' type='result'><field var='FORM_TYPE' type='hidden'><value>{NAMESPACE}</value></field>\
         <reported><field var='jid' label='Address' type='jid-single'/>",
        form::NAMESPACE
    );
    out.extend_from_slice(start.as_bytes());
    for (name, label, _) in REPORTED {
        out.extend_from_slice(format!("<field var='{name}' label='{label}' type='text-single'/>").as_bytes());
    }
    out.extend_from_slice(b"</reported>");
    for found in people {
        let jid = address_of(found).unwrap_or_default();
        out.extend_from_slice(b"<item>");
        for (name, value) in [("jid", jid)].into_iter().chain(REPORTED.map(|(name, _, of)| (name, of(found))))
        {
            out.extend_from_slice(format!("<field var='{name}'><value>").as_bytes());
            print_text(value, out);
            out.extend_from_slice(b"</value></field>");
        }
        out.extend_from_slice(b"</item>");
    }
    out.extend_from_slice(b"</x>");
}

fn print_item(found: &Found, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<item jid='");
    print_attribute(address_of(found).unwrap_or_default(), out);
    out.extend_from_slice(b"'>");
    for (name, _, of) in REPORTED.iter().filter(|(name, ..)| LEGACY.contains(name)) {
        out.extend_from_slice(format!("<{name}>").as_bytes());
        print_text(of(found), out);
        out.extend_from_slice(format!("</{name}>").as_bytes());
    }
    out.extend_from_slice(b"</item>");
}

/// What the namespace itself knows.
const LEGACY: [&str; 4] = ["first", "last", "nick", "email"];

/// By what people can be looked for; names of our own begin with `x-` (XEP-0068 §3.4).
const FIELDS: [(&str, &str, Trait); 6] = [
    ("first", "Given name", Trait::Given),
    ("last", "Family name", Trait::Family),
    ("nick", "Nickname", Trait::Nickname),
    ("email", "Email address", Trait::Mail),
    ("x-name", "Whole name", Trait::Name),
    ("x-address", "Address", Trait::Address),
];

type Of = fn(&Found) -> &str;

const REPORTED: [(&str, &str, Of); 5] = [
    ("first", "Given name", |found| &found.given),
    ("last", "Family name", |found| &found.family),
    ("nick", "Nickname", |found| &found.nickname),
    ("email", "Email address", |found| &found.mail),
    ("x-name", "Whole name", |found| &found.name),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content: &str) -> Option<Wanted> {
        Wanted::parse(&format!("<query xmlns='{NAMESPACE}'>{content}</query>").parse().unwrap())
    }

    fn search(by: Trait, text: &str) -> Search {
        let mut search = Search::default();
        assert!(search.add(by, text));
        search
    }

    #[test]
    fn both_shapes_are_read() {
        let legacy = parse("<last>Capulet</last><first/>").unwrap();
        assert_eq!((legacy.shape, legacy.search), (Shape::Legacy, search(Trait::Family, "Capulet")));
        let form = "<x xmlns='jabber:x:data' type='submit'><field var='x-address'><value>jul</value></field></x>\
                    <set xmlns='http://jabber.org/protocol/rsm'><max>2</max><after>a@x</after></set>";
        let form = parse(form).unwrap();
        assert_eq!((form.shape, form.search), (Shape::Form, search(Trait::Address, "jul")));
        assert_eq!((form.most, form.after, form.is_paged), (2, Address::parse("a@x").ok(), true));
        assert_eq!(parse("").unwrap().most, MOST_FOUND);
        for wrong in [
            format!("<nick>{}</nick>", "a".repeat(300)),
            "<set xmlns='http://jabber.org/protocol/rsm'><before/></set>".to_owned(),
            "<set xmlns='http://jabber.org/protocol/rsm'><after>@</after></set>".to_owned(),
        ] {
            assert_eq!(parse(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn answers_are_well_formed_whatever_people_are_called() {
        let found =
            Found { address: Address::parse("a@x").ok(), nickname: "<&'>".to_owned(), ..Found::default() };
        let page = FoundPage { people: vec![found], more: false };
        for shape in [Shape::Form, Shape::Legacy] {
            let printed: Element = print(&page, shape, true).parse().unwrap();
            assert!(String::from(&printed).contains("&lt;&amp;"), "{shape:?}");
        }
        let form: Element = print_form().parse().unwrap();
        assert!(form.has_child("nick", NAMESPACE));
        assert_eq!(
            print(&FoundPage::default(), Shape::Legacy, false),
            format!("<query xmlns='{NAMESPACE}'></query>")
        );
    }
}

//! Four clients edit the same account at the same time: one that knows rosters and blocks, another of that
//! kind, and two that put whole documents with conditions and begin anew when they come too late. Each has
//! people of its own, so that it knows what has to come out: nothing of it may be lost, every place has to tell
//! the same, and every document has to be one that its application allows.

use std::collections::BTreeMap;

use super::{
    people::{BLINK, World, address},
    *,
};
use crate::{
    documents::{Context, Tree, TreeLimits, find_application},
    signal::{ContactEvent, Native},
};

/// What a client did to one person.
#[derive(Debug, Clone, PartialEq, Default)]
struct Person {
    /// A contact of this name.
    name: Option<String>,
    granted: bool,
    blocked: bool,
    followed: bool,
}

/// Numbers that look like chance and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

type People = BTreeMap<String, Person>;

/// Edits contacts one by one, as clients with a roster do.
async fn roster_client(accounts: Accounts, name: &'static str, steps: u32) -> People {
    let mut dice = Dice(name.bytes().map(u64::from).sum());
    let mut people = People::new();
    for step in 0..steps {
        let who = format!("{name}{}", dice.roll(4));
        let to = address(&who);
        let person = people.entry(who).or_default();
        let say = |event| Request::Contact {
            to: to.clone(),
            event,
            note: None,
            native: Native::None,
            origin_id: None,
        };
        let request = match dice.roll(7) {
            0 | 1 => {
                let name = format!("Name {step}");
                person.name = Some(name.clone());
                let groups = [format!("Group {}", dice.roll(3)).into()].into_iter().collect();
                Request::SetContact { address: to, name: Some(name.into()), groups }
            }
            2 if person.name.is_some() => {
                (person.name, person.granted, person.followed) = (None, false, false);
                Request::RemoveContact { address: to }
            }
            // Nothing can be said to whom the owner blocked.
            3 if person.name.is_some() && !person.blocked => {
                person.granted = !person.granted;
                let event =
                    if person.granted { ContactEvent::Subscribed } else { ContactEvent::Unsubscribed };
                say(event)
            }
            4 if person.name.is_some() && !person.blocked => {
                person.followed = !person.followed;
                let event = if person.followed { ContactEvent::Subscribe } else { ContactEvent::Unsubscribe };
                say(event)
            }
            5 => {
                person.blocked = !person.blocked;
                if person.blocked { Request::Block(vec![to]) } else { Request::Unblock(Some(vec![to])) }
            }
            _ => continue,
        };
        accounts.ask(&alice(), request).await.unwrap();
    }
    people
}

/// Puts whole documents, each made from the one that it read, with that one's tag as condition.
async fn put_client(documents: Documents, name: &'static str, steps: u32) -> (People, u32) {
    let mut dice = Dice(name.bytes().map(u64::from).sum());
    let mut people = People::new();
    let mut late = 0;
    let id = DocumentId::new("resource-lists", "index");
    for step in 0..steps {
        let who = format!("{name}{}", dice.roll(4));
        let before = people.get(&who).cloned().unwrap_or_default();
        let policy = ["default", "allow", "block"][dice.roll(3) as usize];
        let gone = before.name.is_some() && dice.roll(4) == 0;
        let after = Person {
            name: (!gone).then(|| format!("Name {step}")),
            granted: !gone && policy == "allow",
            blocked: !gone && policy == "block",
            followed: !gone && dice.roll(2) == 0,
        };
        loop {
            // Where everybody writes at once a client may have to ask again.
            let Ok(found) = documents.read(&alice(), &id).await else {
                late += 1;
                continue;
            };
            let found = found.unwrap();
            let text = String::from_utf8(found.bytes.to_vec()).unwrap();
            let text = with_person(&without_person(&text, &who), &who, &after);
            let edit = |now: Option<&Document>| {
                let is_same = now.is_some_and(|now| now.etag() == found.etag());
                if is_same { Ok(Change::Put(text.clone().into())) } else { Err("precondition failed") }
            };
            match documents.change(&alice(), &id, edit).await {
                Ok(_) => break,
                Err(_) => late += 1,
            }
        }
        people.insert(who, after);
    }
    (people, late)
}

/// The document without what is said of somebody, be it in the words of the client or of the server.
fn without_person(text: &str, who: &str) -> String {
    let entry = format!("<rl:entry uri=\"{who}%40example.org\"/>");
    let mut text = text.replace(&entry, "");
    let uri = format!("uri=\"{who}%40example.org\"");
    for kind in ["contact", "policy-element"] {
        while let Some(at) = text.find(&uri) {
            let Some(start) = text[..at].rfind(&format!("<addressbook:{kind} ")) else { break };
            let close = format!("</addressbook:{kind}>");
            let end = start + text[start..].find(&close).unwrap() + close.len();
            if end < at {
                break;
            }
            text.replace_range(start..end, "");
        }
    }
    let id = format!("<addressbook:contact_id>x-{who}</addressbook:contact_id>");
    text.replace(&id, "")
}

fn with_person(text: &str, who: &str, person: &Person) -> String {
    let Some(name) = &person.name else { return text.to_owned() };
    let policy = match (person.granted, person.blocked) {
        (true, _) => "allow",
        (_, true) => "block",
        _ => "default",
    };
    let handling = |name: &str, policy: &str, follows: bool| {
        format!(
            "<addressbook:{name}><addressbook:policy>{policy}</addressbook:policy>\
             <addressbook:subscribe>{follows}</addressbook:subscribe></addressbook:{name}>"
        )
    };
    let contact = format!(
        "<addressbook:contact id=\"x-{who}\"><addressbook:name>{name}</addressbook:name>\
         <addressbook:uris default=\"u-{who}\"><addressbook:uri id=\"u-{who}\" uri=\"{who}%40example.org\" \
         type=\"SIP\"/></addressbook:uris>{}{}</addressbook:contact>",
        handling("dialog", "default", false),
        handling("presence", policy, person.followed),
    );
    let entry = format!("<rl:entry uri=\"{who}%40example.org\"/>");
    let mut text = text.to_owned();
    for (list, is_in) in [
        ("oma_grantedcontacts", person.granted),
        ("oma_blockedcontacts", person.blocked),
        ("sipsimple_presence_rls", person.followed),
    ] {
        if is_in {
            let empty = format!("<rl:list name=\"{list}\"/>");
            text = text.replace(&empty, &format!("<rl:list name=\"{list}\"></rl:list>"));
            let open = format!("<rl:list name=\"{list}\">");
            let at = text.find(&open).unwrap() + open.len();
            text.insert_str(at, &entry);
        }
    }
    let at = text.rfind("</rl:list></rl:resource-lists>").unwrap();
    text.insert_str(at, &contact);
    text
}

/// What the account says of somebody.
fn person_of(facts: &crate::account::Facts, who: &str) -> Person {
    let contact = facts.contacts.iter().find(|contact| contact.address == address(who));
    Person {
        name: contact.and_then(|contact| contact.name.as_ref()).map(ToString::to_string),
        granted: contact.is_some_and(|contact| contact.from || contact.approved),
        blocked: facts.blocked.contains(&address(who)),
        followed: contact.is_some_and(|contact| contact.to || contact.ask),
    }
}

/// What the document says of somebody.
fn written_of(text: &str, who: &str) -> Person {
    let uri = format!("uri=\"{who}%40example.org\" type=\"SIP\"");
    let contact = text.find(&uri).map(|at| {
        let start = text[..at].rfind("<addressbook:contact ").unwrap();
        let end = start + text[start..].find("</addressbook:contact>").unwrap();
        &text[start..end]
    });
    let between = |text: &str, from: &str, to: &str| {
        text.split_once(from).and_then(|(_, rest)| rest.split_once(to)).map(|(found, _)| found.to_owned())
    };
    let list = |name: &str| {
        let list = between(text, &format!("<rl:list name=\"{name}\">"), "</rl:list>").unwrap_or_default();
        list.contains(&format!("\"{who}%40example.org\""))
    };
    let person = Person {
        name: contact.and_then(|contact| between(contact, "<addressbook:name>", "<")),
        granted: list("oma_grantedcontacts"),
        blocked: list("oma_blockedcontacts"),
        followed: list("sipsimple_presence_rls"),
    };
    if let Some(presence) =
        contact.and_then(|contact| between(contact, "<addressbook:presence>", "</addressbook:presence>"))
    {
        assert_eq!(presence.contains(">allow<"), person.granted, "{who}: {presence}");
        assert_eq!(presence.contains(">block<"), person.blocked, "{who}: {presence}");
        assert_eq!(presence.contains(">true<"), person.followed, "{who}: {presence}");
    }
    person
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_edit_of_any_client_is_lost_and_all_places_tell_the_same() {
    let world = World::new();
    world.put("resource-lists", BLINK).await;
    let puts = |name| tokio::spawn(put_client(world.documents.clone(), name, 40));
    let edits = |name| tokio::spawn(roster_client(world.accounts.clone(), name, 300));
    let (first, second) = (puts("blink-a"), puts("blink-b"));
    let (chat, page) = (edits("chat"), edits("page"));
    let mut expected = People::new();
    let mut late = 0;
    for client in [first, second] {
        let (people, failed) = client.await.unwrap();
        expected.extend(people);
        late += failed;
    }
    expected.extend(chat.await.unwrap());
    expected.extend(page.await.unwrap());
    assert!(late > 0, "the clients never met");
    let text = world.get("resource-lists").await.unwrap();
    let Reply::Facts(Some(facts)) = world.ask(Request::Facts { unless: None }).await else { panic!() };
    for (who, person) in &expected {
        // A block hides what was granted, and does not take it back.
        let seen = |person: Person| Person { granted: person.granted && !person.blocked, ..person };
        assert_eq!(seen(person_of(&facts, who)), seen(person.clone()), "{who} in the account");
        assert_eq!(written_of(&text, who), seen(person.clone()), "{who} in {text}");
    }
    assert_eq!(person_of(&facts, "bob").name.as_deref(), Some("Bob B"));
    assert_eq!(world.get("resource-lists").await.unwrap(), text);
    let tree = Tree::parse(&text, &TreeLimits::default()).unwrap();
    let (owner, is_taken) = (alice(), |_: &str| false);
    let context = Context { owner: &owner, is_taken: &is_taken };
    find_application("resource-lists").unwrap().validate(&tree, &context).unwrap();
}

#[tokio::test]
async fn documents_that_the_server_makes_are_what_their_applications_allow() {
    let world = World::new();
    for who in ["bob", "o.brien", "a+b", "ä"] {
        world.set(who, "A <&\"> name", &["G & H"]).await;
        world.say(who, ContactEvent::Subscribed).await;
    }
    world.ask(Request::Block(vec![address("mallory")])).await;
    let (owner, is_taken) = (alice(), |_: &str| false);
    let context = Context { owner: &owner, is_taken: &is_taken };
    for application in ["resource-lists", "rls-services"] {
        let text = world.get(application).await.unwrap();
        let tree = Tree::parse(&text, &TreeLimits::default()).unwrap();
        find_application(application).unwrap().validate(&tree, &context).unwrap();
        assert_eq!(world.get(application).await.unwrap(), text);
    }
}

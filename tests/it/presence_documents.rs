//! Composed presence documents before libxml2, which clients hold them against, and partial ones before a
//! client that was written from the RFC alone.

#[path = "../../src/formats/pidf/tests/publications.rs"]
mod publications;

use std::sync::Arc;

use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use rollcall::{
    formats::{
        pidf::{self, Document, Format},
        xml::Limits,
    },
    presence::aggregate,
    signal::{
        Activity, Address, Attribute, Attributes, Availability, Granted, Native, Presence, Resource,
        ResourceState, Selector, Snapshot, Text, Timestamp, UserInput, View,
    },
};
use serde_json::json;

use self::publications::Said;
use crate::support::Program;

const ENTITY: &str = "sip:bob@example.org";
const NOW: Timestamp = Timestamp(1_795_176_000_000);
/// Accounts that are looked at.
const ROUNDS: usize = 250;

fn judge() -> Program {
    Program::python("libxml2", "tests/interop/presence_documents.py", &[])
}

fn published(document: &str) -> Presence {
    let read = Document::parse(document.as_bytes(), &Limits::default()).unwrap();
    let body = document.to_owned().into();
    let native = Native::Mime { content_type: pidf::MEDIA_TYPE.into(), headers: Vec::new(), body };
    Presence { native, ..read.presence(NOW) }
}

fn state(index: usize, said: &Said) -> ResourceState {
    let availability = [
        Availability::Offline,
        Availability::ExtendedAway,
        Availability::Away,
        Availability::Online,
        Availability::Busy,
    ];
    let mut presence = match &said.document {
        Some(document) => published(document),
        None => Presence {
            availability: availability[said.state],
            since: NOW.plus_seconds(-said.since),
            idle_since: (said.since % 2 == 0).then_some(NOW),
            notes: said.note.as_deref().map(Text::plain).into_iter().collect(),
            priority: i8::try_from(said.since % 128).unwrap(),
            ..Presence::default()
        },
    };
    if said.is_on_the_phone {
        presence.availability = Availability::Busy;
        presence.activities.push(Activity::OnThePhone);
    }
    ResourceState {
        resource: Resource::new(&format!("r{index}")).unwrap(),
        contact: said.contact.as_deref().map(Into::into),
        takes_messages: true,
        takes_calls: said.is_on_the_phone,
        presence: Arc::new(presence),
    }
}

/// A session that published this.
fn publisher(document: String) -> Said {
    Said { state: 0, since: 0, is_on_the_phone: false, note: None, contact: None, document: Some(document) }
}

/// What an account shows whose sessions said this; the first one's document, where nobody is there.
fn composed(said: &[Said], is_anybody_there: bool) -> Document {
    let resources: Vec<_> = said.iter().enumerate().map(|(index, said)| state(index, said)).collect();
    let mut whole = aggregate(resources.iter().map(|state| &*state.presence), NOW);
    if !is_anybody_there && let Some(first) = resources.first() {
        whole = Presence { native: first.presence.native.clone(), ..Presence::offline(NOW) };
    }
    let resources = if is_anybody_there { resources } else { Vec::new() };
    let of = Address::parse("bob@example.org").unwrap();
    pidf::compose(&Snapshot { of, aggregate: Arc::new(whole), resources, picture: None }, ENTITY)
}

/// What some see of a document.
fn views() -> [View; 3] {
    let selectors = [Selector::Class("work".into()), Selector::Occurrence("t1".into())];
    let some = || Granted::Some(selectors.iter().cloned().collect());
    let attributes = Attributes::Some {
        named: [Attribute::Mood, Attribute::Note, Attribute::DeviceId].into(),
        user_input: UserInput::Thresholds,
        unknown: [("urn:x".into(), "y".into())].into(),
    };
    [
        View { persons: some(), ..View::everything() },
        View { services: some(), devices: some(), attributes, persons: Granted::All },
        View::nothing(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_composed_document_is_valid_and_changes_lead_from_one_to_the_next() {
    let mut judge = judge();
    let mut runner = TestRunner::deterministic();
    let mut before = Document::offline(ENTITY);
    let mut partial = 0;
    for version in 1..=u32::try_from(ROUNDS).unwrap() {
        let said = publications::sessions().new_tree(&mut runner).unwrap().current();
        let document = composed(&said, version % 10 != 0);
        let seen = views().map(|view| pidf::filter(&document, &view));
        let mut texts: Vec<_> = seen.iter().map(|seen| Format::Pidf.print(seen)).collect();
        texts.push(Format::Pidf.print(&document));
        let old_space = Format::CpimPidf.print(&document);
        texts.push(old_space.replace("urn:ietf:params:xml:ns:cpim-pidf", "urn:ietf:params:xml:ns:pidf"));
        judge.ask(json!({"do": "validate", "documents": texts})).await;
        let broken = publications::mutilated().new_tree(&mut runner).unwrap().current();
        if let Ok(text) = String::from_utf8(broken)
            && Document::parse(text.as_bytes(), &Limits::default()).is_ok()
        {
            let shown = composed(&[publisher(text)], true);
            judge.ask(json!({"do": "validate", "documents": [Format::Pidf.print(&shown)]})).await;
        }
        judge.ask(json!({"do": "read", "documents": [Format::Xpidf.print(&document)]})).await;
        // What follows is another account, and then the same with one session less.
        let less = composed(said.get(1..).unwrap_or_default(), true);
        for (old, new) in [(&before, &document), (&document, &less), (&seen[0], &document)] {
            let command = json!({
                "do": "patch",
                "old": pidf::print_full(old, version),
                "changes": pidf::print_changes(old, new, version + 1),
                "new": pidf::print_full(new, version + 1),
            });
            let answer = judge.ask(command).await;
            partial += usize::from(answer["whole"] == false);
        }
        before = document;
    }
    assert!(partial > ROUNDS, "only {partial} documents said what changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_schemas_allow_is_shown() {
    let mut judge = judge();
    let mut allowed = 0;
    for extension in publications::EXTENSIONS {
        let text = format!(
            "<presence xmlns='urn:ietf:params:xml:ns:pidf' {} entity='sip:a@b'><tuple id='t'>\
             <status><basic>open</basic></status>{extension}</tuple></presence>",
            publications::NAMESPACES
        );
        let verdict = judge.try_ask(&json!({"do": "validate", "documents": [text]})).await;
        if verdict["ok"] == true {
            allowed += 1;
            assert_eq!(composed(&[publisher(text)], true).tuples[0].extensions.len(), 1, "{extension}");
        }
    }
    assert!(allowed > 20, "{allowed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_the_specifications_are_shown_in_valid_documents() {
    let mut judge = judge();
    let mut documents = Vec::new();
    for name in ["rfc3863-4", "rfc3863-5", "rfc4480-1", "rfc4482-1", "rfc4482-2", "rfc5196-1", "rfc5263-1"] {
        let path = crate::support::repository(&format!("tests/data/presence/{name}.xml"));
        let text = std::fs::read_to_string(path).unwrap();
        let text = text.replace("p:pidf-full", "presence").replace("version=\"1\"", "");
        documents.push(Format::Pidf.print(&composed(&[publisher(text)], true)));
    }
    judge.ask(json!({"do": "validate", "documents": documents})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_judge_finds_what_is_wrong() {
    let mut judge = judge();
    let away = Said { state: 2, since: 0, is_on_the_phone: false, note: None, contact: None, document: None };
    let right = Format::Pidf.print(&composed(&[away], true));
    let extended = ("extended>away<", "extended>gone<");
    for (from, to) in [("<status>", "<status><basic>open</basic>"), extended, ("id=", "name=")] {
        assert!(right.contains(from), "{right}");
        let wrong = json!({"do": "validate", "documents": [right.replace(from, to)]});
        assert_eq!(judge.try_ask(&wrong).await["ok"], false, "{from} {to}");
    }
    let document = Document::offline(ENTITY);
    let full = pidf::print_full(&document, 1);
    let command = json!({"do": "patch", "old": full, "changes": pidf::print_changes(&document, &document, 2),
        "new": pidf::print_full(&document, 3)});
    assert_eq!(judge.try_ask(&command).await["ok"], false);
}

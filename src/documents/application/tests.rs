//! Documents as clients and specifications write them, and what is wrong with others.

use std::{fs, path::Path};

use super::{
    APPLICATIONS, Context, Origin, find_application, print_capabilities, print_directory, print_services,
};
use crate::{
    documents::{
        Conflict, DirectoryEntry, Exists, Tree, TreeLimits, print_icon, print_watchers, read_icon, services,
    },
    signal::{Address, Timestamp, Watcher, WatcherEvent, WatcherList, WatcherStatus},
};

/// The verdict on a document of `owner`; everybody else's services are `sip:taken@example.org`.
fn verdict(auid: &str, owner: &str, document: &str) -> Result<(), Conflict> {
    let tree = Tree::parse(document, &TreeLimits::default()).unwrap();
    let owner = Address::parse(owner).unwrap();
    let context = Context { owner: &owner, is_taken: &|uri| uri == "sip:taken@example.org" };
    find_application(auid).unwrap().validate(&tree, &context)
}

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/documents").join(name);
    fs::read_to_string(path).unwrap()
}

/// Every document of the specifications and of clients: its application, whose it is, and its file.
const EXAMPLES: &[(&str, &str, &str)] = &[
    ("resource-lists", "bill@example.com", "rfc4825-1.xml"),
    ("rls-services", "bill@example.com", "rfc4825-2.xml"),
    ("resource-lists", "bill@example.com", "rfc4825-3.xml"),
    ("resource-lists", "bill@example.com", "rfc4826-1.xml"),
    ("rls-services", "joe@example.com", "rfc4826-2.xml"),
    ("pidf-manipulation", "someone@example.com", "rfc4827-1.xml"),
    ("pres-rules", "alice@example.com", "rfc5025-1.xml"),
    ("pres-rules", "alice@example.com", "rfc4745-1.xml"),
    ("pres-rules", "alice@example.com", "rfc4745-2.xml"),
    ("pres-rules", "alice@example.com", "rfc4745-3.xml"),
    ("pres-rules", "alice@example.com", "rfc4745-4.xml"),
    ("pres-rules", "alice@example.com", "rfc4745-5.xml"),
    ("pres-rules", "alice@example.com", "rfc4745-6.xml"),
    ("pres-rules", "alice@example.com", "rfc4745-7.xml"),
    ("resource-lists", "alice@example.org", "blink-resource-lists.xml"),
    ("rls-services", "alice@example.org", "blink-rls-services.xml"),
    ("org.openmobilealliance.pres-rules", "alice@example.org", "blink-pres-rules.xml"),
    ("pres-rules", "alice@example.org", "blink-pres-rules.xml"),
    ("pidf-manipulation", "alice@example.org", "blink-presence.xml"),
    ("pres-rules", "joe@example.org", "ser-pres-rules.xml"),
    ("im-rules", "smith@example.org", "ser-im-rules.xml"),
];

#[test]
fn the_examples_of_the_specifications_and_of_clients_are_valid() {
    for (auid, owner, name) in EXAMPLES {
        assert_eq!(verdict(auid, owner, &example(name)), Ok(()), "{name}");
    }
}

#[test]
fn an_alias_is_the_same_document() {
    for (auid, name, expected) in [
        ("pres-rules", "index", Some("index")),
        ("pres-rules", "presence-rules.xml", Some("index")),
        ("org.openmobilealliance.pres-rules", "pres-rules", Some("index")),
        ("org.openmobilealliance.pres-rules", "mine", None),
        ("im-rules", "im-rules.xml", Some("index")),
        ("org.openmobilealliance.xcap-directory", "index", Some("directory.xml")),
        ("org.openmobilealliance.pres-content", "oma_status-icon/index", Some("oma_status-icon/index")),
        ("pidf-manipulation", "other", None),
        ("resource-lists", "friends.xml", Some("friends.xml")),
        ("resource-lists", "a/b", Some("a/b")),
        ("resource-lists", "a//b", None),
        ("resource-lists", "../index", None),
        ("resource-lists", "", None),
    ] {
        assert_eq!(find_application(auid).unwrap().document_name(name), expected, "{auid} {name}");
    }
    let of = |auid| find_application(auid).unwrap().stored_as;
    assert_eq!(of("pres-rules"), of("org.openmobilealliance.pres-rules"));
    assert!(find_application("unheard-of").is_none());
}

#[test]
fn capabilities_name_every_application_and_are_valid() {
    let text = print_capabilities();
    let tree = Tree::parse(&text, &TreeLimits::default()).unwrap();
    assert_eq!(find_application("xcap-caps").unwrap().check_schema(&tree), Ok(()));
    for application in APPLICATIONS {
        assert!(text.contains(&format!("<auid>{}</auid>", application.auid)), "{}", application.auid);
        assert!(text.contains(&format!("<namespace>{}</namespace>", application.schema.namespaces[0].name)));
    }
    assert!(text.contains("<extensions/>"), "{text}");
}

fn list(inside: &str) -> Result<(), Conflict> {
    let document =
        format!("<resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists'>{inside}</resource-lists>");
    verdict("resource-lists", "alice@example.org", &document)
}

fn doubles(fields: &[&str]) -> Result<(), Conflict> {
    let exists = |field: &&str| Exists { field: (*field).to_owned(), alternatives: Vec::new() };
    Err(Conflict::Uniqueness(fields.iter().map(exists).collect()))
}

#[test]
fn members_are_unique_within_their_list() {
    assert_eq!(list("<list name='a'/><list name='A'/><list/><list/>"), Ok(()));
    assert_eq!(list("<list name='a'/><list name='a'/>"), doubles(&["resource-lists/list%5B2%5D/@name"]));
    assert_eq!(list("<list name='a'><list name='a'/></list>"), Ok(()));
    assert_eq!(
        list("<list><entry uri='sip:a@b'/><entry uri='sip:a@b'/><list><entry uri='sip:a@b'/></list></list>"),
        doubles(&["resource-lists/list/entry%5B2%5D/@uri"])
    );
    assert_eq!(list("<list><entry uri='sip:a@b'/><entry uri='sip:A@b'/></list>"), Ok(()));
    assert_eq!(
        list(
            "<list><entry-ref ref='a/b'/><entry-ref ref='a/b'/><external anchor='http://a/b'/>\
              <external anchor='http://a/b'/></list>"
        ),
        doubles(&[
            "resource-lists/list/entry-ref%5B2%5D/@ref",
            "resource-lists/list/external%5B2%5D/@anchor"
        ])
    );
}

#[test]
fn references_of_lists_have_their_shape() {
    let refused = |phrase: &str| Err(Conflict::Constraint(phrase.into()));
    for reference in ["http://a/b", "/a/b", ""] {
        let expected = refused("the ref of an entry-ref is no relative path");
        assert_eq!(list(&format!("<list><entry-ref ref='{reference}'/></list>")), expected, "{reference}");
    }
    for anchor in ["a/b", "ftp://a/b", "/a"] {
        let expected = refused("the anchor of an external is no absolute HTTP URI");
        assert_eq!(list(&format!("<list><external anchor='{anchor}'/></list>")), expected, "{anchor}");
    }
    assert_eq!(
        list("<list><external anchor='https%3A//a/b'/><entry uri='bob%40example.org'/></list>"),
        Ok(())
    );
}

fn service(inside: &str) -> Result<(), Conflict> {
    let document = format!(
        "<rls-services xmlns='urn:ietf:params:xml:ns:rls-services' \
         xmlns:rl='urn:ietf:params:xml:ns:resource-lists'>{inside}</rls-services>"
    );
    verdict("rls-services", "alice@example.org", &document)
}

#[test]
fn a_service_has_an_address_of_its_own_and_a_list_of_its_owner() {
    assert_eq!(service("<service uri='sip:a@example.org'><list/></service>"), Ok(()));
    assert_eq!(
        service("<service uri='sip:a@b'><list/></service><service uri='sip:a@b'><list/></service>"),
        doubles(&["rls-services/service%5B2%5D/@uri"])
    );
    let taken = Exists {
        field: "rls-services/service/@uri".into(),
        alternatives: vec!["sip:alice+taken@example.org".into()],
    };
    for uri in ["sip:taken@example.org", "sip%3Ataken%40example.org", "taken@example.org"] {
        let verdict = service(&format!("<service uri='{uri}'><list/></service>"));
        assert_eq!(verdict, Err(Conflict::Uniqueness(vec![taken.clone()])), "{uri}");
    }
    assert_eq!(
        service(
            "<service uri='sip:a@b'><list><rl:entry uri='sip:c@d'/><rl:entry uri='sip:c@d'/></list></service>"
        ),
        doubles(&[
            "rls-services/service/list/p:entry%5B2%5D/@uri?xmlns(p=urn:ietf:params:xml:ns:resource-lists)"
        ])
    );
    let others = "<service uri='sip:a@b'><resource-list>http://x/resource-lists/users/sip:bob@example.org/index\
                  </resource-list></service>";
    assert!(matches!(service(others), Err(Conflict::Constraint(_))));
}

#[test]
fn services_of_all_users_are_one_document() {
    let parse = |text: &str| Tree::parse(text, &TreeLimits::default()).unwrap();
    let one = parse(&example("rfc4826-2.xml"));
    let other = parse(
        "<r:rls-services xmlns:r='urn:ietf:params:xml:ns:rls-services' xmlns:x='urn:x?a&amp;b'>\
         <r:service uri='sip%3Aa%40example.org'><r:list><own xmlns=''/></r:list><x:y/></r:service></r:rls-services>",
    );
    let uris: Vec<_> = services(&other).into_iter().map(|service| service.uri).collect();
    assert_eq!(uris, ["sip:a@example.org"]);
    let all = print_services([&one, &other].into_iter());
    let tree = parse(&all);
    let uris: Vec<_> = services(&tree).into_iter().map(|service| service.uri).collect();
    assert_eq!(uris, ["sip:mybuddies@example.com", "sip:marketing@example.com", "sip:a@example.org"]);
    let last = tree.root().elements().last().unwrap();
    assert!(last.elements().any(|element| element.is("urn:x?a&b", "y")), "{all}");
    assert_eq!(
        find_application("rls-services").unwrap().check_schema(&parse(&print_services([&one].into_iter()))),
        Ok(())
    );
}

fn rules(auid: &str, inside: &str) -> Result<(), Conflict> {
    let document = format!(
        "<ruleset xmlns='urn:ietf:params:xml:ns:common-policy' xmlns:pr='urn:ietf:params:xml:ns:pres-rules' \
         xmlns:im='urn:iptel:xml:ns:im-rules' xmlns:dr='urn:ag-projects:xml:ns:dialog-rules' \
         xmlns:ocp='urn:oma:xml:xdm:common-policy'>{inside}</ruleset>"
    );
    verdict(auid, "alice@example.org", &document)
}

#[test]
fn handlings_are_those_of_the_application() {
    for (auid, handling, expected) in [
        ("pres-rules", "<pr:sub-handling> polite-block </pr:sub-handling>", true),
        ("pres-rules", "<pr:sub-handling>perhaps</pr:sub-handling>", false),
        ("pres-rules", "<im:im-handling>perhaps</im:im-handling>", true),
        ("im-rules", "<im:im-handling>block</im:im-handling>", true),
        ("im-rules", "<im:im-handling>perhaps</im:im-handling>", false),
        ("org.openxcap.dialog-rules", "<dr:sub-handling>allow</dr:sub-handling>", true),
        ("org.openxcap.dialog-rules", "<dr:sub-handling>x</dr:sub-handling>", false),
    ] {
        let rule = format!("<rule id='a'><conditions/><actions>{handling}</actions></rule>");
        assert_eq!(rules(auid, &rule).is_ok(), expected, "{auid} {handling}");
    }
}

#[test]
fn rules_of_oma_say_once_whom_they_are_about() {
    let oma = "org.openmobilealliance.pres-rules";
    let twice = "<rule id='a'><conditions><ocp:other-identity/><ocp:other-identity/></conditions></rule>";
    assert_eq!(
        rules(oma, twice),
        Err(Conflict::Constraint("a rule has the condition other-identity twice".into()))
    );
    assert_eq!(rules("pres-rules", twice), Ok(()));
    let rule = |handling: &str, grants: &str| {
        format!(
            "<rule id='a'><conditions/><actions><pr:sub-handling>{handling}</pr:sub-handling></actions>\
             <transformations>{grants}</transformations></rule>"
        )
    };
    let mood = "<pr:provide-mood>true</pr:provide-mood>";
    assert_eq!(rules(oma, &rule("allow", mood)), Ok(()));
    assert_eq!(rules(oma, &rule("block", "")), Ok(()));
    assert!(matches!(rules(oma, &rule("block", mood)), Err(Conflict::Constraint(_))));
    assert_eq!(rules("pres-rules", &rule("block", mood)), Ok(()));
}

#[test]
fn an_icon_is_a_picture_in_base64() {
    let content = |kind: &str, encoding: &str, data: &str| {
        let document = format!(
            "<content xmlns='urn:oma:xml:prs:pres-content'>{kind}{encoding}<description xml:lang='de'>x\
             </description><data>{data}</data></content>"
        );
        verdict("org.openmobilealliance.pres-content", "alice@example.org", &document)
    };
    let (png, base64) = ("<mime-type>image/png</mime-type>", "<encoding>base64</encoding>");
    assert_eq!(content(png, base64, "AAEC\n/w=="), Ok(()));
    let large = "A".repeat(300 * 1024);
    assert_eq!(content(png, base64, &large), Ok(()));
    for (kind, encoding, data) in [
        ("", base64, "AAEC"),
        ("<mime-type>image/svg+xml</mime-type>", base64, "AAEC"),
        (png, "", "AAEC"),
        (png, "<encoding>hex</encoding>", "AAEC"),
        (png, base64, ""),
        (png, base64, "A?=="),
        (png, base64, &format!("{large}AAAA")),
    ] {
        assert!(matches!(content(kind, encoding, data), Err(Conflict::Constraint(_))), "{kind} {encoding}");
    }
    let document = print_icon("image/gif", &[0, 1, 254]);
    let icon = read_icon(&Tree::parse(&document, &TreeLimits::default()).unwrap()).unwrap();
    assert_eq!((icon.media_type, icon.data.as_slice()), ("image/gif", [0, 1, 254].as_slice()));
}

#[test]
fn computed_documents_are_valid() {
    let check = |auid: &str, text: &str| {
        let application = find_application(auid).unwrap();
        assert_eq!(application.origin, Origin::Computed);
        let tree = Tree::parse(text, &TreeLimits::default()).unwrap();
        assert_eq!(application.check_schema(&tree), Ok(()), "{text}");
    };
    let entry = |auid: &str, uri: &str| DirectoryEntry {
        auid: auid.into(),
        uri: uri.into(),
        etag: "\"1-a\"".into(),
        changed: Timestamp(1_795_176_000_000),
        size: 7,
    };
    let entries = [entry("rls-services", "b"), entry("resource-lists", "a"), entry("rls-services", "c")];
    let text = print_directory(&entries);
    assert_eq!(text.matches("<folder").count(), 2, "{text}");
    assert_eq!(text.matches("last-modified=\"2026-11-20T").count(), 3, "{text}");
    check("org.openmobilealliance.xcap-directory", &text);
    check("org.openmobilealliance.xcap-directory", &print_directory(&[]));
    let of = Address::parse("alice@example.org").unwrap();
    let watcher = |status, event| Watcher {
        id: "w".into(),
        address: Address::parse("bob@example.org").unwrap(),
        name: None,
        status,
        event,
        since: None,
        until: None,
    };
    let watchers = vec![
        watcher(WatcherStatus::Active, WatcherEvent::Approved),
        watcher(WatcherStatus::Waiting, WatcherEvent::Timeout),
        watcher(WatcherStatus::Terminated, WatcherEvent::Rejected),
    ];
    let text = print_watchers(&WatcherList { of: of.clone(), watchers }).unwrap();
    check("org.openxcap.watchers", &text);
    for status in ["allow", "confirm", "deny"] {
        assert!(text.contains(&format!("<status>{status}</status>")), "{text}");
    }
    assert_eq!(print_watchers(&WatcherList { of, watchers: Vec::new() }), None);
}

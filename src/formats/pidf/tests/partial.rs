//! RFC 5262: the operations that make one document of another.

use super::composition::body;
use crate::formats::{pidf::*, xml::Limits};

fn document(inside: &str) -> Document {
    Document::parse(body(inside).as_bytes(), &Limits::default()).unwrap()
}

/// The operations, without the root around them.
fn operations(old: &Document, new: &Document) -> String {
    let text = diff::print_diff(old, new, 2).unwrap();
    let (head, rest) = text.split_once(&format!("version=\"2\" entity=\"{}\">", new.entity)).unwrap();
    assert!(head.contains("<p:pidf-diff xmlns=\"urn:ietf:params:xml:ns:pidf\""), "{head}");
    rest.strip_suffix("</p:pidf-diff>").unwrap().to_owned()
}

const DESK: &str = "<tuple id='desk'><status><basic>open</basic></status><r:class>a</r:class>\
    <contact priority='0.5'>sip:a@b</contact><note xml:lang='en'>hi</note><timestamp>2026-11-20T11:00:00Z</timestamp></tuple>";

#[test]
fn only_what_changed_is_said() {
    let old = document(DESK);
    for (from, to, expected) in [
        ("", "", ""),
        (">hi<", ">ho<", "<p:replace sel=\"*/tuple[@id='desk']/note/text()\">ho</p:replace>"),
        ("'0.5'", "'0.7'", "<p:replace sel=\"*/tuple[@id='desk']/contact/@priority\">0.70</p:replace>"),
        (" xml:lang='en'", "", "<p:remove sel=\"*/tuple[@id='desk']/note/@xml:lang\"/>"),
        (" priority='0.5'", "", "<p:remove sel=\"*/tuple[@id='desk']/contact/@priority\"/>"),
        ("<r:class>a</r:class>", "", "<p:remove sel=\"*/tuple[@id='desk']/rpid:class\"/>"),
        (
            "</note>",
            "</note><note>da</note>",
            "<p:add sel=\"*/tuple[@id='desk']/note[1]\" pos=\"after\"><note>da</note></p:add>",
        ),
        (
            "<r:class>",
            "<x:y/><r:class>",
            "<p:add sel=\"*/tuple[@id='desk']/status\" pos=\"after\"><n5:y/></p:add>",
        ),
    ] {
        let new = document(&DESK.replace(from, to));
        let said = operations(&old, &new);
        assert_eq!(said, expected, "{from} {to}");
    }
}

#[test]
fn tuples_come_and_go() {
    let old = document(DESK);
    let new = document(&format!("{DESK}<tuple id='new'><status><basic>closed</basic></status></tuple>"));
    let said = operations(&old, &new);
    assert!(
        said.starts_with("<p:add sel=\"*/tuple[@id='desk']\" pos=\"after\"><tuple id=\"new\"><status>"),
        "{said}"
    );
    assert_eq!(operations(&new, &old), "<p:remove sel=\"*/tuple[@id='new']\"/>");
}

#[test]
fn the_whole_is_sent_where_changes_are_not_less() {
    let (old, new) = (document(DESK), Document::offline("sip:a@b"));
    let text = print_changes(&old, &new, 7);
    assert!(text.contains("<p:pidf-full ") && text.contains("version=\"7\""), "{text}");
    assert_eq!(text, print_full(&new, 7));
    let other = Document { entity: "sip:other@example.org".into(), ..old.clone() };
    assert_eq!(print_changes(&old, &other, 3), print_full(&other, 3));
    assert!(print_changes(&old, &old, 8).contains("<p:pidf-diff "));
}

#[test]
fn the_whole_is_the_document_with_a_version() {
    let document = document(DESK);
    let text = Format::PidfDiff.print(&document);
    assert!(text.contains(" version=\"1\" entity="), "{text}");
    let plain = text.replace("p:pidf-full", "presence").replace(" version=\"1\"", "");
    let read = |text: &str| Document::parse(text.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(read(&plain), read(&Format::Pidf.print(&document)));
}

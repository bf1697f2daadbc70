//! Operations that are written, and what another reading of RFC 5261 makes of them ([`applied`]).

mod applied;

use proptest::prelude::*;

use super::*;
use crate::documents::{Edits, escape_attribute};
use applied::{Whole, apply};

fn patched(old: &str, new: &str) -> Option<String> {
    let (old, new) = (Bytes::copy_from_slice(old.as_bytes()), Bytes::copy_from_slice(new.as_bytes()));
    let mut work = usize::MAX;
    patch(&old, &new, "d", &mut work)
}

/// Fails unless the operations make of one document what means the same as the other.
fn check(old: &str, new: &str) -> Option<String> {
    let operations = patched(old, new)?;
    let mut whole = Whole::parse(old);
    apply(&mut whole, &operations);
    assert_eq!(whole, Whole::parse(new), "{old}\nafter {operations}\nis not {new}");
    Some(operations)
}

const PAD: &str =
    "<pad>something that makes the whole longer than any operation upon it is, as documents are</pad>";

/// RFC 5875 §A.4, and what else clients do to documents.
#[test]
fn smallest_place_of_a_change_is_patched() {
    let doc = |inside: &str| format!("<doc>{PAD}{inside}</doc>");
    for (old, new, expect) in [
        ("", "<foo>new</foo><bar>b\n</bar>", "<d:add sel=\"*\"><foo>new</foo><bar>b\n</bar></d:add>"),
        ("<a/><b/>", "<b/>", "<d:remove sel=\"*/*[2]\"></d:remove>"),
        ("<b/>", "<a/><b/>", "<d:add sel=\"*/*[2]\" pos=\"before\"><a/></d:add>"),
        ("<a/>\n", "<a/><b/>\n", "<d:add sel=\"*/*[2]\" pos=\"after\"><b/></d:add>"),
        ("<a/>\n", "<a/>x<b/>\n", "<d:add sel=\"*/*[2]\" pos=\"after\">x<b/></d:add>"),
        ("\n<a/>\n<b/>\n", "\n\n<b/>\n", "<d:remove sel=\"*/*[2]\"></d:remove>"),
        (
            "\n<a/>\n<b/>\n",
            "\n<b/>\n",
            "<d:remove sel=\"*/*[2]\"></d:remove><d:replace sel=\"*/text()[1]\">\n</d:replace>",
        ),
        ("<a x='1'/>", "<a x='2'/>", "<d:replace sel=\"*/*[2]/@x\">2</d:replace>"),
        ("<a/>", "<a x='&lt;'/>", "<d:add sel=\"*/*[2]\" type=\"@x\">&lt;</d:add>"),
        ("<a x='1'/>", "<a/>", "<d:remove sel=\"*/*[2]/@x\"></d:remove>"),
        ("<a>1</a>", "<a>2</a>", "<d:replace sel=\"*/*[2]\"><a>2</a></d:replace>"),
        ("<a><b/>t<c/></a>", "<a><b/>t<d/></a>", "<d:replace sel=\"*/*[2]/*[2]\"><d/></d:replace>"),
        ("text", "other", "<d:replace sel=\"*/text()[1]\">other</d:replace>"),
        ("text", "", "<d:remove sel=\"*/text()[1]\"></d:remove>"),
        (
            "<!--a-->",
            "<!--b-->",
            "<d:remove sel=\"*/comment()[1]\"></d:remove><d:add sel=\"*\"><!--b--></d:add>",
        ),
        ("<?a b?>x", "x", "<d:remove sel=\"*/processing-instruction()[1]\"></d:remove>"),
        ("", "", ""),
        // Written otherwise, which means the same.
        ("<a x='1' y='2'></a>&#120;", "<a y=\"2\" x=\"1\" /><![CDATA[x]]>", ""),
    ] {
        assert_eq!(check(&doc(old), &doc(new)).as_deref(), Some(expect), "{old} {new}");
    }
}

#[test]
fn several_changes_are_told_where_they_are() {
    let list = |entries: &[(&str, &str)]| {
        let entry = |(uri, name): &(&str, &str)| format!("\n <entry uri='{uri}'><name>{name}</name></entry>");
        format!("<list>{PAD}{}\n</list>", entries.iter().map(entry).collect::<String>())
    };
    let old = list(&[("a", "A"), ("b", "B"), ("c", "C"), ("d", "D")]);
    let new = list(&[("b", "Bob"), ("c", "C"), ("e", "E"), ("d", "D")]);
    assert_eq!(
        check(&old, &new).unwrap(),
        "<d:remove sel=\"*/*[2]\"></d:remove><d:replace sel=\"*/*[2]/*[1]\"><name>Bob</name></d:replace>\
         <d:replace sel=\"*/text()[1]\">\n </d:replace>\
         <d:add sel=\"*/*[4]\" pos=\"before\"><entry uri='e'><name>E</name></entry>\n </d:add>"
    );
}

#[test]
fn content_brings_the_namespaces_that_hold_where_it_goes() {
    let doc = |inside: &str| {
        format!(
            "<p:doc xmlns:p='urn:p' xmlns:q='urn:q' xmlns='urn:x'><p:pad>{}</p:pad>{inside}</p:doc>",
            "x".repeat(200)
        )
    };
    for (old, new, expect) in [
        ("<a/>", "<a><p:b/></a>", "<d:add sel=\"*/*[2]\" xmlns:p=\"urn:p\" xmlns=\"urn:x\"><p:b/></d:add>"),
        (
            "<a q:x='1' p:x='2'><b>what makes it longer than what is to be told</b><b>both times</b></a>",
            "<a q:x='2'><b>what makes it longer than what is to be told</b><b>both times</b></a>",
            "<d:replace sel=\"*/*[2]/@q:x\" xmlns:q=\"urn:q\">2</d:replace>\
             <d:remove sel=\"*/*[2]/@p:x\" xmlns:p=\"urn:p\"></d:remove>",
        ),
        ("<a/>", "<a xml:lang='en'/>", "<d:add sel=\"*/*[2]\" type=\"@xml:lang\">en</d:add>"),
    ] {
        assert_eq!(check(&doc(old), &doc(new)).as_deref(), Some(expect), "{new}");
    }
}

#[test]
fn what_replaces_everything_is_patched_where_that_is_shorter_than_the_document() {
    let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    let (old, new) = (format!("{declaration}<a/>"), format!("{declaration}<b xmlns='urn:b'><c/></b>\n"));
    assert_eq!(check(&old, &new).unwrap(), "<d:replace sel=\"*\"><b xmlns='urn:b'><c/></b></d:replace>");
    // Neither the declaration nor white space around the root means anything.
    assert_eq!(
        check(&format!("{declaration}{new}").replace(declaration, ""), "<b xmlns='urn:b'><c/></b>").unwrap(),
        ""
    );
    for (old, new) in [
        ("<a/>", "<b/>"),
        ("<?a?><a/>", "<a/>"),
        ("<a/><!-- a -->", "<a/><!-- b -->"),
        ("<a/>", "<a xmlns:n='urn:n'/>"),
        ("<a", "<a/>"),
    ] {
        assert_eq!(patched(old, new), None, "{old} {new}");
    }
}

/// What somebody does to a document; numbers choose what and where.
fn edit(text: &str, choice: u64) -> String {
    let tree = Tree::parse(text, &TreeLimits::default()).unwrap();
    let elements: Vec<_> = tree.root().descendants().collect();
    let at = |shift: u32, count: usize| usize::try_from(choice >> shift).unwrap() % count;
    let element = elements[at(8, elements.len())];
    let inner =
        if elements.len() > 1 { elements[1 + at(8, elements.len() - 1)] } else { return text.to_owned() };
    let number = choice >> 16 & 7;
    let entry = format!("<entry uri=\"sip:{number}\"><n:x xmlns:n='urn:n' n:y='&#13;'/>{number}</entry>");
    let mut edits = Edits::of(&tree);
    match choice & 15 {
        0 | 1 => edits.append(element, &entry),
        2 => edits.insert_before(inner, &format!("{entry}\n  ")),
        3 => edits.insert_after(inner, &format!(" <p:list name='{number}' xml:lang='x'/>t{number}")),
        4 | 5 => edits.remove(inner),
        6 => edits.replace(inner, &format!("<p:list name=\"{number}\">\n{entry}\n{entry}</p:list>")),
        7 => edits.replace_content(element, &format!("a &amp; {number}")),
        8 => edits.set_attribute(element, "name", &escape_attribute(&format!("<{number}>"))),
        9 => edits.set_attribute(element, "uri", &format!("line\nand\ttab {number}")),
        10 => match element.attributes().nth(at(24, 2)) {
            Some(attribute) => edits.remove_attribute(attribute),
            None => edits.append(element, "<!-- a comment -->"),
        },
        11 => edits.insert_before(inner, &format!("<!--{number}--><?pi {number}?><![CDATA[<{number}]]>")),
        12 => edits.append(element, "\r\n"),
        // Two things at once.
        13 => edits.append(element, &entry).append(tree.root(), "<p:z/>"),
        14 => return text.replacen("\n", "\n\n", at(24, 3)),
        _ => return text.replace("<entry uri", "<entry  uri").replace("</entry>", "</entry >"),
    };
    edits.apply(&TreeLimits::default()).unwrap().as_str().to_owned()
}

const FIRST: &str = "<?xml version='1.0'?>\n<lists xmlns='urn:l' xmlns:p='urn:p' xmlns:n='urn:other'>\n  \
    <list name='a'>\n    <entry uri='sip:1'><p:name>One</p:name></entry>\n    <entry uri='sip:2'/>\n  </list>\n  \
    <p:list name='b' p:is='true'>text<entry uri='sip:1'/>text<entry uri='sip:3'/></p:list>\n</lists>\n";

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Some thousands of changes of documents, of one edit and of several.
    #[test]
    fn every_change_leads_from_one_version_to_the_next(choices in prop::collection::vec(any::<u64>(), 1..24)) {
        let (mut text, mut told) = (FIRST.to_owned(), FIRST.to_owned());
        for (count, choice) in choices.into_iter().enumerate() {
            let next = edit(&text, choice);
            check(&text, &next);
            if count % 5 == 4 {
                check(&told, &next);
                told.clone_from(&next);
            }
            text = next;
        }
    }
}

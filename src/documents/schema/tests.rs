//! One line per case: a document, and what is wrong with it.

use super::{
    AttributeUse, Content, Declaration, EMPTY, Kind, Namespace, Others, Particle, Schema, Simple,
    TEXT_IN_A_LANGUAGE, Term, XML,
};
use crate::documents::tree::{Tree, TreeLimits};

static SCHEMA: Schema = Schema { namespaces: &[&NAMESPACE, &SIDE, &XML] };

static NAMESPACE: Namespace = Namespace { name: "urn:a", elements: &[ROOT], attributes: &[] };

/// Of whose elements a wildcard makes use.
static SIDE: Namespace = Namespace {
    name: "urn:b",
    elements: &[Declaration { namespace: "urn:b", name: "flag", kind: &FLAG }],
    attributes: &[AttributeUse { namespace: "urn:b", ..AttributeUse::optional("must", Simple::Boolean) }],
};
static FLAG: Kind = Kind::text(Simple::Boolean);

const ROOT: Declaration = a("root", &ROOT_KIND);
static ROOT_KIND: Kind = Kind {
    attributes: &[AttributeUse::required("id", Simple::Id), AttributeUse::optional("n", Simple::NonNegative)],
    others: Others::NotOf("urn:a"),
    content: Content::Elements(Particle::one(Term::Sequence(&[
        Particle::maybe(Term::Element(&a("title", &TEXT_IN_A_LANGUAGE))),
        Particle::many(Term::Choice(&[
            Particle::one(Term::Element(&a("root", &ROOT_KIND))),
            Particle::one(Term::Element(&a("empty", &EMPTY))),
        ])),
        Particle::maybe(Term::Sequence(&[
            Particle::one(Term::Element(&a("from", &WORD))),
            Particle::one(Term::Element(&a("until", &WORD))),
        ])),
        Particle::many(Term::Any(Others::NotOf("urn:a"))),
    ]))),
};
static WORD: Kind = Kind::text(Simple::Exactly(&["x", "y"]));

const fn a(name: &'static str, kind: &'static Kind) -> Declaration {
    Declaration { namespace: "urn:a", name, kind }
}

/// What is wrong with this in the root; empty for nothing.
fn check(inside: &str, expected: &str) {
    check_document(&format!("<root xmlns='urn:a' xmlns:b='urn:b' id='i'>{inside}</root>"), expected);
}

fn check_document(document: &str, expected: &str) {
    let tree = Tree::parse(document, &TreeLimits::default()).unwrap();
    let verdict = SCHEMA.check(&ROOT, tree.root());
    assert_eq!(verdict.err().map(|fault| fault.to_string()).unwrap_or_default(), expected, "{document}");
}

#[test]
fn elements_come_in_their_order_and_number() {
    check("", "");
    check(" <title xml:lang='de'>t</title><!-- c --><empty/><root id='j'/><empty/>", "");
    check("<from>x</from><until>y</until><b:c/><d xmlns='urn:d'/>", "");
    check("<empty/><title/>", "/root/title: it is not expected here");
    check("<title/><title/>", "/root/title[2]: it is not expected here");
    check("<empty/><empty/><other/>", "/root/other: it is not expected here");
    check("<from>x</from>", "/root: <until> is missing");
    check("<from>x</from><b:c/>", "/root/c: <until> is missing before it");
    check("<from>z</from><until>x</until>", "/root/from: \"z\" is not one of the words that are known here");
    check("<b:c/><empty/>", "/root/empty: it is not expected here");
    check("<empty xmlns=''/>", "/root/empty: it is not expected here");
}

#[test]
fn text_stands_where_text_may_stand() {
    check(" \n\t", "");
    check("x", "/root: it has room for elements only, not for text");
    check("<![CDATA[x]]>", "/root: it has room for elements only, not for text");
    check("<empty> </empty>", "/root/empty: it has to be empty");
    check("<empty><!-- c --></empty>", "");
    check("<title><b:c/></title>", "/root/title: it has room for text only");
    check("<title>a<!-- c -->b</title>", "");
}

#[test]
fn attributes_are_those_of_the_element() {
    check("<root/>", "/root/root/@id: it is missing");
    check("<root id='j' n='-1'/>", "/root/root/@n: \"-1\" is not a whole number");
    check("<root id='j' m=''/>", "/root/root/@m: it is not expected here");
    check("<root id='j' b:m=''/>", "");
    check("<root id='j' b:must='perhaps'/>", "/root/root/@must: \"perhaps\" is not true or false");
    check("<root id='j' xml:lang='?'/>", "/root/root/@lang: \"?\" is not a language tag");
    check("<empty xml:lang='de'/>", "/root/empty/@lang: it is not expected here");
    let instance = "xmlns:i='http://www.w3.org/2001/XMLSchema-instance'";
    check(&format!("<empty {instance} i:schemaLocation='urn:a a.xsd'/>"), "");
    check(&format!("<empty {instance} i:nil='true'/>"), "/root/empty/@nil: it is not expected here");
}

#[test]
fn names_are_unique_in_the_document() {
    check("<root id='j'/><root id='k'/>", "");
    check(
        "<root id='j'/><root id='j'/>",
        "/root/root[2]/@id: \"j\" names something else in the document already",
    );
    check("<root id=' i '/>", "/root/root/@id: \" i \" names something else in the document already");
    check("<b:c xml:id='i'/>", "/root/c/@id: \"i\" names something else in the document already");
}

#[test]
fn what_is_known_is_checked_wherever_it_stands() {
    check("<b:flag>true</b:flag>", "");
    check("<b:flag>x</b:flag>", "/root/flag: \"x\" is not true or false");
    check("<b:x>text<b:flag>x</b:flag></b:x>", "/root/x/flag: \"x\" is not true or false");
    check("<b:x><root/></b:x>", "/root/x/root/@id: it is missing");
    check("<b:x><unknown/>text</b:x>", "");
}

#[test]
fn another_root_is_another_document() {
    check_document("<root/>", "/root: <root> of urn:a was expected");
    check_document("<flag xmlns='urn:b'>true</flag>", "/flag: <root> of urn:a was expected");
}

#[test]
fn a_large_document_takes_no_longer_than_its_size() {
    let limits = TreeLimits { bytes: 8 << 20, nodes: 1 << 20, ..TreeLimits::default() };
    let document = |count: usize| {
        let inside: String = (0..count).map(|n| format!("<root id='n{n}'/>")).collect();
        Tree::parse(format!("<root xmlns='urn:a' id='i'>{inside}</root>"), &limits).unwrap()
    };
    let time = |tree: &Tree| {
        let start = std::time::Instant::now();
        assert_eq!(SCHEMA.check(&ROOT, tree.root()), Ok(()));
        start.elapsed()
    };
    let (small, large) = (document(2_000), document(64_000));
    // Were it quadratic, it would take a thousand times as long and not 32 times.
    let fastest = |tree: &Tree| (0..5).map(|_| time(tree)).min().unwrap();
    let (small, large) = (fastest(&small), fastest(&large));
    assert!(large < small * 400, "{large:?} {small:?}");
}

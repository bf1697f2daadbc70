//! An element that is spliced in gives the tree that reading the whole gives.

use super::*;
use crate::documents::tree::{insert::Place, splice};

const DOCUMENT: &str = "<?xml version='1.0'?><!-- a --><r xmlns='urn:r' xmlns:p='urn:p' p:k='&lt;1'>\
    text<a k='1' p:k='2'>in<b/><![CDATA[x]]></a> <p:a xmlns:q='urn:q' q:k='1'><q:b>t</q:b><a xmlns=''><b/></a></p:a>\
    <a><b k='3'/><b k='4'><c>ü</c></b></a><?i x?></r><!-- z -->";

/// Elements that are put; those that declare something are not spliced.
const NEW: [(&str, bool); 6] = [
    ("<a/>", true),
    (" <a k='9' p:k='8'><b>t<p:c/></b> </a>\n", true),
    ("<p:x><a>&amp;</a><!-- c --></p:x>", true),
    ("<b xml:lang='de'>long text that is longer than anything that is there already</b>", true),
    ("<a xmlns='urn:other'/>", false),
    ("<a><x:y xmlns:x='urn:x'/></a>", false),
];

fn check(spliced: Option<Tree>, is_spliced: bool, what: &str) {
    assert_eq!(spliced.is_some(), is_spliced, "{what}");
    if let Some(spliced) = spliced {
        let read = Tree::parse(spliced.as_str(), &TreeLimits::default()).expect(what);
        assert_eq!(format!("{spliced:?}"), format!("{read:?}"), "{what}");
    }
}

#[test]
fn spliced_trees_are_those_that_are_read() {
    let tree = tree(DOCUMENT);
    let limits = TreeLimits::default();
    for (new, is_plain) in NEW {
        for element in tree.root().descendants().skip(1) {
            let what = format!("{new} at {}", element.source());
            let parent = element.parent().unwrap();
            let fragment = Tree::parse_fragment(new, Some(parent), &limits).unwrap();
            let declares = element.descendants().any(|one| one.declarations().next().is_some());
            check(splice::replace(&tree, element, &fragment, &limits), is_plain && !declares, &what);
            for place in [Place::Before(element), Place::After(element), Place::Last] {
                check(splice::insert(&tree, parent, place, &fragment, &limits), is_plain, &what);
            }
            let within = Tree::parse_fragment(new, Some(element), &limits).unwrap();
            let is_open = !element.source().ends_with("/>") || element.elements().next().is_some();
            let last = splice::insert(&tree, element, Place::Last, &within, &limits);
            check(last, is_plain && is_open, &what);
        }
    }
}

#[test]
fn limits_of_the_whole_are_kept() {
    let tree = tree("<a><b><c/></b></a>");
    let b = tree.root().elements().next().unwrap();
    let of = |new: &str, limits: TreeLimits| {
        let fragment = Tree::parse_fragment(new, Some(b), &TreeLimits::default()).unwrap();
        splice::insert(&tree, b, Place::Last, &fragment, &limits).is_some()
    };
    let limits = TreeLimits { bytes: 30, nodes: 5, depth: 4, ..TreeLimits::default() };
    assert!(of("<c><d/></c>", limits));
    assert!(!of("<c><d/></c>", TreeLimits { bytes: 28, ..limits }));
    assert!(!of("<c><d/></c>", TreeLimits { nodes: 4, ..limits }));
    assert!(!of("<c><d/></c>", TreeLimits { depth: 3, ..limits }));
}

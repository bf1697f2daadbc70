//! Edits that are gathered and applied together.

use super::*;

const TEXT: &str = "<?xml version='1.0'?>\n<l:a xmlns:l='u'> <!-- keep -->\n <l:b n='1'/>\n <l:c   n = '2'  >x</l:c>\n</l:a>\n";

fn check(expected: &str, edit: impl for<'a> Fn(&mut Edits<'a>, Element<'a>)) {
    let tree = tree(TEXT);
    let mut edits = Edits::of(&tree);
    assert!(edits.is_empty());
    edit(&mut edits, tree.root());
    assert!(!edits.is_empty());
    let changed = edits.apply(&LIMITS).unwrap();
    assert_eq!(changed.as_str(), expected);
}

fn first<'a>(root: Element<'a>) -> Element<'a> {
    root.element("u", "b").unwrap()
}

#[test]
fn each_edit_changes_its_own_bytes_only() {
    check(&TEXT.replace("\n</l:a>", "\n<l:d/><l:e/></l:a>"), |edits, root| {
        edits.append(root, "<l:d/>").append(root, "<l:e/>");
    });
    check(&TEXT.replace("<l:b n='1'/>", "<l:b n='1'><x/><y/></l:b>"), |edits, root| {
        edits.append(first(root), "<x/>").append(first(root), "<y/>");
    });
    check(&TEXT.replace("<l:b n='1'/>", "<q/><l:b n='1'/><r/>"), |edits, root| {
        edits.insert_after(first(root), "<r/>").insert_before(first(root), "<q/>");
    });
    check(&TEXT.replace("<l:b n='1'/>", ""), |edits, root| {
        edits.remove(first(root));
    });
    check(&TEXT.replace("n='1'", "n=\"&quot;&apos;&lt;&amp;\""), |edits, root| {
        edits.set_attribute(first(root), "n", "\"'<&");
    });
    check(&TEXT.replace("n = '2'  >x<", "n = '2' m=\"3\"  >&lt;<"), |edits, root| {
        let other = root.element("u", "c").unwrap();
        edits.set_attribute(other, "m", "3").replace_content(other, &escape_text("<"));
    });
    check(&TEXT.replace("<l:c   n = '2'  >", "<l:c  >").replace("<l:b n='1'/>", "<z/>"), |edits, root| {
        let other = root.element("u", "c").unwrap();
        edits.remove_attribute(other.find_attribute(None, "n").unwrap()).replace(first(root), "<z/>");
    });
    check(&TEXT.replace("<l:b n='1'/>", "<l:b n=\"5\">t</l:b>"), |edits, root| {
        edits.replace_content(first(root), "t").set_attribute(first(root), "n", "5");
    });
}

#[test]
fn edits_that_contradict_or_break_the_document_change_nothing() {
    let tree = tree(TEXT);
    let root = tree.root();
    let mut twice = Edits::of(&tree);
    twice.replace(first(root), "<x/>").replace(first(root), "<y/>");
    assert_eq!(twice.apply(&LIMITS).map(drop), Err(EditError::Overlap));
    let mut within = Edits::of(&tree);
    within.remove(root).append(root, "<x/>");
    assert_eq!(within.apply(&LIMITS).map(drop), Err(EditError::Overlap));
    let mut broken = Edits::of(&tree);
    broken.append(root, "<x>");
    assert!(matches!(broken.apply(&LIMITS), Err(EditError::Parse(ParseError::Malformed { .. }))));
    let mut large = Edits::of(&tree);
    large.append(root, &"x".repeat(5000));
    assert!(matches!(large.apply(&LIMITS), Err(EditError::Parse(ParseError::TooLarge { .. }))));
}

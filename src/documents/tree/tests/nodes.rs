//! RFC 4825 §8.2.3, §8.2.4, §8.4 and §7: where nodes go, and which must not.

use proptest::prelude::*;

use super::*;

/// §8.2.3, indented as it is there.
const ROOT: &str = "<?xml version=\"1.0\"?>\n   <root>\n    <el1 att=\"first\"/>\n    <el1 att=\"second\"/>\n    \
                    <!-- comment -->\n    <el2 att=\"first\"/>\n   </root>";

fn put(text: &str, path: &str, content: &str) -> Result<(String, bool), NodeEditError> {
    let selector = Selector::parse(path, None, None).unwrap();
    let edited = selector.put(&tree(text), content.as_bytes(), &LIMITS)?;
    Ok((edited.tree.as_str().to_owned(), edited.is_new))
}

fn remove(text: &str, path: &str) -> Result<String, NodeEditError> {
    let selector = Selector::parse(path, None, None).unwrap();
    selector.remove(&tree(text), &LIMITS).map(|tree| tree.as_str().to_owned())
}

#[test]
fn new_elements_go_where_the_examples_say() {
    let third = ROOT.replace("<el1 att=\"second\"/>", "<el1 att=\"second\"/><el1 att=\"third\"/>");
    let last = ROOT.replace("\n   </root>", "\n   <el3 att=\"first\"/></root>");
    let behind = ROOT.replace("<el2 att=\"first\"/>", "<el2 att=\"first\"/><el2 att=\"2\"/>");
    let second = ROOT.replace("<el1 att=\"first\"/>", "<el1 att=\"first\"/><el2 att=\"2\"/>");
    let before = ROOT.replace("<el2 att=\"first\"/>", "<el2 att=\"2\"/><el2 att=\"first\"/>");
    let first = ROOT.replace("<el1 att=\"first\"/>", "<el0 att=\"0\"/><el1 att=\"first\"/>");
    let wild = ROOT.replace("\n   </root>", "\n   <el9 att=\"9\"/></root>");
    for (path, content, expected) in [
        ("root/el1[@att=\"third\"]", "<el1 att=\"third\"/>", &third),
        ("root/el1[3][@att=\"third\"]", "<el1 att=\"third\"/>", &third),
        ("root/*[3][@att=\"third\"]", "<el1 att=\"third\"/>", &third),
        ("root/el1[3]", "<el1 att=\"third\"/>", &third),
        ("root/el3", "<el3 att=\"first\"/>", &last),
        ("root/el3[1]", "<el3 att=\"first\"/>", &last),
        ("root/el2[@att=\"2\"]", "<el2 att=\"2\"/>", &behind),
        ("root/el2[2][@att=\"2\"]", "<el2 att=\"2\"/>", &behind),
        ("root/*[2][@att=\"2\"]", "<el2 att=\"2\"/>", &second),
        ("root/el2[1][@att=\"2\"]", "<el2 att=\"2\"/>", &before),
        ("root/*[1][@att=\"0\"]", "<el0 att=\"0\"/>", &first),
        ("root/*[@att=\"9\"]", "<el9 att=\"9\"/>", &wild),
    ] {
        assert_eq!(put(ROOT, path, content), Ok((expected.clone(), true)), "{path}");
    }
}

#[test]
fn what_is_there_is_replaced_and_nothing_else() {
    for (path, content, expected) in [
        ("root/el2", "<el2>new</el2>", ROOT.replace("<el2 att=\"first\"/>", "<el2>new</el2>")),
        ("root/*[2]", "\n<x/>\n", ROOT.replace("<el1 att=\"second\"/>", "<x/>")),
        ("root", "<root/>", "<?xml version=\"1.0\"?>\n   <root/>".to_owned()),
        ("root/el2/@att", "'a\"b'", ROOT.replace("el2 att=\"first\"", "el2 att='a\"b'")),
    ] {
        assert_eq!(put(ROOT, path, content), Ok((expected, false)), "{path}");
    }
}

#[test]
fn empty_elements_are_opened_and_attributes_are_added() {
    for (text, path, content, expected) in [
        ("<a/>", "a/b", "<b/>", "<a><b/></a>"),
        ("<a />", "a/b", "<b/>", "<a ><b/></a>"),
        ("<a\n x='1'\n/>", "a/b[@c='d']", "<b c='d'/>", "<a\n x='1'\n><b c='d'/></a>"),
        ("<a></a>", "a/b", "<b/>", "<a><b/></a>"),
        ("<a>text<!-- --></a>", "a/*", "<b/>", "<a>text<!-- --><b/></a>"),
        ("<a/>", "a/@b", "\"c\"", "<a b=\"c\"/>"),
        ("<a x = '1' ></a>", "a/@b", " 'c'\n", "<a x = '1' b='c' ></a>"),
        ("<a />", "a/@xml:lang", "'en'", "<a xml:lang='en' />"),
    ] {
        assert_eq!(put(text, path, content), Ok((expected.to_owned(), true)), "{text} {path}");
    }
}

#[test]
fn attributes_in_a_namespace_get_a_prefix_that_means_it() {
    let put = |text: &str, path: &str, query: &str| {
        let selector = Selector::parse(path, Some(query), None).unwrap();
        selector.put(&tree(text), b"'v'", &LIMITS).map(|edited| edited.tree.as_str().to_owned())
    };
    for (text, expected) in [
        ("<a xmlns:q='u'/>", "<a xmlns:q='u' q:b='v'/>"),
        ("<a/>", "<a xmlns:p=\"u\" p:b='v'/>"),
        ("<a xmlns:q='u' q:b='w'/>", "<a xmlns:q='u' q:b='v'/>"),
    ] {
        assert_eq!(put(text, "a/@p:b", "xmlns(p=u)").as_deref(), Ok(expected), "{text}");
    }
    assert_eq!(put("<a xmlns:p='other'/>", "a/@p:b", "xmlns(p=u)"), Err(NodeEditError::CannotInsert));
}

/// §7.4, §7.7, §8.2.1, §8.2.2.
#[test]
fn what_would_not_be_found_again_or_is_no_node_is_refused() {
    use NodeEditError::{CannotInsert, NoParent, NotAnAttributeValue};
    let element = |fault: &NodeEditError| matches!(fault, NodeEditError::NotAnElement(_));
    for (path, content, expected) in [
        ("root/el1[@att=\"third\"]", "<el1 att=\"fourth\"/>", CannotInsert),
        ("root/el1[@att=\"first\"]", "<el1 att=\"other\"/>", CannotInsert),
        ("root/el1", "<el1/>", CannotInsert),
        ("root/el1[4]", "<el1/>", CannotInsert),
        ("root/el1[0]", "<el1/>", CannotInsert),
        ("root/*[5]", "<el1/>", CannotInsert),
        ("root/el3[2]", "<el3/>", CannotInsert),
        ("root/el3", "<el4/>", CannotInsert),
        ("root/el2", "<el3/>", CannotInsert),
        ("root/el3[@att=\"first\"]", "<el3/>", CannotInsert),
        ("other", "<other/>", CannotInsert),
        ("root/el1[@att=\"first\"]/@att", "\"other\"", CannotInsert),
        ("root/none/el1", "<el1/>", NoParent),
        ("root/el1/x", "<x/>", NoParent),
        ("other/x", "<x/>", NoParent),
        ("root/none/@att", "\"x\"", NoParent),
        ("root/el2/@att", "x", NotAnAttributeValue),
        ("root/el2/@att", "\"x", NotAnAttributeValue),
        ("root/el2/@att", "\"<\"", NotAnAttributeValue),
        ("root/el2/@att", "\"&x;\"", NotAnAttributeValue),
        ("root/el2/@att", "\"x\" y=\"z\"", NotAnAttributeValue),
        ("root/el2/@att", "", NotAnAttributeValue),
        ("root/el2/namespace::*", "<el2/>", NodeEditError::ReadOnly),
    ] {
        assert_eq!(put(ROOT, path, content), Err(expected), "{path} {content}");
    }
    for content in ["", "text", "<el2>", "<el2/><el2/>", "<el2/>text", "<p:el2/>", "<!-- --><el2/>"] {
        let fault = put(ROOT, "root/el2", content).unwrap_err();
        assert!(element(&fault), "{content}: {fault:?}");
    }
    let selector = Selector::parse("root/el2", None, None).unwrap();
    let encoded = selector.put(&tree(ROOT), b"<el2>\xff</el2>", &LIMITS).unwrap_err();
    assert_eq!(encoded, NodeEditError::NotUtf8);
    let deep = "<a>".repeat(5) + &"</a>".repeat(5);
    let too_deep = put("<a><b><c/></b></a>", "a/b/c", &deep.replace('a', "c"));
    assert!(matches!(too_deep, Err(NodeEditError::Document(ParseError::TooLarge { .. }))), "{too_deep:?}");
}

/// §7.5, §8.4.
#[test]
fn removal_leaves_everything_around_and_never_moves_another_into_the_place() {
    let three = "<a> <e/> <e u='2'/> <f/> <e/> </a>";
    for (path, expected) in [
        ("a/e[3]", Ok("<a> <e/> <e u='2'/> <f/>  </a>")),
        ("a/e[2]", Err(NodeEditError::CannotDelete)),
        ("a/e[1]", Err(NodeEditError::CannotDelete)),
        ("a/e[@u='2']", Ok("<a> <e/>  <f/> <e/> </a>")),
        ("a/e[2][@u='2']", Ok("<a> <e/>  <f/> <e/> </a>")),
        ("a/*[2][@u='2']", Ok("<a> <e/>  <f/> <e/> </a>")),
        ("a/*[3]", Err(NodeEditError::CannotDelete)),
        ("a/*[4]", Ok("<a> <e/> <e u='2'/> <f/>  </a>")),
        ("a/f", Ok("<a> <e/> <e u='2'/>  <e/> </a>")),
        ("a/e[2]/@u", Ok("<a> <e/> <e/> <f/> <e/> </a>")),
        ("a/e[1]/@u", Err(NodeEditError::NotFound)),
        ("a/e", Err(NodeEditError::NotFound)),
        ("a/none", Err(NodeEditError::NotFound)),
        ("a", Err(NodeEditError::Root)),
        ("a/namespace::*", Err(NodeEditError::ReadOnly)),
    ] {
        assert_eq!(remove(three, path), expected.map(str::to_owned), "{path}");
    }
}

proptest! {
    /// Documents of a few elements, selectors of every form: what was put is got, all other bytes stay.
    #[test]
    fn what_is_put_is_got_and_nothing_else_moves(
        siblings in prop::collection::vec(("[ab]", 0..3_u8, "(| |\n|<!-- a -->|t&amp;)"), 0..6),
        name in "(a|b|c|\\*)",
        position in prop::option::of(0..7_usize),
        test in prop::option::of(0..4_u8),
        new in ("[abc]", 0..4_u8),
    ) {
        let inside: String =
            siblings.iter().map(|(name, value, space)| format!("<{name} k='{value}'/>{space}")).collect();
        let text = format!("<r>{inside}</r>");
        let position = position.map(|position| format!("[{position}]")).unwrap_or_default();
        let test = test.map(|value| format!("[@k='{value}']")).unwrap_or_default();
        let path = format!("r/{name}{position}{test}");
        let content = format!("<{} k='{}'>new</{0}>", new.0, new.1);
        let selector = Selector::parse(&path, None, None).unwrap();
        let before = tree(&text);
        match selector.put(&before, content.as_bytes(), &LIMITS) {
            Ok(Edited { tree: after, is_new }) => {
                let Some(Selected::Element(found)) = selector.select(&after) else { panic!("{path}") };
                prop_assert_eq!(found.source(), &content);
                prop_assert_eq!(format!("{after:?}"), format!("{:?}", tree(after.as_str())));
                let mut rest = after.as_str().to_owned();
                rest.replace_range(found.span(), "");
                match selector.select(&before) {
                    Some(Selected::Element(old)) => {
                        prop_assert!(!is_new);
                        let mut without = text.clone();
                        without.replace_range(old.span(), "");
                        prop_assert_eq!(rest, without);
                    }
                    _ => { prop_assert!(is_new); prop_assert_eq!(rest, text); }
                }
                // Once more changes nothing.
                let again = selector.put(&after, content.as_bytes(), &LIMITS).unwrap();
                prop_assert_eq!((again.tree.as_str(), again.is_new), (after.as_str(), false));
            }
            Err(fault) => prop_assert_eq!(fault, NodeEditError::CannotInsert, "{} in {}", path, text),
        }
        if let Ok(after) = selector.remove(&before, &LIMITS) {
            prop_assert!(selector.select(&after).is_none());
            prop_assert!(after.node_count() < before.node_count());
        }
    }
}

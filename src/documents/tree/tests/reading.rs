//! What is read, what is refused, and how that compares with another reader.

use proptest::prelude::*;

use super::*;

fn fault(text: impl AsRef<[u8]>) -> Option<ParseError> {
    Tree::parse(text, &LIMITS).err()
}

#[test]
fn names_have_the_namespaces_of_their_place() {
    let tree = tree(
        "<a xmlns='u:1' xmlns:p='u:2' x='1' p:x='2' xml:lang='en'><p:b/><c xmlns=''><d/></c>\
         <p:e xmlns:p='u:3' p:y='3'/><p:f/></a>",
    );
    let seen: Vec<_> = tree.root().descendants().map(|e| (e.qualified_name(), e.namespace())).collect();
    let expected = [
        ("a", Some("u:1")),
        ("p:b", Some("u:2")),
        ("c", None),
        ("d", None),
        ("p:e", Some("u:3")),
        ("p:f", Some("u:2")),
    ];
    assert_eq!(seen, expected);
    let root = tree.root();
    assert_eq!(root.attribute("x").as_deref(), Some("1"));
    assert_eq!(
        root.find_attribute(Some("u:2"), "x").map(|found| found.value().into_owned()),
        Some("2".into())
    );
    assert_eq!(root.find_attribute(Some(crate::formats::xml::XML), "lang").unwrap().quoted(), "'en'");
    assert_eq!(root.attributes().count(), 3, "declarations are no attributes");
    let inner = root.elements().nth(1).unwrap().elements().next().unwrap();
    assert_eq!((inner.bindings(), inner.depth()), (vec![("p", "u:2")], 3));
}

#[test]
fn everything_between_tags_is_kept_and_knows_its_bytes() {
    let text = "\u{feff}<?xml version='1.0' encoding='utf-8'?>\n<!-- before --><?go on?>\n\
                <a>one &amp;&#x20;two\r\n<![CDATA[<&\r]]><!-- in --><?go?><b >x</b  ></a>\n<!-- after -->\n";
    let tree = tree(text);
    let root = tree.root();
    assert_eq!(root.text(), "one & two\n<&\n");
    let kinds: Vec<String> = root
        .children()
        .map(|node| match node {
            Node::Element(element) => element.source().to_owned(),
            Node::Text(text) => text.into_owned(),
            Node::Comment(source) | Node::Instruction(source) => source.to_owned(),
        })
        .collect();
    assert_eq!(kinds, ["one & two\n", "<&\n", "<!-- in -->", "<?go?>", "<b >x</b  >"]);
    let element = root.elements().next().unwrap();
    assert_eq!(&text[element.content_span()], "x");
    assert_eq!(element.parent(), Some(root));
    assert_eq!(&tree.into_bytes()[..], text.as_bytes());
}

#[test]
fn attribute_values_mean_what_xml_says() {
    let tree = tree("<a b='1\r\n2\t&#9;&#xA;&lt;&quot;&apos;>' c=\"'\" d = ''/>");
    let values: Vec<_> = tree.root().attributes().map(|found| found.value().into_owned()).collect();
    assert_eq!(values, ["1 2 \t\n<\"'>", "'", ""]);
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for text in [
        "",
        "  ",
        "text",
        "<a>",
        "<a",
        "<a/",
        "</a>",
        "<a></b>",
        "<a><b></a></b>",
        "<a/><b/>",
        "<a/>text",
        "text<a/>",
        "<a b/>",
        "<a b=c/>",
        "<a b='1'c='2'/>",
        "<a b='<'/>",
        "<a b='&'/>",
        "<a b='&x;'/>",
        "<a b='1' b='2'/>",
        "<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>",
        "<a xmlns:p='u' xmlns:p='v'/>",
        "<a xmlns='u' xmlns='v'/>",
        "<a xmlns:p=''/>",
        "<a xmlns:xml='u'/>",
        "<a xmlns:xmlns='u'/>",
        "<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns='http://www.w3.org/2000/xmlns/'/>",
        "<p:a/>",
        "<a p:b='1'/>",
        "<a:b:c xmlns:a='u'/>",
        "<:a/>",
        "<a:/>",
        "<1a/>",
        "< a/>",
        "<a>]]></a>",
        "<a>&x;</a>",
        "<a>&#0;</a>",
        "<a>&#xFFFF;</a>",
        "<a>&#x110000;</a>",
        "<a>&#+65;</a>",
        "<a>&amp</a>",
        "<a>\u{1}</a>",
        "<a>\u{ffff}</a>",
        "<a><!-- -- --></a>",
        "<a><!-- --->",
        "<a><!x></a>",
        "<a><![CDATA[</a>",
        "<a><?xml version='1.0'?></a>",
        "<a><?go+?></a>",
        "<a><?go</a>",
        " <?xml version='1.0'?><a/>",
        "<?xml encoding='utf-8'?><a/>",
        "<?xml version='2.0'?><a/>",
        "<?xml version='1.0' standalone='maybe'?><a/>",
        "<?xml version='1.0'standalone='yes'?><a/>",
        "<?xml version='1.0'",
    ] {
        assert!(matches!(fault(text), Some(ParseError::Malformed { .. })), "{text}: {:?}", fault(text));
    }
}

#[test]
fn document_types_other_encodings_and_entities_are_refused() {
    let bomb = "<!DOCTYPE a [<!ENTITY x 'lol'><!ENTITY y '&x;&x;&x;&x;'>]><a>&y;</a>";
    assert_eq!(fault(bomb), Some(ParseError::DocumentType));
    assert_eq!(fault("<!-- --><!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>"), Some(ParseError::DocumentType));
    for text in [
        &b"<a>\xff</a>"[..],
        b"\xff\xfe<\0a\0/\0>\0",
        b"<?xml version='1.0' encoding='ISO-8859-1'?><a/>",
        b"<?xml version='1.0' encoding='UTF-16'?><a/>",
        b"<a>\xed\xa0\x80</a>",
        b"<a>\xc0\xbc</a>",
    ] {
        assert_eq!(fault(text), Some(ParseError::NotUtf8), "{text:?}");
    }
}

#[test]
fn every_limit_is_kept() {
    for (text, what) in [
        (format!("<a>{}</a>", "x".repeat(4096)), "bytes"),
        (format!("<a>{}</a>", "<b/>".repeat(200)), "nodes"),
        (format!("{}{}", "<a>".repeat(7), "</a>".repeat(7)), "elements within each other"),
        ("<a>".repeat(900), "elements within each other"),
        (
            format!("<a {}/>", (0..9).map(|n| format!("b{n}='' ")).collect::<String>()),
            "attributes of one element",
        ),
        (
            format!(
                "<a {}><b xmlns:q='u'/></a>",
                (0..8).map(|n| format!("xmlns:p{n}='u' ")).collect::<String>()
            ),
            "namespace declarations in scope",
        ),
    ] {
        let found = fault(&text);
        assert!(
            matches!(found, Some(ParseError::TooLarge { what: found, .. }) if found == what),
            "{found:?}"
        );
    }
    assert_eq!(fault(format!("{}{}", "<a>".repeat(6), "</a>".repeat(6))), None);
    // What has gone out of scope does not count.
    assert_eq!(fault(format!("<a>{}</a>", "<b xmlns='u'/>".repeat(100))), None);
}

#[test]
fn fragments_know_the_prefixes_of_their_parent() {
    let outer = tree("<a xmlns='u:1' xmlns:p='u:2'><b/></a>");
    let parent = outer.root().elements().next();
    let read = |text: &str| Tree::parse_fragment(text, parent, &LIMITS);
    let fragment = read(" \n<p:c><d/></p:c>\n").unwrap();
    let root = fragment.root();
    assert_eq!((root.namespace(), root.source()), (Some("u:2"), "<p:c><d/></p:c>"));
    assert_eq!(root.elements().next().unwrap().namespace(), Some("u:1"));
    for text in
        ["", "text", "<c/><d/>", "<c/>text", "<!-- --><c/>", "<q:c/>", "<?xml version='1.0'?><c/>", "<c>"]
    {
        assert!(matches!(read(text), Err(ParseError::Malformed { .. })), "{text}");
    }
}

const SAMPLE: &str = "<?xml version=\"1.0\"?><rl:a xmlns:rl='u:r' xmlns='u:d'><!-- c -->\n<rl:b x=\"1\" \
                      rl:y='&lt;&#233;'>t&amp;<![CDATA[<]]></rl:b ><e xmlns=''/><?p i?></rl:a>\n";

/// As both readers tell it: names, namespaces, attributes and texts in order.
fn outline_of(element: Element<'_>, out: &mut String) {
    out.push_str(&format!("<{} {:?}", element.name(), element.namespace()));
    for attribute in element.attributes() {
        out.push_str(&format!(" {} {:?}={:?}", attribute.name(), attribute.namespace(), attribute.value()));
    }
    let mut text = String::new();
    for child in element.children() {
        match child {
            Node::Text(part) => text.push_str(&part),
            Node::Element(inner) => outline_of(inner, out),
            Node::Comment(_) | Node::Instruction(_) => {}
        }
    }
    out.push_str(&format!("{text:?}>"));
}

fn outline_by_oracle(node: roxmltree::Node<'_, '_>, out: &mut String) {
    out.push_str(&format!(
        "<{} {:?}",
        node.tag_name().name(),
        node.tag_name().namespace().filter(|u| !u.is_empty())
    ));
    for attribute in node.attributes() {
        out.push_str(&format!(" {} {:?}={:?}", attribute.name(), attribute.namespace(), attribute.value()));
    }
    let mut text = String::new();
    for child in node.children() {
        if child.is_text() {
            text.push_str(child.text().unwrap());
        } else if child.is_element() {
            outline_by_oracle(child, out);
        }
    }
    out.push_str(&format!("{text:?}>"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    /// Whatever is read, another reader reads as the same; nothing makes the reader fall over. Carriage returns
    /// are left out: the other reader keeps one that stands before a reference.
    #[test]
    fn what_is_read_another_reader_reads_alike(
        changes in prop::collection::vec((0..SAMPLE.len(), 0..3_u8, "[<>/&;'\"=:!?a \\[\\]\n#x-]"), 0..4)
    ) {
        let mut text = SAMPLE.to_owned();
        for (at, how, part) in changes {
            let at = at.min(text.len() - 1);
            match how {
                0 => text.insert_str(at, &part),
                1 => { text.remove(at); }
                _ => text.replace_range(at..=at, &part),
            }
        }
        if let Ok(tree) = Tree::parse(&text, &LIMITS) {
            let oracle = roxmltree::Document::parse(&text).unwrap_or_else(|fault| panic!("{fault}: {text}"));
            let (mut ours, mut theirs) = (String::new(), String::new());
            outline_of(tree.root(), &mut ours);
            outline_by_oracle(oracle.root_element(), &mut theirs);
            prop_assert_eq!(ours, theirs, "{}", text);
        }
    }

    #[test]
    fn any_bytes_give_a_tree_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Tree::parse(&bytes, &LIMITS);
        let _ = Tree::parse([b"<a>", bytes.as_slice()].concat(), &LIMITS);
    }
}

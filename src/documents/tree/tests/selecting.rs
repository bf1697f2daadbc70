//! RFC 4825 §6.3 and §6.4: examples and hostile selectors.

use super::*;

/// Figure 3.
const WATCHERS: &str = r#"<?xml version="1.0"?>
   <watcherinfo xmlns="urn:ietf:params:xml:ns:watcherinfo"
                version="0" state="full">
     <watcher-list resource="sip:professor@example.net"
                   package="presence">
       <watcher status="active"
                id="8ajksjda7s"
                duration-subscribed="509"
                event="approved">sip:userA@example.net</watcher>
       <watcher status="pending"
                id="hh8juja87s997-ass7"
                display-name="Mr. Subscriber"
                event="subscribe">sip:userB@example.org</watcher>
     </watcher-list>
   </watcherinfo>"#;
const WATCHERINFO: Option<&str> = Some("urn:ietf:params:xml:ns:watcherinfo");

/// §6.4.
const NAMESPACES: &str = r#"<?xml version="1.0"?>
   <foo xmlns="urn:test:default-namespace">
     <ns1:bar xmlns:ns1="urn:test:namespace1-uri"
              xmlns="urn:test:namespace1-uri">
       <baz/>
       <ns2:baz xmlns:ns2="urn:test:namespace2-uri"/>
     </ns1:bar>
     <ns3:hi xmlns:ns3="urn:test:namespace3-uri">
       <there/>
     </ns3:hi>
   </foo>"#;

fn show(tree: &Tree, path: &str, query: Option<&str>, namespace: Option<&str>) -> Option<String> {
    let selector = Selector::parse(path, query, namespace).unwrap_or_else(|fault| panic!("{fault}: {path}"));
    selector.select(tree).map(|selected| match selected {
        Selected::Element(element) => element.source().to_owned(),
        Selected::Attribute(attribute) => attribute.quoted().to_owned(),
        Selected::Namespaces(element) => element.print_bindings(),
    })
}

#[test]
fn steps_of_the_watchers_example_select() {
    let tree = tree(WATCHERS);
    let list = "watcherinfo/watcher-list";
    let user_a = "sip:userA@example.net</watcher>";
    let user_b = "sip:userB@example.org</watcher>";
    for (path, expected) in [
        (format!("{list}/watcher[@id=\"8ajksjda7s\"]"), Some(user_a)),
        (format!("{list}/watcher%5b@id=%228ajksjda7s%22%5d"), Some(user_a)),
        (format!("{list}/watcher%5B%40id%3D'hh8juja87s997-ass7'%5D"), Some(user_b)),
        (format!("{list}/watcher[2]"), Some(user_b)),
        (format!("{list}/*[1]"), Some(user_a)),
        (format!("{list}/*[2][@id=\"hh8juja87s997-ass7\"]"), Some(user_b)),
        (format!("{list}/*[1][@id=\"hh8juja87s997-ass7\"]"), None),
        ("*/*/watcher[@status=\"pending\"]".to_owned(), Some(user_b)),
        (format!("{list}/watcher"), None),
        (format!("{list}/watcher[3]"), None),
        (format!("{list}/watcher[0]"), None),
        (format!("{list}/watcher[99999999999999999999999]"), None),
        (format!("{list}/watcher[@id=\"none\"]"), None),
        (format!("{list}/watcher[@status=\"active\"]/x"), None),
        (format!("{list}/watcher[2]/@display-name"), Some("\"Mr. Subscriber\"")),
        (format!("{list}/watcher[1]/@display-name"), None),
        (
            format!("{list}/watcher[1]/namespace::*"),
            Some("<watcher xmlns=\"urn:ietf:params:xml:ns:watcherinfo\"/>"),
        ),
        ("watcherinfo/@state".to_owned(), Some("\"full\"")),
        ("watcherinfo[@xmlns=\"urn:ietf:params:xml:ns:watcherinfo\"]".to_owned(), None),
        ("watcher-list".to_owned(), None),
    ] {
        let found = show(&tree, &path, None, WATCHERINFO);
        assert_eq!(found.is_some(), expected.is_some(), "{path}");
        assert!(found.unwrap_or_default().ends_with(expected.unwrap_or_default()), "{path}");
    }
    // Without a default namespace of the application, names without prefix are in none.
    assert_eq!(show(&tree, "watcherinfo/@state", None, None), None);
}

#[test]
fn prefixes_are_those_of_the_query() {
    let tree = tree(NAMESPACES);
    let default = Some("urn:test:default-namespace");
    for (path, query, expected) in [
        (
            "foo/a:bar/b:baz",
            "xmlns(a=urn:test:namespace1-uri)xmlns(b=urn:test:namespace1-uri)",
            Some("<baz/>"),
        ),
        (
            "foo/a:bar/b:baz",
            "xmlns(a=urn:test:namespace1-uri)%20xmlns(b=urn:test:namespace2-uri)",
            Some("<ns2:baz xmlns:ns2=\"urn:test:namespace2-uri\"/>"),
        ),
        (
            "d:foo/a:bar/b:baz",
            "xmlns(a=urn:test:namespace1-uri)other(x(y)^))xmlns(b=urn:test:namespace2-uri)\
             xmlns(d=urn:test:default-namespace)",
            Some("<ns2:baz xmlns:ns2=\"urn:test:namespace2-uri\"/>"),
        ),
        // §10; the RFC writes ns1's namespace with a missing letter, and so without the declaration's value.
        (
            "df:foo/df2:bar/df2:baz/namespace::*",
            "xmlns(df=urn:test:default-namespace)xmlns(df2=urn:test:namespace1-uri)",
            Some("<baz xmlns=\"urn:test:namespace1-uri\" xmlns:ns1=\"urn:test:namespace1-uri\"/>"),
        ),
        ("foo/bar", "", None),
        ("foo/a:hi/a:there", "xmlns(a=urn:test:namespace3-uri)", None),
        ("foo/a:hi/there", "xmlns(a=urn:test:namespace3-uri)", Some("<there/>")),
        ("foo/a:hi/*", "xmlns(a=none)xmlns(a=urn:test:namespace3-uri)", Some("<there/>")),
        ("foo/a:hi", "xmlns(a=urn:test:namespace^(3-uri)", None),
    ] {
        assert_eq!(show(&tree, path, Some(query), default).as_deref(), expected, "{path} {query}");
    }
}

#[test]
fn values_may_hold_slashes_references_and_any_script() {
    let tree = tree("<a><e u=\"http://x/~~/y\"/><e u='&quot;&amp;'/><é ü='À'/><e u='50%'/></a>");
    for (path, expected) in [
        ("a/e[@u=\"http://x/~~/y\"]/@u", "\"http://x/~~/y\""),
        ("a/e%5b@u=%22http:%2f%2fx%2f~~%2fy%22%5d/@u", "\"http://x/~~/y\""),
        ("a/e[@u='&quot;&amp;']/@u", "'&quot;&amp;'"),
        ("a/e[@u='%22&#38;']/@u", "'&quot;&amp;'"),
        ("a/%c3%a9[@%c3%bc=%22%C3%80%22]/@ü", "'À'"),
        ("a/e[@u='50%25']/@u", "'50%'"),
    ] {
        assert_eq!(show(&tree, path, None, None).as_deref(), Some(expected), "{path}");
    }
}

#[test]
fn what_no_selector_is_says_why() {
    let fault = |path: &str, query| Selector::parse(path, query, None).unwrap_err();
    let extension = |part: &str| SelectorError::Extension(part.to_owned());
    for part in [
        "",
        "a b",
        "a[",
        "a[]",
        "a[x]",
        "a[-1]",
        "a[1",
        "a[1][2]",
        "a[@b]",
        "a[@b=c]",
        "a[@b=\"c]",
        "a[@b='c'][1]",
        "a[@b='c'][@d='e']",
        "text()",
        "..",
        ".",
        "a[last()]",
        "1a",
        "id('x')",
        "child::a",
        "a[@b='<']",
        "p:*",
        "a[@ b='c']",
        "@",
        "@1",
        "a]",
    ] {
        assert_eq!(fault(&format!("a/{part}"), None), extension(part), "{part}");
    }
    assert_eq!(fault("@a", None), extension("@a"));
    assert_eq!(fault("a//b", None), extension(""));
    for (path, query) in [("p:a", None), ("a/@p:b", Some("xmlns(q=u)")), ("a[@p:b='c']", Some("other(p=u)"))]
    {
        assert_eq!(fault(path, query), SelectorError::UnboundPrefix("p".to_owned()), "{path}");
    }
    for path in ["a%", "a%4", "a%zz", "%ff", "a%+1"] {
        assert_eq!(fault(path, None), SelectorError::Encoding, "{path}");
    }
    for query in ["x", "xmlns(", "xmlns(a)", "xmlns(a=b", "xmlns(a=^x)", ")"] {
        assert_eq!(fault("a", Some(query)), SelectorError::Query, "{query}");
    }
    let bindings = "xmlns(a=b)".repeat(100);
    for (path, query) in
        [("a/".repeat(5000), ""), ("a/".repeat(1000), ""), ("a".to_owned(), bindings.as_str())]
    {
        assert_eq!(fault(&path, Some(query)), SelectorError::TooLong);
    }
}

/// A selector whose every step looks at many children must not look at them more than once.
#[test]
fn hostile_selectors_and_documents_cost_little() {
    let limits = TreeLimits { bytes: 2 << 20, nodes: 1 << 18, ..TreeLimits::default() };
    let declared: String = (0..63).map(|n| format!("xmlns:p{n}='u{n}' ")).collect();
    let wide = format!("<a {declared}>{}</a>", "<b xmlns:x='y' c='d'/>".repeat(40_000));
    let start = std::time::Instant::now();
    let tree = Tree::parse(&wide, &limits).unwrap();
    for path in ["a/b[40000]", "a/b[@c='e']", "a/*[39999][@c='d']", "a/b[@c='d']"] {
        let _ = Selector::parse(path, None, None).unwrap().select(&tree);
    }
    let text = format!("{}{}", "<a>".repeat(64), "</a>".repeat(64));
    let deep = Tree::parse(&text, &limits).unwrap();
    assert_eq!(show(&deep, &["*"; 64].join("/"), None, None).as_deref(), Some("<a></a>"));
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn the_part_that_exists_is_told() {
    let tree = tree(WATCHERS);
    let part = |path: &str| Selector::parse(path, None, WATCHERINFO).unwrap().existing_part(&tree);
    assert_eq!(part("watcherinfo/watcher-list/x/y").as_deref(), Some("watcherinfo/watcher-list"));
    assert_eq!(part("watcherinfo/*%5b1%5d/watcher/@a").as_deref(), Some("watcherinfo/*[1]"));
    assert_eq!(part("x/y"), None);
}

//! Documents a little beside others: what editors, mistakes and enemies make of a valid one.

use rollcall::documents::{Edits, Element, Tree, TreeLimits};

/// A die that falls the same way each time.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// From 0, below `sides`.
    pub(super) fn throw(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides.max(1)
    }

    fn pick<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.throw(all.len())]
    }
}

/// One to three changes of a document; `None` where they give no document.
pub(super) fn mutant(document: &str, dice: &mut Dice) -> Option<String> {
    let limits = TreeLimits::default();
    let mut tree = Tree::parse(document, &limits).ok()?;
    for _ in 0..=dice.throw(3) {
        let mut edits = Edits::of(&tree);
        change(&tree, &mut edits, dice)?;
        tree = edits.apply(&limits).ok()?;
    }
    Some(tree.as_str().to_owned())
}

fn change<'a>(tree: &'a Tree, edits: &mut Edits<'a>, dice: &mut Dice) -> Option<()> {
    let all: Vec<Element<'a>> = tree.root().descendants().collect();
    let one = all[dice.throw(all.len())];
    let other = all[dice.throw(all.len())];
    let attributes: Vec<_> = one.attributes().collect();
    let is_root = one.parent().is_none();
    match dice.throw(16) {
        0 if !is_root => drop(edits.remove(one)),
        1 if !is_root => drop(edits.insert_after(one, one.source())),
        2 if !is_root => {
            let beside: Vec<_> = one.parent()?.elements().filter(|beside| *beside != one).collect();
            let beside = *beside.get(dice.throw(beside.len()))?;
            edits.replace(one, beside.source()).replace(beside, one.source());
        }
        3 => drop(edits.replace(one, &renamed(one, other.qualified_name())?)),
        4 => drop(edits.replace(one, &renamed(one, dice.pick(NAMES))?)),
        5 => drop(edits.remove_attribute(*attributes.get(dice.throw(attributes.len()))?)),
        6 => {
            let attribute = attributes.get(dice.throw(attributes.len()))?;
            edits.set_attribute(one, attribute.name(), dice.pick(VALUES));
        }
        7 => drop(edits.set_attribute(one, dice.pick(NAMES), dice.pick(VALUES))),
        8 => drop(edits.append(one, dice.pick(TEXTS))),
        9 if !is_root => drop(edits.insert_before(one, dice.pick(STRANGERS))),
        10 => drop(edits.append(one, dice.pick(STRANGERS))),
        11 if !is_root => drop(edits.insert_before(one, other.source())),
        12 if !is_root => drop(edits.insert_after(one, other.source())),
        13 => drop(edits.replace_content(one, dice.pick(VALUES).replace('&', "&amp;").as_str())),
        14 => {
            let name = one.qualified_name();
            let rest = one.source().strip_prefix('<')?.strip_prefix(name)?;
            edits.replace(one, &format!("<{name} {}{rest}", dice.pick(ATTRIBUTES)));
        }
        15 => drop(edits.replace_content(one, "")),
        _ => return None,
    }
    Some(())
}

/// The element with another name.
fn renamed(element: Element<'_>, name: &str) -> Option<String> {
    let old = element.qualified_name();
    let rest = element.source().strip_prefix('<')?.strip_prefix(old)?;
    Some(match rest.strip_suffix("/>") {
        Some(rest) => format!("<{name}{rest}/>"),
        None => {
            let end = rest.rfind("</")?;
            format!("<{name}{}</{name}>", rest.get(..end)?)
        }
    })
}

const NAMES: &[&str] =
    &["list", "entry", "id", "uri", "name", "note", "rule", "domain", "value", "conditions", "x"];

const VALUES: &[&str] = &[
    "",
    " ",
    "true",
    " 0 ",
    "x",
    "sip:a@b",
    "sip%3Aa%40b",
    "a b",
    "%zz",
    "http://[::1]/",
    "http://a:b/",
    "http://a",
    "block",
    " allow ",
    "confirm",
    "open",
    "closed ",
    "0.5",
    "1.5",
    "0.1234",
    "2004-02-06T16:49:29Z",
    "2003-02-29T00:00:00Z",
    "2004-02-06T16:49:29",
    "2004-02-06t16:49:29z",
    "2004-02-06T24:00:00.0+14:00",
    "de",
    "de_CH",
    "-1",
    "1a",
    "a:b",
    "ü",
    "sip:ü@b",
    "bare",
    "full",
    "list[@name]",
    "a%2",
    "?a#b",
    "#a#b",
    "//",
    ":",
    "1:b",
    "sip:a@[::1]",
    "http://a/b|c",
    "mailto:a@b",
    "index",
];

const TEXTS: &[&str] =
    &["text", " ", "\n\t", "<!-- comment -->", "<![CDATA[text]]>", "<![CDATA[ ]]>", "<?pi x?>", "&amp;"];

const STRANGERS: &[&str] = &[
    "<s:stranger xmlns:s='urn:stranger'/>",
    "<s:stranger xmlns:s='urn:stranger' a='b'>text<s:inner/></s:stranger>",
    "<stranger xmlns=''/>",
    "<note/>",
    "<s:one xmlns:s='urn:stranger'/><s:other xmlns:s='urn:stranger'/>",
    "<s:stranger xmlns:s='urn:stranger' xml:lang='de'/>",
    "<s:stranger xmlns:s='urn:stranger' xml:lang='?'/>",
    "<ocp:other-identity xmlns:ocp='urn:oma:xml:xdm:common-policy'/>",
    "<ocp:external-list xmlns:ocp='urn:oma:xml:xdm:common-policy'><ocp:entry/></ocp:external-list>",
    "<pr:sub-handling xmlns:pr='urn:ietf:params:xml:ns:pres-rules'>block</pr:sub-handling>",
    "<pr:provide-services xmlns:pr='urn:ietf:params:xml:ns:pres-rules'><pr:all-services/></pr:provide-services>",
    "<pr:provide-devices xmlns:pr='urn:ietf:params:xml:ns:pres-rules'><pr:class>a</pr:class><pr:deviceID>a b</pr:deviceID></pr:provide-devices>",
    "<pr:provide-persons xmlns:pr='urn:ietf:params:xml:ns:pres-rules'><pr:class/><pr:all-persons/></pr:provide-persons>",
    "<pr:provide-user-input xmlns:pr='urn:ietf:params:xml:ns:pres-rules'>full</pr:provide-user-input>",
    "<pr:provide-all-attributes xmlns:pr='urn:ietf:params:xml:ns:pres-rules'/>",
    "<dm:person xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' id='p'/>",
    "<dm:device xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' id='d'><dm:deviceID>urn:d</dm:deviceID><dm:note xml:lang=''/></dm:device>",
    "<rl:list xmlns:rl='urn:ietf:params:xml:ns:resource-lists'/>",
    "<resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists'><list/></resource-lists>",
    "<resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists'><entry/></resource-lists>",
];

const ATTRIBUTES: &[&str] = &[
    "xml:lang='de'",
    "xml:lang='?'",
    "xml:lang=''",
    "xml:id='x'",
    "xml:space='preserve'",
    "xml:space='x'",
    "xmlns:s='urn:stranger' s:a='b'",
    "xml:base='http://a'",
    "xml:other='x'",
    "xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:nil='true'",
    "xmlns:p='urn:ietf:params:xml:ns:pidf' p:mustUnderstand='true'",
    "xmlns:p='urn:ietf:params:xml:ns:pidf' p:mustUnderstand='perhaps'",
];

//! Lists of resources as XCAP keeps them and as requests carry them: `application/resource-lists+xml`
//! (RFC 4826 §3).
//!
//! What is read is kept as it was written: order, nesting and references. References are not followed
//! here, that is for who can reach documents; what a reader of a plain list wants is
//! [`ResourceLists::entries`]. What the schema has no word for is left out.

use compact_str::CompactString;
use roxmltree::Node;

use super::{
    percent::unescape,
    xml::{self, XmlError},
};

/// Bounds of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of the text; `depth` counts lists within lists, too.
    pub xml: xml::Limits,
    /// Most entries, references and lists together.
    pub members: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { xml: xml::Limits { bytes: 256 * 1024, nodes: 32_768, depth: 16 }, members: 4096 }
    }
}

/// Why a text is not a document we read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceListsError {
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// The root is another element.
    #[error("document is no resource-lists document")]
    Root,
    /// An entry without `uri`, or a reference without target.
    #[error("{0} lacks its attribute")]
    Attribute(&'static str),
    #[error("document has more than {0} members")]
    TooMany(usize),
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourceLists {
    pub lists: Vec<List>,
}

/// A list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List {
    /// Its handle, unique within its parent.
    pub name: Option<CompactString>,
    pub display_name: Option<DisplayName>,
    pub members: Vec<Member>,
}

/// What a list is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    Entry(Entry),
    List(List),
    /// An entry of another document below the same XCAP root: its path relative to the root.
    EntryRef {
        target: CompactString,
        display_name: Option<DisplayName>,
    },
    /// A list elsewhere: its absolute HTTP URI.
    External {
        anchor: CompactString,
        display_name: Option<DisplayName>,
    },
}

/// One resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// As it was written; [`resource_uri`] says what it means.
    pub uri: CompactString,
    pub display_name: Option<DisplayName>,
}

/// A name for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName {
    pub text: CompactString,
    /// A language tag.
    pub lang: Option<CompactString>,
}

impl ResourceLists {
    /// Reads a document. Doubles, which are not valid (§3.4.5), are left to the reader.
    ///
    /// # Errors
    /// What is wrong with it, or too much of it.
    pub fn parse(text: &[u8], limits: &Limits) -> Result<Self, ResourceListsError> {
        let document = xml::parse(text, &limits.xml)?;
        let root = document.root_element();
        if !root.has_tag_name((NAMESPACE, "resource-lists")) {
            return Err(ResourceListsError::Root);
        }
        let mut reader = Reader { left: limits.members, limits };
        let lists = xml::children(root, NAMESPACE, "list").map(|list| reader.list(list));
        Ok(Self { lists: lists.collect::<Result<_, _>>()? })
    }

    /// All entries in the order of the document, those of inner lists included, references left out.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        let mut entries = Vec::new();
        for list in &self.lists {
            list.gather(&mut entries);
        }
        entries.into_iter()
    }

    /// The list of this name at the top of the document.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&List> {
        self.lists.iter().find(|list| list.name.as_deref() == Some(name))
    }
}

impl List {
    /// As deep as the document was allowed to be.
    fn gather<'a>(&'a self, entries: &mut Vec<&'a Entry>) {
        for member in &self.members {
            match member {
                Member::Entry(entry) => entries.push(entry),
                Member::List(list) => list.gather(entries),
                Member::EntryRef { .. } | Member::External { .. } => {}
            }
        }
    }
}

struct Reader<'a> {
    /// Members that may still come.
    left: usize,
    limits: &'a Limits,
}

impl Reader<'_> {
    /// The depth is bounded by that of the document.
    fn list(&mut self, element: Node<'_, '_>) -> Result<List, ResourceListsError> {
        self.count()?;
        let mut list = List {
            name: element.attribute("name").map(CompactString::from),
            display_name: display_name(element),
            members: Vec::new(),
        };
        for child in element.children().filter(|child| child.tag_name().namespace() == Some(NAMESPACE)) {
            let member = match child.tag_name().name() {
                "entry" => {
                    let uri = attribute(child, "entry", "uri")?;
                    Member::Entry(Entry { uri, display_name: display_name(child) })
                }
                "list" => {
                    list.members.push(Member::List(self.list(child)?));
                    continue;
                }
                "entry-ref" => {
                    let target = attribute(child, "entry-ref", "ref")?;
                    Member::EntryRef { target, display_name: display_name(child) }
                }
                "external" => {
                    let anchor = attribute(child, "external", "anchor")?;
                    Member::External { anchor, display_name: display_name(child) }
                }
                _ => continue,
            };
            self.count()?;
            list.members.push(member);
        }
        Ok(list)
    }

    fn count(&mut self) -> Result<(), ResourceListsError> {
        self.left = self.left.checked_sub(1).ok_or(ResourceListsError::TooMany(self.limits.members))?;
        Ok(())
    }
}

/// What an entry's `uri` means: with a scheme, and escapes only where a URI has them.
///
/// COMPAT(Blink): it escapes whole URIs and leaves `sip:` out, `bob%40example.com`.
#[must_use]
pub fn resource_uri(written: &str) -> CompactString {
    let written = written.trim();
    if has_scheme(written) {
        return written.into();
    }
    let plain = unescape(written);
    if has_scheme(&plain) { plain.into() } else { format!("sip:{plain}").into() }
}

fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-".contains(&byte))
    })
}

fn attribute(
    element: Node<'_, '_>,
    name: &'static str,
    attribute: &str,
) -> Result<CompactString, ResourceListsError> {
    let value = element.attribute(attribute).map(str::trim).filter(|value| !value.is_empty());
    value.map(CompactString::from).ok_or(ResourceListsError::Attribute(name))
}

fn display_name(element: Node<'_, '_>) -> Option<DisplayName> {
    let name = xml::child(element, NAMESPACE, "display-name")?;
    let text = xml::text_of(name);
    (!text.is_empty())
        .then(|| DisplayName { text: text.into(), lang: xml::lang_of(name).map(CompactString::from) })
}

/// The media type.
pub const MEDIA_TYPE: &str = "application/resource-lists+xml";
/// The namespace.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:resource-lists";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ResourceLists, ResourceListsError> {
        ResourceLists::parse(text.as_bytes(), &Limits::default())
    }

    /// RFC 4826 §3.3.
    #[test]
    fn the_example_of_the_specification_is_read() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
            <resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
             <list name="friends">
              <entry uri="sip:bill@example.com"><display-name>Bill Doe</display-name></entry>
              <entry-ref ref="resource-lists/users/sip:bill@example.com/index/~~/resource-lists/list%5b@name=%22list1%22%5d/entry%5b@uri=%22sip:petri@example.com%22%5d"/>
              <list name="close-friends">
               <display-name xml:lang="en">Close Friends</display-name>
               <entry uri="sip:joe@example.com"><display-name>Joe Smith</display-name></entry>
               <entry uri="sip:nancy@example.com"><display-name>Nancy Gross</display-name></entry>
               <external anchor="http://xcap.example.org/resource-lists/users/sip:a@example.org/index/~~/resource-lists/list%5b@name=%22mkting%22%5d"><display-name>Marketing</display-name></external>
              </list>
             </list>
            </resource-lists>"#;
        let document = parse(text).unwrap();
        let friends = document.find("friends").unwrap();
        let name = |text: &str| Some(DisplayName { text: text.into(), lang: None });
        assert_eq!(
            friends.members.first(),
            Some(&Member::Entry(Entry {
                uri: "sip:bill@example.com".into(),
                display_name: name("Bill Doe")
            }))
        );
        let Some(Member::EntryRef { target, display_name: None }) = friends.members.get(1) else { panic!() };
        assert!(target.starts_with("resource-lists/users/sip:bill@") && target.ends_with("%22%5d"));
        let Some(Member::List(close)) = friends.members.get(2) else { panic!() };
        let english = DisplayName { text: "Close Friends".into(), lang: Some("en".into()) };
        assert_eq!(
            (close.name.as_deref(), close.display_name.as_ref()),
            (Some("close-friends"), Some(&english))
        );
        assert!(
            matches!(close.members.last(), Some(Member::External { display_name, .. }) if *display_name == name("Marketing"))
        );
        let uris: Vec<_> = document.entries().map(|entry| entry.uri.as_str()).collect();
        assert_eq!(uris, ["sip:bill@example.com", "sip:joe@example.com", "sip:nancy@example.com"]);
    }

    /// RFC 5367 §4, and what Blink and Linphone write.
    #[test]
    fn lists_of_requests_and_of_clients_are_read() {
        for (text, expected) in [
            (
                "<resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists'><list>\
                 <entry uri='sip:bill@example.com' /><entry uri='sip:joe@example.org' /></list></resource-lists>",
                &["sip:bill@example.com", "sip:joe@example.org"][..],
            ),
            (
                "<rl:resource-lists xmlns:rl='urn:ietf:params:xml:ns:resource-lists' xmlns:a='urn:a'>\
                 <rl:list name='oma_buddylist'/><rl:list name='x'><rl:entry uri='bob%40example.com'/>\
                 <a:contact id='1'><rl:entry uri='no'/></a:contact></rl:list></rl:resource-lists>",
                &["bob%40example.com"],
            ),
            ("<resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists'/>", &[]),
        ] {
            let document = parse(text).unwrap();
            let uris: Vec<_> = document.entries().map(|entry| entry.uri.as_str()).collect();
            assert_eq!(uris, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused_and_what_is_too_much_too() {
        let list = |inner: &str| {
            format!("<resource-lists xmlns='{NAMESPACE}'><list>{inner}</list></resource-lists>")
        };
        let limits = Limits { members: 3, ..Limits::default() };
        let parse = |text: &str| ResourceLists::parse(text.as_bytes(), &limits);
        assert_eq!(parse("<resource-lists/>"), Err(ResourceListsError::Root));
        assert_eq!(parse(&list("<entry/>")), Err(ResourceListsError::Attribute("entry")));
        assert_eq!(parse(&list("<external/>")), Err(ResourceListsError::Attribute("external")));
        assert!(parse(&list(&"<entry uri='a'/>".repeat(2))).is_ok());
        assert_eq!(parse(&list(&"<entry uri='a'/>".repeat(3))), Err(ResourceListsError::TooMany(3)));
        let deep = format!("{}{}", "<list>".repeat(30), "</list>".repeat(30));
        assert_eq!(parse(&list(&deep)), Err(XmlError::TooDeep(16).into()));
        let entities = "<!DOCTYPE a [<!ENTITY x 'y'>]>".to_owned() + &list("");
        assert!(matches!(parse(&entities), Err(ResourceListsError::Xml(XmlError::Malformed(_)))));
    }

    #[test]
    fn uris_of_entries_are_understood() {
        for (written, expected) in [
            ("sip:bob@example.com", "sip:bob@example.com"),
            ("bob%40example.com", "sip:bob@example.com"),
            (" bob@example.com ", "sip:bob@example.com"),
            ("bob@example.com:5070", "sip:bob@example.com:5070"),
            ("sip%3Aalice%2Bpresence%40example.com", "sip:alice+presence@example.com"),
            ("alice+presence%40example.com", "sip:alice+presence@example.com"),
            ("sip:d%27artagnan@example.com", "sip:d%27artagnan@example.com"),
            ("pres:bob@example.com", "pres:bob@example.com"),
            ("tel%3A%2B4930", "tel:+4930"),
            ("b%ff%40example.com", "sip:b%ff%40example.com"),
            ("b%4", "sip:b%4"),
        ] {
            assert_eq!(resource_uri(written), expected, "{written}");
        }
    }
}

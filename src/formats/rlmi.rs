//! The state of a list of resources in one body (RFC 4662 §5): a document that says how each resource
//! stands, `application/rlmi+xml`, and the states it speaks of, gathered in `multipart/related` (RFC 2387).
//!
//! [`Composer`] writes one body, resource by resource, and says how large it has become, so that its user
//! can stop in time. A list within a list is a part like any other: the body of another composer.
//!
//! COMPAT(Blink): parts have no `Content-Transfer-Encoding`, their bytes are read as they are; `start` and
//! `Content-ID` have angle brackets, `cid` has none. COMPAT(Linphone 5.1): it takes quotes around a boundary
//! for a part of it, and crashes.

use std::fmt::Write as _;

use bytes::{BufMut, Bytes, BytesMut};
use compact_str::{CompactString, format_compact};
use memchr::memmem;

use super::{
    Extent,
    xml::{self, push_attribute},
};

/// A name for people, of a list or a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub text: CompactString,
    /// A language tag (RFC 5646); one that is none is left out.
    pub lang: Option<CompactString>,
}

impl Name {
    /// A name without language.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { text: text.into(), lang: None }
    }
}

/// How a list is called, and which of its documents this is.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The list's own URI.
    pub uri: &'a str,
    /// 0 in the first document of a subscription, then one more each time (§5.2).
    pub version: u32,
    /// Whether every resource of the list is in it.
    pub extent: Extent,
    pub names: &'a [Name],
    /// Makes the ids of the parts unique in the world: `left@right` without brackets. The parts are
    /// numbered before it.
    pub id: &'a str,
}

/// A resource of the list.
#[derive(Debug, Clone, Copy)]
pub struct Resource<'a> {
    /// As the list has it.
    pub uri: &'a str,
    pub names: &'a [Name],
    /// None where nothing is known about it (§4.5).
    pub instance: Option<Instance<'a>>,
}

/// What is known about a resource (§5.5). The servers behind a resource would be several instances; where
/// nothing forks there is one at most.
#[derive(Debug, Clone, Copy)]
pub struct Instance<'a> {
    /// Unique within the resource.
    pub id: &'a str,
    pub state: State<'a>,
}

/// `state` of an instance, with what belongs to it.
#[derive(Debug, Clone, Copy)]
pub enum State<'a> {
    /// Its owner has not decided.
    Pending,
    /// And its present state.
    Active { content_type: &'a str, body: &'a Bytes },
    /// With a `reason` of RFC 6665 §4.1.3, which there must be.
    Terminated { reason: &'a str },
}

/// A body that is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// With its parameters.
    pub content_type: CompactString,
    pub body: Bytes,
}

/// Writes one body.
#[derive(Debug)]
pub struct Composer {
    id: CompactString,
    document: String,
    parts: Vec<Part>,
    /// Bytes of the parts, with what stands around them.
    size: usize,
}

#[derive(Debug)]
struct Part {
    content_type: CompactString,
    body: Bytes,
}

impl Composer {
    /// A body in which no resource is yet.
    #[must_use]
    pub fn new(head: &Head<'_>) -> Self {
        let mut document = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<list xmlns=\"urn:ietf:params:xml:ns:rlmi\"",
        );
        push_attribute(&mut document, "uri", head.uri);
        let full_state = head.extent == Extent::Full;
        // Writing to memory has no error of its own.
        let _ = write!(document, " version=\"{}\" fullState=\"{full_state}\">", head.version);
        push_names(&mut document, head.names);
        Self { id: head.id.into(), document, parts: Vec::new(), size: 0 }
    }

    /// The next resource.
    pub fn push(&mut self, resource: &Resource<'_>) {
        self.document.push_str("<resource");
        push_attribute(&mut self.document, "uri", resource.uri);
        if resource.names.is_empty() && resource.instance.is_none() {
            self.document.push_str("/>");
            return;
        }
        self.document.push('>');
        push_names(&mut self.document, resource.names);
        if let Some(instance) = &resource.instance {
            self.push_instance(instance);
        }
        self.document.push_str("</resource>");
    }

    /// How large the body is about, in bytes; never less than it will be.
    #[must_use]
    pub fn size(&self) -> usize {
        self.document.len() + self.size + PART + self.id.len() * 3 + END
    }

    /// How much an active resource would add about; never less.
    #[must_use]
    pub fn size_of(&self, resource: &Resource<'_>) -> usize {
        let names: usize = resource.names.iter().map(|name| NAME + escaped(&name.text)).sum();
        let state = match &resource.instance {
            None => 0,
            Some(Instance { id, state: State::Active { content_type, body } }) => {
                INSTANCE + escaped(id) + PART + self.id.len() * 3 + content_type.len() + body.len()
            }
            Some(Instance { id, state: State::Terminated { reason } }) => {
                INSTANCE + escaped(id) + reason.len()
            }
            Some(Instance { id, state: State::Pending }) => INSTANCE + escaped(id),
        };
        RESOURCE + escaped(resource.uri) + names + state
    }

    /// The body. `boundary` stands between the parts: a token (RFC 2045 §5.1) of at most 60 characters; where a
    /// part has it in its text it is made another.
    #[must_use]
    pub fn finish(mut self, boundary: &str) -> Related {
        self.document.push_str("</list>");
        let root =
            Part { content_type: CompactString::const_new(ROOT_TYPE), body: Bytes::from(self.document) };
        let parts: Vec<_> = std::iter::once(root).chain(self.parts).collect();
        let boundary = free_boundary(boundary, &parts);
        let mut body =
            BytesMut::with_capacity(self.size + parts.iter().map(|part| part.body.len()).sum::<usize>());
        for (number, part) in parts.iter().enumerate() {
            let id = content_id(number, &self.id);
            for text in ["--", &boundary, "\r\nContent-ID: <", &id, ">\r\nContent-Type: ", &part.content_type]
            {
                body.put_slice(text.as_bytes());
            }
            body.put_slice(b"\r\n\r\n");
            body.put_slice(&part.body);
            body.put_slice(b"\r\n");
        }
        for text in ["--", &boundary, "--\r\n"] {
            body.put_slice(text.as_bytes());
        }
        let start = content_id(0, &self.id);
        let content_type =
            format_compact!("{RELATED};type=\"{MEDIA_TYPE}\";start=\"<{start}>\";boundary={boundary}");
        Related { content_type, body: body.freeze() }
    }

    fn push_instance(&mut self, instance: &Instance<'_>) {
        self.document.push_str("<instance");
        push_attribute(&mut self.document, "id", instance.id);
        match instance.state {
            State::Pending => push_attribute(&mut self.document, "state", "pending"),
            State::Terminated { reason } => {
                push_attribute(&mut self.document, "state", "terminated");
                push_attribute(&mut self.document, "reason", reason);
            }
            State::Active { content_type, body } => {
                push_attribute(&mut self.document, "state", "active");
                let cid = content_id(self.parts.len() + 1, &self.id);
                push_attribute(&mut self.document, "cid", &cid);
                self.size += PART + self.id.len() * 2 + content_type.len() + body.len();
                self.parts.push(Part { content_type: content_type.into(), body: body.clone() });
            }
        }
        self.document.push_str("/>");
    }
}

/// How long a text is when it is escaped; never less.
fn escaped(text: &str) -> usize {
    let length = |byte: u8| if matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\r') { 6 } else { 1 };
    text.bytes().map(length).sum()
}

/// The name of a part: its number and what is unique in the world.
fn content_id(number: usize, id: &str) -> CompactString {
    format_compact!("{number}.{id}")
}

/// A boundary that is in no part.
fn free_boundary(wanted: &str, parts: &[Part]) -> CompactString {
    let mut boundary = CompactString::from(wanted);
    let mut number = 0u32;
    // Every part ends somewhere, so one of the numbers is in none of them.
    while parts.iter().any(|part| memmem::find(&part.body, boundary.as_bytes()).is_some()) {
        number += 1;
        boundary = format_compact!("{wanted}-{number}");
    }
    boundary
}

fn push_names(out: &mut String, names: &[Name]) {
    for name in names {
        let lang = name.lang.as_deref().filter(|lang| xml::is_language(lang));
        match lang {
            Some(lang) => xml::push_element_with(out, "name", &[("xml:lang", lang)], &name.text),
            None => xml::push_element(out, "name", &name.text),
        }
    }
}

/// The media type of the document.
pub const MEDIA_TYPE: &str = "application/rlmi+xml";
/// The media type of the body.
pub const RELATED: &str = "multipart/related";
/// The document's `Content-Type`.
const ROOT_TYPE: &str = "application/rlmi+xml;charset=\"UTF-8\"";
/// Room around a part: boundary, its headers, empty line, ids in the headers left out.
const PART: usize = 128;
/// Room for the end of a body.
const END: usize = 80;
/// Room for the marks of a name, with its language; an instance; a resource.
const NAME: usize = 40;
const INSTANCE: usize = 80;
const RESOURCE: usize = 28;

#[cfg(test)]
mod tests {
    use super::*;

    const PIDF: &str = "application/pidf+xml";

    fn pidf(entity: &str) -> Bytes {
        format!("<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"{entity}\"/>").into()
    }

    fn active(body: &Bytes) -> Option<Instance<'_>> {
        Some(Instance { id: "1", state: State::Active { content_type: PIDF, body } })
    }

    fn head(version: u32) -> Head<'static> {
        Head {
            uri: "sip:alice+presence@example.com",
            version,
            extent: if version == 0 { Extent::Full } else { Extent::Partial },
            names: &[],
            id: "v0.t@x",
        }
    }

    #[test]
    fn body_is_as_clients_want_its_bytes() {
        let mut composer = Composer::new(&head(0));
        let bob = pidf("sip:bob@example.com");
        composer.push(&Resource { uri: "sip:bob@example.com", names: &[], instance: active(&bob) });
        let pending = Some(Instance { id: "1", state: State::Pending });
        composer.push(&Resource { uri: "sip:c@example.com", names: &[], instance: pending });
        composer.push(&Resource { uri: "sip:d@example.net", names: &[], instance: None });
        let size = composer.size();
        let related = composer.finish("bb");
        assert!(related.body.len() <= size, "{} is more than {size}", related.body.len());
        assert_eq!(
            related.content_type,
            "multipart/related;type=\"application/rlmi+xml\";start=\"<0.v0.t@x>\";boundary=bb"
        );
        assert_eq!(
            String::from_utf8(related.body.to_vec()).unwrap(),
            "--bb\r\nContent-ID: <0.v0.t@x>\r\nContent-Type: application/rlmi+xml;charset=\"UTF-8\"\r\n\r\n\
             <?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<list xmlns=\"urn:ietf:params:xml:ns:rlmi\" \
             uri=\"sip:alice+presence@example.com\" version=\"0\" fullState=\"true\">\
             <resource uri=\"sip:bob@example.com\"><instance id=\"1\" state=\"active\" cid=\"1.v0.t@x\"/></resource>\
             <resource uri=\"sip:c@example.com\"><instance id=\"1\" state=\"pending\"/></resource>\
             <resource uri=\"sip:d@example.net\"/></list>\r\n\
             --bb\r\nContent-ID: <1.v0.t@x>\r\nContent-Type: application/pidf+xml\r\n\r\n\
             <presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:bob@example.com\"/>\r\n--bb--\r\n"
        );
    }

    /// RFC 4662 §5.1, the document printed there.
    #[test]
    fn the_example_of_the_specification_is_written() {
        let names = [
            Name { text: "Buddy List".into(), lang: Some("en".into()) },
            Name { text: "Liste d'amis".into(), lang: Some("fr".into()) },
        ];
        let mut composer = Composer::new(&Head {
            uri: "sip:adam-friends@lists.vancouver.example.com",
            version: 7,
            extent: Extent::Full,
            names: &names,
            id: "12345@vancouver.example.com",
        });
        let (bob, dave) = (pidf("sip:bob@vancouver.example.com"), pidf("sip:dave@vancouver.example.com"));
        let active =
            |id: &'static str, body| Some(Instance { id, state: State::Active { content_type: PIDF, body } });
        let rejected = Instance { id: "oflzxqzuvg", state: State::Terminated { reason: "rejected" } };
        let pending = Instance { id: "grqhzsppxb", state: State::Pending };
        for (uri, name, instance) in [
            ("sip:bob@vancouver.example.com", "Bob Smith", active("juwigmtboe", &bob)),
            ("sip:dave@vancouver.example.com", "Dave Jones", active("hqzsuxtfyq", &dave)),
            ("sip:jim@vancouver.example.com", "Jim", Some(rejected)),
            ("sip:ed@vancouver.example.com", "Ed", Some(pending)),
        ] {
            composer.push(&Resource { uri, names: &[Name::new(name)], instance });
        }
        let body = String::from_utf8(composer.finish("tuLLl3lDyPZX0GMr2YOo").body.to_vec()).unwrap();
        let expected = r#"<list xmlns="urn:ietf:params:xml:ns:rlmi" uri="sip:adam-friends@lists.vancouver.example.com" version="7" fullState="true"><name xml:lang="en">Buddy List</name><name xml:lang="fr">Liste d'amis</name><resource uri="sip:bob@vancouver.example.com"><name>Bob Smith</name><instance id="juwigmtboe" state="active" cid="1.12345@vancouver.example.com"/></resource><resource uri="sip:dave@vancouver.example.com"><name>Dave Jones</name><instance id="hqzsuxtfyq" state="active" cid="2.12345@vancouver.example.com"/></resource><resource uri="sip:jim@vancouver.example.com"><name>Jim</name><instance id="oflzxqzuvg" state="terminated" reason="rejected"/></resource><resource uri="sip:ed@vancouver.example.com"><name>Ed</name><instance id="grqhzsppxb" state="pending"/></resource></list>"#;
        assert!(body.contains(expected), "{body}");
        assert!(body.contains("Content-ID: <2.12345@vancouver.example.com>"));
    }

    /// RFC 4662 §5.5: a list within a list is a part, and its ids are its own.
    #[test]
    fn a_list_within_a_list_is_a_part() {
        let ed = pidf("sip:ed@example.com");
        let mut inner = Composer::new(&Head { uri: "sip:friends@example.org", id: "i@y", ..head(3) });
        inner.push(&Resource { uri: "sip:joe@example.org", names: &[], instance: active(&ed) });
        let inner = inner.finish("bb");
        let mut outer = Composer::new(&head(1));
        let state = State::Active { content_type: &inner.content_type, body: &inner.body };
        let instance = Some(Instance { id: "1", state });
        outer.push(&Resource { uri: "sip:friends@example.org", names: &[], instance });
        let outer = outer.finish("bb");
        assert!(outer.content_type.ends_with("boundary=bb-1"), "the inner boundary is taken");
        let text = String::from_utf8(outer.body.to_vec()).unwrap();
        assert!(text.contains(&format!(
            "--bb-1\r\nContent-ID: <1.v0.t@x>\r\nContent-Type: {}\r\n\r\n--bb\r\nContent-ID: <0.i@y>",
            inner.content_type
        )));
        assert!(text.ends_with("--bb--\r\n\r\n--bb-1--\r\n"));
    }

    #[test]
    fn what_others_wrote_stays_text() {
        let names = [Name { text: "<b>&\u{1}".into(), lang: Some("no language".into()) }];
        let mut composer = Composer::new(&head(0));
        let instance = Some(Instance { id: "\"", state: State::Terminated { reason: "noresource" } });
        let resource = Resource { uri: "sip:a@b?x=\"&", names: &names, instance };
        let (before, more) = (composer.size(), composer.size_of(&resource));
        composer.push(&resource);
        assert!(composer.size() <= before + more);
        let text = String::from_utf8(composer.finish("bb").body.to_vec()).unwrap();
        assert!(text.contains(
            "<resource uri=\"sip:a@b?x=&quot;&amp;\"><name>&lt;b&gt;&amp;</name>\
             <instance id=\"&quot;\" state=\"terminated\" reason=\"noresource\"/></resource>"
        ));
    }

    #[test]
    fn an_estimate_is_never_too_small() {
        let body = Bytes::from(vec![b'x'; 1000]);
        for instance in [
            None,
            active(&body),
            Some(Instance { id: "12345678", state: State::Pending }),
            Some(Instance { id: "1", state: State::Terminated { reason: "deactivated" } }),
        ] {
            let names = [Name { text: "\"&<>\r\"ü".into(), lang: Some("en-GB".into()) }];
            let resource = Resource { uri: "sip:\"\"\"@example.org", names: &names, instance };
            let mut composer = Composer::new(&head(0));
            let (before, more) = (composer.size(), composer.size_of(&resource));
            composer.push(&resource);
            assert!(composer.size() <= before + more, "{instance:?}");
            let size = composer.size();
            let length = composer.finish("a-boundary-that-is-as-long-as-they-become-here").body.len();
            assert!(length <= size, "{length} > {size}");
        }
    }
}

//! A file of XEP-0227, and those that it includes (§5), one step at a time. Each child of a user comes as text that
//! stands for itself: with its own namespaces, without references to what is outside of it.

use std::{
    fs::File,
    io::BufReader,
    path::{Component, Path, PathBuf},
};

use quick_xml::{
    NsReader,
    events::{BytesStart, Event},
    name::ResolveResult,
};

use super::{ARCHIVE, PIE, PortableError};
use crate::xmpp::stanza::unescape;

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Host {
        domain: String,
    },
    User {
        local: String,
        password: Option<String>,
    },
    /// A child of the user.
    Piece(String),
    /// A message that waits for her.
    Offline(String),
    /// A `<result/>` of her archive.
    Archived(String),
    UserEnd,
    /// Something that nobody here knows, by its name and namespace.
    Unknown(String),
}

/// What is open around the place that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Data,
    Host,
    User,
    Offline,
    Archive,
}

/// The files that are being read, an included one behind the one that includes it.
pub(super) struct Steps {
    sources: Vec<Source>,
    open: Vec<Open>,
    /// What comes after the step that was given.
    pending: Option<Step>,
    included: usize,
}

struct Source {
    reader: NsReader<BufReader<File>>,
    file: PathBuf,
    buffer: Vec<u8>,
    /// How much was open when it began.
    base: usize,
}

/// A part of the text.
enum Mark {
    Start(Tag),
    End,
    Text(String),
    Eof,
}

struct Tag {
    namespace: String,
    local: String,
    /// As they stand in the file.
    attributes: Vec<(String, String)>,
    is_empty: bool,
}

impl Steps {
    /// Begins with this file.
    ///
    /// # Errors
    /// It cannot be read, or is too large.
    pub(super) fn open(file: &Path) -> Result<Self, PortableError> {
        let source = Source::open(file, 0)?;
        Ok(Self { sources: vec![source], open: Vec::new(), pending: None, included: 0 })
    }

    /// The next step; `None` at the end.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn next(&mut self) -> Result<Option<Step>, PortableError> {
        if let Some(step) = self.pending.take() {
            return Ok(Some(step));
        }
        loop {
            let Some(source) = self.sources.last_mut() else { return Ok(None) };
            let step = match source.mark()? {
                Mark::Text(_) => None,
                Mark::Eof if self.open.len() != source.base => return Err(source.fault("it ends too early")),
                Mark::Eof => {
                    self.sources.pop();
                    None
                }
                Mark::End => (self.open.pop() == Some(Open::User)).then_some(Step::UserEnd),
                Mark::Start(tag) => self.begin(tag)?,
            };
            if step.is_some() {
                return Ok(step);
            }
        }
    }

    fn begin(&mut self, tag: Tag) -> Result<Option<Step>, PortableError> {
        let Some(source) = self.sources.last_mut() else { return Ok(None) };
        let around = self.open.last().copied();
        if tag.is("include", XINCLUDE) && matches!(around, Some(Open::Data | Open::Host | Open::User)) {
            let file = tag.attribute("href").and_then(|href| source.beside(&href));
            let is_plain = tag.attribute("parse").is_none() && tag.attribute("xpointer").is_none();
            source.take_whole(&tag)?;
            let file = file
                .filter(|_| is_plain)
                .ok_or_else(|| source.fault("it includes what cannot be included"))?;
            self.included += 1;
            if self.included > MOST_FILES || self.sources.len() > MOST_NESTED {
                return Err(PortableError::Content {
                    file: file.display().to_string(),
                    what: "too many files are included".to_owned(),
                });
            }
            self.sources.push(Source::open(&file, self.open.len())?);
            return Ok(None);
        }
        let (open, step) = match around {
            None if tag.is("server-data", PIE) => (Open::Data, None),
            None => return Err(source.fault("it is no server-data of urn:xmpp:pie:0")),
            Some(Open::Data) if tag.is("host", PIE) => {
                let domain = tag.attribute("jid").unwrap_or_default();
                (Open::Host, Some(Step::Host { domain }))
            }
            Some(Open::Host) if tag.is("user", PIE) => {
                let (local, password) =
                    (tag.attribute("name").unwrap_or_default(), tag.attribute("password"));
                if tag.is_empty {
                    self.pending = Some(Step::UserEnd);
                }
                (Open::User, Some(Step::User { local, password }))
            }
            Some(Open::User) if tag.is("offline-messages", PIE) => (Open::Offline, None),
            Some(Open::User) if tag.is("archive", ARCHIVE) => (Open::Archive, None),
            Some(around) => {
                let name = format!("{} of {}", tag.local, tag.namespace);
                let text = source.take_whole(&tag)?;
                return Ok(Some(match around {
                    Open::Data | Open::Host => Step::Unknown(name),
                    Open::User => Step::Piece(text),
                    Open::Offline => Step::Offline(text),
                    Open::Archive => Step::Archived(text),
                }));
            }
        };
        if !tag.is_empty {
            self.open.push(open);
        }
        Ok(step)
    }
}

impl Source {
    fn open(file: &Path, base: usize) -> Result<Self, PortableError> {
        let named = |error: std::io::Error| PortableError::Content {
            file: file.display().to_string(),
            what: error.to_string(),
        };
        let opened = File::open(file).map_err(named)?;
        let source = |reader| Self { reader, file: file.to_owned(), buffer: Vec::new(), base };
        let is_large = opened.metadata().map_err(named)?.len() > MOST_BYTES;
        let source = source(NsReader::from_reader(BufReader::new(opened)));
        if is_large { Err(source.fault("it has more than 16 GiB")) } else { Ok(source) }
    }

    fn fault(&self, what: &str) -> PortableError {
        let at = self.reader.buffer_position();
        PortableError::Content {
            file: self.file.display().to_string(),
            what: format!("{what}, at byte {at}"),
        }
    }

    /// A file in the folder of this one or below; `None` for any other.
    fn beside(&self, href: &str) -> Option<PathBuf> {
        let path = Path::new(href);
        let is_below = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        (is_below && !href.is_empty()).then(|| self.file.parent().unwrap_or_else(|| Path::new("")).join(path))
    }

    fn mark(&mut self) -> Result<Mark, PortableError> {
        loop {
            self.buffer.clear();
            let read = match self.reader.read_resolved_event_into(&mut self.buffer) {
                Ok((resolved, event)) => read_event(&resolved, &event),
                Err(error) => Err(error.to_string()),
            };
            match read {
                Ok(Some(mark)) => return Ok(mark),
                Ok(None) => {}
                Err(what) => return Err(self.fault(&what)),
            }
        }
    }

    /// The element that begins with this, to its end, as text that stands for itself.
    fn take_whole(&mut self, tag: &Tag) -> Result<String, PortableError> {
        let mut out = String::new();
        let mut open = Vec::new();
        tag.print(&mut out);
        if tag.is_empty {
            return Ok(out);
        }
        open.push(tag.local.clone());
        while let Some(innermost) = open.last() {
            match self.mark()? {
                Mark::Start(tag) => {
                    tag.print(&mut out);
                    if !tag.is_empty {
                        open.push(tag.local);
                    }
                }
                Mark::End => {
                    out.push_str(&format!("</{innermost}>"));
                    open.pop();
                }
                Mark::Text(text) => out.push_str(&text),
                Mark::Eof => return Err(self.fault("it ends too early")),
            }
            if open.len() > DEEPEST || out.len() > MOST_PIECE_BYTES {
                return Err(self.fault("something in it is too large or too deep"));
            }
        }
        Ok(out)
    }
}

impl Tag {
    fn is(&self, local: &str, namespace: &str) -> bool {
        self.local == local && self.namespace == namespace
    }

    fn attribute(&self, name: &str) -> Option<String> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| unescape(value).into_owned())
    }

    fn print(&self, out: &mut String) {
        out.push_str(&format!("<{} xmlns='{}'", self.local, self.namespace.replace('\'', "&apos;")));
        for (name, value) in &self.attributes {
            // What stood between double quotes may have single ones in it, and the other way round.
            let quote = if value.contains('\'') { '"' } else { '\'' };
            out.push_str(&format!(" {name}={quote}{value}{quote}"));
        }
        out.push_str(if self.is_empty { "/>" } else { ">" });
    }
}

/// What an event means; `None` for one that means nothing.
fn read_event(resolved: &ResolveResult<'_>, event: &Event<'_>) -> Result<Option<Mark>, String> {
    Ok(Some(match event {
        Event::Start(start) => Mark::Start(read_tag(resolved, start, false)?),
        Event::Empty(start) => Mark::Start(read_tag(resolved, start, true)?),
        Event::End(_) => Mark::End,
        Event::Text(content) => Mark::Text((**content).to_owned()),
        Event::CData(content) => {
            Mark::Text(content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
        }
        Event::GeneralRef(name) => Mark::Text(format!("&{};", &**name)),
        Event::Eof => Mark::Eof,
        Event::DocType(_) => return Err("it has a document type".to_owned()),
        Event::Comment(_) | Event::Decl(_) | Event::PI(_) => return Ok(None),
    }))
}

fn read_tag(resolved: &ResolveResult<'_>, start: &BytesStart<'_>, is_empty: bool) -> Result<Tag, String> {
    let namespace = match resolved {
        ResolveResult::Bound(namespace) => namespace.0.to_owned(),
        ResolveResult::Unbound => String::new(),
        ResolveResult::Unknown(_) => return Err("it has an undeclared prefix".to_owned()),
    };
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let name = attribute.key.as_ref().to_owned();
        // Declarations are printed anew; of attributes with prefixes only those of XML itself mean anything here.
        let is_kept = name != "xmlns" && (!name.contains(':') || name.starts_with("xml:"));
        if is_kept {
            attributes.push((name, attribute.value.clone().into_owned()));
        }
    }
    Ok(Tag {
        namespace: unescape(&namespace).into_owned(),
        local: start.local_name().as_ref().to_owned(),
        attributes,
        is_empty,
    })
}

const XINCLUDE: &str = "http://www.w3.org/2001/XInclude";
const MOST_BYTES: u64 = 16 << 30;
/// Most bytes of one child of a user.
const MOST_PIECE_BYTES: usize = 64 << 20;
const DEEPEST: usize = 64;
const MOST_FILES: usize = 1_000_000;
/// How deep files may be included in each other.
const MOST_NESTED: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(folder: &Path) -> Result<Vec<Step>, String> {
        let mut steps = Steps::open(&folder.join("all.xml")).map_err(|error| error.to_string())?;
        let mut found = Vec::new();
        while let Some(step) = steps.next().map_err(|error| error.to_string())? {
            found.push(step);
        }
        Ok(found)
    }

    #[test]
    fn included_files_are_read_where_they_stand() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "all.xml",
            "<?xml version='1.0'?><!-- all --><server-data xmlns='urn:xmpp:pie:0' xmlns:xi='http://www.w3.org/2001/XInclude'>\
             <xi:include href='b.example.xml'/><extra xmlns='urn:x'/></server-data>",
        );
        write(
            "b.example.xml",
            "<host xmlns='urn:xmpp:pie:0' xmlns:v='vcard-temp' jid='b.example'><user name='a&amp;b' password=\"it's\">\
             <v:vCard><v:FN>A &lt;B<![CDATA[&<]]></v:FN></v:vCard>\
             <offline-messages><message xmlns='jabber:client' xml:lang='de'/></offline-messages>\
             <archive xmlns='urn:xmpp:pie:0#mam'><result xmlns='urn:xmpp:mam:2' id='1'/></archive></user>\
             <user name='c'/></host>",
        );
        let user = |local: &str, password: Option<&str>| Step::User {
            local: local.to_owned(),
            password: password.map(str::to_owned),
        };
        let expected = vec![
            Step::Host { domain: "b.example".to_owned() },
            user("a&b", Some("it's")),
            Step::Piece(
                "<vCard xmlns='vcard-temp'><FN xmlns='vcard-temp'>A &lt;B&amp;&lt;</FN></vCard>".to_owned(),
            ),
            Step::Offline("<message xmlns='jabber:client' xml:lang='de'/>".to_owned()),
            Step::Archived("<result xmlns='urn:xmpp:mam:2' id='1'/>".to_owned()),
            Step::UserEnd,
            user("c", None),
            Step::UserEnd,
            Step::Unknown("extra of urn:x".to_owned()),
        ];
        assert_eq!(steps(folder.path()).unwrap(), expected);
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let data = |content: &str| {
            format!(
                "<server-data xmlns='urn:xmpp:pie:0' xmlns:xi='http://www.w3.org/2001/XInclude'>{content}</server-data>"
            )
        };
        let deep = format!("<host jid='a'><user name='a'>{}", "<x>".repeat(70));
        for (text, expect) in [
            ("<a/>".to_owned(), "no server-data"),
            ("<!DOCTYPE a []><a/>".to_owned(), "document type"),
            ("<server-data xmlns='urn:xmpp:pie:0'>".to_owned(), "too early"),
            (data("<host jid='a'>"), ""),
            (data("<xi:include href='../x.xml'/>"), "cannot be included"),
            (data("<xi:include href='/etc/passwd'/>"), "cannot be included"),
            (data("<xi:include href='missing.xml'/>"), "missing.xml"),
            (data(&deep), "too deep"),
        ] {
            std::fs::write(folder.path().join("all.xml"), &text).unwrap();
            let error = steps(folder.path()).unwrap_err();
            assert!(error.contains(expect), "{text:.80}: {error}");
        }
    }
}

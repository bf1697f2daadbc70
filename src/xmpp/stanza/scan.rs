//! The resumable scanner: bytes in, stream header, stanzas and stream end out.
//!
//! As strict as XML 1.0 and Namespaces in XML demand of a well-formed document, and stricter where RFC 6120
//! §11 is. It keeps its place between feeds, so bytes that trickle in one by one are each looked at a
//! bounded number of times. It must not build trees and must not know what any stanza means.

use std::{cell::Cell, mem, sync::Arc};

use bytes::{Buf, Bytes, BytesMut};
use compact_str::CompactString;

use super::header::{self, Header};
use super::names;
use super::namespace::{Namespace, Resolved, Scope, StreamNamespaces};
use super::stanza::{Child, Draft};
use super::tag::{self, Attribute, QualifiedName, StartTag};
use super::text::{Span, parse_reference};
use super::{CLIENT, COMPONENT, Error, Limits, SERVER, Stanza};

/// What the stream brought.
#[derive(Clone, Debug)]
pub enum Event {
    /// The stream (or, after a restart, the new stream) was opened.
    Header(Header),
    /// One whole first-level element: a stanza, or a nonza of SASL, STARTTLS, stream management.
    Stanza(Stanza),
    /// The peer closed its direction of the stream.
    End,
}

/// Splits one byte stream. Feed it, then call [`Scanner::next_event`] until it has nothing more.
#[derive(Debug)]
pub struct Scanner {
    limits: Limits,
    phase: Phase,
    /// The content namespace of the stream.
    content: &'static str,
    stream_name: CompactString,
    stream: Arc<StreamNamespaces>,
    /// Everything before this was looked at. Counts from the front of the buffer, which is where the current
    /// stanza begins.
    at: usize,
    token: Token,
    buffer: BytesMut,
    /// The names of the elements that are open, outermost first.
    open: Vec<Span>,
    scope: Scope,
    attributes: Vec<Attribute>,
    /// The envelope of the stanza that is being read. Boxed, for it goes on with the stanza.
    draft: Option<Box<Draft>>,
    /// Something was fed since the last release.
    is_at_work: bool,
}

/// What a scanner at work needs and an idle one does not: the idle leave it to the next one of their thread.
#[derive(Default)]
struct Tools {
    buffer: BytesMut,
    open: Vec<Span>,
    scope: Scope,
    attributes: Vec<Attribute>,
}

thread_local! {
    static SPARE: Cell<Tools> = Cell::default();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Before the stream header.
    Prolog,
    /// Between stanzas or inside one.
    Stream,
    /// After the end of the stream.
    Ended,
}

/// What the byte at `at` belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Text,
    /// A tag began at `at` and was not complete; up to `searched` its end has not come. The quote is the one
    /// that is open there.
    Tag {
        searched: usize,
        quote: Option<u8>,
    },
    /// Inside a CDATA section whose content began at `start`.
    Cdata {
        start: usize,
    },
}

impl Scanner {
    /// A scanner that waits for a stream header.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            phase: Phase::Prolog,
            content: CLIENT,
            stream_name: CompactString::default(),
            stream: Arc::default(),
            at: 0,
            token: Token::Text,
            buffer: BytesMut::new(),
            open: Vec::new(),
            scope: Scope::default(),
            attributes: Vec::new(),
            draft: None,
            is_at_work: false,
        }
    }

    /// A scanner for a stream between servers: what is in `jabber:server` there reads as if it were in
    /// `jabber:client` (RFC 6120 §4.8.3), so that a stanza is the same wherever it goes.
    pub fn between_servers(limits: Limits) -> Self {
        Self { content: SERVER, ..Self::new(limits) }
    }

    /// The same for the stream of a component, whose namespace is [`COMPONENT`].
    pub fn of_component(limits: Limits) -> Self {
        Self { content: COMPONENT, ..Self::new(limits) }
    }

    /// Appends what the peer sent.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer().extend_from_slice(bytes);
    }

    /// The buffer itself, for a socket to append to. Only appending keeps the scanner right.
    pub fn buffer(&mut self) -> &mut BytesMut {
        if !self.is_at_work {
            self.is_at_work = true;
            self.take_tools();
        }
        &mut self.buffer
    }

    /// Whether everything that was fed has been read.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Goes on within other limits.
    pub fn widen(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Expects a new stream header next, as after SASL. Bytes already fed stay (RFC 6120 §4.3.3).
    pub fn restart(&mut self, limits: Limits) {
        self.limits = limits;
        self.phase = Phase::Prolog;
    }

    /// From now on the peer may make it hold as much as this.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Throws away what was fed and not read, as STARTTLS demands (RFC 6120 §5.4.3.3).
    pub fn discard(&mut self) {
        *self = Self { content: self.content, ..Self::new(self.limits) };
    }

    /// Gives back the memory that an idle connection has no use for.
    pub fn release(&mut self) {
        if !self.is_at_work || !self.buffer.is_empty() || !self.open.is_empty() {
            return;
        }
        self.is_at_work = false;
        let tools = Tools {
            buffer: mem::take(&mut self.buffer),
            open: mem::take(&mut self.open),
            scope: mem::take(&mut self.scope),
            attributes: mem::take(&mut self.attributes),
        };
        if tools.buffer.capacity() <= KEPT && tools.open.capacity() <= KEPT {
            SPARE.set(tools);
        }
    }

    fn take_tools(&mut self) {
        let Tools { buffer, open, scope, attributes } = SPARE.take();
        (self.buffer, self.open, self.scope, self.attributes) = (buffer, open, scope, attributes);
    }

    /// The next event, `Ok(None)` when more bytes are needed. After an error the scanner is of no more use.
    ///
    /// # Errors
    ///
    /// See [`Error`]; each is the end of the stream.
    pub fn next_event(&mut self) -> Result<Option<Event>, Error> {
        let event = match self.phase {
            Phase::Prolog => self.read_header()?,
            Phase::Stream => self.read_stanza()?,
            Phase::Ended => {
                self.buffer.clear();
                None
            }
        };
        if event.is_none() && self.buffer.len() > self.limits.stanza_bytes {
            return Err(Error::TooLarge("stanza"));
        }
        Ok(event)
    }

    fn read_header(&mut self) -> Result<Option<Event>, Error> {
        let space = tag::skip_space(&self.buffer, 0);
        self.buffer.advance(space);
        let opening = header::parse_opening(&self.buffer, &self.limits, &mut self.attributes)?;
        let Some(mut opening) = opening else { return Ok(None) };
        if self.content != CLIENT {
            opening.namespaces.read_as(self.content, CLIENT);
        }
        self.buffer.advance(opening.end);
        self.at = 0;
        self.token = Token::Text;
        self.phase = Phase::Stream;
        self.stream_name = opening.name;
        self.stream = opening.namespaces.into_shared();
        Ok(Some(Event::Header(opening.header)))
    }

    fn read_stanza(&mut self) -> Result<Option<Event>, Error> {
        if self.open.is_empty() && self.at == 0 {
            let space = tag::skip_space(&self.buffer, 0);
            self.buffer.advance(space);
        }
        loop {
            let progress = match self.token {
                Token::Text => self.read_text()?,
                Token::Tag { searched, quote } => self.search_tag_end(searched, quote)?,
                Token::Cdata { start } => self.read_cdata(start)?,
            };
            match progress {
                Progress::NeedMore => return Ok(None),
                Progress::Moved => {}
                Progress::Done(event) => return Ok(Some(event)),
            }
        }
    }

    /// Text up to the next markup.
    fn read_text(&mut self) -> Result<Progress, Error> {
        if self.open.is_empty() {
            return self.read_between_stanzas();
        }
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            let (step, markup) = names::find_text_stop(rest)?;
            self.at += step;
            match markup {
                None => return Ok(Progress::NeedMore),
                Some(b'<') => return self.read_tag(),
                Some(b'&') => {
                    let rest = rest.get(step..).unwrap_or_default();
                    match parse_reference(rest) {
                        None => return Err(tag::reference_error(rest)),
                        Some(None) => return Ok(Progress::NeedMore),
                        Some(Some((_, length))) => self.at += length,
                    }
                }
                Some(_) => {
                    if self.buffer.get(..self.at).is_some_and(|before| before.ends_with(b"]]")) {
                        return Err(Error::NotWellFormed("']]>' in text"));
                    }
                    self.at += 1;
                }
            }
        }
    }

    fn read_between_stanzas(&mut self) -> Result<Progress, Error> {
        match self.buffer.first() {
            None => Ok(Progress::NeedMore),
            Some(b'<') => self.read_tag(),
            Some(_) => Err(Error::BadFormat("text between stanzas")),
        }
    }

    /// Looks for the `>` that ends the tag at `at`, from where the last look ended.
    fn search_tag_end(&mut self, searched: usize, mut quote: Option<u8>) -> Result<Progress, Error> {
        let rest = self.buffer.get(searched..).unwrap_or_default();
        for byte in rest {
            match (quote, *byte) {
                (None, b'>') => {
                    self.token = Token::Text;
                    return match self.read_tag()? {
                        Progress::NeedMore => Err(Error::NotWellFormed("tag")),
                        progress => Ok(progress),
                    };
                }
                (None, b'"' | b'\'') => quote = Some(*byte),
                (Some(open), closing) if open == closing => quote = None,
                _ => {}
            }
        }
        self.token = Token::Tag { searched: self.buffer.len(), quote };
        Ok(Progress::NeedMore)
    }

    fn read_cdata(&mut self, start: usize) -> Result<Progress, Error> {
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            let (step, markup) = names::find_text_stop(rest)?;
            self.at += step;
            let Some(markup) = markup else { return Ok(Progress::NeedMore) };
            self.at += 1;
            if markup == b'>' && self.buffer.get(start..self.at).is_some_and(|all| all.ends_with(b"]]>")) {
                self.token = Token::Text;
                return Ok(Progress::Moved);
            }
        }
    }

    /// The markup at `at`.
    fn read_tag(&mut self) -> Result<Progress, Error> {
        match self.buffer.get(self.at + 1) {
            None => Ok(Progress::NeedMore),
            Some(b'/') => self.read_end_tag(),
            Some(b'!') => self.read_cdata_start(),
            Some(b'?') => Err(Error::Restricted("processing instruction")),
            Some(_) => self.read_start_tag(),
        }
    }

    /// The tag at `at` is not all there: from now on only its end is looked for, so that a tag that trickles
    /// in is parsed twice and not once per byte.
    fn wait_for_tag_end(&mut self) -> Progress {
        self.token = Token::Tag { searched: self.at, quote: None };
        Progress::NeedMore
    }

    fn read_cdata_start(&mut self) -> Result<Progress, Error> {
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        if rest.starts_with(CDATA) {
            if self.open.is_empty() {
                return Err(Error::BadFormat("text between stanzas"));
            }
            self.at += CDATA.len();
            self.token = Token::Cdata { start: self.at };
            return Ok(Progress::Moved);
        }
        if CDATA.starts_with(rest) {
            return Ok(Progress::NeedMore);
        }
        match rest.get(2) {
            Some(b'-') => Err(Error::Restricted("comment")),
            Some(b'D') => Err(Error::Restricted("document type")),
            _ => Err(Error::NotWellFormed("markup declaration")),
        }
    }

    fn read_start_tag(&mut self) -> Result<Progress, Error> {
        let start = self.at;
        let parsed = tag::parse_start_tag(&self.buffer, start, &self.limits, &mut self.attributes)?;
        let Some(parsed) = parsed else { return Ok(self.wait_for_tag_end()) };
        let depth = self.open.len() + 1;
        if depth > self.limits.depth {
            return Err(Error::TooLarge("depth"));
        }
        // A stanza may say again what the stream header said (RFC 6120 §4.8.3): it is read alike.
        let known = if depth == 1 && self.stream.has_default(CLIENT) { self.content } else { "" };
        self.scope.declare(&self.buffer, &self.attributes, depth, known, &self.limits)?;
        let resolved = self.resolve_element(parsed.name)?;
        self.check_attributes(depth)?;
        self.at = parsed.end;
        self.note_start(start, &parsed, resolved, depth)?;
        if parsed.is_empty {
            return self.close_element(depth, parsed.end);
        }
        self.open.push(parsed.name.whole);
        Ok(Progress::Moved)
    }

    fn resolve_element(&self, name: QualifiedName) -> Result<Resolved, Error> {
        self.scope.resolve(&self.buffer, name.prefix, &self.stream).ok_or(Error::UndeclaredPrefix)
    }

    /// Every attribute prefix is declared, and no two attributes are the same by namespace and local name.
    fn check_attributes(&mut self, depth: usize) -> Result<(), Error> {
        for (index, attribute) in self.attributes.iter().enumerate() {
            let prefix = attribute.name.prefix;
            if prefix.is_empty() || prefix.bytes(&self.buffer) == b"xmlns" {
                continue;
            }
            let resolved =
                self.scope.resolve(&self.buffer, prefix, &self.stream).ok_or(Error::UndeclaredPrefix)?;
            let earlier = self.attributes.get(..index).unwrap_or_default();
            if earlier.iter().any(|other| self.is_same_attribute(other, attribute, resolved.namespace)) {
                return Err(Error::NotWellFormed("duplicate attribute"));
            }
            if depth > 1
                && resolved.depth <= 1
                && let Some(draft) = &mut self.draft
            {
                draft.uses_outer_namespace = true;
            }
        }
        Ok(())
    }

    fn is_same_attribute(&self, other: &Attribute, attribute: &Attribute, namespace: Namespace) -> bool {
        if other.name.prefix.is_empty()
            || other.name.local.bytes(&self.buffer) != attribute.name.local.bytes(&self.buffer)
        {
            return false;
        }
        let other = self.scope.resolve(&self.buffer, other.name.prefix, &self.stream);
        other.is_some_and(|other| {
            let name = other.namespace.read(&self.buffer, &self.stream);
            namespace.is(&self.buffer, &self.stream, &name)
        })
    }

    /// Remembers what the envelope needs to know about the element that begins at `start`.
    fn note_start(
        &mut self,
        start: usize,
        parsed: &StartTag,
        resolved: Resolved,
        depth: usize,
    ) -> Result<(), Error> {
        if depth == 1 {
            let is_client = resolved.namespace.is(&self.buffer, &self.stream, CLIENT);
            let draft = Draft::begin(&self.buffer, parsed, resolved.namespace, is_client, &self.attributes);
            self.draft = Some(Box::new(draft));
            return Ok(());
        }
        let Some(draft) = &mut self.draft else { return Ok(()) };
        if resolved.depth <= 1 && !draft.uses_outer_namespace {
            let is_default = parsed.name.prefix.is_empty();
            draft.uses_outer_namespace =
                !(is_default && resolved.namespace.is(&self.buffer, &self.stream, CLIENT));
        }
        if depth == 2 {
            if draft.children.len() >= self.limits.children {
                return Err(Error::TooLarge("children"));
            }
            draft.children.push(Child::begin(start, parsed, resolved.namespace));
        }
        Ok(())
    }

    fn read_end_tag(&mut self) -> Result<Progress, Error> {
        let Some((name, end)) = tag::parse_end_tag(&self.buffer, self.at)? else {
            return Ok(self.wait_for_tag_end());
        };
        let name = name.bytes(&self.buffer);
        let Some(open) = self.open.last() else {
            if name != self.stream_name.as_bytes() {
                return Err(Error::NotWellFormed("end tag without start"));
            }
            self.phase = Phase::Ended;
            self.buffer.clear();
            return Ok(Progress::Done(Event::End));
        };
        if open.bytes(&self.buffer) != name {
            return Err(Error::NotWellFormed("end tag of another element"));
        }
        let depth = self.open.len();
        let content_end = self.at;
        self.open.pop();
        self.at = end;
        self.close_element(depth, content_end)
    }

    /// An element at `depth` ended at `at`; its content ended at `content_end`.
    fn close_element(&mut self, depth: usize, content_end: usize) -> Result<Progress, Error> {
        self.scope.leave(depth);
        if depth > 2 {
            return Ok(Progress::Moved);
        }
        if depth == 1 {
            return self.finish_stanza(content_end).map(|stanza| Progress::Done(Event::Stanza(stanza)));
        }
        if let Some(child) = self.draft.as_mut().and_then(|draft| draft.children.last_mut()) {
            child.finish(content_end, self.at);
        }
        Ok(Progress::Moved)
    }

    fn finish_stanza(&mut self, content_end: usize) -> Result<Stanza, Error> {
        if self.at > self.limits.stanza_bytes {
            return Err(Error::TooLarge("stanza"));
        }
        let bytes = self.take_stanza_bytes();
        check_characters(&bytes)?;
        self.at = 0;
        self.token = Token::Text;
        let mut draft = self.draft.take().unwrap_or_default();
        draft.content_end(content_end);
        Ok(Stanza::new(bytes, Arc::clone(&self.stream), draft))
    }

    /// A small stanza is copied, so that one that is kept does not keep a whole read buffer alive.
    fn take_stanza_bytes(&mut self) -> Bytes {
        if self.at > COPIED_UP_TO {
            return self.buffer.split_to(self.at).freeze();
        }
        let bytes = Bytes::copy_from_slice(self.buffer.get(..self.at).unwrap_or_default());
        self.buffer.advance(self.at);
        bytes
    }
}

/// What one step of the scanner came to.
enum Progress {
    NeedMore,
    Moved,
    Done(Event),
}

/// UTF-8, and none of the two characters above ASCII that XML leaves out.
fn check_characters(bytes: &[u8]) -> Result<(), Error> {
    if bytes.is_ascii() {
        return Ok(());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Error::UnsupportedEncoding)?;
    if text.contains(['\u{fffe}', '\u{ffff}']) {
        return Err(Error::NotWellFormed("character"));
    }
    Ok(())
}

const CDATA: &[u8] = b"<![CDATA[";
const COPIED_UP_TO: usize = 4096;
/// The most memory that is left to the next scanner.
const KEPT: usize = 64 * 1024;

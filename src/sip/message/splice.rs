//! A new message from an old one: some values put on, taken off or changed, every other byte as it was
//! (RFC 3261 §16.6, §16.7). This is how a proxy forwards.

use std::{fmt, ops::Range};

use bytes::Bytes;
use compact_str::{CompactString, ToCompactString};
use smallvec::SmallVec;

use super::{
    name::HeaderName,
    span::{Message, Span, Start},
    text::{is_space, piece_end},
    uri::Uri,
    via::Via,
    write::{Writer, push_line},
};

/// Edits of a message, done by [`Splice::finish`]. They apply in the order of the calls.
#[derive(Debug)]
#[must_use]
pub struct Splice<'a> {
    message: &'a Message,
    request_uri: Option<CompactString>,
    lines: SmallVec<[(usize, Line); 4]>,
    /// Put before the first field of their name, or before all, the last call first.
    pushed: SmallVec<[(HeaderName, CompactString); 2]>,
    added: SmallVec<[(HeaderName, CompactString); 2]>,
    body: Option<Bytes>,
}

/// What a header line becomes: a new first value, then what is left of the old ones.
#[derive(Clone, Debug)]
struct Line {
    first: Option<CompactString>,
    rest: Range<usize>,
}

impl Line {
    fn is_gone(&self) -> bool {
        self.first.is_none() && self.rest.is_empty()
    }
}

impl Message {
    /// Begins a changed copy of this message.
    pub fn splice(&self) -> Splice<'_> {
        Splice {
            message: self,
            request_uri: None,
            lines: SmallVec::new(),
            pushed: SmallVec::new(),
            added: SmallVec::new(),
            body: None,
        }
    }
}

impl Splice<'_> {
    /// Another request URI.
    pub fn request_uri(mut self, uri: &Uri) -> Self {
        self.request_uri = Some(uri.as_str().into());
        self
    }

    /// A `Via` on top.
    pub fn push_via(self, via: &Via) -> Self {
        self.push(HeaderName::Via, via)
    }

    /// Takes the top `Via` off, as for a response on its way back.
    pub fn pop_via(self) -> Self {
        self.pop(HeaderName::Via)
    }

    /// Writes another top `Via` in place of the old one.
    pub fn top_via(self, via: &Via) -> Self {
        self.replace_first(HeaderName::Via, via)
    }

    /// A `Record-Route` on top.
    pub fn push_record_route(self, address: impl fmt::Display) -> Self {
        self.push(HeaderName::RecordRoute, address)
    }

    /// A `Route` on top.
    pub fn push_route(self, address: impl fmt::Display) -> Self {
        self.push(HeaderName::Route, address)
    }

    /// Takes the top `Route` off.
    pub fn pop_route(self) -> Self {
        self.pop(HeaderName::Route)
    }

    /// Sets `Max-Forwards`, adding it where it is missing.
    pub fn max_forwards(self, hops: u8) -> Self {
        self.set(HeaderName::MaxForwards, hops)
    }

    /// A value before the first field of its name. A name without fields comes before all others.
    pub fn push(mut self, name: HeaderName, value: impl fmt::Display) -> Self {
        self.pushed.push((name, value.to_compact_string()));
        self
    }

    /// Takes the first value of a list header off; where it was alone, the line goes.
    pub fn pop(mut self, name: HeaderName) -> Self {
        if let Some((index, mut line)) = self.first_line(name) {
            if line.first.take().is_none() {
                line.rest = after_piece(&self.message.bytes, line.rest);
            }
            self.put_line(index, line);
        }
        self
    }

    /// Writes another first value of a list header in place of the old one.
    pub fn replace_first(mut self, name: HeaderName, value: impl fmt::Display) -> Self {
        if let Some((index, line)) = self.first_line(name) {
            let rest = match line.first {
                Some(_) => line.rest,
                None => after_piece(&self.message.bytes, line.rest),
            };
            self.put_line(index, Line { first: Some(value.to_compact_string()), rest });
        }
        self
    }

    /// Sets a header that stands once: the first field is rewritten, others of the name go. Where there is
    /// none it is added at the end.
    pub fn set(mut self, name: HeaderName, value: impl fmt::Display) -> Self {
        let Some((index, _)) = self.first_line(name) else { return self.add(name, value) };
        self = self.remove(name);
        self.put_line(index, Line { first: Some(value.to_compact_string()), rest: 0..0 });
        self
    }

    /// Takes every field of a name away.
    pub fn remove(mut self, name: HeaderName) -> Self {
        let message = self.message;
        for (index, _) in message.head.fields.iter().enumerate().filter(|(_, span)| span.name == name) {
            self.put_line(index, Line { first: None, rest: 0..0 });
        }
        self
    }

    /// A field at the end of the head.
    pub fn add(mut self, name: HeaderName, value: impl fmt::Display) -> Self {
        self.added.push((name, value.to_compact_string()));
        self
    }

    /// Another body, with its `Content-Type`.
    pub fn body(mut self, content_type: impl fmt::Display, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self.set(HeaderName::ContentType, content_type)
    }

    /// The new message. `Content-Length` is there and right, whether it was or not.
    #[must_use]
    pub fn finish(mut self) -> Message {
        let body = self.body.take();
        if let Some(body) = &body {
            self = self.set(HeaderName::ContentLength, body.len());
        }
        let mut writer = self.start();
        let fields = &self.message.head.fields;
        for (index, span) in fields.iter().enumerate() {
            let is_first = !fields.iter().take(index).any(|before| before.name == span.name);
            if index == 0 {
                let has_field = |name| fields.iter().any(|field| field.name == name);
                self.write_pushed(&mut writer, |name| !has_field(name));
            }
            if is_first {
                self.write_pushed(&mut writer, |name| name == span.name);
            }
            self.write_line(&mut writer, index, span);
        }
        if fields.is_empty() {
            self.write_pushed(&mut writer, |_| true);
        }
        for (name, value) in &self.added {
            writer.field(*name, name.as_str(), value);
        }
        writer.finish(&body.unwrap_or_else(|| self.message.body()))
    }

    fn start(&self) -> Writer {
        let capacity = self.message.bytes.len() + 256;
        let bytes = &self.message.bytes;
        match &self.message.head.start {
            Start::Request { method, uri } => {
                let old = bytes.get(uri.clone()).and_then(|uri| str::from_utf8(uri).ok()).unwrap_or_default();
                Writer::request(method, self.request_uri.as_deref().unwrap_or(old), capacity)
            }
            Start::Response { status, reason } => {
                Writer::response(*status, bytes.get(reason.clone()), capacity)
            }
        }
    }

    fn write_pushed(&self, writer: &mut Writer, is_due: impl Fn(HeaderName) -> bool) {
        for (name, value) in self.pushed.iter().rev().filter(|(name, _)| is_due(*name)) {
            writer.field(*name, name.as_str(), value);
        }
    }

    fn write_line(&self, writer: &mut Writer, index: usize, span: &Span) {
        let bytes = &self.message.bytes;
        let Some(line) = self.edited(index) else { return writer.copy(bytes, span) };
        if line.is_gone() {
            return;
        }
        let written = bytes.get(span.written_name()).unwrap_or_default();
        writer.line(span.name, written, |buffer: &mut Vec<u8>| {
            if let Some(first) = &line.first {
                push_line(buffer, first);
            }
            if line.first.is_some() && !line.rest.is_empty() {
                buffer.extend_from_slice(b", ");
            }
            buffer.extend_from_slice(bytes.get(line.rest.clone()).unwrap_or_default());
        });
    }

    fn edited(&self, index: usize) -> Option<&Line> {
        self.lines.iter().find(|(at, _)| *at == index).map(|(_, line)| line)
    }

    /// The first line of a name that is still there, as it now stands.
    fn first_line(&self, name: HeaderName) -> Option<(usize, Line)> {
        let fields = self.message.head.fields.iter().enumerate();
        fields.filter(|(_, span)| span.name == name).find_map(|(index, span)| match self.edited(index) {
            Some(line) if line.is_gone() => None,
            Some(line) => Some((index, line.clone())),
            None => Some((index, Line { first: None, rest: span.value() })),
        })
    }

    fn put_line(&mut self, index: usize, line: Line) {
        match self.lines.iter_mut().find(|(at, _)| *at == index) {
            Some((_, old)) => *old = line,
            None => self.lines.push((index, line)),
        }
    }
}

/// What follows the first value of a list.
fn after_piece(bytes: &[u8], range: Range<usize>) -> Range<usize> {
    let text = bytes.get(range.clone()).unwrap_or_default();
    let next = piece_end(text, b',') + 1;
    let blank = text.get(next..).unwrap_or_default().iter().take_while(|byte| is_space(**byte)).count();
    (range.start + next + blank).min(range.end)..range.end
}

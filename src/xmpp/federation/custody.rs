//! XEP-0198 between servers: what was written and is not acknowledged yet, what is to be said about what they wrote, and
//! what a stream whose connection broke needs to go on (§5). What is left when one ends for good goes back to its
//! [`super::link::Link`], to be sent anew.
//!
//! Where the other server does not know of it, what was written counts as arrived.

use std::time::{Duration, Instant};

use compact_str::CompactString;

use super::{Config, link::Item};
use crate::{
    formats::xml::parse_boolean,
    xmpp::{
        stanza::{Stanza, print_named},
        stream::{Condition, Management, Reply, StreamError, Ticket, Unacknowledged},
    },
};

/// What is on its way on one stream.
#[derive(Debug)]
pub(super) struct Custody {
    management: Management<Item>,
    phase: Phase,
    /// What the other server knows a stream by that we opened and may go on with.
    id: Option<CompactString>,
    /// How often the stream went on since something was acknowledged.
    resumptions: u8,
    /// Since when the other server owes us a word.
    asked: Option<Instant>,
    patience: Duration,
}

/// What came of something that the other server said.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// To be written.
    pub(super) answer: Vec<u8>,
    /// What nobody acknowledged on an earlier stream that cannot go on, oldest first.
    pub(super) left: Vec<Item>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing is counted.
    Off,
    /// We asked for it: what we write is counted, what they write not yet.
    Wanted,
    /// We asked to go on with an earlier stream: nothing may be written before the answer.
    Resuming,
    On,
}

impl Custody {
    /// Off, with the bounds of a link.
    pub(super) fn new(config: &Config) -> Self {
        let most = Unacknowledged { stanzas: config.queue, bytes: config.queue_bytes };
        Self {
            management: Management::new(most),
            phase: Phase::Off,
            id: None,
            resumptions: 0,
            asked: None,
            patience: config.patience(),
        }
    }

    /// We want it on a stream that we opened, or to go on with the stream that this comes from; what to write.
    pub(super) fn want(&mut self, now: Instant) -> Vec<u8> {
        let Some(id) = &self.id else { return self.enable() };
        let mut out = format!("<resume xmlns='{SM}' h='{}'", self.management.handled()).into_bytes();
        print_named("previd", id, &mut out);
        out.extend_from_slice(b"/>");
        self.resumptions += 1;
        self.phase = Phase::Resuming;
        self.asked = Some(now);
        out
    }

    fn enable(&mut self) -> Vec<u8> {
        let _ = self.management.enable(None);
        self.phase = Phase::Wanted;
        format!("<enable xmlns='{SM}' resume='true'/>").into_bytes()
    }

    /// They go on with this stream, which they opened and know by `id`, on another connection, and have so many of our
    /// stanzas; what to write.
    ///
    /// # Errors
    /// They cannot have so many.
    pub(super) fn resume(&mut self, id: &str, count: u32, now: Instant) -> Result<Vec<u8>, StreamError> {
        let mut out = format!("<resumed xmlns='{SM}' h='{}'", self.management.handled()).into_bytes();
        print_named("previd", id, &mut out);
        out.extend_from_slice(b"/>");
        self.resumptions += u8::from(!self.is_empty());
        self.take_count(count)?;
        out.extend(self.write_again(now));
        Ok(out)
    }

    /// They have so many of our stanzas.
    fn take_count(&mut self, count: u32) -> Result<(), StreamError> {
        match self.management.resume(count) {
            Reply::Acknowledged(items) => self.settle(items),
            Reply::Fail(error) => return Err(error),
            Reply::Send(_) => {}
        }
        Ok(())
    }

    fn settle(&mut self, items: Vec<Item>) {
        self.asked = None;
        if !items.is_empty() {
            self.resumptions = 0;
        }
        items.into_iter().for_each(Item::settle);
    }

    /// All that is not acknowledged, and the question for that.
    fn write_again(&mut self, now: Instant) -> Vec<u8> {
        let mut out = Vec::new();
        self.management.unacknowledged().for_each(|item| out.extend_from_slice(&item.stanza));
        out.extend_from_slice(self.request(now));
        out
    }

    /// These are to be written: what to write after them where they are kept, and whoever is not kept.
    pub(super) fn keep(&mut self, items: Vec<Item>, now: Instant) -> (&'static [u8], Vec<Item>) {
        if self.phase == Phase::Off {
            return (b"", items);
        }
        for item in items {
            let bytes = item.stanza.len();
            self.management.note_sent(item, bytes);
        }
        (self.request(now), Vec::new())
    }

    fn request(&mut self, now: Instant) -> &'static [u8] {
        let request = self.management.request();
        if request.is_some() {
            self.asked = Some(now);
        }
        request.unwrap_or_default()
    }

    /// The other server says something about it. Where it enables it now, it may go on with the stream by
    /// `resumption`: an id, and for how many seconds after the connection broke.
    ///
    /// # Errors
    /// Why the stream ends.
    pub(super) fn handle_element(
        &mut self,
        element: &Stanza,
        resumption: Option<(&str, u32)>,
        now: Instant,
    ) -> Result<Heard, StreamError> {
        let mut heard = Heard::default();
        match (element.name(), self.phase) {
            ("enabled", Phase::Wanted) => {
                self.phase = Phase::On;
                self.id = parse_id(element);
            }
            ("failed", Phase::Wanted) => {
                self.phase = Phase::Off;
                let items = self.management.take_unacknowledged();
                self.settle(items);
            }
            ("resumed", Phase::Resuming) => {
                self.phase = Phase::On;
                self.take_count(parse_count(element).ok_or(Condition::BadFormat)?)?;
                self.asked = None;
                heard.answer = self.write_again(now);
            }
            ("failed", Phase::Resuming) => {
                self.id = None;
                self.asked = None;
                // It may know how far it came all the same.
                let _ = parse_count(element).map(|count| self.take_count(count));
                heard.left = self.management.take_unacknowledged();
                heard.answer = self.enable();
            }
            _ => match self.management.handle_element(element, resumption) {
                Reply::Send(answer) => {
                    if self.phase == Phase::Off && self.management.is_enabled() {
                        self.phase = Phase::On;
                    }
                    heard.answer = answer;
                }
                Reply::Acknowledged(items) => {
                    self.settle(items);
                    heard.answer = self.request(now).to_vec();
                }
                Reply::Fail(error) => return Err(error),
            },
        }
        Ok(heard)
    }

    /// A stanza of theirs came in; `None` where it is not counted.
    pub(super) fn note_received(&mut self) -> Option<Ticket> {
        if self.phase == Phase::On { self.management.note_received() } else { None }
    }

    /// It is dealt with; what to write.
    pub(super) fn note_settled(&mut self, ticket: Ticket) -> Option<Vec<u8>> {
        self.management.note_settled(ticket)
    }

    /// Whether all that came in is dealt with.
    pub(super) fn is_settled(&self) -> bool {
        self.management.is_settled()
    }

    /// Whether something may be written: not before it is known where an earlier stream goes on, or before something is
    /// acknowledged where too much is not.
    pub(super) fn has_room(&self) -> bool {
        self.phase != Phase::Resuming && !self.management.is_full()
    }

    /// Whether nothing is on its way.
    pub(super) fn is_empty(&mut self) -> bool {
        self.management.unacknowledged().next().is_none()
    }

    /// Whether the other server acknowledges.
    pub(super) fn is_on(&self) -> bool {
        self.phase == Phase::On
    }

    /// Whether the other server was asked to acknowledge and has not answered.
    pub(super) fn is_wanted(&self) -> bool {
        self.phase == Phase::Wanted
    }

    /// Whether we may go on with this stream on another connection.
    pub(super) fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// Whether the stream went on often enough without bringing anything any further.
    pub(super) fn is_barren(&self) -> bool {
        self.resumptions >= RESUMPTIONS
    }

    /// When the other server is to be taken for gone, unless it acknowledges something before.
    pub(super) fn due(&self) -> Option<Instant> {
        self.asked.map(|asked| asked + self.patience)
    }

    /// What never was acknowledged, oldest first: the stream is over.
    pub(super) fn end(&mut self) -> Vec<Item> {
        self.phase = Phase::Off;
        self.id = None;
        self.asked = None;
        self.management.take_unacknowledged()
    }
}

/// How many stanzas somebody says to have.
pub(super) fn parse_count(element: &Stanza) -> Option<u32> {
    element.attribute("h")?.parse().ok()
}

/// What we may go on by with a stream.
fn parse_id(enabled: &Stanza) -> Option<CompactString> {
    let is_resumable = enabled.attribute("resume").and_then(|resume| parse_boolean(&resume)) == Some(true);
    // COMPAT(Prosody 0.12): it says that a stream between servers can be resumed, and gives no id.
    let id = enabled.attribute("id").filter(|id| is_resumable && !id.is_empty() && id.len() <= ID_BYTES)?;
    Some(CompactString::from(id))
}

pub(super) const SM: &str = "urn:xmpp:sm:3";
/// How often a stream may go on before something is acknowledged.
const RESUMPTIONS: u8 = 5;
/// Longest id that is remembered.
const ID_BYTES: usize = 4000;

#[cfg(test)]
mod tests;

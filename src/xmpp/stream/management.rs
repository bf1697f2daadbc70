//! XEP-0198: Stream Management, the counters of one stream. They outlive its connection where it can be
//! resumed.
//!
//! What we acknowledge has been dealt with for good: a stanza counts only once everything before it was
//! settled as well. What the peer has not acknowledged is kept, so that the account can be told.

use std::collections::VecDeque;

use super::{Condition, StreamError};
use crate::xmpp::stanza::Stanza;

/// The counters of one stream. `T` is what is remembered of each stanza sent.
#[derive(Debug)]
pub struct Management<T> {
    /// Boxed: most idle sessions of most clients have none.
    enabled: Option<Box<Counters<T>>>,
    most: Unacknowledged,
}

/// How much may wait for the peer's acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unacknowledged {
    pub stanzas: usize,
    pub bytes: usize,
}

#[derive(Debug)]
struct Counters<T> {
    /// Stanzas received and settled, without a gap. Modulo 2^32.
    handled: u32,
    /// What comes after `handled`: whether it is settled.
    open: VecDeque<bool>,
    /// How many stanzas `handled` has moved past, to find a ticket's place.
    settled: u64,
    /// The peer asked, and got less than it had sent.
    owes: bool,
    /// The peer's last `h`.
    acknowledged: u32,
    /// Each with its size in bytes.
    unacknowledged: VecDeque<(T, usize)>,
    unacknowledged_bytes: usize,
    /// We asked and have no answer yet.
    has_asked: bool,
}

/// Names a received stanza until it is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

/// What an element of stream management calls for.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply<T> {
    /// Write this.
    Send(Vec<u8>),
    /// The peer has these.
    Acknowledged(Vec<T>),
    /// End the stream.
    Fail(StreamError),
}

impl<T> Management<T> {
    /// Not enabled yet. When more than `most` waits for the peer's acknowledgement, [`Management::is_full`]
    /// tells, and the session is to be closed.
    pub fn new(most: Unacknowledged) -> Self {
        Self { enabled: None, most }
    }

    /// As it was when an earlier process ended: so many stanzas handled and acknowledged, and each that the peer
    /// has not acknowledged with its bytes.
    pub fn restored(
        most: Unacknowledged,
        handled: u32,
        acknowledged: u32,
        unacknowledged: impl IntoIterator<Item = (T, usize)>,
    ) -> Self {
        let unacknowledged: VecDeque<_> = unacknowledged.into_iter().collect();
        let unacknowledged_bytes = unacknowledged.iter().map(|(_, bytes)| bytes).sum();
        let counters =
            Counters { handled, acknowledged, unacknowledged, unacknowledged_bytes, ..Counters::new() };
        Self { enabled: Some(Box::new(counters)), most }
    }

    /// The number of stanzas that the peer has acknowledged. Modulo 2^32.
    pub fn acknowledged(&self) -> u32 {
        self.enabled.as_ref().map_or(0, |counters| counters.acknowledged)
    }

    /// Whether the peer has enabled it.
    pub fn is_enabled(&self) -> bool {
        self.enabled.is_some()
    }

    /// The peer sent an element in `urn:xmpp:sm:3`, after it was bound. `resumption` is what it may resume the
    /// stream by, and for how many seconds after its connection broke, if it enables that now.
    pub fn handle_element(&mut self, element: &Stanza, resumption: Option<(&str, u32)>) -> Reply<T> {
        match (element.name(), &mut self.enabled) {
            ("enable", None) => Reply::Send(self.enable(resumption)),
            ("enable" | "resume", _) => Reply::Send(print_failed("unexpected-request")),
            ("r", Some(counters)) => {
                counters.owes = !counters.open.is_empty();
                Reply::Send(counters.print_acknowledgement())
            }
            ("a", Some(counters)) => match parse_count(element) {
                Some(count) => counters.acknowledge(count),
                None => Reply::Fail(Condition::BadFormat.into()),
            },
            ("r" | "a", None) => Reply::Send(print_failed("unexpected-request")),
            _ => Reply::Fail(Condition::UnsupportedStanzaType.into()),
        }
    }

    /// Begins to count; what the peer is told. `resumption` as in [`Management::handle_element`].
    pub fn enable(&mut self, resumption: Option<(&str, u32)>) -> Vec<u8> {
        self.enabled = Some(Box::new(Counters::new()));
        let resumption = resumption.map(|(id, seconds)| format!(" resume='true' id='{id}' max='{seconds}'"));
        format!("<enabled xmlns='{SM}'{}/>", resumption.unwrap_or_default()).into_bytes()
    }

    /// A stanza came in. `None` while not enabled.
    pub fn note_received(&mut self) -> Option<Ticket> {
        let counters = self.enabled.as_mut()?;
        counters.open.push_back(false);
        Some(Ticket(counters.settled + counters.open.len() as u64 - 1))
    }

    /// That stanza is dealt with. The bytes are an acknowledgement to write, when the peer waits for one.
    pub fn note_settled(&mut self, ticket: Ticket) -> Option<Vec<u8>> {
        let counters = self.enabled.as_mut()?;
        let place = usize::try_from(ticket.0.checked_sub(counters.settled)?).ok()?;
        *counters.open.get_mut(place)? = true;
        while counters.open.front() == Some(&true) {
            counters.open.pop_front();
            counters.settled += 1;
            counters.handled = counters.handled.wrapping_add(1);
        }
        let is_due = counters.owes && counters.open.is_empty();
        is_due.then(|| {
            counters.owes = false;
            counters.print_acknowledgement()
        })
    }

    /// Whether all that came in is dealt with.
    pub fn is_settled(&self) -> bool {
        self.enabled.as_ref().is_none_or(|counters| counters.open.is_empty())
    }

    /// A stanza of so many bytes is being written. Nothing is remembered while not enabled.
    pub fn note_sent(&mut self, stanza: T, bytes: usize) {
        if let Some(counters) = &mut self.enabled {
            counters.unacknowledged.push_back((stanza, bytes));
            counters.unacknowledged_bytes += bytes;
        }
    }

    /// A request for acknowledgement, when something is unacknowledged and none is under way.
    pub fn request(&mut self) -> Option<&'static [u8]> {
        let counters = self.enabled.as_mut()?;
        if counters.has_asked || counters.unacknowledged.is_empty() {
            return None;
        }
        counters.has_asked = true;
        Some(b"<r xmlns='urn:xmpp:sm:3'/>")
    }

    /// Whether the peer has acknowledged nothing for so long that the session should end.
    pub fn is_full(&self) -> bool {
        self.enabled.as_ref().is_some_and(|counters| {
            counters.unacknowledged.len() > self.most.stanzas
                || counters.unacknowledged_bytes > self.most.bytes
        })
    }

    /// The peer opened a new connection to go on, and has `count` of the stanzas sent to it. Otherwise as its
    /// acknowledgement. What it must have again is in [`Management::unacknowledged`].
    pub fn resume(&mut self, count: u32) -> Reply<T> {
        match &mut self.enabled {
            Some(counters) => counters.acknowledge(count),
            None => Reply::Fail(Condition::UndefinedCondition.into()),
        }
    }

    /// How many stanzas of the peer have been handled, for it to know what to send again. What is being
    /// handled still counts as well: its outcome will be told on the resumed stream.
    pub fn handled(&mut self) -> u32 {
        let Some(counters) = &mut self.enabled else { return 0 };
        let open = counters.open.len();
        counters.open.clear();
        counters.settled += open as u64;
        counters.handled = counters.handled.wrapping_add(u32::try_from(open).unwrap_or(u32::MAX));
        counters.owes = false;
        counters.handled
    }

    /// What the peer has not acknowledged, oldest first.
    pub fn unacknowledged(&mut self) -> impl Iterator<Item = &mut T> {
        let counters = self.enabled.as_mut();
        counters.into_iter().flat_map(|counters| counters.unacknowledged.iter_mut().map(|(kept, _)| kept))
    }

    /// What the peer never acknowledged, oldest first, when the stream ends.
    pub fn take_unacknowledged(&mut self) -> Vec<T> {
        let left = self.enabled.take().map(|counters| counters.unacknowledged).unwrap_or_default();
        left.into_iter().map(|(stanza, _)| stanza).collect()
    }
}

impl<T> Counters<T> {
    fn new() -> Self {
        Self {
            handled: 0,
            open: VecDeque::new(),
            settled: 0,
            owes: false,
            acknowledged: 0,
            unacknowledged: VecDeque::new(),
            unacknowledged_bytes: 0,
            has_asked: false,
        }
    }

    fn print_acknowledgement(&self) -> Vec<u8> {
        format!("<a xmlns='urn:xmpp:sm:3' h='{}'/>", self.handled).into_bytes()
    }

    fn acknowledge(&mut self, count: u32) -> Reply<T> {
        self.has_asked = false;
        let new = count.wrapping_sub(self.acknowledged) as usize;
        if new > self.unacknowledged.len() {
            let sent =
                self.acknowledged.wrapping_add(u32::try_from(self.unacknowledged.len()).unwrap_or(u32::MAX));
            return Reply::Fail(StreamError {
                condition: Condition::UndefinedCondition,
                text: Some("more acknowledged than sent"),
                detail: Some(format!(
                    "<handled-count-too-high xmlns='urn:xmpp:sm:3' h='{count}' send-count='{sent}'/>"
                )),
            });
        }
        self.acknowledged = count;
        let taken: Vec<_> = self.unacknowledged.drain(..new).collect();
        self.unacknowledged_bytes -= taken.iter().map(|(_, bytes)| bytes).sum::<usize>();
        Reply::Acknowledged(taken.into_iter().map(|(stanza, _)| stanza).collect())
    }
}

fn parse_count(element: &Stanza) -> Option<u32> {
    element.to_element()?.attr("h")?.parse().ok()
}

/// `<failed/>` with a stanza error condition.
pub(in crate::xmpp) fn print_failed(condition: &str) -> Vec<u8> {
    format!(
        "<failed xmlns='urn:xmpp:sm:3'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>"
    )
    .into_bytes()
}

pub(super) const SM: &str = "urn:xmpp:sm:3";

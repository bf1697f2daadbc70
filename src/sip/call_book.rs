//! The calls that go through this server: who is in them, where requests within them go, and how many
//! each phone takes part in.
//!
//! Rules only: no message, no clock, no account. A call is named by the token that stands in our
//! Record-Route, and its dialogs by the tags of the two ends (RFC 3261 §12).

use compact_str::CompactString;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;
use tokio::time::Instant;

use super::transport::Destination;
use crate::signal::{Address, SessionId};

/// The token of a call: unguessable, so that knowing it shows that one has a part in the call.
pub(super) type Token = CompactString;

/// One call: an INVITE and all dialogs that came of it.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// Whose call it is: the caller's account.
    pub(super) account: Address,
    pub(super) call_id: CompactString,
    /// The request URI of the INVITE, as the caller wrote it.
    pub(super) uri: CompactString,
    pub(super) caller: End,
    /// Those who rang or answered.
    pub(super) called: Vec<End>,
    /// When the call is taken for over, whatever its phones say.
    pub(super) ends: Instant,
}

/// One end of a dialog.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) tag: CompactString,
    /// The phone's session; `None` for a caller that is not registered.
    pub(super) session: Option<SessionId>,
    /// Where it was last heard of.
    pub(super) destination: Destination,
    /// It is in the call, not only ringing.
    pub(super) is_talking: bool,
}

/// Where a request within a call goes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Way {
    pub(super) token: Token,
    /// The tag of the called end of the dialog.
    pub(super) leg: CompactString,
    /// Who is to get it.
    pub(super) session: Option<SessionId>,
    pub(super) destination: Destination,
}

/// Phones whose number of calls changed, with the new number.
pub(super) type Counts = SmallVec<[(SessionId, u16); 2]>;

/// All calls.
#[derive(Debug, Default)]
pub(super) struct CallBook {
    calls: FxHashMap<Token, Call>,
    by_call_id: FxHashMap<CompactString, FxHashSet<Token>>,
    by_session: FxHashMap<SessionId, FxHashSet<Token>>,
    counts: FxHashMap<SessionId, u16>,
    /// How many calls each account has placed that are not over.
    by_account: FxHashMap<Address, usize>,
}

impl CallBook {
    /// An INVITE goes out; `false` where its account has [`CALLS`] calls that are not over. One is over
    /// when its phones say so: an account whose phones never do must not fill the book.
    pub(super) fn begin(&mut self, token: &Token, call: Call) -> bool {
        let placed = self.by_account.entry(call.account.clone()).or_default();
        if *placed >= CALLS {
            return false;
        }
        *placed += 1;
        self.by_call_id.entry(call.call_id.clone()).or_default().insert(token.clone());
        if let Some(session) = call.caller.session {
            self.by_session.entry(session).or_default().insert(token.clone());
        }
        self.calls.insert(token.clone(), call);
        true
    }

    /// Whether an INVITE for this address is on its way with this token: it has come back to us.
    pub(super) fn has_asked(&self, token: &str, uri: &str) -> bool {
        self.calls.get(token).is_some_and(|call| call.uri == uri)
    }

    /// A called end responds: it rings, or with `is_talking` it answered.
    pub(super) fn hear(&mut self, token: &str, end: End) -> Counts {
        let Some(call) = self.calls.get_mut(token) else { return Counts::new() };
        let mut counts = Counts::new();
        let is_full = call.called.len() >= ENDS;
        let started = match call.called.iter_mut().find(|known| known.tag == end.tag) {
            Some(known) if end.is_talking => !std::mem::replace(&mut known.is_talking, true),
            Some(_) => false,
            None if is_full => return counts,
            None => {
                if let Some(session) = end.session {
                    self.by_session.entry(session).or_default().insert(token.into());
                }
                call.called.push(end.clone());
                end.is_talking
            }
        };
        if started {
            let caller = call.caller.session;
            counts.extend(self.count(end.session, 1));
            counts.extend(self.count(caller, 1));
        }
        counts
    }

    /// The INVITE failed: unless somebody answered, the call is over.
    pub(super) fn fail(&mut self, token: &str) {
        if self.calls.get(token).is_some_and(|call| !call.called.iter().any(|end| end.is_talking)) {
            self.remove(token);
        }
    }

    /// Finds the way of a request within a call, by the token of its Route or else by its Call-ID.
    pub(super) fn find(&self, token: Option<&str>, call_id: &str, from: &str, to: &str) -> Option<Way> {
        let way = |token: &Token| self.calls.get(token).and_then(|call| call.way(token, from, to));
        if let Some((token, call)) = token.and_then(|token| self.calls.get_key_value(token)) {
            return call.way(token, from, to);
        }
        self.by_call_id.get(call_id)?.iter().find_map(way)
    }

    /// An end was heard of at another place.
    pub(super) fn move_end(&mut self, token: &str, tag: &str, destination: Destination) {
        let Some(call) = self.calls.get_mut(token) else { return };
        let mut ends = std::iter::once(&mut call.caller).chain(&mut call.called);
        if let Some(end) = ends.find(|end| end.tag == tag) {
            end.destination = destination;
        }
    }

    /// The dialog with this called end is over.
    pub(super) fn hang_up(&mut self, token: &str, leg: &str) -> Counts {
        let Some(call) = self.calls.get_mut(token) else { return Counts::new() };
        let Some(index) = call.called.iter().position(|end| end.tag == leg) else { return Counts::new() };
        let end = call.called.remove(index);
        let (caller, is_last) = (call.caller.session, call.called.is_empty());
        let mut counts = Counts::new();
        if end.is_talking {
            counts.extend(self.count(end.session, -1));
            counts.extend(self.count(caller, -1));
        }
        if is_last {
            self.remove(token);
        }
        counts
    }

    /// A phone is gone: whoever talked to it is free again. Requests still find their way, as the
    /// phone may come back by another connection to hang up.
    pub(super) fn leave(&mut self, session: SessionId) -> Counts {
        let mut counts = Counts::new();
        for token in self.by_session.remove(&session).unwrap_or_default() {
            counts.extend(self.leave_call(&token, session));
        }
        self.counts.remove(&session);
        counts.retain(|(changed, _)| *changed != session);
        counts
    }

    fn leave_call(&mut self, token: &str, session: SessionId) -> Counts {
        let Some(call) = self.calls.get_mut(token) else { return Counts::new() };
        let caller = call.caller.session;
        let is_caller = caller == Some(session);
        let mut silent: SmallVec<[Option<SessionId>; 2]> = SmallVec::new();
        for end in call.called.iter_mut().filter(|end| is_caller || end.session == Some(session)) {
            if std::mem::replace(&mut end.is_talking, false) {
                silent.push(end.session);
            }
        }
        let mut counts = Counts::new();
        for other in silent {
            counts.extend(self.count(other, -1));
            counts.extend(self.count(caller, -1));
        }
        counts
    }

    /// A call may have lasted too long: ends it, or says when to look again.
    pub(super) fn expire(&mut self, token: &str, now: Instant) -> Result<Counts, Instant> {
        let Some(call) = self.calls.get(token) else { return Ok(Counts::new()) };
        if call.ends > now {
            return Err(call.ends);
        }
        let legs: Vec<_> = call.called.iter().map(|end| end.tag.clone()).collect();
        let counts = legs.iter().flat_map(|leg| self.hang_up(token, leg)).collect();
        self.remove(token);
        Ok(counts)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.calls.len()
    }

    fn count(&mut self, session: Option<SessionId>, step: i16) -> Option<(SessionId, u16)> {
        let session = session?;
        let count = self.counts.entry(session).or_default();
        *count = count.saturating_add_signed(step);
        let now = *count;
        if now == 0 {
            self.counts.remove(&session);
        }
        Some((session, now))
    }

    fn remove(&mut self, token: &str) {
        let Some(call) = self.calls.remove(token) else { return };
        if let Some(placed) = self.by_account.get_mut(&call.account) {
            *placed = placed.saturating_sub(1);
            if *placed == 0 {
                self.by_account.remove(&call.account);
            }
        }
        forget(&mut self.by_call_id, &call.call_id, token);
        for session in std::iter::once(&call.caller).chain(&call.called).filter_map(|end| end.session) {
            forget(&mut self.by_session, &session, token);
        }
    }
}

impl Call {
    /// From the caller to the called end or back, as the tags say.
    fn way(&self, token: &Token, from: &str, to: &str) -> Option<Way> {
        let (leg, target) = if self.caller.tag == from {
            let leg = self.called.iter().find(|end| end.tag == to)?;
            (leg, leg)
        } else if self.caller.tag == to {
            (self.called.iter().find(|end| end.tag == from)?, &self.caller)
        } else {
            return None;
        };
        Some(Way {
            token: token.clone(),
            leg: leg.tag.clone(),
            session: target.session,
            destination: target.destination.clone(),
        })
    }
}

fn forget<K: std::hash::Hash + Eq>(map: &mut FxHashMap<K, FxHashSet<Token>>, key: &K, token: &str) {
    if let Some(tokens) = map.get_mut(key) {
        tokens.remove(token);
        if tokens.is_empty() {
            map.remove(key);
        }
    }
}

/// Most dialogs of one call: what rings beyond them is not followed.
const ENDS: usize = 32;
/// Most calls that one account has placed at a time, those counted that ring or were never ended.
const CALLS: usize = 200;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sip::transport::{Flow, Protocol};

    const ALICE: SessionId = SessionId(1);
    const BOB: SessionId = SessionId(2);
    const DESK: SessionId = SessionId(3);

    fn at(id: u64) -> Destination {
        Destination::Flow(Flow::for_test(Protocol::Tcp, ([192, 0, 2, 1], 5060).into(), id))
    }

    fn end(tag: &str, session: SessionId, is_talking: bool) -> End {
        End { tag: tag.into(), session: Some(session), destination: at(session.0), is_talking }
    }

    fn call_of(account: &str, now: Instant) -> Call {
        Call {
            account: account.parse().unwrap(),
            call_id: "c".into(),
            uri: "sip:bob@example.org".into(),
            caller: end("a", ALICE, false),
            called: Vec::new(),
            ends: now + Duration::from_secs(100),
        }
    }

    /// Alice has called bob.
    fn calling(now: Instant) -> (CallBook, Token) {
        let mut book = CallBook::default();
        let token = Token::from("t");
        assert!(book.begin(&token, call_of("alice@example.org", now)));
        (book, token)
    }

    fn sorted(mut counts: Counts) -> Vec<(u64, u16)> {
        counts.sort();
        counts.into_iter().map(|(session, count)| (session.0, count)).collect()
    }

    #[test]
    fn both_ends_are_in_a_call_from_answer_to_goodbye() {
        let (mut book, token) = calling(Instant::now());
        assert_eq!(sorted(book.hear(&token, end("b", BOB, false))), []);
        assert_eq!(sorted(book.hear(&token, end("b", BOB, true))), [(1, 1), (2, 1)]);
        assert_eq!(sorted(book.hear(&token, end("b", BOB, true))), [], "the answer came again");
        assert_eq!(sorted(book.hang_up(&token, "b")), [(1, 0), (2, 0)]);
        assert_eq!(sorted(book.hang_up(&token, "b")), []);
        assert_eq!(book.len(), 0);
    }

    #[test]
    fn two_answers_are_two_dialogs() {
        let (mut book, token) = calling(Instant::now());
        book.hear(&token, end("b", BOB, true));
        assert_eq!(sorted(book.hear(&token, end("d", DESK, true))), [(1, 2), (3, 1)]);
        assert_eq!(sorted(book.hang_up(&token, "d")), [(1, 1), (3, 0)]);
        assert_eq!(book.len(), 1);
    }

    #[test]
    fn requests_find_their_way_in_both_directions() {
        let (mut book, token) = calling(Instant::now());
        book.hear(&token, end("b", BOB, true));
        let way = |from, to| book.find(Some("t"), "c", from, to).map(|way| (way.session, way.leg));
        assert_eq!(way("a", "b"), Some((Some(BOB), "b".into())));
        assert_eq!(way("b", "a"), Some((Some(ALICE), "b".into())));
        assert_eq!(way("x", "a"), None);
        assert_eq!(way("a", "x"), None);
        assert!(book.find(None, "c", "a", "b").is_some());
        assert!(book.find(Some("other"), "c", "a", "b").is_some());
        assert!(book.find(None, "other", "a", "b").is_none());
        book.move_end("t", "a", at(9));
        assert_eq!(book.find(Some("t"), "c", "b", "a").unwrap().destination, at(9));
    }

    #[test]
    fn a_call_that_nobody_took_is_forgotten() {
        let (mut book, token) = calling(Instant::now());
        book.hear(&token, end("b", BOB, false));
        book.fail(&token);
        assert_eq!(book.len(), 0);
        assert!(book.by_call_id.is_empty() && book.by_session.is_empty() && book.counts.is_empty());
        assert!(book.by_account.is_empty());
    }

    #[test]
    fn whoever_talked_to_a_phone_that_is_gone_is_free() {
        let (mut book, token) = calling(Instant::now());
        book.hear(&token, end("b", BOB, true));
        assert_eq!(sorted(book.leave(BOB)), [(1, 0)]);
        assert_eq!(sorted(book.leave(BOB)), []);
        assert!(book.find(Some("t"), "c", "b", "a").is_some(), "it may still hang up");
        assert_eq!(sorted(book.hang_up(&token, "b")), []);
        assert_eq!(book.len(), 0);

        let (mut book, token) = calling(Instant::now());
        book.hear(&token, end("b", BOB, true));
        assert_eq!(sorted(book.leave(ALICE)), [(2, 0)]);
    }

    #[test]
    fn nobody_is_on_the_phone_for_ever() {
        let now = Instant::now();
        let (mut book, token) = calling(now);
        book.hear(&token, end("b", BOB, true));
        let ends = now + Duration::from_secs(100);
        assert_eq!(book.expire(&token, now), Err(ends));
        assert_eq!(book.expire(&token, ends).map(sorted), Ok(vec![(1, 0), (2, 0)]));
        assert_eq!(book.len(), 0);
    }

    #[test]
    fn calls_that_are_never_ended_are_bounded_for_each_account() {
        let (mut book, now) = (CallBook::default(), Instant::now());
        let mut begin = |account: &str, token: usize| {
            book.begin(&Token::from(token.to_string()), call_of(&format!("{account}@example.org"), now))
        };
        assert_eq!((0..1000).filter(|token| begin("mallory", *token)).count(), CALLS);
        assert!(begin("alice", 1000), "others still call");
        book.fail("0");
        assert!(book.begin(&Token::from("1001"), call_of("mallory@example.org", now)));
        (0..1002).for_each(|token: usize| book.fail(&token.to_string()));
        assert!(book.by_account.is_empty() && book.len() == 0);
    }

    #[test]
    fn an_invite_that_comes_back_is_known() {
        let (book, _) = calling(Instant::now());
        assert!(book.has_asked("t", "sip:bob@example.org"));
        assert!(!book.has_asked("t", "sip:carol@example.org"));
        assert!(!book.has_asked("x", "sip:bob@example.org"));
    }
}

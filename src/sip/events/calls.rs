//! The calls of every account as the package `dialog` tells of them (RFC 4235 §3.7.1): rules only.
//!
//! A call is one entry for each account in it, and one for each phone that rings, as each of these is a dialog
//! of its own that another phone may take over (RFC 3891); once one has answered that one is left. Both ends of a call between two accounts are told of it, each
//! from its own side.

use compact_str::{CompactString, format_compact};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::{
    formats::dialoginfo::{Dialog, Dialogs, Direction, Event, Identifier, Participant, State},
    signal::{Address, SessionId, Timestamp},
    sip::translate,
};

/// All calls that go through this server, by their tokens.
#[derive(Debug, Default)]
pub(in crate::sip) struct CallStates {
    calls: FxHashMap<CompactString, Call>,
    by_account: FxHashMap<Address, Vec<CompactString>>,
}

/// A call that begins.
#[derive(Debug, Clone)]
pub(in crate::sip) struct Beginning {
    pub(in crate::sip) caller: Address,
    pub(in crate::sip) called: Address,
    pub(in crate::sip) call_id: CompactString,
    pub(in crate::sip) caller_tag: CompactString,
    pub(in crate::sip) caller_session: Option<SessionId>,
    /// As the caller calls himself.
    pub(in crate::sip) caller_name: Option<CompactString>,
    /// Where the caller takes requests.
    pub(in crate::sip) caller_target: Option<CompactString>,
    /// The call in whose place it comes, as the called end names that (RFC 3891).
    pub(in crate::sip) replaces: Option<Identifier>,
    /// Who had it made (RFC 3892).
    pub(in crate::sip) referred_by: Option<Participant>,
    pub(in crate::sip) at: Timestamp,
}

/// What a response tells of the called phone.
#[derive(Debug, Clone)]
pub(in crate::sip) struct Heard {
    pub(in crate::sip) tag: CompactString,
    /// Where it takes requests.
    pub(in crate::sip) target: Option<CompactString>,
}

/// Who hung up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sip) enum End {
    Caller,
    Called,
    /// Nobody did: a phone knows nothing of the call any more, or is gone.
    Error,
    /// It lasted longer than any call should.
    Timeout,
}

/// Whose calls changed, and the call that is over where one is.
#[derive(Debug, Default, PartialEq)]
pub(in crate::sip) struct Touched {
    pub(in crate::sip) accounts: SmallVec<[Address; 2]>,
    ended: Vec<(Address, Dialog)>,
}

#[derive(Debug)]
struct Call {
    beginning: Beginning,
    state: State,
    legs: SmallVec<[Leg; 1]>,
    /// Phones that rang so far.
    rung: usize,
    /// Another call came in its place: that is why it ends.
    is_replaced: bool,
}

/// A called phone that rings or talks.
#[derive(Debug)]
struct Leg {
    tag: CompactString,
    /// The how-manieth it was.
    number: usize,
    /// Where the phone takes requests.
    target: Option<CompactString>,
    session: Option<SessionId>,
    is_talking: bool,
}

impl CallStates {
    /// An INVITE goes out.
    pub(in crate::sip) fn begin(&mut self, token: &str, beginning: Beginning) -> Touched {
        for account in [&beginning.caller, &beginning.called] {
            let calls = self.by_account.entry(account.clone()).or_default();
            if !calls.iter().any(|known| known == token) {
                calls.push(token.into());
            }
        }
        let legs = SmallVec::new();
        let call = Call { beginning, state: State::Trying, legs, rung: 0, is_replaced: false };
        let touched = call.touched();
        self.calls.insert(token.into(), call);
        touched
    }

    /// A called phone responds; without a tag it is only on its way (RFC 4235 §3.7.1).
    pub(in crate::sip) fn hear(
        &mut self,
        token: &str,
        heard: Option<Heard>,
        session: Option<SessionId>,
        is_talking: bool,
    ) -> Touched {
        let Some(call) = self.calls.get_mut(token) else { return Touched::default() };
        let (state, is_new) = match heard {
            None => (State::Proceeding, false),
            Some(heard) => {
                let Some(is_new) = call.hear(heard, session, is_talking) else { return Touched::default() };
                (if is_talking { State::Confirmed } else { State::Early }, is_new)
            }
        };
        if state < call.state || (state == call.state && !is_new) {
            return Touched::default();
        }
        call.state = state;
        let (touched, replaced) = (call.touched(), call.beginning.replaces.clone());
        if let Some(replaced) = replaced.filter(|_| state == State::Confirmed) {
            self.note_replaced(&replaced, &touched.accounts);
        }
        touched
    }

    /// Another call has come in the place of this one.
    fn note_replaced(&mut self, replaced: &Identifier, accounts: &[Address]) {
        for token in accounts.iter().filter_map(|account| self.by_account.get(account)).flatten() {
            let Some(call) = self.calls.get_mut(token) else { continue };
            let tags = |leg: &Leg| (leg.tag.clone(), call.beginning.caller_tag.clone());
            let named = (replaced.local_tag.clone(), replaced.remote_tag.clone().unwrap_or_default());
            let is_it = |(one, other): (CompactString, CompactString)| {
                named == (one.clone(), other.clone()) || named == (other, one)
            };
            if call.beginning.call_id == replaced.call_id && call.legs.iter().map(tags).any(is_it) {
                call.is_replaced = true;
            }
        }
    }

    /// The INVITE failed with this status, where anything was said at all. A call that somebody took goes on.
    pub(in crate::sip) fn fail(&mut self, token: &str, status: Option<u16>) -> Touched {
        match self.calls.get(token) {
            Some(call) if call.state < State::Confirmed => {}
            _ => return Touched::default(),
        }
        let event = match status {
            Some(487) => Event::Cancelled,
            Some(_) => Event::Rejected,
            None => Event::Timeout,
        };
        self.end(token, (event, event), status)
    }

    /// The dialog with the called phone of this tag is over.
    pub(in crate::sip) fn hang_up(&mut self, token: &str, leg: &str, end: End) -> Touched {
        let Some(call) = self.calls.get_mut(token) else { return Touched::default() };
        // The last one stays, so that the end of the call still names it.
        if call.legs.iter().any(|known| known.tag != leg && known.is_talking) {
            call.legs.retain(|known| known.tag != leg);
            return Touched::default();
        }
        self.end_by(token, end)
    }

    /// The call is over whatever its phones say.
    pub(in crate::sip) fn expire(&mut self, token: &str) -> Touched {
        self.end_by(token, End::Timeout)
    }

    /// A phone is gone, and with it what it talked.
    pub(in crate::sip) fn leave(&mut self, of: &Address, session: SessionId) -> Vec<Touched> {
        let tokens = self.by_account.get(of).cloned().unwrap_or_default();
        let mut all = Vec::new();
        for token in tokens {
            let Some(call) = self.calls.get_mut(&token) else { continue };
            let is_caller = call.beginning.caller_session == Some(session);
            let is_its = |leg: &Leg| leg.session == Some(session);
            let talked = call.legs.iter().any(|leg| leg.is_talking && is_its(leg));
            let is_over = talked && !call.legs.iter().any(|leg| leg.is_talking && !is_its(leg));
            if is_over || (is_caller && call.state == State::Confirmed) {
                all.push(self.end_by(&token, End::Error));
            } else {
                call.legs.retain(|leg| !is_its(leg));
            }
        }
        all
    }

    /// The calls of an account now, and those of `touched` that are over.
    pub(in crate::sip) fn of(&self, account: &Address, touched: Option<&Touched>) -> Dialogs {
        let tokens = self.by_account.get(account).map(Vec::as_slice).unwrap_or_default();
        let calls = tokens.iter().filter_map(|token| Some((token, self.calls.get(token)?)));
        let mut dialogs: Vec<_> = calls.flat_map(|(token, call)| call.seen_by(token, account)).collect();
        let ended = touched.into_iter().flat_map(|touched| &touched.ended);
        dialogs.extend(ended.filter(|(whose, _)| whose == account).map(|(_, dialog)| dialog.clone()));
        Dialogs { entity: translate::print_uri(account), dialogs }
    }

    fn end_by(&mut self, token: &str, end: End) -> Touched {
        let events = match end {
            End::Caller => (Event::LocalBye, Event::RemoteBye),
            End::Called => (Event::RemoteBye, Event::LocalBye),
            End::Error => (Event::Error, Event::Error),
            End::Timeout => (Event::Timeout, Event::Timeout),
        };
        self.end(token, events, None)
    }

    /// Ends a call, with an event for the caller and one for the called.
    fn end(&mut self, token: &str, (caller, called): (Event, Event), code: Option<u16>) -> Touched {
        let Some(mut call) = self.calls.remove(token) else { return Touched::default() };
        call.state = State::Terminated;
        let is_replaced = call.is_replaced;
        let mut touched = call.touched();
        for account in &touched.accounts {
            if let Some(calls) = self.by_account.get_mut(account) {
                calls.retain(|known| known != token);
                if calls.is_empty() {
                    self.by_account.remove(account);
                }
            }
            for mut dialog in call.seen_by(token, account) {
                let is_caller = dialog.direction == Direction::Initiator;
                let event = if is_caller { caller } else { called };
                dialog.event = Some(if is_replaced { Event::Replaced } else { event });
                dialog.code = code;
                touched.ended.push((account.clone(), dialog));
            }
        }
        touched
    }
}

impl Call {
    fn touched(&self) -> Touched {
        let Beginning { caller, called, .. } = &self.beginning;
        let mut accounts: SmallVec<[Address; 2]> = smallvec::smallvec![caller.clone()];
        if called != caller {
            accounts.push(called.clone());
        }
        Touched { accounts, ended: Vec::new() }
    }

    /// The call from the side, or for somebody who calls himself from both sides, of an account.
    fn seen_by(&self, token: &str, account: &Address) -> SmallVec<[Dialog; 2]> {
        let begun = &self.beginning;
        let mut dialogs = SmallVec::new();
        if begun.caller == *account {
            dialogs.extend(self.dialogs(token, Direction::Initiator));
        }
        if begun.called == *account {
            dialogs.extend(self.dialogs(token, Direction::Recipient));
        }
        dialogs
    }

    /// Takes note of a called phone; `None` where too many ring, and else whether it is new.
    fn hear(&mut self, heard: Heard, session: Option<SessionId>, is_talking: bool) -> Option<bool> {
        let Heard { tag, target } = heard;
        if let Some(leg) = self.legs.iter_mut().find(|leg| leg.tag == tag) {
            leg.is_talking |= is_talking;
            leg.target = target.or_else(|| leg.target.take());
            return Some(false);
        }
        if self.legs.len() >= LEGS {
            return None;
        }
        self.legs.push(Leg { tag, number: self.rung, target, session, is_talking });
        self.rung += 1;
        Some(true)
    }

    /// The dialog of a phone that talks, or those of all that ring, or one that is none yet.
    fn dialogs(&self, token: &str, direction: Direction) -> SmallVec<[Dialog; 2]> {
        let talking = self.legs.iter().find(|leg| leg.is_talking);
        match talking.or_else(|| self.legs.first().filter(|_| self.legs.len() == 1)) {
            Some(leg) => smallvec::smallvec![self.dialog(token, direction, Some(leg))],
            None if self.legs.is_empty() => smallvec::smallvec![self.dialog(token, direction, None)],
            None => self.legs.iter().map(|leg| self.dialog(token, direction, Some(leg))).collect(),
        }
    }

    fn dialog(&self, token: &str, direction: Direction, leg: Option<&Leg>) -> Dialog {
        let begun = &self.beginning;
        let called_tag = leg.map(|leg| leg.tag.clone());
        let caller = Participant {
            identity: Some(translate::print_uri(&begun.caller)),
            display: begun.caller_name.clone(),
            target: begun.caller_target.clone(),
        };
        let called = Participant {
            identity: Some(translate::print_uri(&begun.called)),
            display: None,
            target: leg.and_then(|leg| leg.target.clone()),
        };
        let caller_tag = Some(begun.caller_tag.clone());
        let is_caller = direction == Direction::Initiator;
        let (local, remote) = if is_caller { (caller, called) } else { (called, caller) };
        let (local_tag, remote_tag) =
            if is_caller { (caller_tag, called_tag) } else { (called_tag, caller_tag) };
        Dialog {
            id: match leg.map_or(0, |leg| leg.number) {
                0 => format_compact!("{token}{}", if is_caller { "o" } else { "i" }),
                number => format_compact!("{token}{}{number}", if is_caller { "o" } else { "i" }),
            },
            direction,
            state: self.state,
            event: None,
            code: None,
            since: begun.at,
            call_id: begun.call_id.clone(),
            local_tag,
            remote_tag,
            replaces: begun.replaces.as_ref().map(|replaced| match direction {
                Direction::Recipient => replaced.clone(),
                Direction::Initiator => replaced.of_other_end(),
            }),
            referred_by: begun.referred_by.clone(),
            local,
            remote,
        }
    }
}

/// Most phones of one call that are told apart.
const LEGS: usize = 32;

#[cfg(test)]
mod tests;

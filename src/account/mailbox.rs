//! One account's place in this process: its mailbox, and who runs it.
//!
//! A cell is at rest, or one thread runs it. Who posts to a resting cell takes its state out and
//! carries it, with the mail, to where it runs: a message meets one lock on its way in and one when
//! the cell comes to rest, and no queue. A thread runs one cell at a time; cells that get mail from
//! it meanwhile wait in its list, so that a signal that goes to and fro between accounts needs
//! neither recursion nor a lock.

use std::{
    cell::RefCell,
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use smallvec::{SmallVec, smallvec};
use tokio::sync::oneshot;
use tracing::error;

use super::{
    CloseReason, Effect, Input, ReplyTo, Sink,
    event::About,
    reach::{DomainNews, News},
    session::SessionSpec,
    shell::Inner,
    state::Account,
};
use crate::{
    signal::{Address, Reason, Reject, SessionId, Timestamp},
    storage::{AccountKey, AccountRecord},
};

/// One thing in a mailbox: an input, or an input with a handle that the shell keeps for it.
pub(super) enum Mail {
    Input(Input),
    /// A session begins.
    Attach(Box<Attach>),
}

/// A session that begins; `opened` learns whether it may.
pub(super) struct Attach {
    pub(super) session: SessionId,
    pub(super) spec: Box<SessionSpec>,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) opened: oneshot::Sender<Result<(), Reject>>,
}

/// An account in this process.
pub(super) struct Cell {
    pub(super) address: Address,
    place: Mutex<Place>,
}

struct Place {
    /// What came while the cell was read or ran.
    mail: Vec<Mail>,
    phase: Phase,
}

enum Phase {
    /// Read from the store now; mail waits.
    Loading,
    Rest(Box<Core>),
    /// Some thread has the state; mail waits.
    Running,
    /// Gone from the registry: post to the cell that took its place.
    Retired,
}

struct Core {
    account: Account,
    key: AccountKey,
    used: Timestamp,
    /// The state is of no use any more: the next mail reads it anew.
    stale: bool,
}

/// A cell that is to run: its state, and the mail that comes first.
struct Turn {
    cell: Arc<Cell>,
    core: Box<Core>,
    mail: SmallVec<[Mail; 1]>,
}

impl Cell {
    pub(super) fn new(address: Address) -> Arc<Self> {
        Arc::new(Self { address, place: Mutex::new(Place { mail: Vec::new(), phase: Phase::Loading }) })
    }

    /// Puts mail into the box and, where nobody runs the cell, runs it. Mail to a retired cell goes
    /// to its successor.
    pub(super) fn post(self: &Arc<Self>, inner: &Arc<Inner>, mail: Mail) {
        if let Err(mail) = self.post_within(usize::MAX, inner, mail) {
            drop(mail);
        }
    }

    /// As [`Cell::post`], where less than `most` mail waits.
    ///
    /// # Errors
    /// Gives back the mail that found no room.
    pub(super) fn post_within(
        self: &Arc<Self>,
        most: usize,
        inner: &Arc<Inner>,
        mail: Mail,
    ) -> Result<(), Mail> {
        let core = {
            let mut place = self.place();
            match mem::replace(&mut place.phase, Phase::Running) {
                Phase::Rest(core) => core,
                Phase::Retired => {
                    place.phase = Phase::Retired;
                    drop(place);
                    return inner.cell(&self.address).post_within(most, inner, mail);
                }
                phase @ (Phase::Loading | Phase::Running) => {
                    place.phase = phase;
                    if place.mail.len() >= most {
                        return Err(mail);
                    }
                    place.mail.push(mail);
                    return Ok(());
                }
            }
        };
        run(inner, Turn { cell: Arc::clone(self), core, mail: smallvec![mail] });
        Ok(())
    }

    /// Tells the account what became of other domains. Whoever follows nobody there, or was only just read and has
    /// asked no server yet, is left alone.
    pub(super) fn post_reach(self: &Arc<Self>, inner: &Arc<Inner>, news: &News) {
        let concerned: Vec<&DomainNews> = match &self.place().phase {
            Phase::Rest(core) => {
                core.account.domains_abroad().into_iter().filter_map(|domain| news.get(domain)).collect()
            }
            Phase::Running => news.values().collect(),
            Phase::Loading | Phase::Retired => return,
        };
        for input in concerned.into_iter().flat_map(DomainNews::inputs) {
            self.post(inner, Mail::Input(input));
        }
    }

    /// The account was read: handles the mail that came meanwhile.
    pub(super) fn loaded(self: &Arc<Self>, inner: &Arc<Inner>, record: AccountRecord) {
        let now = Timestamp::now();
        let key = record.key;
        let account = Account::new(record, Arc::clone(&inner.shared), now);
        let first = account.is_to_be_woken().then_some(Mail::Input(Input::Tick));
        let core = Box::new(Core { account, key, used: now, stale: false });
        let mail = {
            let mut place = self.place();
            place.phase = Phase::Running;
            mem::take(&mut place.mail)
        };
        let mail = first.into_iter().chain(mail).collect();
        run(inner, Turn { cell: Arc::clone(self), core, mail });
    }

    /// There is no such account, or it cannot be read: refuses the mail that came meanwhile.
    pub(super) fn vanish(self: &Arc<Self>, inner: &Arc<Inner>, reason: Reason) {
        let mail = self.leave(inner, &mut self.place());
        for mail in mail {
            refuse(inner, mail, reason);
        }
    }

    /// Retires the cell if it has been of no use since `before`.
    pub(super) fn retire_if_idle(self: &Arc<Self>, inner: &Arc<Inner>, before: Timestamp) {
        let mut place = self.place();
        let Phase::Rest(core) = &place.phase else { return };
        if core.used < before && core.account.is_idle() {
            self.leave(inner, &mut place);
        }
    }

    /// Leaves the registry, and only then counts as retired: who finds a retired cell finds its
    /// successor behind the same address. Gives the mail that is left.
    fn leave(self: &Arc<Self>, inner: &Arc<Inner>, place: &mut Place) -> Vec<Mail> {
        inner.cells.remove_unless(&self.address, |cell| !Arc::ptr_eq(cell, self));
        place.phase = Phase::Retired;
        mem::take(&mut place.mail)
    }

    /// Leaves the registry; what mail is left goes to the successor.
    fn retire(self: &Arc<Self>, inner: &Arc<Inner>) {
        let mail = self.leave(inner, &mut self.place());
        for mail in mail {
            inner.post_to(&self.address, mail);
        }
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs one cell until its mailbox is empty. Gives it back when mail keeps coming.
fn take_turn(inner: &Arc<Inner>, turn: Turn, now: Timestamp, effects: &mut Vec<Effect>) -> Option<Turn> {
    let Turn { cell, core, mut mail } = turn;
    let mut running = Running { cell: &cell, inner, core: Some(core) };
    for _ in 0..TURNS {
        let core = running.core.as_mut()?;
        // What becomes of other domains is nobody's use of the account.
        if mail.iter().any(|mail| !matches!(mail, Mail::Input(Input::Reach { .. }))) {
            core.used = now;
        }
        for mail in mail.drain(..) {
            handle(inner, &cell, core, mail, now, effects);
        }
        if core.stale {
            running.core = None;
            cell.retire(inner);
            return None;
        }
        let mut place = cell.place();
        if place.mail.is_empty() {
            place.phase = running.core.take().map_or(Phase::Retired, Phase::Rest);
            return None;
        }
        mail = mem::take(&mut place.mail).into();
    }
    let core = running.core.take()?;
    drop(running);
    Some(Turn { cell, core, mail })
}

fn handle(
    inner: &Arc<Inner>,
    cell: &Arc<Cell>,
    core: &mut Core,
    mail: Mail,
    now: Timestamp,
    effects: &mut Vec<Effect>,
) {
    let input = match mail {
        Mail::Input(input) => input,
        Mail::Attach(attach) => {
            let Attach { session, spec, sink, opened } = *attach;
            if let Err(reject) = core.account.may_open(&spec) {
                let _ = opened.send(Err(reject));
                return;
            }
            inner.add_session(session, sink);
            let _ = opened.send(Ok(()));
            Input::Open { session, spec }
        }
    };
    core.stale |= matches!(input, Input::Evict { reason: CloseReason::AccountGone, .. });
    core.account.handle(input, now, effects);
    inner.perform(cell, core.key, effects);
}

/// Runs a cell on this thread, and then every cell that got mail from it; or puts it on this
/// thread's list, where one runs already.
fn run(inner: &Arc<Inner>, turn: Turn) {
    let mut next = READY.with_borrow_mut(|ready| {
        if ready.is_running {
            ready.turns.push_back(turn);
            return None;
        }
        ready.is_running = true;
        Some(turn)
    });
    if next.is_none() {
        return;
    }
    let _cleanup = ClearReady(inner);
    let now = Timestamp::now();
    let mut effects = READY.with_borrow_mut(|ready| mem::take(&mut ready.effects));
    while let Some(turn) = next {
        if let Some(turn) = take_turn(inner, turn, now, &mut effects) {
            // A busy account does not keep this thread: a task of its own carries on.
            spawn(inner, turn);
        }
        next = READY.with_borrow_mut(|ready| ready.turns.pop_front());
    }
    READY.with_borrow_mut(|ready| ready.keep(effects));
}

fn spawn(inner: &Arc<Inner>, turn: Turn) {
    let (inner, runtime) = (Arc::clone(inner), inner.runtime.clone());
    runtime.spawn(async move { run(&inner, turn) });
}

pub(super) fn refuse(inner: &Arc<Inner>, mail: Mail, reason: Reason) {
    match mail {
        Mail::Attach(attach) => {
            let _ = attach.opened.send(Err(reason.into()));
        }
        Mail::Input(Input::Signal { signal, reply }) => inner.refuse(&signal, reply, reason),
        Mail::Input(Input::Send { message, reply: Some(to), .. }) => {
            refuse_reply(inner, to, Some(About::Message(message)), reason);
        }
        Mail::Input(Input::Request { request, reply: Some(to), .. }) => {
            refuse_reply(inner, to, request.about(), reason);
        }
        Mail::Input(Input::Watch { watch, .. } | Input::Follow { watch, .. }) => inner.watch_gone(watch),
        Mail::Input(_) => {}
    }
}

fn refuse_reply(inner: &Inner, to: ReplyTo, about: Option<About>, reason: Reason) {
    inner.answer(super::Answer { to, about, outcome: Err(reason.into()) });
}

/// What a thread that runs cells has at hand.
#[derive(Default)]
struct Ready {
    is_running: bool,
    /// The cells that wait for this thread.
    turns: VecDeque<Turn>,
    /// Room for effects, used again and again.
    effects: Vec<Effect>,
}

impl Ready {
    /// Keeps the empty buffers for the next run, unless they grew out of the ordinary.
    fn keep(&mut self, effects: Vec<Effect>) {
        if effects.capacity() <= ORDINARY {
            self.effects = effects;
        }
        if self.turns.capacity() > ORDINARY {
            self.turns = VecDeque::new();
        }
    }
}

/// Frees this thread's list even when a rule panics; what is on it runs elsewhere then.
struct ClearReady<'a>(&'a Arc<Inner>);

impl Drop for ClearReady<'_> {
    fn drop(&mut self) {
        let left = READY.with_borrow_mut(|ready| {
            ready.is_running = false;
            if ready.turns.is_empty() { VecDeque::new() } else { mem::take(&mut ready.turns) }
        });
        for turn in left {
            spawn(self.0, turn);
        }
    }
}

/// A cell that runs. A panic in a rule is a defect. It must not leave the account stuck: its
/// sessions end, and the next use reads it anew.
struct Running<'a> {
    cell: &'a Arc<Cell>,
    inner: &'a Arc<Inner>,
    /// Taken out when all went well.
    core: Option<Box<Core>>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let Some(core) = self.core.take() else { return };
        error!(account = %self.cell.address, "a rule panicked: the account starts anew");
        for session in core.account.sessions() {
            self.inner.end_session(session, CloseReason::Fault);
        }
        self.cell.retire(self.inner);
    }
}

thread_local! {
    static READY: RefCell<Ready> = RefCell::default();
}

/// How often one run looks into the mailbox before it leaves the rest to a task.
const TURNS: usize = 64;
/// Room that a thread keeps for effects, and for cells that wait.
const ORDINARY: usize = 256;

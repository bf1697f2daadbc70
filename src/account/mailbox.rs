//! One account's place in this process: its mailbox, and who runs it.
//!
//! A cell is at rest, or one thread runs it. Posting to a resting cell makes the poster its runner.
//! A thread runs one cell at a time; cells that get mail from it meanwhile wait in its list, so that
//! a signal that goes to and fro between accounts needs neither recursion nor a lock.

use std::{
    cell::RefCell,
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;
use tracing::error;

use super::{CloseReason, Effect, Input, ReplyTo, Sink, session::SessionSpec, shell::Inner, state::Account};
use crate::{
    signal::{Address, Reason, Reject, SessionId, Timestamp},
    storage::{AccountKey, AccountRecord},
};

/// One thing in a mailbox: an input, or an input with a handle that the shell keeps for it.
pub(super) enum Mail {
    Input(Input),
    /// A session begins; `opened` learns whether it may.
    Attach {
        session: SessionId,
        spec: SessionSpec,
        sink: Arc<dyn Sink>,
        opened: oneshot::Sender<Result<(), Reject>>,
    },
}

/// An account in this process.
pub(super) struct Cell {
    pub(super) address: Address,
    mailbox: Mutex<Mailbox>,
    /// Touched by the runner alone; the lock is never contended.
    core: Mutex<Option<Core>>,
}

struct Mailbox {
    mail: VecDeque<Mail>,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Read from the store now; mail waits.
    Loading,
    Rest,
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

impl Cell {
    pub(super) fn new(address: Address) -> Arc<Self> {
        Arc::new(Self {
            address,
            mailbox: Mutex::new(Mailbox { mail: VecDeque::new(), phase: Phase::Loading }),
            core: Mutex::new(None),
        })
    }

    /// Puts mail into the box and, where nobody runs the cell, runs it. Mail to a retired cell goes
    /// to its successor.
    pub(super) fn post(self: &Arc<Self>, inner: &Arc<Inner>, mail: Mail) {
        {
            let mut mailbox = self.mailbox();
            match mailbox.phase {
                Phase::Retired => {
                    drop(mailbox);
                    inner.post_to(&self.address, mail);
                    return;
                }
                Phase::Loading | Phase::Running => {
                    mailbox.mail.push_back(mail);
                    return;
                }
                Phase::Rest => {
                    mailbox.mail.push_back(mail);
                    mailbox.phase = Phase::Running;
                }
            }
        }
        run(inner, Arc::clone(self));
    }

    /// Mail that waits, for admission control.
    pub(super) fn waiting(&self) -> usize {
        self.mailbox().mail.len()
    }

    /// The account was read: handles the mail that came meanwhile.
    pub(super) fn loaded(self: &Arc<Self>, inner: &Arc<Inner>, record: AccountRecord) {
        let key = record.key;
        let account = Account::new(record, inner.limits.clone(), Arc::clone(&inner.home), Timestamp::now());
        *self.core() = Some(Core { account, key, used: Timestamp::now(), stale: false });
        self.mailbox().phase = Phase::Running;
        run(inner, Arc::clone(self));
    }

    /// There is no such account, or it cannot be read: refuses the mail that came meanwhile.
    pub(super) fn vanish(self: &Arc<Self>, inner: &Arc<Inner>, reason: Reason) {
        let mail = self.leave(inner, &mut self.mailbox());
        for mail in mail {
            refuse(inner, mail, reason);
        }
    }

    /// Retires the cell if it has been of no use since `before`.
    pub(super) fn retire_if_idle(self: &Arc<Self>, inner: &Arc<Inner>, before: Timestamp) {
        let mut mailbox = self.mailbox();
        if mailbox.phase != Phase::Rest {
            return;
        }
        let idle = self.core().as_ref().is_some_and(|core| core.used < before && core.account.is_idle());
        if idle {
            self.leave(inner, &mut mailbox);
        }
    }

    /// Handles a share of the mail. Tells whether some is left.
    fn run_some(self: &Arc<Self>, inner: &Arc<Inner>, effects: &mut Vec<Effect>) -> bool {
        let guard = RetireOnPanic { cell: self, inner };
        let left = self.take_turns(inner, effects);
        mem::forget(guard);
        left
    }

    fn take_turns(self: &Arc<Self>, inner: &Arc<Inner>, effects: &mut Vec<Effect>) -> bool {
        for _ in 0..TURNS {
            let mail = {
                let mut mailbox = self.mailbox();
                if mailbox.mail.is_empty() {
                    mailbox.phase = Phase::Rest;
                    return false;
                }
                mem::take(&mut mailbox.mail)
            };
            let mut core = self.core();
            let Some(core) = core.as_mut() else {
                error!(account = %self.address, "account runs without having been read");
                return false;
            };
            core.used = Timestamp::now();
            for mail in mail {
                self.handle(inner, core, mail, effects);
            }
            if core.stale {
                self.retire(inner);
                return false;
            }
        }
        true
    }

    /// Leaves the registry, and only then counts as retired: who finds a retired cell finds its
    /// successor behind the same address. Gives the mail that is left.
    fn leave(self: &Arc<Self>, inner: &Arc<Inner>, mailbox: &mut Mailbox) -> VecDeque<Mail> {
        inner.cells.remove_unless(&self.address, |cell| !Arc::ptr_eq(cell, self));
        mailbox.phase = Phase::Retired;
        mem::take(&mut mailbox.mail)
    }

    /// Leaves the registry; what mail is left goes to the successor.
    fn retire(self: &Arc<Self>, inner: &Arc<Inner>) {
        let mail = self.leave(inner, &mut self.mailbox());
        for mail in mail {
            inner.post_to(&self.address, mail);
        }
    }

    fn handle(self: &Arc<Self>, inner: &Arc<Inner>, core: &mut Core, mail: Mail, effects: &mut Vec<Effect>) {
        let input = match mail {
            Mail::Input(input) => input,
            Mail::Attach { session, spec, sink, opened } => {
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
        core.account.handle(input, core.used, effects);
        inner.perform(self, core.key, effects);
    }

    fn mailbox(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn core(&self) -> MutexGuard<'_, Option<Core>> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `cell` on this thread, and then every cell that got mail from it; or puts it on this
/// thread's list, where one runs already.
fn run(inner: &Arc<Inner>, cell: Arc<Cell>) {
    let nested = READY.with_borrow_mut(|ready| match ready {
        Some(list) => {
            list.push_back(Arc::clone(&cell));
            true
        }
        None => {
            *ready = Some(VecDeque::new());
            false
        }
    });
    if nested {
        return;
    }
    let _cleanup = ClearReady(inner);
    let mut effects = Vec::new();
    let mut next = Some(cell);
    while let Some(cell) = next {
        if cell.run_some(inner, &mut effects) {
            // A busy account does not keep this thread: a task of its own carries on.
            let inner = Arc::clone(inner);
            let runtime = inner.runtime.clone();
            runtime.spawn(async move { run(&inner, cell) });
        }
        next = READY.with_borrow_mut(|ready| ready.as_mut().and_then(VecDeque::pop_front));
    }
}

fn refuse(inner: &Arc<Inner>, mail: Mail, reason: Reason) {
    match mail {
        Mail::Attach { opened, .. } => {
            let _ = opened.send(Err(reason.into()));
        }
        Mail::Input(Input::Signal { signal, reply }) => inner.refuse(&signal, reply, reason),
        Mail::Input(Input::Request { reply: Some(to), .. }) => refuse_reply(inner, to, reason),
        Mail::Input(Input::Watch { watch, .. }) => inner.watch_gone(watch),
        Mail::Input(_) => {}
    }
}

fn refuse_reply(inner: &Inner, to: ReplyTo, reason: Reason) {
    inner.answer(super::Answer { to, about: None, outcome: Err(reason.into()) });
}

/// Frees this thread's list even when a rule panics; what is on it runs elsewhere then.
struct ClearReady<'a>(&'a Arc<Inner>);

impl Drop for ClearReady<'_> {
    fn drop(&mut self) {
        let left = READY.with_borrow_mut(Option::take).unwrap_or_default();
        for cell in left {
            let inner = Arc::clone(self.0);
            self.0.runtime.spawn(async move { run(&inner, cell) });
        }
    }
}

/// A panic in a rule is a defect. It must not leave the account stuck: its sessions end, and the
/// next use reads it anew.
struct RetireOnPanic<'a> {
    cell: &'a Arc<Cell>,
    inner: &'a Arc<Inner>,
}

impl Drop for RetireOnPanic<'_> {
    fn drop(&mut self) {
        error!(account = %self.cell.address, "a rule panicked: the account starts anew");
        let sessions = self.cell.core().as_ref().map(|core| core.account.sessions()).unwrap_or_default();
        for session in sessions {
            self.inner.end_session(session, CloseReason::Fault);
        }
        self.cell.retire(self.inner);
    }
}

thread_local! {
    /// The cells that wait for this thread; `None` while it runs none.
    static READY: RefCell<Option<VecDeque<Arc<Cell>>>> = const { RefCell::new(None) };
}

/// How often one run looks into the mailbox before it leaves the rest to a task.
const TURNS: usize = 64;

//! Work to count the instructions of: `make bench-instructions` runs each case under callgrind, where counts
//! repeat to the last few, and compares them with `baseline.json`.
//!
//! The cases use what the crate offers to everybody: parsers and writers as they are, the rules of the account
//! through the sessions that doors open (posting to an account runs its rules on the caller's thread). What is
//! private to a door is counted with the whole server, by the same command.

#![expect(clippy::unwrap_used, reason = "a case that fails is to fail at once")]

mod account;
mod sip;
mod xmpp;

use std::hint::black_box;

/// A case by its name: does its work once untouched, then [`ROUNDS`] times within [`counted`].
type Case = (&'static str, fn());

const CASES: [Case; 11] = [
    ("xmpp scan", xmpp::scan),
    ("xmpp splice", xmpp::splice),
    ("sip parse", sip::parse),
    ("sip forward", sip::forward),
    ("sip answer", sip::answer),
    ("sip frame", sip::frame),
    ("pidf read", sip::pidf),
    ("account message", account::message),
    ("account archived message", account::archived_message),
    ("account fan-out to 100", account::fan_out),
    ("account roster of 100", account::roster),
];

/// How often each case does its work, for the script that divides by it.
const ROUNDS: u32 = 200;

fn main() {
    // Cargo adds `--bench`.
    match std::env::args().skip(1).find(|word| word != "--bench") {
        Some(name) => {
            let (_, case) = CASES.iter().find(|(known, _)| *known == name).expect("a case of the list");
            case();
        }
        None => {
            for (name, _) in CASES {
                println!("{ROUNDS} {name}");
            }
        }
    }
}

/// The only part that is counted: callgrind collects while it is inside this function.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
}

/// Work without a state that has to be put in order between two rounds.
fn repeat<T>(mut work: impl FnMut() -> T) {
    black_box(work());
    counted(&mut || {
        for _ in 0..ROUNDS {
            black_box(work());
        }
    });
}

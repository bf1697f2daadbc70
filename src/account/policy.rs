//! One verdict on who may write to the owner, with its reason.

use super::state::Account;
use crate::{signal::Address, storage::AcceptedSenders};

/// The verdict and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Accept(Why),
    /// The owner wants nothing from such senders.
    Refuse(Why),
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The sender is the owner herself, on another session.
    Owner,
    /// The owner blocked the sender, or his domain.
    Blocked,
    /// The sender is in the roster.
    Buddy,
    /// The preference for senders who are not.
    Preference(AcceptedSenders),
}

impl Account {
    /// Whether a message from `sender` is accepted. Whoever is blocked never passes, other buddies always.
    pub(super) fn may_write(&self, sender: &Address) -> Verdict {
        if *sender == self.address {
            return Verdict::Accept(Why::Owner);
        }
        if self.is_blocked(sender) {
            return Verdict::Refuse(Why::Blocked);
        }
        if self.roster.find(sender).is_some() {
            return Verdict::Accept(Why::Buddy);
        }
        let choice = self.preferences.accepted_senders;
        let why = Why::Preference(choice);
        let accepted = match choice {
            AcceptedSenders::Everybody => true,
            // Whoever sends from a domain of this server has logged in here.
            AcceptedSenders::Authenticated => {
                self.shared.home.iter().any(|own| own.domain() == sender.domain())
            }
            AcceptedSenders::SameDomain => sender.domain() == self.address.domain(),
            AcceptedSenders::Nobody => false,
        };
        if accepted { Verdict::Accept(why) } else { Verdict::Refuse(why) }
    }
}

//! The subscription states and their changes: RFC 6121 appendix A, as tables.
//!
//! A state is the pair of roster entry and pending request. The tables are written in the order and
//! with the numbers of the RFC so that they can be read beside it; nothing here acts.

use State::{
    Both, From, FromPendingOut, NonePendingIn, NonePendingOut, NonePendingOutIn, Nothing, To, ToPendingIn,
};

use crate::signal::{Contact, ContactEvent};

/// The nine states of RFC 6121 §A.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Nothing,
    NonePendingOut,
    NonePendingIn,
    NonePendingOutIn,
    To,
    ToPendingIn,
    From,
    FromPendingOut,
    Both,
}

/// What a row of a table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    /// Pass it on: to the contact (outbound), to the owner's sessions (inbound).
    pub(super) pass: bool,
    pub(super) next: State,
    /// Inbound only: answer at once in the owner's name.
    pub(super) reply: Option<ContactEvent>,
}

impl State {
    /// The state that an entry and a pending request make up.
    pub(super) fn of(contact: Option<&Contact>, pending_in: bool) -> Self {
        let (to, from, ask) = contact.map_or((false, false, false), |c| (c.to, c.from, c.ask));
        match (to, from, ask, pending_in) {
            (true, true, _, _) => Both,
            (true, false, _, true) => ToPendingIn,
            (true, false, _, false) => To,
            (false, true, true, _) => FromPendingOut,
            (false, true, false, _) => From,
            (false, false, true, true) => NonePendingOutIn,
            (false, false, true, false) => NonePendingOut,
            (false, false, false, true) => NonePendingIn,
            (false, false, false, false) => Nothing,
        }
    }

    /// Whether the owner sees the contact, the contact sees the owner, the owner asked.
    pub(super) fn flags(self) -> (bool, bool, bool) {
        match self {
            Nothing | NonePendingIn => (false, false, false),
            NonePendingOut | NonePendingOutIn => (false, false, true),
            To | ToPendingIn => (true, false, false),
            From => (false, true, false),
            FromPendingOut => (false, true, true),
            Both => (true, true, false),
        }
    }

    /// Whether the contact waits for the owner's answer.
    pub(super) fn is_pending_in(self) -> bool {
        matches!(self, NonePendingIn | NonePendingOutIn | ToPendingIn)
    }
}

/// Tables 2 to 5: what the owner says to the contact.
pub(super) fn outbound(event: ContactEvent, state: State) -> Row {
    let (pass, next) = match event {
        // Table 2
        ContactEvent::Subscribe => match state {
            Nothing => (true, NonePendingOut),
            NonePendingOut => (true, NonePendingOut),
            NonePendingIn => (true, NonePendingOutIn),
            NonePendingOutIn => (true, NonePendingOutIn),
            To => (true, To),
            ToPendingIn => (true, ToPendingIn),
            From => (true, FromPendingOut),
            FromPendingOut => (true, FromPendingOut),
            Both => (true, Both),
        },
        // Table 3
        ContactEvent::Unsubscribe => match state {
            Nothing => (true, Nothing),
            NonePendingOut => (true, Nothing),
            NonePendingIn => (true, NonePendingIn),
            NonePendingOutIn => (true, NonePendingIn),
            To => (true, Nothing),
            ToPendingIn => (true, NonePendingIn),
            From => (true, From),
            FromPendingOut => (true, From),
            Both => (true, From),
        },
        // Table 4; where it is not passed on and nobody is granted yet, it is a pre-approval (§3.4).
        ContactEvent::Subscribed => match state {
            Nothing => (false, Nothing),
            NonePendingOut => (false, NonePendingOut),
            NonePendingIn => (true, From),
            NonePendingOutIn => (true, FromPendingOut),
            To => (false, To),
            ToPendingIn => (true, Both),
            From => (false, From),
            FromPendingOut => (false, FromPendingOut),
            Both => (false, Both),
        },
        // Table 5
        ContactEvent::Unsubscribed => match state {
            Nothing => (false, Nothing),
            NonePendingOut => (false, NonePendingOut),
            NonePendingIn => (true, Nothing),
            NonePendingOutIn => (true, NonePendingOut),
            To => (false, To),
            ToPendingIn => (true, To),
            From => (true, Nothing),
            FromPendingOut => (true, NonePendingOut),
            Both => (true, To),
        },
    };
    Row { pass, next, reply: None }
}

/// Tables 6 to 9: what the contact says to the owner.
pub(super) fn inbound(event: ContactEvent, state: State) -> Row {
    let granted = Some(ContactEvent::Subscribed);
    let ended = Some(ContactEvent::Unsubscribed);
    let (pass, next, reply) = match event {
        // Table 6
        ContactEvent::Subscribe => match state {
            Nothing => (true, NonePendingIn, None),
            NonePendingOut => (true, NonePendingOutIn, None),
            NonePendingIn => (false, NonePendingIn, None),
            NonePendingOutIn => (false, NonePendingOutIn, None),
            To => (true, ToPendingIn, None),
            ToPendingIn => (false, ToPendingIn, None),
            From => (false, From, granted),
            FromPendingOut => (false, FromPendingOut, granted),
            Both => (false, Both, granted),
        },
        // Table 7
        ContactEvent::Unsubscribe => match state {
            Nothing => (false, Nothing, None),
            NonePendingOut => (false, NonePendingOut, None),
            NonePendingIn => (true, Nothing, ended),
            NonePendingOutIn => (true, NonePendingOut, ended),
            To => (false, To, None),
            ToPendingIn => (true, To, ended),
            From => (true, Nothing, ended),
            FromPendingOut => (true, NonePendingOut, ended),
            Both => (true, To, ended),
        },
        // Table 8
        ContactEvent::Subscribed => match state {
            Nothing => (false, Nothing, None),
            NonePendingOut => (true, To, None),
            NonePendingIn => (false, NonePendingIn, None),
            NonePendingOutIn => (true, ToPendingIn, None),
            To => (false, To, None),
            ToPendingIn => (false, ToPendingIn, None),
            From => (false, From, None),
            FromPendingOut => (true, Both, None),
            Both => (false, Both, None),
        },
        // Table 9
        ContactEvent::Unsubscribed => match state {
            Nothing => (false, Nothing, None),
            NonePendingOut => (true, Nothing, None),
            NonePendingIn => (false, NonePendingIn, None),
            NonePendingOutIn => (true, NonePendingIn, None),
            To => (true, Nothing, None),
            ToPendingIn => (true, NonePendingIn, None),
            From => (false, From, None),
            FromPendingOut => (true, From, None),
            Both => (true, From, None),
        },
    };
    Row { pass, next, reply }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Address;

    const ALL: [State; 9] = [
        Nothing,
        NonePendingOut,
        NonePendingIn,
        NonePendingOutIn,
        To,
        ToPendingIn,
        From,
        FromPendingOut,
        Both,
    ];

    #[test]
    fn a_state_is_found_again_from_its_flags() {
        for state in ALL {
            let mut contact = Contact::new(Address::parse("bob@example.org").unwrap());
            (contact.to, contact.from, contact.ask) = state.flags();
            assert_eq!(State::of(Some(&contact), state.is_pending_in()), state);
        }
    }

    #[test]
    fn inbound_changes_state_exactly_when_it_is_passed_on() {
        use ContactEvent::{Subscribe, Subscribed, Unsubscribe, Unsubscribed};
        for event in [Subscribe, Subscribed, Unsubscribe, Unsubscribed] {
            for state in ALL {
                let row = inbound(event, state);
                assert_eq!(row.pass, row.next != state, "{event:?} in {state:?}");
            }
        }
    }

    #[test]
    fn asking_and_granting_brings_two_accounts_to_matching_states() {
        // Alice asks, Bob grants, Bob asks, Alice grants: both ends are told in their tables' words.
        let mut alice = Nothing;
        let mut bob = Nothing;
        let say = |event, from: &mut State, to: &mut State| {
            let row = outbound(event, *from);
            *from = row.next;
            if row.pass {
                *to = inbound(event, *to).next;
            }
        };
        say(ContactEvent::Subscribe, &mut alice, &mut bob);
        assert_eq!((alice, bob), (NonePendingOut, NonePendingIn));
        say(ContactEvent::Subscribed, &mut bob, &mut alice);
        assert_eq!((alice, bob), (To, From));
        say(ContactEvent::Subscribe, &mut bob, &mut alice);
        say(ContactEvent::Subscribed, &mut alice, &mut bob);
        assert_eq!((alice, bob), (Both, Both));
        say(ContactEvent::Unsubscribe, &mut alice, &mut bob);
        assert_eq!((alice, bob), (From, To));
    }
}

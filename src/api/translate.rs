//! The one place where JSON and signals meet.
//!
//! `view` and `event` show the vocabulary to clients, `frame` reads what they want, `preferences`
//! and `words` go both ways. Nothing here awaits, reads a clock or touches a socket.

mod event;
mod frame;
mod preferences;
mod presence;
mod view;
mod words;

pub(super) use event::{
    Farewell, print_event, print_face, print_message, print_outcome, print_ready, print_reply,
};
pub(super) use frame::{Sender, Wish, note_text, parse_frame, set_contact};
pub(super) use preferences::{PreferencesView, changed};
pub(super) use presence::{OfflineStatus, WatchersView};
pub(super) use view::{MeView, MessageView, RosterDocument};
pub(super) use words::{optional_text, text};

#[cfg(test)]
mod tests;

//! XEP-0352: Client State Indication. What can wait while nobody looks at a client, waits: presence, of which the
//! last of each sender is kept, signs of somebody typing, and news of what people publish. The first thing that
//! cannot wait, a message or a call say, goes behind all of it, since the phone's radio is awake then anyway.
//!
//! Sizes are bounded by a number; what waits is shared with whoever else is told of it.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::account::{Copy, Delivery, Event, Parcel};
use crate::signal::{Message, Native, Party};

/// What waits for one client.
#[derive(Default)]
pub(in crate::xmpp) struct Held {
    waiting: FxHashMap<Key, (u64, Parcel)>,
    last: u64,
}

/// What a later one takes the place of.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    Presence(Party),
    Typing(Party),
    /// Nothing.
    Other(u64),
}

impl Held {
    /// Keeps what can wait.
    ///
    /// # Errors
    /// What cannot, or for what there is no more room: it goes on its way behind all that [`Held::take`] gives.
    pub(in crate::xmpp) fn hold(&mut self, parcel: Parcel) -> Result<(), Parcel> {
        let Some(key) = self.key(&parcel) else { return Err(parcel) };
        if self.waiting.len() >= MOST && !self.waiting.contains_key(&key) {
            return Err(parcel);
        }
        // A sign of typing is nothing to wait for: its sender need not know when it is shown, if ever.
        let parcel = match parcel {
            Parcel::Message(delivery) => {
                let again = Delivery::again(Arc::clone(&delivery.message), delivery.copy);
                delivery.confirm();
                Parcel::Message(again)
            }
            parcel => parcel,
        };
        self.last += 1;
        self.waiting.insert(key, (self.last, parcel));
        Ok(())
    }

    /// All that waits, in the order in which it came last.
    pub(in crate::xmpp) fn take(&mut self) -> Vec<Parcel> {
        let mut waiting: Vec<_> = std::mem::take(&mut self.waiting).into_values().collect();
        waiting.sort_unstable_by_key(|(number, _)| *number);
        waiting.into_iter().map(|(_, parcel)| parcel).collect()
    }

    fn key(&self, parcel: &Parcel) -> Option<Key> {
        match parcel {
            Parcel::Event(Event::Presence(notice)) => Some(Key::Presence(notice.from.clone())),
            Parcel::Event(Event::Personal(_)) => Some(Key::Other(self.last)),
            Parcel::Message(delivery) if delivery.copy == Copy::Original && is_typing(&delivery.message) => {
                Some(Key::Typing(delivery.message.from.clone()))
            }
            // Somebody typing on another device of the account, or to it, is of no use there at all.
            Parcel::Message(delivery) if is_typing(&delivery.message) => Some(Key::Other(self.last)),
            Parcel::Message(_) | Parcel::Event(_) => None,
        }
    }
}

/// Whether a message has nothing but a sign of somebody typing (XEP-0085, or that of another protocol).
fn is_typing(message: &Message) -> bool {
    let content = &message.content;
    let is_sign = content.typing.is_some() || is_chat_state(&message.native);
    let says_more = !content.bodies.is_empty() || content.receipt.is_some();
    is_sign && !says_more && !message.keep.archive && !message.keep.offline
}

/// Whether it is one of those that are no typing, such as a closed window.
fn is_chat_state(native: &Native) -> bool {
    let Native::Elements { payload, .. } = native else { return false };
    payload.len() <= LONGEST_STATE && memchr::memmem::find(payload, CHAT_STATES).is_some()
}

pub(in crate::xmpp) const NAMESPACE: &str = "urn:xmpp:csi:0";
const CHAT_STATES: &[u8] = b"http://jabber.org/protocol/chatstates";
/// Things that may wait for one client.
const MOST: usize = 1000;
/// Bytes of a message that says nothing but who types.
const LONGEST_STATE: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::CloseReason;
    use crate::signal::{
        Availability, Content, Keep, MessageId, MessageKind, Presence, PresenceNotice, Text, Timestamp,
    };

    fn party(text: &str) -> Party {
        Party::parse(text).expect("an address")
    }

    fn presence(from: &str, availability: Availability) -> Parcel {
        let presence = Arc::new(Presence { availability, ..Presence::offline(Timestamp(1)) });
        Parcel::Event(Event::Presence(Arc::new(PresenceNotice::new(party(from), presence, None))))
    }

    fn message(from: &str, body: &str, payload: &'static str) -> Parcel {
        let text = Text { lang: None, text: body.into() };
        let bodies = if body.is_empty() { Vec::new() } else { vec![text] };
        let content = Content { bodies: bodies.into_iter().collect(), ..Content::default() };
        let message = Message {
            id: MessageId(1),
            from: party(from),
            to: party("alice@x"),
            kind: MessageKind::Chat,
            sent: Timestamp(1),
            origin_id: None,
            content,
            native: Native::Elements { payload: payload.into(), lang: None },
            keep: Keep::PASSING,
        };
        Parcel::Message(Delivery::again(Arc::new(message), Copy::Original))
    }

    const COMPOSING: &str = "<composing xmlns='http://jabber.org/protocol/chatstates'/>";
    const PAUSED: &str = "<paused xmlns='http://jabber.org/protocol/chatstates'/>";

    /// What waits, in short.
    fn taken(held: &mut Held) -> Vec<String> {
        let name = |parcel: Parcel| match parcel {
            Parcel::Event(Event::Presence(notice)) => {
                format!("{} {:?}", notice.from, notice.presence.availability)
            }
            Parcel::Message(delivery) => match &delivery.message.native {
                Native::Elements { payload, .. } => String::from_utf8_lossy(payload).into_owned(),
                other => panic!("{other:?}"),
            },
            Parcel::Event(other) => panic!("{other:?}"),
        };
        held.take().into_iter().map(name).collect()
    }

    #[test]
    fn the_last_of_each_sender_waits_in_order() {
        let mut held = Held::default();
        for parcel in [
            presence("bob@x/a", Availability::Online),
            presence("carol@x/a", Availability::Away),
            message("bob@x/a", "", COMPOSING),
            presence("bob@x/b", Availability::Online),
            message("bob@x/a", "", PAUSED),
            presence("bob@x/a", Availability::Offline),
        ] {
            assert!(held.hold(parcel).is_ok());
        }
        let expected = ["carol@x/a Away", "bob@x/b Online", PAUSED, "bob@x/a Offline"];
        assert_eq!(taken(&mut held), expected);
        assert_eq!(taken(&mut held), [""; 0]);
    }

    #[test]
    fn what_somebody_waits_for_does_not_wait() {
        let mut held = Held::default();
        for parcel in [
            message("bob@x/a", "hi", COMPOSING),
            message("bob@x/a", "", "<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>"),
            message("bob@x/a", "", ""),
            Parcel::Event(Event::Closed(CloseReason::Replaced)),
        ] {
            assert!(held.hold(parcel).is_err());
        }
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut held = Held::default();
        for number in 0..MOST {
            assert!(held.hold(presence(&format!("bob@x/{number}"), Availability::Online)).is_ok());
        }
        assert!(held.hold(presence("bob@x/more", Availability::Online)).is_err());
        assert!(held.hold(presence("bob@x/7", Availability::Offline)).is_ok(), "it takes no more room");
        assert_eq!(held.take().len(), MOST);
    }
}

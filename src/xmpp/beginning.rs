//! What a session begins with when its resource is bound within the login (XEP-0386).
//!
//! Everything is as it was asked for before anything is told to the account's other sessions, and before the
//! client hears that it is bound: nothing is missed in between.

use super::session::Client;
use super::stream::{BindRequest, Resumable};
use super::xep::mam;
use crate::account::{Parcel, SessionChange};
use crate::signal::Timestamp;

impl Client {
    /// Turns on what the client wants; what it is told of it.
    pub(super) async fn turn_on(&mut self, request: &BindRequest) -> Vec<u8> {
        let now = Timestamp::now();
        let begun_at = self.shared.accounts.new_message_id(now);
        self.origin().begun_at = Some(begun_at);
        if request.is_inactive {
            self.held = Some(Box::default());
            self.change(SessionChange::Attended(false));
        }
        if request.copies {
            self.change(SessionChange::TakesCopies(true));
        }
        let account = self.session.party().address.clone();
        let mut inline = mam::ends(&self.shared.accounts, &account).await;
        if let Some(resumable) = request.management {
            if resumable == Resumable::Yes {
                self.sit_down();
            }
            let seconds = self.shared.config.resume_seconds;
            let seat = self.seat.as_ref().map(|seat| (seat.id(), seconds));
            inline.extend_from_slice(&self.management.enable(seat));
        }
        inline
    }

    /// Whether the client will find this message in the archive, where it was told to look: what waited for it
    /// before it was bound. It is taken out of the offline file without being sent (XEP-0386 §4).
    pub(super) fn is_told_of(&self, parcel: &Parcel) -> bool {
        let begun = self.origin.as_ref().and_then(|origin| origin.begun_at);
        let (Parcel::Message(delivery), Some(begun)) = (parcel, begun) else { return false };
        let message = &delivery.message;
        delivery.copy == crate::account::Copy::Offline && message.keep.archive && message.id < begun
    }
}

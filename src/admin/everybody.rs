//! What concerns all who are online.

use std::sync::Arc;

use smallvec::smallvec;

use super::{Admin, AdminError, Answer};
use crate::{
    account::{Reply, Request, RosterView},
    signal::{
        Address, Content, Keep, Message, MessageKind, Native, Party, Reason, Reject, Signal, Text, Timestamp,
    },
};

impl Admin {
    /// The accounts that have a session now, in order of their addresses.
    pub async fn online(&self) -> Vec<Address> {
        let mut online = Vec::new();
        for address in self.accounts.in_memory() {
            if let Ok(Reply::Summary(summary)) = self.accounts.ask(&address, Request::Summary).await
                && !summary.sessions.is_empty()
            {
                online.push(address);
            }
        }
        online.sort();
        online
    }

    /// The contacts of an account.
    ///
    /// # Errors
    /// There is no such account.
    pub async fn contacts(&self, address: &Address) -> Result<Arc<RosterView>, AdminError> {
        match self.accounts.ask(address, Request::Roster { since: None }).await? {
            Reply::Roster(view) => Ok(view),
            _ => Err(Reject::from(Reason::Internal).into()),
        }
    }

    /// Ends the sessions of this name, or all. Counts them.
    pub(super) async fn end_sessions(
        &self,
        address: Address,
        name: Option<String>,
    ) -> Result<Answer, AdminError> {
        let request = Request::EndSessions { name: name.map(Into::into) };
        match self.accounts.ask(&address, request).await? {
            Reply::Ended(count) => Ok(Answer::Count { count }),
            _ => Err(Reject::from(Reason::Internal).into()),
        }
    }

    /// Tells everybody who is online, in the name of her domain. Nothing is kept for those who are not.
    pub(super) async fn announce(&self, subject: Option<&str>, text: &str) -> Result<Answer, AdminError> {
        if text.trim().is_empty() || text.len() > ANNOUNCEMENT_BYTES {
            return Err(AdminError::Announcement);
        }
        let mut count = 0;
        for address in self.online().await {
            let now = Timestamp::now();
            let Ok(domain) = Address::domain_only(address.domain()) else { continue };
            let message = Message {
                id: self.accounts.new_message_id(now),
                from: Party::bare(domain),
                to: Party::bare(address),
                kind: MessageKind::Headline,
                sent: now,
                origin_id: None,
                content: Content {
                    bodies: smallvec![Text::plain(text)],
                    subjects: subject.map(Text::plain).into_iter().collect(),
                    ..Content::default()
                },
                native: Native::None,
                keep: Keep::NONE,
            };
            if self.accounts.signal(Signal::Message(Arc::new(message))).await.is_ok() {
                count += 1;
            }
        }
        Ok(Answer::Count { count })
    }
}

/// Largest text of an announcement.
const ANNOUNCEMENT_BYTES: usize = 10_000;

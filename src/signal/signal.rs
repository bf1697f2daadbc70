//! What travels between two accounts.

use std::sync::Arc;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::{
    Address, CallOffer, ContactFailure, ContactSignal, Enquiry, FaceNews, Message, Party, Passed,
    PersonalNews, PresenceNotice, Query,
};

/// One thing that an account, or somebody outside, tells an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Signal {
    Message(Arc<Message>),
    /// A message that does not come straight from its sender.
    Passed(Arc<Passed>),
    Query(Arc<Query>),
    Contact(Arc<ContactSignal>),
    /// The owner's question to become a contact came to nothing.
    ContactFailure(Arc<ContactFailure>),
    /// The presence of a contact, or presence directed at this account.
    Presence {
        to: Party,
        notice: Arc<PresenceNotice>,
    },
    /// Somebody wants to know the owner's presence now (RFC 6121 §4.3).
    Probe(Box<Probe>),
    /// Somebody asks about the owner.
    Enquiry(Arc<Enquiry>),
    /// Somebody tells of himself.
    Personal {
        to: Party,
        news: Arc<PersonalNews>,
    },
    /// Another server tells how one of its people wants to be shown.
    Face(Arc<FaceNews>),
    /// Somebody calls.
    Call(Arc<CallOffer>),
}

impl Signal {
    /// The account this is for.
    #[must_use]
    pub fn to(&self) -> &Address {
        match self {
            Self::Message(message) => &message.to.address,
            Self::Passed(passed) => &passed.message.to.address,
            Self::Query(query) => &query.to.address,
            Self::Contact(contact) => &contact.to,
            Self::ContactFailure(failure) => &failure.to,
            Self::Presence { to, .. } => &to.address,
            Self::Probe(probe) => &probe.to.address,
            Self::Enquiry(enquiry) => &enquiry.to,
            Self::Personal { to, .. } => &to.address,
            Self::Face(news) => &news.to,
            Self::Call(offer) => &offer.to.address,
        }
    }
}

/// `from` wants to know the presence of `to`, an account or one session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    pub from: Arc<Party>,
    pub to: Party,
    /// The asker's name for the question.
    pub origin_id: Option<CompactString>,
}

/// What one account tells many others at once. An account without sessions misses nothing by not
/// hearing it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum News {
    /// For contacts: the presence of somebody they follow.
    Presence(Arc<PresenceNotice>),
    /// This session wants to know how they are.
    Probe(Arc<Party>),
    /// For contacts: something about somebody they follow.
    Personal(Arc<PersonalNews>),
}

impl News {
    /// The same as a signal for `to` alone.
    #[must_use]
    pub fn signal(&self, to: Address) -> Signal {
        match self {
            Self::Presence(notice) => Signal::Presence { to: to.into(), notice: Arc::clone(notice) },
            Self::Personal(news) => Signal::Personal { to: to.into(), news: Arc::clone(news) },
            Self::Probe(from) => {
                let from = Arc::clone(from);
                Signal::Probe(Box::new(Probe { from, to: to.into(), origin_id: None }))
            }
        }
    }
}

//! Reading the owner's archive, and what goes into it. The pages come from the store.

use serde::{Deserialize, Serialize};

use super::{Words, state::Account};
use crate::{
    signal::{Address, MessageId, Reason, Reject, Resource},
    storage::{AccountKey, ArchiveDefault, ArchiveEnd, ArchiveQuery, ArchivedMessage, Store, StoreError},
};

/// What is to be read of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ArchiveReading {
    pub query: ArchiveQuery,
    /// Only what was exchanged with this session of [`ArchiveQuery::with`].
    pub resource: Option<Resource>,
    /// Only what says these words.
    pub words: Option<Words>,
    /// These messages and no others; the query says nothing then.
    pub ids: Vec<MessageId>,
    /// Messages that must be there: where one is not, nothing is found.
    pub known: Vec<MessageId>,
}

/// A page of an archive.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ArchivePage {
    /// In order of time.
    pub messages: Vec<ArchivedMessage>,
    /// There is nothing beyond, in the direction that was asked for.
    pub is_complete: bool,
}

impl Account {
    /// Whether messages exchanged with somebody are kept.
    pub(super) fn archives(&self, with: &Address) -> bool {
        let choice = &self.preferences.archive;
        let is_listed = |list: &[Address]| {
            list.iter().any(|one| one == with || (one.is_domain() && one.domain() == with.domain()))
        };
        if is_listed(&choice.never) || is_listed(&choice.always) {
            return is_listed(&choice.always);
        }
        match choice.default {
            ArchiveDefault::Always => true,
            ArchiveDefault::Contacts => self.roster.find(with).is_some(),
            ArchiveDefault::Never => false,
        }
    }
}

/// Reads a page. Blocks.
pub(super) fn read(store: &Store, key: AccountKey, reading: &ArchiveReading) -> Result<ArchivePage, Reject> {
    for id in &reading.known {
        if find(store, key, *id)?.is_none() {
            return Err(Reason::NotFound.into());
        }
    }
    if !reading.ids.is_empty() {
        return read_named(store, key, &reading.ids);
    }
    let limit = reading.query.limit;
    // Who looks for something reads more than he gives.
    let step = if reading.words.is_some() { SEARCH_LINES.max(limit + 1) } else { limit + 1 };
    let mut query = ArchiveQuery { limit: step, ..reading.query.clone() };
    let mut messages = Vec::new();
    loop {
        let found = store.archive_page(key, &query).map_err(|fault| refusal(&fault))?;
        let is_last = found.len() < query.limit;
        let (first, last) = (found.first().map(|it| it.message.id), found.last().map(|it| it.message.id));
        let fitting = found.into_iter().filter(|it| {
            is_with(it, reading.resource.as_ref())
                && reading.words.as_ref().is_none_or(|words| words.are_in(&it.message))
        });
        match query.from {
            ArchiveEnd::Oldest => {
                messages.extend(fitting);
                query.after = last.or(query.after);
            }
            ArchiveEnd::Newest => {
                messages.splice(0..0, fitting);
                query.before = first.or(query.before);
            }
        }
        if is_last || messages.len() > limit {
            break;
        }
    }
    let over = messages.len().saturating_sub(limit);
    match query.from {
        ArchiveEnd::Oldest => messages.truncate(limit),
        ArchiveEnd::Newest => drop(messages.drain(..over)),
    }
    Ok(ArchivePage { messages, is_complete: over == 0 })
}

fn read_named(store: &Store, key: AccountKey, ids: &[MessageId]) -> Result<ArchivePage, Reject> {
    let mut messages = Vec::new();
    for id in ids {
        messages.push(find(store, key, *id)?.ok_or(Reason::NotFound)?);
    }
    messages.sort_by_key(|it| it.message.id);
    messages.dedup_by_key(|it| it.message.id);
    Ok(ArchivePage { messages, is_complete: true })
}

fn find(store: &Store, key: AccountKey, id: MessageId) -> Result<Option<ArchivedMessage>, Reject> {
    let query = ArchiveQuery {
        after: id.0.checked_sub(1).map(MessageId),
        before: id.0.checked_add(1).map(MessageId),
        limit: 1,
        ..ArchiveQuery::default()
    };
    let found = store.archive_page(key, &query).map_err(|fault| refusal(&fault))?;
    Ok(found.into_iter().next())
}

fn is_with(it: &ArchivedMessage, resource: Option<&Resource>) -> bool {
    let other = if it.outgoing { &it.message.to } else { &it.message.from };
    resource.is_none_or(|resource| other.resource.as_ref() == Some(resource))
}

fn refusal(fault: &StoreError) -> Reject {
    tracing::error!(%fault, "archive cannot be read");
    Reason::Internal.into()
}

/// Lines that are read at a time to find some words.
const SEARCH_LINES: usize = 500;

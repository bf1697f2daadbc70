//! The archive of messages, page by page.

use std::sync::Arc;

use axum::{Json, extract::State, response::IntoResponse};
use serde::{Deserialize, Serialize};

use super::{
    error::{Failure, Outcome},
    extract::{Params, account_address},
    identity::Identity,
    server::Shared,
    translate::MessageView,
};
use crate::{
    account::{ArchiveEnd, ArchiveQuery, ArchiveReading, ArchivedMessage, Reply, Request, Words},
    signal::{Address, MessageId, Reason, Timestamp},
};

/// Which page is wanted.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    with: Option<String>,
    before: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
    /// Only messages with all of these words.
    text: Option<String>,
}

impl Page {
    fn words(&self) -> Result<Option<Words>, Failure> {
        let parse = |text: &str| {
            Words::parse(text)
                .ok_or_else(|| Failure::malformed("text must have 1 to 16 words, 256 bytes in all"))
        };
        self.text.as_deref().map(parse).transpose()
    }

    /// What to ask the archive: one message more than the limit, to see whether there are more.
    /// Without a beginning the newest messages are wanted, with one those that follow it.
    fn into_query(self) -> Result<ArchiveQuery, Failure> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MOST).contains(&limit) {
            return Err(Failure::malformed(&format!("limit must be between 1 and {MOST}")));
        }
        let from = match (&self.after, &self.before) {
            (Some(_), None) => ArchiveEnd::Oldest,
            _ => ArchiveEnd::Newest,
        };
        Ok(ArchiveQuery {
            with: self.with.as_deref().map(account_address).transpose()?,
            after: self.after.as_deref().map(|text| bound("after", text)).transpose()?,
            before: self.before.as_deref().map(|text| bound("before", text)).transpose()?,
            limit: limit + 1,
            from,
        })
    }
}

/// A bound: the id of a message, or a time.
fn bound(key: &str, text: &str) -> Result<MessageId, Failure> {
    let at = |time: Timestamp| MessageId::from_parts(u64::try_from(time.0).unwrap_or_default(), 0);
    MessageId::parse(text)
        .or_else(|| Timestamp::parse_rfc3339(text).map(at))
        .ok_or_else(|| Failure::malformed(&format!("{key} must be the id of a message or a time")))
}

/// A message of the archive.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    message: MessageView<'a>,
    with: &'a Address,
    outgoing: bool,
    /// Labels that automated rules gave it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    marks: Vec<&'a str>,
}

impl<'a> Line<'a> {
    fn new(line: &'a ArchivedMessage, marks: &'a [(MessageId, String)]) -> Self {
        let ArchivedMessage { message, with, outgoing } = line;
        let own = marks.iter().filter(|(id, _)| *id == message.id);
        let marks = own.map(|(_, mark)| mark.as_str()).collect();
        Self { message: MessageView::new(message, None), with, outgoing: *outgoing, marks }
    }
}

/// A page, in order of time.
#[derive(Serialize)]
struct Document<'a> {
    messages: Vec<Line<'a>>,
    /// There is nothing beyond this page in the direction that was asked for.
    complete: bool,
}

/// `GET /api/archive`
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Params(page): Params<Page>,
) -> Outcome<impl IntoResponse> {
    let words = page.words()?;
    let query = page.into_query()?;
    let (limit, from) = (query.limit - 1, query.from);
    let found = match words {
        None => shared.accounts.archive(&identity.address, query).await?,
        words => search(&shared, &identity.address, query, words).await?,
    };
    let (lines, complete) = cut(&found, limit, from);
    let marks = match (lines.first(), lines.last()) {
        (Some(first), Some(last)) => {
            shared.accounts.marks(&identity.address, first.message.id, last.message.id).await?
        }
        _ => Vec::new(),
    };
    let messages = lines.iter().map(|line| Line::new(line, &marks)).collect();
    let document = Document { messages, complete };
    Ok(Json(document).into_response())
}

/// The messages of a page that say certain words, and one beyond it.
async fn search(
    shared: &Shared,
    owner: &Address,
    query: ArchiveQuery,
    words: Option<Words>,
) -> Outcome<Vec<ArchivedMessage>> {
    let reading = ArchiveReading { query, words, ..ArchiveReading::default() };
    match shared.accounts.ask(owner, Request::Archive(Box::new(reading))).await? {
        Reply::Archive(page) => Ok(page.messages),
        _ => Err(Reason::Internal.into()),
    }
}

/// Leaves out the message beyond the limit, at the end where the page may go on.
fn cut(found: &[ArchivedMessage], limit: usize, from: ArchiveEnd) -> (&[ArchivedMessage], bool) {
    let beyond = found.len().saturating_sub(limit);
    let lines = match from {
        ArchiveEnd::Oldest => found.get(..found.len() - beyond),
        ArchiveEnd::Newest => found.get(beyond..),
    };
    (lines.unwrap_or_default(), beyond == 0)
}

/// Messages of a page where the client does not say how many, and the most it may ask for.
const DEFAULT_LIMIT: usize = 50;
const MOST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn page(after: Option<&str>, before: Option<&str>, limit: Option<usize>) -> Page {
        let own = |text: Option<&str>| text.map(ToOwned::to_owned);
        Page { with: None, after: own(after), before: own(before), limit, text: None }
    }

    #[test]
    fn page_is_taken_from_the_end_it_is_asked_from() {
        let time = Some("2026-01-02T03:04:05Z");
        for (page, from) in [
            (page(None, None, None), ArchiveEnd::Newest),
            (page(None, time, None), ArchiveEnd::Newest),
            (page(time, None, None), ArchiveEnd::Oldest),
            (page(time, time, None), ArchiveEnd::Newest),
        ] {
            assert_eq!(page.into_query().unwrap().from, from);
        }
    }

    #[test]
    fn bounds_are_ids_or_times() {
        let id = MessageId::from_parts(5, 7);
        let query = page(Some(&id.to_string()), Some("1970-01-01T00:00:01Z"), Some(3)).into_query().unwrap();
        assert_eq!(query.after, Some(id));
        assert_eq!(query.before, Some(MessageId::from_parts(1000, 0)));
        assert_eq!(query.limit, 4);
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in [page(Some("x"), None, None), page(None, None, Some(0)), page(None, None, Some(201))] {
            assert!(wrong.into_query().is_err());
        }
    }
}

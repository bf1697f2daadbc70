//! The roster: contacts, and who may see whom (RFC 6121 §2 and §3, in our words).

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::IntoResponse,
};
use serde::Deserialize;

use super::{
    error::{Failure, Outcome},
    extract::{Body, Part, account_address},
    identity::Identity,
    server::Shared,
    translate::{self, RosterDocument},
};
use crate::{
    account::{Reply, Request},
    signal::{ContactEvent, Native, Reason},
};

/// `GET /api/roster`
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
) -> Outcome<impl IntoResponse> {
    let ask = |request| shared.accounts.ask(&identity.address, request);
    let Reply::Roster(roster) = ask(Request::Roster { since: None }).await? else {
        return Err(Reason::Internal.into());
    };
    let Reply::ContactRequests(requests) = ask(Request::ContactRequests).await? else {
        return Err(Reason::Internal.into());
    };
    Ok(Json(RosterDocument::new(&roster, &requests)).into_response())
}

/// What a contact is called and where it is sorted in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    name: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    /// Ask to see the contact's presence too.
    #[serde(default)]
    subscribe: bool,
}

/// `PUT /api/roster/{address}`
pub(super) async fn set(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Part(address): Part,
    Body(Entry { name, groups, subscribe }): Body<Entry>,
) -> Outcome<StatusCode> {
    let address = account_address(&address)?;
    let set = translate::set_contact(address.clone(), name.as_deref(), &groups);
    shared.accounts.ask(&identity.address, set).await?;
    if subscribe {
        let event = ContactEvent::Subscribe;
        let ask = Request::Contact { to: address, event, note: None, native: Native::None, origin_id: None };
        shared.accounts.ask(&identity.address, ask).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/roster/{address}`
pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Part(address): Part,
) -> Outcome<StatusCode> {
    let address = account_address(&address)?;
    shared.accounts.ask(&identity.address, Request::RemoveContact { address }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Words that go with a question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Words {
    note: Option<String>,
}

/// `POST /api/roster/{address}/{subscribe|grant|deny|unsubscribe}`
pub(super) async fn act(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Path((address, verb)): Path<(String, String)>,
    words: Option<Body<Words>>,
) -> Outcome<StatusCode> {
    let event = match verb.as_str() {
        "subscribe" => ContactEvent::Subscribe,
        "grant" => ContactEvent::Subscribed,
        "deny" => ContactEvent::Unsubscribed,
        "unsubscribe" => ContactEvent::Unsubscribe,
        _ => return Err(Failure::new(Reason::NotFound, "there is no such action")),
    };
    let to = account_address(&address)?;
    let note = translate::note_text(words.and_then(|Body(words)| words.note))?;
    let request = Request::Contact { to, event, note, native: Native::None, origin_id: None };
    shared.accounts.ask(&identity.address, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

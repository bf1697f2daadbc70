//! Whom the owner blocked: one list for every protocol.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;

use super::{
    error::{Failure, Outcome},
    extract::Part,
    identity::Identity,
    server::Shared,
};
use crate::{
    account::{Reply, Request},
    signal::{Address, Reason},
};

/// All blocks of an account.
#[derive(Serialize)]
pub(super) struct Blocks {
    blocked: Vec<Address>,
}

/// `GET /api/blocked`
pub(super) async fn show(State(shared): State<Arc<Shared>>, identity: Identity) -> Outcome<Json<Blocks>> {
    match shared.accounts.ask(&identity.address, Request::Blocked).await? {
        Reply::Blocked(blocked) => Ok(Json(Blocks { blocked })),
        _ => Err(Reason::Internal.into()),
    }
}

/// `PUT /api/blocked/{address}`
pub(super) async fn add(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Part(address): Part,
) -> Outcome<StatusCode> {
    let blocked = read(&address)?;
    shared.accounts.ask(&identity.address, Request::Block(vec![blocked])).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/blocked/{address}`: one who is not blocked stays so.
pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Part(address): Part,
) -> Outcome<StatusCode> {
    let blocked = read(&address)?;
    shared.accounts.ask(&identity.address, Request::Unblock(Some(vec![blocked]))).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An account or a domain.
fn read(text: &str) -> Result<Address, Failure> {
    Address::parse(text).map_err(|fault| Failure::malformed(&fault.to_string()))
}

//! What the owner's policy refused lately.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;

use super::{error::Outcome, identity::Identity, server::Shared, translate};
use crate::{
    account::{Refusal, RefusalReason, Request},
    signal::{Address, SignalKind, Timestamp},
};

/// What was refused.
#[derive(Serialize)]
pub(super) struct Refusals {
    refusals: Vec<RefusalView>,
}

/// Something refused from one sender for one reason.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RefusalView {
    from: Address,
    kind: SignalKind,
    reason: RefusalReason,
    #[serde(serialize_with = "translate::text")]
    at: Timestamp,
    count: u32,
}

impl From<Refusal> for RefusalView {
    fn from(refusal: Refusal) -> Self {
        let Refusal { from, kind, reason, at, count } = refusal;
        Self { from, kind, reason, at, count }
    }
}

/// `GET /api/refusals`
pub(super) async fn show_refusals(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
) -> Outcome<Json<Refusals>> {
    let refusals = shared.accounts.refusals(&identity.address).await?;
    Ok(Json(Refusals { refusals: refusals.into_iter().map(RefusalView::from).collect() }))
}

/// `DELETE /api/refusals`
pub(super) async fn remove_refusals(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
) -> Outcome<StatusCode> {
    shared.accounts.ask(&identity.address, Request::RemoveRefusals).await?;
    Ok(StatusCode::NO_CONTENT)
}

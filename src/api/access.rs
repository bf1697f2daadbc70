//! Everything that has access to the owner's account, in one list, and how it is taken away.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;

use super::{error::Outcome, extract::Part, identity::Identity, server::Shared, translate};
use crate::{
    admin::{Access, AccessId, Revoked, Thoroughness},
    signal::{Reason, Timestamp},
};

/// One access as the owner sees it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AccessView {
    id: String,
    kind: &'static str,
    software: Option<String>,
    name: Option<String>,
    #[serde(serialize_with = "translate::text")]
    first_seen: Timestamp,
    #[serde(serialize_with = "translate::optional_text")]
    last_seen: Option<Timestamp>,
    is_connected: bool,
    knows_password: bool,
    has_token: bool,
}

impl From<Access> for AccessView {
    fn from(access: Access) -> Self {
        Self {
            id: access.id.to_string(),
            kind: access.id.kind(),
            software: access.software,
            name: access.name,
            first_seen: access.first_seen,
            last_seen: access.last_seen,
            is_connected: access.is_connected,
            knows_password: access.knows_password,
            has_token: access.has_token,
        }
    }
}

/// All of them.
#[derive(Serialize)]
pub(super) struct Accesses {
    accesses: Vec<AccessView>,
}

/// `GET /api/access`
pub(super) async fn list(State(shared): State<Arc<Shared>>, identity: Identity) -> Outcome<Json<Accesses>> {
    let all = shared.admin.accesses(&identity.address).await?;
    Ok(Json(Accesses { accesses: all.into_iter().map(AccessView::from).collect() }))
}

/// `DELETE /api/access/{id}`: ends its sessions and its tokens. What knows the password can log in again by that.
pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Part(id): Part,
) -> Outcome<StatusCode> {
    let id = AccessId::parse(&id).ok_or(Reason::NotFound)?;
    match shared.admin.revoke(&identity.address, &id, Thoroughness::ForNow).await? {
        Revoked::Done => Ok(StatusCode::NO_CONTENT),
        Revoked::NotFound | Revoked::KnowsPassword => Err(Reason::NotFound.into()),
    }
}

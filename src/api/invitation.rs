//! The link of an invitation: whoever has it makes an account of it, or becomes a contact of who invited.

use std::sync::Arc;

use axum::{Json, extract::State, http::HeaderMap, response::IntoResponse};
use serde::{Deserialize, Serialize};

use super::{
    error::Outcome,
    extract::{Body, Params},
    identity::{Client, Identity, OwnPage},
    login::{Link, refuse_link, welcome},
    server::Shared,
    translate,
};
use crate::{
    admin::uri_of,
    signal::{Address, Timestamp},
};

/// What the invited one needs to know.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    domain: String,
    /// Whether an account can be made of it; else he becomes a contact only.
    makes_account: bool,
    /// The account, where it is decided already.
    address: Option<Address>,
    /// Who invited.
    from: Option<Address>,
    /// What chat clients understand.
    uri: String,
    #[serde(serialize_with = "translate::text")]
    expires: Timestamp,
}

/// `GET /api/invitation`
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    Params(Link { token }): Params<Link>,
) -> Outcome<impl IntoResponse> {
    let found = shared.authenticator.find_invitation(&token).await.map_err(refuse_link)?;
    Ok(Json(Shown {
        domain: found.place.domain().to_owned(),
        makes_account: !found.is_to_contact_only(),
        uri: uri_of(&found, &token, shared.takes_guests),
        address: found.account().cloned(),
        from: found.from,
        expires: found.expires,
    }))
}

/// The account to make of an invitation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Newcomer {
    token: String,
    address: String,
    password: String,
}

/// `POST /api/invitation`
pub(super) async fn join(
    State(shared): State<Arc<Shared>>,
    _: OwnPage,
    client: Client,
    headers: HeaderMap,
    Body(Newcomer { token, address, password }): Body<Newcomer>,
) -> Outcome<impl IntoResponse> {
    let address = shared.parse_home_address(&address)?;
    let login = shared.admin.join(&token, &address, &password).await.map_err(refuse_link)?;
    welcome(&shared, client, &headers, login).await
}

/// An invitation that somebody with an account brings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Brought {
    token: String,
}

/// Who invited, and is a contact now.
#[derive(Serialize)]
pub(super) struct Met {
    contact: Address,
}

/// `POST /api/invitation/accept`
pub(super) async fn accept(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Body(Brought { token }): Body<Brought>,
) -> Outcome<Json<Met>> {
    let contact = shared.admin.meet(&token, &identity.address).await.map_err(refuse_link)?;
    Ok(Json(Met { contact }))
}

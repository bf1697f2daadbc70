//! The owner's own things: who she is, preferences, password, devices, tokens.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{AppendHeaders, IntoResponse},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    error::{Failure, Outcome},
    extract::{Body, Part},
    identity::{Client, Identity},
    login,
    server::Shared,
    translate::{self, MeView, PreferencesView},
};
use crate::{
    account::{Reply, Request},
    auth::{AuthError, Device, TokenKind, TokenRecord},
    formats::hex,
    signal::{Reason, Timestamp},
};

/// `GET /api/me`. A browser's cookie is renewed.
pub(super) async fn show_me(
    State(shared): State<Arc<Shared>>,
    client: Client,
    identity: Identity,
) -> Outcome<impl IntoResponse> {
    let Reply::Summary(summary) = shared.accounts.ask(&identity.address, Request::Summary).await? else {
        return Err(Reason::Internal.into());
    };
    let renewed = match identity.proof.kind {
        TokenKind::Session => {
            let seconds = shared.session_lifetime.as_secs();
            Some((header::SET_COOKIE, client.cookie(&identity.proof.token, seconds)?))
        }
        _ => None,
    };
    let me = serde_json::to_value(MeView::new(&summary, identity.is_admin, None));
    Ok((AppendHeaders(renewed), Json(me.map_err(|_| Failure::from(Reason::Internal))?)))
}

/// `GET /api/preferences`
pub(super) async fn show_preferences(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
) -> Outcome<Json<PreferencesView>> {
    match shared.accounts.ask(&identity.address, Request::Preferences).await? {
        Reply::Preferences(preferences) => Ok(Json((&preferences).into())),
        _ => Err(Reason::Internal.into()),
    }
}

/// `PUT /api/preferences`: what the body does not name stays.
pub(super) async fn set_preferences(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Body(changes): Body<Map<String, Value>>,
) -> Outcome<Json<PreferencesView>> {
    let change = |now| translate::changed(now, &changes);
    let changed: Result<_, Failure> = shared.accounts.change_preferences(&identity.address, change).await;
    Ok(Json((&changed?).into()))
}

/// A new password, and the proof that its giver knows the old one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    old: String,
    new: String,
}

/// `POST /api/password`: ends every session and token of the account; a browser that asks for it gets
/// a new session at once.
pub(super) async fn change_password(
    State(shared): State<Arc<Shared>>,
    client: Client,
    identity: Identity,
    headers: HeaderMap,
    Body(NewPassword { old, new }): Body<NewPassword>,
) -> Outcome<impl IntoResponse> {
    let wrong = || Failure::new(Reason::Forbidden, "the old password is wrong");
    match shared.authenticator.verify_password(&identity.address, &old, client.address).await {
        Ok(login) if login.device.is_none() => {}
        Ok(_) | Err(AuthError::Wrong) => return Err(wrong()),
        Err(fault) => return Err(fault.into()),
    }
    shared.authenticator.set_password(&identity.address, &new).await?;
    let cookie = match identity.proof.kind {
        TokenKind::Session => {
            let cookie = login::new_session(&shared, client, &headers, &identity.address).await?;
            Some((header::SET_COOKIE, cookie))
        }
        _ => None,
    };
    Ok((StatusCode::NO_CONTENT, AppendHeaders(cookie)))
}

/// A device with a password of its own.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeviceView {
    id: String,
    label: String,
    #[serde(serialize_with = "translate::text")]
    created: Timestamp,
    #[serde(serialize_with = "translate::optional_text")]
    last_used: Option<Timestamp>,
}

impl From<Device> for DeviceView {
    fn from(device: Device) -> Self {
        Self {
            id: device.id.to_string(),
            label: device.label,
            created: device.created,
            last_used: device.last_used,
        }
    }
}

/// All devices.
#[derive(Serialize)]
pub(super) struct Devices {
    devices: Vec<DeviceView>,
}

/// `GET /api/devices`
pub(super) async fn list_devices(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
) -> Outcome<Json<Devices>> {
    let devices = shared.authenticator.devices(&identity.address).await?;
    Ok(Json(Devices { devices: devices.into_iter().map(DeviceView::from).collect() }))
}

/// What a new device is called.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Label {
    label: String,
}

/// A device just made: the only time that its password is shown.
#[derive(Serialize)]
pub(super) struct FreshDevice {
    id: String,
    label: String,
    password: String,
}

/// `POST /api/devices`
pub(super) async fn add_device(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Body(Label { label }): Body<Label>,
) -> Outcome<(StatusCode, Json<FreshDevice>)> {
    let device = shared.authenticator.add_device(&identity.address, &label).await?;
    let fresh = FreshDevice { id: device.id.to_string(), label: device.label, password: device.password };
    Ok((StatusCode::CREATED, Json(fresh)))
}

/// `DELETE /api/devices/{id}`
pub(super) async fn remove_device(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Part(id): Part,
) -> Outcome<StatusCode> {
    let removed = match id.parse() {
        Ok(id) => shared.authenticator.remove_device(&identity.address, id).await?,
        Err(_) => false,
    };
    gone_or_not_found(removed)
}

/// What a new token is for and how long it is good.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewToken {
    label: String,
    expires_in_seconds: Option<u32>,
}

/// A token just made: the only time that it is shown.
#[derive(Serialize)]
pub(super) struct FreshToken {
    token: String,
}

/// `POST /api/tokens`
pub(super) async fn add_token(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Body(NewToken { label, expires_in_seconds }): Body<NewToken>,
) -> Outcome<(StatusCode, Json<FreshToken>)> {
    let most = shared.config.token_seconds;
    let seconds = expires_in_seconds.unwrap_or(most);
    if !(1..=most).contains(&seconds) {
        return Err(Failure::malformed(&format!("expiresInSeconds must be between 1 and {most}")));
    }
    let lifetime = Duration::from_secs(seconds.into());
    let address = Some(&identity.address);
    let token = shared.authenticator.issue_token(TokenKind::Bearer, address, &label, lifetime).await?;
    Ok((StatusCode::CREATED, Json(FreshToken { token })))
}

/// A token as its owner sees it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenView {
    id: String,
    kind: &'static str,
    label: String,
    #[serde(serialize_with = "translate::text")]
    created: Timestamp,
    #[serde(serialize_with = "translate::text")]
    expires: Timestamp,
    #[serde(serialize_with = "translate::optional_text")]
    last_used: Option<Timestamp>,
}

impl From<TokenRecord> for TokenView {
    fn from(token: TokenRecord) -> Self {
        Self {
            id: hex::print(&token.hash),
            kind: if token.kind == TokenKind::Session { "session" } else { "bearer" },
            label: token.label,
            created: token.created,
            expires: token.expires,
            last_used: token.last_used,
        }
    }
}

/// All tokens.
#[derive(Serialize)]
pub(super) struct Tokens {
    tokens: Vec<TokenView>,
}

/// `GET /api/tokens`
pub(super) async fn list_tokens(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
) -> Outcome<Json<Tokens>> {
    let tokens = shared.authenticator.tokens(&identity.address).await?;
    Ok(Json(Tokens { tokens: tokens.into_iter().map(TokenView::from).collect() }))
}

/// `DELETE /api/tokens/{id}`
pub(super) async fn remove_token(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Part(id): Part,
) -> Outcome<StatusCode> {
    let removed = match hex::parse(&id) {
        Some(hash) => shared.authenticator.revoke_token_by_hash(&identity.address, &hash).await?,
        None => false,
    };
    gone_or_not_found(removed)
}

fn gone_or_not_found(removed: bool) -> Outcome<StatusCode> {
    if removed { Ok(StatusCode::NO_CONTENT) } else { Err(Reason::NotFound.into()) }
}

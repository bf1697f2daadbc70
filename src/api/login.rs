//! Logging in and out, and the first administrator's account.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{AppendHeaders, IntoResponse},
};
use serde::{Deserialize, Serialize};

use super::{
    error::{Failure, Outcome},
    extract::{Body, Params},
    identity::{Client, Identity, OwnPage},
    server::Shared,
};
use crate::{
    auth::{AuthError, Login, TokenKind},
    signal::{Address, Reason},
};

/// A name and a password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Credentials {
    address: String,
    password: String,
}

/// `POST /api/login`
pub(super) async fn log_in(
    State(shared): State<Arc<Shared>>,
    _: OwnPage,
    client: Client,
    headers: HeaderMap,
    Body(Credentials { address, password }): Body<Credentials>,
) -> Outcome<impl IntoResponse> {
    // What is no address is no account either, and is not told apart from one.
    let Ok(address) = shared.parse_address(&address) else { return Err(AuthError::Wrong.into()) };
    let login = shared.authenticator.verify_password(&address, &password, client.address).await?;
    if login.device.is_some() {
        // The page can change the password; a device's must not open the way to that.
        return Err(AuthError::Wrong.into());
    }
    welcome(&shared, client, &headers, login).await
}

/// `POST /api/logout`
pub(super) async fn log_out(
    State(shared): State<Arc<Shared>>,
    client: Client,
    identity: Identity,
) -> Outcome<impl IntoResponse> {
    shared.authenticator.revoke_token(&identity.proof.token).await?;
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(header::SET_COOKIE, client.cookie("", 0)?)])))
}

/// The token of a link.
#[derive(Deserialize)]
pub(super) struct Link {
    pub(super) token: String,
}

/// What the setup page needs to know.
#[derive(Serialize)]
struct Setup {
    domains: Vec<String>,
}

/// `GET /api/setup`
pub(super) async fn show_setup(
    State(shared): State<Arc<Shared>>,
    Params(Link { token }): Params<Link>,
) -> Outcome<impl IntoResponse> {
    shared.authenticator.check_setup(&token).await.map_err(refuse_link)?;
    let domains = shared.accounts.domains().iter().map(ToString::to_string).collect();
    Ok(Json(Setup { domains }))
}

/// The first administrator.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct First {
    token: String,
    address: String,
    password: String,
}

/// `POST /api/setup`
pub(super) async fn set_up(
    State(shared): State<Arc<Shared>>,
    _: OwnPage,
    client: Client,
    headers: HeaderMap,
    Body(First { token, address, password }): Body<First>,
) -> Outcome<impl IntoResponse> {
    let address = shared.parse_home_address(&address)?;
    let redeemed = shared.authenticator.redeem_setup(&token, &address, &password).await;
    let login = redeemed.map_err(refuse_link)?;
    welcome(&shared, client, &headers, login).await
}

/// How somebody is told that a link is of no use.
pub(super) fn refuse_link(fault: AuthError) -> Failure {
    match fault {
        AuthError::Wrong => Failure::new(Reason::NotFound, "this link is used up or too old"),
        other => other.into(),
    }
}

/// Whom a login is for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Welcome {
    address: Address,
    is_admin: bool,
}

/// Answers a login that succeeded, with a new cookie.
pub(super) async fn welcome(
    shared: &Shared,
    client: Client,
    headers: &HeaderMap,
    login: Login,
) -> Outcome<impl IntoResponse + use<>> {
    let cookie = new_session(shared, client, headers, &login.address).await?;
    let welcome = Welcome { address: login.address, is_admin: login.is_admin };
    Ok((AppendHeaders([(header::SET_COOKIE, cookie)]), Json(welcome)))
}

/// Begins a browser's session and makes its cookie.
pub(super) async fn new_session(
    shared: &Shared,
    client: Client,
    headers: &HeaderMap,
    address: &Address,
) -> Outcome<HeaderValue> {
    let lifetime = shared.session_lifetime;
    let label = label(headers);
    let token = shared.authenticator.issue_token(TokenKind::Session, Some(address), &label, lifetime).await?;
    client.cookie(&token, lifetime.as_secs())
}

/// What the owner will know this browser by.
fn label(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let label: String = agent.chars().take(LABEL_CHARS).collect();
    if label.is_empty() { "a browser".to_owned() } else { label }
}

/// Longest label of a browser; ASCII, since header values that are not count as missing.
const LABEL_CHARS: usize = 100;

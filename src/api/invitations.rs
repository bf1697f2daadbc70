//! Invitations from the side of those who make them: owners of accounts, and administrators.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
};
use serde::{Deserialize, Serialize};

use super::{
    error::{Failure, Outcome},
    extract::{Body, Part},
    identity::{Administrator, Client, Identity},
    server::Shared,
    translate,
};
use crate::{
    admin::{Answer, Newcomers},
    auth::{Invitation, OpenInvitation},
    formats::hex,
    signal::{Address, Reason, Timestamp},
};

/// What the invited one is to become.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wish {
    /// Whether he can make an account of it, too, where he has none.
    #[serde(default)]
    makes_account: bool,
}

/// An invitation just made. The only time that its token can be read.
#[derive(Serialize)]
pub(super) struct Made {
    token: String,
    /// What chat clients understand (XEP-0379, XEP-0401).
    uri: String,
    /// What browsers understand.
    link: String,
}

/// `POST /api/invitations`
pub(super) async fn invite(
    State(shared): State<Arc<Shared>>,
    client: Client,
    headers: HeaderMap,
    identity: Identity,
    Body(Wish { makes_account }): Body<Wish>,
) -> Outcome<(StatusCode, Json<Made>)> {
    let host = &identity.address;
    let newcomers = match makes_account {
        false => Newcomers::Nowhere,
        true if !shared.admin.invites_newcomers(host).await? => {
            return Err(Failure::new(
                Reason::Forbidden,
                "only an administrator may invite to make an account",
            ));
        }
        true if shared.takes_guests => Newcomers::Everywhere,
        true => Newcomers::OnPage,
    };
    let offer = shared.admin.invite_contact(host, newcomers).await?;
    let link = shared.link_of(&offer.token, client, &headers);
    Ok((StatusCode::CREATED, Json(Made { token: offer.token, uri: offer.uri, link })))
}

/// Whom an administrator invites.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Guest {
    /// The account to be made; without it, any of the administrator's domain.
    #[serde(default)]
    address: Option<String>,
}

/// `POST /api/admin/invitations`
pub(super) async fn invite_newcomer(
    State(shared): State<Arc<Shared>>,
    client: Client,
    headers: HeaderMap,
    Administrator(administrator): Administrator,
    Body(Guest { address }): Body<Guest>,
) -> Outcome<(StatusCode, Json<Made>)> {
    let host = administrator.address;
    let place = match address {
        Some(text) => shared.parse_home_address(&text)?,
        None => Address::domain_only(host.domain())
            .map_err(|fault| Failure::new(Reason::Internal, &fault.to_string()))?,
    };
    let Answer::Invitation { token, uri } = shared.admin.invite(place, Some(&host)).await? else {
        return Err(Reason::Internal.into());
    };
    let link = shared.link_of(&token, client, &headers);
    Ok((StatusCode::CREATED, Json(Made { token, uri, link })))
}

/// All that are open.
#[derive(Serialize)]
pub(super) struct Invitations {
    invitations: Vec<Shown>,
}

/// One that nobody used yet.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: String,
    makes_account: bool,
    /// The account to be made, where that is decided.
    address: Option<Address>,
    /// Who invited; nobody where an operator did on the command line.
    from: Option<Address>,
    #[serde(serialize_with = "translate::text")]
    created: Timestamp,
    #[serde(serialize_with = "translate::text")]
    expires: Timestamp,
}

impl From<OpenInvitation> for Shown {
    fn from(open: OpenInvitation) -> Self {
        let OpenInvitation { id, invitation, created } = open;
        let makes_account = !invitation.is_to_contact_only();
        let address = invitation.account().cloned();
        let Invitation { from, expires, .. } = invitation;
        Self { id: hex::print(&id), makes_account, address, from, created, expires }
    }
}

/// `GET /api/invitations`: the owner's own, oldest first.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
) -> Outcome<Json<Invitations>> {
    let open = shared.authenticator.invitations_of(&identity.address).await?;
    Ok(Json(Invitations { invitations: open.into_iter().map(Shown::from).collect() }))
}

/// `GET /api/admin/invitations`: those to accounts, whoever made them, newest first.
pub(super) async fn list_all(
    State(shared): State<Arc<Shared>>,
    _: Administrator,
) -> Outcome<Json<Invitations>> {
    let open = shared.authenticator.invitations_to_accounts().await?;
    Ok(Json(Invitations { invitations: open.into_iter().take(MOST).map(Shown::from).collect() }))
}

/// `DELETE /api/invitations/{id}`
pub(super) async fn withdraw(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Part(id): Part,
) -> Outcome<StatusCode> {
    end(&shared, Some(&identity.address), &id).await
}

/// `DELETE /api/admin/invitations/{id}`
pub(super) async fn withdraw_any(
    State(shared): State<Arc<Shared>>,
    _: Administrator,
    Part(id): Part,
) -> Outcome<StatusCode> {
    end(&shared, None, &id).await
}

async fn end(shared: &Shared, host: Option<&Address>, id: &str) -> Outcome<StatusCode> {
    let withdrawn = match hex::parse(id) {
        Some(id) => shared.authenticator.withdraw_invitation(host, id).await?,
        None => false,
    };
    if withdrawn { Ok(StatusCode::NO_CONTENT) } else { Err(Reason::NotFound.into()) }
}

impl Shared {
    /// The page of an invitation, where the operator says that the server is found; else as this client found it.
    fn link_of(&self, token: &str, client: Client, headers: &HeaderMap) -> String {
        let path = format!("/join?token={token}");
        if let Some(url) = self.public_url() {
            return format!("{}{path}", url.trim_end_matches('/'));
        }
        let scheme = if client.is_secure { "https" } else { "http" };
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        format!("{scheme}://{host}{path}")
    }
}

/// Invitations that an administrator is shown.
const MOST: usize = 500;

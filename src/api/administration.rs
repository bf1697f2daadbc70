//! What an administrator does with the accounts of others.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use serde::{Deserialize, Serialize};

use super::{
    error::{Failure, Outcome},
    extract::{Body, Params, Part, account_address},
    identity::Administrator,
    server::Shared,
    translate,
};
use crate::{
    admin::{AdminError, Answer, Command},
    signal::{Address, Reason, Timestamp},
};

/// Where a page of the list begins.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    /// Accounts after this one.
    after: Option<String>,
}

/// An account in the list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    address: Address,
    is_admin: bool,
    disabled: bool,
    #[serde(serialize_with = "translate::text")]
    created: Timestamp,
}

/// A page of the list.
#[derive(Serialize)]
pub(super) struct List {
    accounts: Vec<Listed>,
    /// More follow after the last one.
    more: bool,
}

/// `GET /api/admin/accounts`
pub(super) async fn list_accounts(
    State(shared): State<Arc<Shared>>,
    _: Administrator,
    Params(Page { after }): Params<Page>,
) -> Outcome<Json<List>> {
    let after = after.as_deref().map(account_address).transpose()?;
    let Answer::Accounts { accounts, more } = shared.admin.perform(Command::List { after }).await? else {
        return Err(Reason::Internal.into());
    };
    let listed = accounts.into_iter().map(|account| Listed {
        address: account.address,
        is_admin: account.is_admin,
        disabled: account.disabled,
        created: account.created,
    });
    Ok(Json(List { accounts: listed.collect(), more }))
}

/// An account to make.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewAccount {
    address: String,
    password: String,
    #[serde(default)]
    is_admin: bool,
}

/// An account just made.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FreshAccount {
    address: Address,
    is_admin: bool,
}

/// `POST /api/admin/accounts`
pub(super) async fn add_account(
    State(shared): State<Arc<Shared>>,
    _: Administrator,
    Body(NewAccount { address, password, is_admin }): Body<NewAccount>,
) -> Outcome<impl IntoResponse> {
    let address = shared.parse_home_address(&address)?;
    shared.admin.perform(Command::Add { address: address.clone(), password, admin: is_admin }).await?;
    Ok((StatusCode::CREATED, Json(FreshAccount { address, is_admin })))
}

/// `DELETE /api/admin/accounts/{address}`
pub(super) async fn remove_account(
    State(shared): State<Arc<Shared>>,
    Administrator(administrator): Administrator,
    Part(address): Part,
) -> Outcome<StatusCode> {
    let address = account_address(&address)?;
    if address == administrator.address {
        // Else the last administrator could lock everybody out by a click.
        return Err(Failure::new(Reason::Conflict, "nobody can remove her own account"));
    }
    shared.admin.perform(Command::Remove { address }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A password to set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Password {
    password: String,
}

/// `POST /api/admin/accounts/{address}/password`
pub(super) async fn set_password(
    State(shared): State<Arc<Shared>>,
    _: Administrator,
    Part(address): Part,
    Body(Password { password }): Body<Password>,
) -> Outcome<StatusCode> {
    let address = account_address(&address)?;
    shared.admin.perform(Command::SetPassword { address, password }).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<AdminError> for Failure {
    fn from(fault: AdminError) -> Self {
        match fault {
            AdminError::Refused(reject) => reject.into(),
            AdminError::Auth(fault) => fault.into(),
            AdminError::NoSuchDevice | AdminError::NoSuchReport => {
                Self::new(Reason::NotFound, &fault.to_string())
            }
            AdminError::Domain { .. }
            | AdminError::Announcement
            | AdminError::UnknownSetting(_)
            | AdminError::Value { .. } => Self::new(Reason::NotAcceptable, &fault.to_string()),
        }
    }
}

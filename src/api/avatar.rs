//! The owner's picture and those of others: set, taken off, shown. A picture's hash is its entity tag
//! (RFC 9110 §8.8.3).

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{
    error::{Failure, Outcome},
    extract::{Part, Raw, account_address},
    identity::Identity,
    server::Shared,
};
use crate::{
    account::{Reply, Request},
    signal::{Address, Avatar, Reason, Wanted},
};

/// What is known of a picture.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AvatarView {
    hash: String,
    media_type: String,
    bytes: u32,
    width: Option<u32>,
    height: Option<u32>,
}

impl From<&Avatar> for AvatarView {
    fn from(avatar: &Avatar) -> Self {
        Self {
            hash: avatar.hash.to_string(),
            media_type: avatar.media_type.to_string(),
            bytes: avatar.bytes,
            width: avatar.size.map(|(width, _)| width),
            height: avatar.size.map(|(_, height)| height),
        }
    }
}

/// `GET /api/avatar`: the owner's own.
pub(super) async fn show_own(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    headers: HeaderMap,
) -> Outcome<Response> {
    let of = identity.address.clone();
    show_of(&shared, &identity, of, &headers).await
}

/// `GET /api/avatar/{address}`: somebody else's. 204 where he has none, or does not show it: a page asks for
/// many that are not there.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Part(address): Part,
    headers: HeaderMap,
) -> Outcome<Response> {
    let of = account_address(&address)?;
    show_of(&shared, &identity, of, &headers).await
}

async fn show_of(
    shared: &Shared,
    identity: &Identity,
    of: Address,
    headers: &HeaderMap,
) -> Outcome<Response> {
    let wanted = Wanted::Picture { hash: None };
    let (avatar, bytes) = match shared.accounts.ask(&identity.address, Request::Enquire { of, wanted }).await
    {
        Ok(Reply::Picture { avatar, bytes }) => (avatar, bytes),
        Ok(_) => return Err(Reason::Internal.into()),
        Err(reject)
            if matches!(
                reject.reason,
                Reason::NotFound
                    | Reason::Blocked
                    | Reason::NoSession
                    | Reason::NotAuthenticated
                    | Reason::RemoteNotFound
                    | Reason::RemoteTimeout
                    | Reason::Timeout
            ) =>
        {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        Err(reject) => return Err(reject.into()),
    };
    let tag = format!("\"{}\"", avatar.hash);
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let is_known = known.flat_map(|value| value.split(',')).any(|one| {
        let one = one.trim();
        one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag
    });
    let tag = HeaderValue::try_from(tag).map_err(|_| Failure::from(Reason::Internal))?;
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let kind = HeaderValue::try_from(avatar.media_type.as_str());
    let kind = kind.map_err(|_| Failure::from(Reason::Internal))?;
    Ok(([(header::CONTENT_TYPE, kind), (header::ETAG, tag)], bytes).into_response())
}

/// `PUT /api/avatar`: the body is the picture. What it is its bytes say, whatever its type claims.
pub(super) async fn set(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Raw(body): Raw,
) -> Outcome<Json<AvatarView>> {
    match shared.accounts.ask(&identity.address, Request::SetAvatar(Some(body))).await? {
        Reply::Avatar(Some(avatar)) => Ok(Json(avatar.as_ref().into())),
        _ => Err(Reason::Internal.into()),
    }
}

/// `DELETE /api/avatar`
pub(super) async fn remove(State(shared): State<Arc<Shared>>, identity: Identity) -> Outcome<StatusCode> {
    shared.accounts.ask(&identity.address, Request::SetAvatar(None)).await?;
    Ok(StatusCode::NO_CONTENT)
}

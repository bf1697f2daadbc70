//! Who may see the owner's presence, who watches it, and what is shown while she is not there.
//!
//! Rules go both ways as the document that other programs know, `application/auth-policy+xml` (RFC 5025);
//! all else is JSON.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::{
    error::{Failure, Outcome},
    extract::{Body, Raw},
    identity::Identity,
    server::Shared,
    translate::{OfflineStatus, WatchersView},
};
use crate::{
    account::{Reply, Request},
    formats::{rules, xml},
    signal::{Reason, Ruleset, Timestamp},
};

/// `GET /api/presence-rules`: a ruleset without rules where the owner set none.
pub(super) async fn show_rules(State(shared): State<Arc<Shared>>, identity: Identity) -> Outcome<Response> {
    let Reply::Rules(found) = shared.accounts.ask(&identity.address, Request::Rules).await? else {
        return Err(Reason::Internal.into());
    };
    let document = found.map_or_else(|| rules::print(&Ruleset::default()), |found| rules::print(&found));
    Ok(([(header::CONTENT_TYPE, rules::MEDIA_TYPE)], document).into_response())
}

/// `PUT /api/presence-rules`: they act at once on everybody who watches.
pub(super) async fn set_rules(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    headers: HeaderMap,
    Raw(body): Raw,
) -> Outcome<StatusCode> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case(rules::MEDIA_TYPE) {
        return Err(Failure::new(Reason::UnsupportedMedia, "rules are application/auth-policy+xml"));
    }
    let limits = xml::Limits { bytes: body.len(), nodes: RULES_NODES, ..xml::Limits::default() };
    let ruleset = rules::parse(&body, &limits).map_err(|fault| Failure::malformed(&fault.to_string()))?;
    let request = Request::SetRules(Some(Arc::new(ruleset)));
    shared.accounts.ask(&identity.address, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/presence-rules`
pub(super) async fn remove_rules(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
) -> Outcome<StatusCode> {
    shared.accounts.ask(&identity.address, Request::SetRules(None)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/offline-status`
pub(super) async fn show_offline_status(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
) -> Outcome<Json<OfflineStatus>> {
    match shared.accounts.ask(&identity.address, Request::HardState).await? {
        Reply::HardState(found) => Ok(Json(OfflineStatus::new(found.as_deref()))),
        _ => Err(Reason::Internal.into()),
    }
}

/// `PUT /api/offline-status`
pub(super) async fn set_offline_status(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Body(status): Body<OfflineStatus>,
) -> Outcome<StatusCode> {
    let presence = status.into_presence(Timestamp::now())?;
    let request = Request::SetHardState(Some(Arc::new(presence)));
    shared.accounts.ask(&identity.address, request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /api/offline-status`
pub(super) async fn remove_offline_status(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
) -> Outcome<StatusCode> {
    shared.accounts.ask(&identity.address, Request::SetHardState(None)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/watchers`
pub(super) async fn show_watchers(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
) -> Outcome<Response> {
    match shared.accounts.ask(&identity.address, Request::Watchers).await? {
        Reply::Watchers(list) => Ok(Json(WatchersView::new(&list)).into_response()),
        _ => Err(Reason::Internal.into()),
    }
}

/// Most elements and texts of a document of rules.
const RULES_NODES: u32 = 50_000;

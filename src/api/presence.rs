//! Who may see the owner's presence, who watches it, and what is shown while she is not there.
//!
//! Rules go both ways as the document that other programs know, `application/auth-policy+xml` (RFC 5025);
//! all else is JSON.

use std::{convert::Infallible, sync::Arc};

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
    documents::{Change, ChangeError, Document, Tree, TreeLimits, find_application},
    formats::{rules, xml},
    signal::{DocumentId, Reason, Ruleset, Timestamp},
};

/// `GET /api/presence-rules`: a ruleset without rules where the owner set none.
pub(super) async fn show_rules(State(shared): State<Arc<Shared>>, identity: Identity) -> Outcome<Response> {
    let found = shared.documents.read(&identity.address, &PRESENCE_RULES).await?;
    let document = found.map_or_else(|| rules::print(&Ruleset::default()).into(), |found| found.bytes);
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
    let fits = find_application(&PRESENCE_RULES.application)
        .zip(Tree::parse(&body, &TreeLimits::default()).ok())
        .is_some_and(|(application, tree)| application.check_schema(&tree).is_ok());
    // What was written by an old shape is kept in that of the RFCs, for all clients to read.
    let document = if fits { body } else { rules::print(&ruleset).into() };
    change_rules(&shared, &identity, Change::Put(document)).await
}

/// The rules are the document that other programs reach by its own protocol, too.
async fn change_rules(shared: &Shared, identity: &Identity, change: Change) -> Outcome<StatusCode> {
    let edit = |_: Option<&Document>| Ok::<_, Infallible>(change.clone());
    match shared.documents.change(&identity.address, &PRESENCE_RULES, edit).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(ChangeError::Rejected(reject)) => Err(reject.into()),
        Err(ChangeError::Edit(never)) => match never {},
    }
}

/// `DELETE /api/presence-rules`
pub(super) async fn remove_rules(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
) -> Outcome<StatusCode> {
    change_rules(&shared, &identity, Change::Remove).await
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

/// Where the rules are kept.
static PRESENCE_RULES: DocumentId = DocumentId::of("pres-rules");
/// Most elements and texts of a document of rules.
const RULES_NODES: u32 = 50_000;

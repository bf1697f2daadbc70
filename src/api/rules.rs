//! Automated rules: the owner's, and those that administrators set; the dry run.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;

use super::{
    error::{Failure, Outcome},
    extract::{Body, Part},
    identity::{Administrator, Identity},
    server::Shared,
};
use crate::{
    account::{Reply, Request, SharedRules, Trial, Tried},
    signal::{Address, Automation, OwnState, Reason, SignalKind, Stage, Timestamp},
};

/// `GET /api/rules`
pub(super) async fn show(State(shared): State<Arc<Shared>>, identity: Identity) -> Outcome<Json<Automation>> {
    match shared.accounts.ask(&identity.address, Request::Automation).await? {
        Reply::Automation(rules) => Ok(Json(rules.map(|rules| *rules).unwrap_or_default())),
        _ => Err(Reason::Internal.into()),
    }
}

/// `PUT /api/rules`: the whole list; signals meet it from now on.
pub(super) async fn set(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Body(rules): Body<Automation>,
) -> Outcome<StatusCode> {
    shared.accounts.ask(&identity.address, Request::SetAutomation(Some(Box::new(rules)))).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A signal to be thought through.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Question {
    kind: SignalKind,
    from: String,
    text: Option<String>,
    #[serde(default)]
    stage: Stage,
    /// When it comes; none for now.
    at: Option<String>,
    /// How the owner is then; none for as now.
    #[serde(default)]
    presence: Vec<OwnState>,
    /// Rules to try in the place of the owner's.
    rules: Option<Automation>,
}

/// `POST /api/rules/try`: what would happen; nothing does.
pub(super) async fn try_out(
    State(shared): State<Arc<Shared>>,
    identity: Identity,
    Body(question): Body<Question>,
) -> Outcome<Json<Tried>> {
    let from = Address::parse(question.from.trim());
    let from = from.map_err(|fault| Failure::malformed(&format!("from: {fault}")))?;
    let at = question.at.as_deref().map(|at| {
        let read = Timestamp::parse_rfc3339(at);
        read.ok_or_else(|| Failure::malformed("at: a moment looks like 2026-01-02T03:04:05Z"))
    });
    let trial = Trial {
        kind: question.kind,
        from,
        text: question.text.map(Into::into),
        stage: question.stage,
        at: at.transpose()?,
        presence: question.presence,
        rules: question.rules,
    };
    match shared.accounts.ask(&identity.address, Request::Try(Box::new(trial))).await? {
        Reply::Tried(tried) => Ok(Json(*tried)),
        _ => Err(Reason::Internal.into()),
    }
}

/// `GET /api/admin/rules/server`
pub(super) async fn show_server(State(shared): State<Arc<Shared>>, _: Administrator) -> Json<Automation> {
    Json(shared.accounts.shared_rules(&SharedRules::Server))
}

/// `PUT /api/admin/rules/server`
pub(super) async fn set_server(
    State(shared): State<Arc<Shared>>,
    _: Administrator,
    Body(rules): Body<Automation>,
) -> Outcome<StatusCode> {
    shared.accounts.set_shared_rules(SharedRules::Server, rules).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/admin/rules/domains/{domain}`
pub(super) async fn show_domain(
    State(shared): State<Arc<Shared>>,
    _: Administrator,
    Part(domain): Part,
) -> Outcome<Json<Automation>> {
    Ok(Json(shared.accounts.shared_rules(&rules_of(&shared, &domain)?)))
}

/// `PUT /api/admin/rules/domains/{domain}`
pub(super) async fn set_domain(
    State(shared): State<Arc<Shared>>,
    _: Administrator,
    Part(domain): Part,
    Body(rules): Body<Automation>,
) -> Outcome<StatusCode> {
    shared.accounts.set_shared_rules(rules_of(&shared, &domain)?, rules).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn rules_of(shared: &Shared, domain: &str) -> Outcome<SharedRules> {
    let domain = Address::domain_only(domain).map_err(|fault| Failure::malformed(&fault.to_string()))?;
    if !shared.accounts.serves(domain.domain()) {
        return Err(Failure::new(Reason::NotFound, "this domain is not served here"));
    }
    Ok(SharedRules::Domain(domain.domain().into()))
}

//! What owners reported about people whom they blocked, for administrators.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;

use super::{
    error::{Failure, Outcome},
    extract::Part,
    identity::Administrator,
    server::Shared,
    translate,
};
use crate::{
    admin::{Answer, Command, Complaint, Report},
    signal::{Address, Reason, Timestamp},
};

/// Newest first.
#[derive(Serialize)]
pub(super) struct Reports {
    reports: Vec<ReportView>,
}

#[derive(Serialize)]
struct ReportView {
    id: i64,
    from: Address,
    about: Address,
    #[serde(serialize_with = "translate::text")]
    at: Timestamp,
    #[serde(flatten)]
    complaint: Complaint,
}

impl From<Report> for ReportView {
    fn from(report: Report) -> Self {
        let Report { id, from, about, at, complaint } = report;
        Self { id, from, about, at, complaint }
    }
}

/// `GET /api/admin/reports`
pub(super) async fn list(State(shared): State<Arc<Shared>>, _: Administrator) -> Outcome<Json<Reports>> {
    let Answer::Reports { reports } = shared.admin.perform(Command::Reports).await? else {
        return Err(Reason::Internal.into());
    };
    Ok(Json(Reports { reports: reports.into_iter().map(ReportView::from).collect() }))
}

/// `DELETE /api/admin/reports/{id}`
pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    _: Administrator,
    Part(id): Part,
) -> Outcome<StatusCode> {
    let Ok(id) = id.parse() else { return Err(Failure::from(Reason::NotFound)) };
    shared.admin.perform(Command::RemoveReport { id }).await?;
    Ok(StatusCode::NO_CONTENT)
}

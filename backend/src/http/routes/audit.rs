//! The audit log.

use axum::{Json, extract::State};
use countersign_protocol::audit::AuditPage;
use serde::Deserialize;
use utoipa::IntoParams;

use utoipa_axum::routes;

use crate::{
    http::{extract::Query, problem::ApiError, routes::Handler},
    views::Views,
};

const MOST: u32 = 500;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Page {
    /// Index of the entry before which the page ends; without it, the page has the newest entries.
    before: Option<u64>,
    /// Largest number of entries, at most 500.
    #[param(default = 100)]
    limit: Option<u32>,
}

pub fn routes() -> Vec<Handler> {
    vec![routes!(page)]
}

/// Reads the audit log, newest entries first.
#[utoipa::path(
    get, path = "/audit", operation_id = "listAuditEntries",
    params(Page),
    responses((status = 200, description = "Entries of the log", body = AuditPage)),
)]
async fn page(
    State(views): State<Views>,
    Query(query): Query<Page>,
) -> Result<Json<AuditPage>, ApiError> {
    let limit = query.limit.unwrap_or(100).clamp(1, MOST);
    Ok(Json(views.audit(query.before, limit).await?))
}

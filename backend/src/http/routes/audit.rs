//! The audit log.

use axum::{Json, Router, extract::State, routing::get};
use countersign_protocol::{audit::AuditPage, problem::ProblemCode};
use serde::Deserialize;

use crate::{
    http::{self, auth::Caller, extract::Query, problem::ApiError},
    views::Views,
};

const MOST: u32 = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    before: Option<u64>,
    limit: Option<u32>,
}

pub fn routes() -> Router<http::State> {
    Router::new().route("/audit", get(page))
}

async fn page(
    State(views): State<Views>,
    caller: Caller,
    Query(query): Query<Page>,
) -> Result<Json<AuditPage>, ApiError> {
    if !caller.sees_all() {
        return Err(ApiError::new(
            ProblemCode::NotAllowed,
            "only admins, custodians and auditors can read the audit log",
        ));
    }
    let limit = query.limit.unwrap_or(100).clamp(1, MOST);
    Ok(Json(views.audit(query.before, limit).await?))
}

//! The audit log.

use axum::{Json as Answer, Router, extract::State, routing::get};
use countersign_protocol::{audit::AuditPage, problem::ProblemCode};
use serde::Deserialize;

use super::{
    extract::{Caller, Query},
    problem::ApiError,
};
use crate::{app::App, store};

const MOST: u32 = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    before: Option<u64>,
    limit: Option<u32>,
}

pub fn routes() -> Router<App> {
    Router::new().route("/audit", get(page))
}

async fn page(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query<Page>,
) -> Result<Answer<AuditPage>, ApiError> {
    if !caller.sees_all() {
        return Err(ApiError::new(
            ProblemCode::NotAllowed,
            "the log is for admins, custodians and auditors",
        ));
    }
    let mut connection = app.store.read().await?;
    let limit = query.limit.unwrap_or(100).clamp(1, MOST);
    Ok(Answer(
        store::audit::page(&mut connection, query.before, limit).await?,
    ))
}

//! Devices that are attached from afar: who waits, who may.

use axum::{
    Json as Answer, Router,
    extract::State,
    http::StatusCode,
    routing::{delete, get, post},
};
use countersign_protocol::{
    cvc::DeviceId,
    hsm::HsmView,
    id::HsmId,
    operator::Role,
    remote::{AcceptDevice, WaitingDevice},
};

use super::{
    extract::{Caller, Json, Path},
    problem::ApiError,
};
use crate::{app::App, hsm, remote};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/devices", get(waiting))
        .route("/devices/{device}/accept", post(accept))
        .route("/devices/{device}/decline", post(decline))
        .route("/hsms/{id}", delete(withdraw))
}

async fn waiting(
    State(app): State<App>,
    caller: Caller,
) -> Result<Answer<Vec<WaitingDevice>>, ApiError> {
    caller.require(Role::Admin)?;
    Ok(Answer(app.remote.list_waiting()))
}

async fn accept(
    State(app): State<App>,
    caller: Caller,
    Path(device): Path<DeviceId>,
    Json(body): Json<AcceptDevice>,
) -> Result<Answer<HsmView>, ApiError> {
    caller.require(Role::Admin)?;
    remote::accept(&app, &caller.actor(), &device, body.hsm.clone()).await?;
    let mut connection = app.store.read().await?;
    let hsm = app.hsms.get(&body.hsm)?;
    Ok(Answer(hsm::view(&mut connection, &hsm).await?))
}

async fn decline(
    State(app): State<App>,
    caller: Caller,
    Path(device): Path<DeviceId>,
) -> Result<StatusCode, ApiError> {
    caller.require(Role::Admin)?;
    remote::decline(&app, &device)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn withdraw(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<HsmId>,
) -> Result<StatusCode, ApiError> {
    caller.require(Role::Admin)?;
    remote::withdraw(&app, &caller.actor(), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! Remotely attached devices: those that wait for acceptance, and those that were accepted.

use axum::{
    Json, Router,
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

use crate::{
    devices::Devices,
    hsm::Hsms,
    http::{
        self,
        auth::Caller,
        extract::{Body, Path},
        problem::ApiError,
    },
    views::Views,
};

pub fn routes() -> Router<http::State> {
    Router::new()
        .route("/devices", get(waiting))
        .route("/devices/{device}/accept", post(accept))
        .route("/devices/{device}/decline", post(decline))
        .route("/hsms/{id}", delete(remove))
}

async fn waiting(
    State(devices): State<Devices>,
    caller: Caller,
) -> Result<Json<Vec<WaitingDevice>>, ApiError> {
    caller.require(Role::Admin)?;
    Ok(Json(devices.waiting()))
}

async fn accept(
    State(devices): State<Devices>,
    State(hsms): State<Hsms>,
    State(views): State<Views>,
    caller: Caller,
    Path(device): Path<DeviceId>,
    Body(body): Body<AcceptDevice>,
) -> Result<Json<HsmView>, ApiError> {
    caller.require(Role::Admin)?;
    devices
        .accept(&caller.actor(), &device, body.hsm.clone())
        .await?;
    Ok(Json(views.hsm(&hsms.get(&body.hsm)?).await?))
}

async fn decline(
    State(devices): State<Devices>,
    caller: Caller,
    Path(device): Path<DeviceId>,
) -> Result<StatusCode, ApiError> {
    caller.require(Role::Admin)?;
    devices.decline(&device)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(
    State(devices): State<Devices>,
    caller: Caller,
    Path(id): Path<HsmId>,
) -> Result<StatusCode, ApiError> {
    caller.require(Role::Admin)?;
    devices.remove(&caller.actor(), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! Remotely attached devices: those that wait for acceptance, and those that were accepted.

use axum::{Json, extract::State, http::StatusCode};
use countersign_protocol::{cvc::DeviceId, id::HsmId, remote::WaitingDevice};

use utoipa_axum::routes;

use crate::{
    devices::Devices,
    http::{auth::Caller, extract::Path, problem::ApiError, routes::Handler},
};

pub fn routes() -> Vec<Handler> {
    vec![
        routes!(waiting),
        routes!(decline),
        routes!(end_quarantine),
        routes!(remove),
    ]
}

/// Lists remote devices that are waiting for acceptance.
#[utoipa::path(
    get, path = "/devices", operation_id = "listDevices",
    responses((status = 200, description = "The devices", body = Vec<WaitingDevice>)),
)]
async fn waiting(State(devices): State<Devices>) -> Result<Json<Vec<WaitingDevice>>, ApiError> {
    Ok(Json(devices.waiting()))
}

/// Declines a remote device, which is then disconnected.
#[utoipa::path(
    post, path = "/devices/{device}/decline", operation_id = "declineDevice",
    responses((status = 204, description = "The device was declined")),
)]
async fn decline(
    State(devices): State<Devices>,
    caller: Caller,
    Path(device): Path<DeviceId>,
) -> Result<StatusCode, ApiError> {
    devices.decline(&caller.actor(), &device).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends the quarantine of an HSM that returned an invalid signature. It is verified again before it is used.
#[utoipa::path(
    delete, path = "/hsms/{id}/quarantine", operation_id = "endQuarantine",
    responses((status = 204, description = "The quarantine has ended")),
)]
async fn end_quarantine(
    State(devices): State<Devices>,
    caller: Caller,
    Path(id): Path<HsmId>,
) -> Result<StatusCode, ApiError> {
    devices.end_quarantine(&caller.actor(), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Locks an HSM that was accepted in the portal, and removes it.
#[utoipa::path(
    delete, path = "/hsms/{id}", operation_id = "removeHsm",
    responses((status = 204, description = "The HSM is removed")),
)]
async fn remove(
    State(devices): State<Devices>,
    caller: Caller,
    Path(id): Path<HsmId>,
) -> Result<StatusCode, ApiError> {
    devices.remove(&caller.actor(), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

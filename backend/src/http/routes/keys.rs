//! Signing keys with their certificates and settings.

use axum::{Json, extract::State, http::StatusCode};
use countersign_protocol::{
    cvc::Fingerprint,
    hsm::{KeySettings, NewCertificate, SigningKeyView},
    operator::Role,
    problem::ProblemCode,
};

use super::hsms;
use utoipa_axum::routes;

use crate::{
    http::{
        auth::Caller,
        extract::{Body, Path},
        problem::ApiError,
        routes::Handler,
    },
    keys::Keys,
    views::Views,
};

pub fn routes() -> Vec<Handler> {
    vec![
        routes!(list),
        routes!(put_certificate),
        routes!(remove_certificate),
        routes!(put_settings),
    ]
}

/// Lists the keys of all HSMs that the caller may use.
#[utoipa::path(
    get, path = "/keys", operation_id = "listKeys",
    responses((status = 200, description = "The keys", body = Vec<SigningKeyView>)),
)]
async fn list(
    State(views): State<Views>,
    caller: Caller,
) -> Result<Json<Vec<SigningKeyView>>, ApiError> {
    let hsms = hsms::all(&views, &caller).await?;
    Ok(Json(hsms.into_iter().flat_map(|hsm| hsm.keys).collect()))
}

/// Rejects keys that the caller's token cannot use.
async fn may_use(views: &Views, caller: &Caller, key: &Fingerprint) -> Result<(), ApiError> {
    let hsms = hsms::all(views, caller).await?;
    let mut known = hsms.iter().flat_map(|hsm| &hsm.keys);
    if known.any(|known| known.fingerprint == *key) {
        return Ok(());
    }
    Err(ApiError::new(
        ProblemCode::NotFound,
        format!(
            "no attached HSM holds a key {key} that you may use: `countersign keys` lists the keys that you may use"
        ),
    ))
}

/// Stores the X.509 certificate of a key. Requesters can only add a certificate that the key signed itself, if the key has none yet.
#[utoipa::path(
    put, path = "/keys/{fingerprint}/certificate", operation_id = "putCertificate",
    request_body = NewCertificate,
    responses((status = 204, description = "The certificate is stored")),
)]
async fn put_certificate(
    State(stored): State<Keys>,
    State(views): State<Views>,
    caller: Caller,
    Path(key): Path<Fingerprint>,
    Body(body): Body<NewCertificate>,
) -> Result<StatusCode, ApiError> {
    let admin = caller.is(Role::Admin);
    if !admin {
        may_use(&views, &caller, &key).await?;
    }
    stored
        .put_certificate(&caller.actor(), admin, &key, body.der.0)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes the stored certificate of a key.
#[utoipa::path(
    delete, path = "/keys/{fingerprint}/certificate", operation_id = "removeCertificate",
    responses((status = 204, description = "The certificate is removed")),
)]
async fn remove_certificate(
    State(stored): State<Keys>,
    caller: Caller,
    Path(key): Path<Fingerprint>,
) -> Result<StatusCode, ApiError> {
    stored.remove_certificate(&caller.actor(), &key).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes the settings of a key.
#[utoipa::path(
    put, path = "/keys/{fingerprint}/settings", operation_id = "putKeySettings",
    request_body = KeySettings,
    responses((status = 204, description = "The settings apply from now on")),
)]
async fn put_settings(
    State(stored): State<Keys>,
    caller: Caller,
    Path(key): Path<Fingerprint>,
    Body(body): Body<KeySettings>,
) -> Result<StatusCode, ApiError> {
    stored.put_settings(&caller.actor(), &key, body).await?;
    Ok(StatusCode::NO_CONTENT)
}

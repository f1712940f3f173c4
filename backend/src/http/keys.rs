//! Signing keys: what there is, certificates, settings.

use axum::{
    Json as Answer, Router,
    extract::State,
    http::StatusCode,
    routing::{get, put},
};
use countersign_protocol::{
    cvc::Fingerprint,
    hsm::{KeySettings, NewCertificate, SigningKeyView},
    operator::Role,
    problem::ProblemCode,
};

use super::{
    extract::{Caller, Json, Path},
    hsms,
    problem::ApiError,
};
use crate::{app::App, keys};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/keys", get(list))
        .route(
            "/keys/{fingerprint}/certificate",
            put(put_certificate).delete(remove_certificate),
        )
        .route("/keys/{fingerprint}/settings", put(put_settings))
}

async fn list(
    State(app): State<App>,
    caller: Caller,
) -> Result<Answer<Vec<SigningKeyView>>, ApiError> {
    let hsms = hsms::all(&app, &caller).await?;
    Ok(Answer(hsms.into_iter().flat_map(|hsm| hsm.keys).collect()))
}

/// Refuses keys that the caller's token is not for.
async fn may_use(app: &App, caller: &Caller, key: &Fingerprint) -> Result<(), ApiError> {
    let hsms = hsms::all(app, caller).await?;
    let mut known = hsms.iter().flat_map(|hsm| &hsm.keys);
    if known.any(|known| known.fingerprint == *key) {
        return Ok(());
    }
    Err(ApiError::new(
        ProblemCode::NotFound,
        format!("no attached HSM has a key {key} that you may use: `countersign keys` lists them"),
    ))
}

async fn put_certificate(
    State(app): State<App>,
    caller: Caller,
    Path(key): Path<Fingerprint>,
    Json(body): Json<NewCertificate>,
) -> Result<StatusCode, ApiError> {
    let admin = caller.is(Role::Admin);
    if !admin {
        caller.require(Role::Requester)?;
        may_use(&app, &caller, &key).await?;
    }
    keys::put_certificate(&app, &caller.actor(), admin, &key, body.der.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove_certificate(
    State(app): State<App>,
    caller: Caller,
    Path(key): Path<Fingerprint>,
) -> Result<StatusCode, ApiError> {
    caller.require(Role::Admin)?;
    keys::remove_certificate(&app, &caller.actor(), &key).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn put_settings(
    State(app): State<App>,
    caller: Caller,
    Path(key): Path<Fingerprint>,
    Json(body): Json<KeySettings>,
) -> Result<StatusCode, ApiError> {
    caller.require(Role::Admin)?;
    keys::put_settings(&app, &caller.actor(), &key, body).await?;
    Ok(StatusCode::NO_CONTENT)
}

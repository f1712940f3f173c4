//! Signing keys with their certificates and settings.

use axum::{
    Json, Router,
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

use super::hsms;
use crate::{
    http::{
        self,
        auth::Caller,
        extract::{Body, Path},
        problem::ApiError,
    },
    keys::Keys,
    views::Views,
};

pub fn routes() -> Router<http::State> {
    Router::new()
        .route("/keys", get(list))
        .route(
            "/keys/{fingerprint}/certificate",
            put(put_certificate).delete(remove_certificate),
        )
        .route("/keys/{fingerprint}/settings", put(put_settings))
}

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

async fn put_certificate(
    State(stored): State<Keys>,
    State(views): State<Views>,
    caller: Caller,
    Path(key): Path<Fingerprint>,
    Body(body): Body<NewCertificate>,
) -> Result<StatusCode, ApiError> {
    let admin = caller.is(Role::Admin);
    if !admin {
        caller.require(Role::Requester)?;
        may_use(&views, &caller, &key).await?;
    }
    stored
        .put_certificate(&caller.actor(), admin, &key, body.der.0)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove_certificate(
    State(stored): State<Keys>,
    caller: Caller,
    Path(key): Path<Fingerprint>,
) -> Result<StatusCode, ApiError> {
    caller.require(Role::Admin)?;
    stored.remove_certificate(&caller.actor(), &key).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn put_settings(
    State(stored): State<Keys>,
    caller: Caller,
    Path(key): Path<Fingerprint>,
    Body(body): Body<KeySettings>,
) -> Result<StatusCode, ApiError> {
    caller.require(Role::Admin)?;
    stored.put_settings(&caller.actor(), &key, body).await?;
    Ok(StatusCode::NO_CONTENT)
}

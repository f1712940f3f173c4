//! Signing HSMs.

use std::sync::Arc;

use axum::{Json, extract::State};
use countersign_card::PkaOptions;
use countersign_protocol::{
    hsm::{HsmView, InitialiseHsm, RegisterCustodian},
    id::HsmId,
};

use utoipa_axum::routes;

use crate::{
    activation::Activations,
    config::Config,
    hsm::{HsmError, Hsms, so_pin},
    http::{
        auth::Caller,
        extract::{Body, Path},
        problem::ApiError,
        routes::Handler,
    },
    store::StoreError,
    views::Views,
};

pub fn routes() -> Vec<Handler> {
    vec![
        routes!(list),
        routes!(show),
        routes!(initialise),
        routes!(register),
    ]
}

/// Every HSM, as this caller may see it.
pub(super) async fn all(views: &Views, caller: &Caller) -> Result<Vec<HsmView>, StoreError> {
    let mut seen = Vec::new();
    for hsm in views.all_hsms().await? {
        seen.push(seen_by(views, caller, hsm).await?);
    }
    Ok(seen)
}

/// Hides the keys that the caller's token cannot use, and an activation that the caller may not see.
pub(super) async fn seen_by(
    views: &Views,
    caller: &Caller,
    mut hsm: HsmView,
) -> Result<HsmView, StoreError> {
    let actor = caller.actor();
    let requester = caller.requester_as(&actor);
    hsm.keys
        .retain(|key| requester.may_use(&key.label, &key.fingerprint.to_hex()));
    if !caller.sees_all() {
        views
            .hide_activation(&mut hsm, |terms| caller.sees(terms))
            .await?;
    }
    Ok(hsm)
}

/// Lists signing HSMs. A token for some keys sees only these keys, and callers see the current activation only if they may see that activation.
#[utoipa::path(
    get, path = "/hsms", operation_id = "listHsms",
    responses((status = 200, description = "The HSMs", body = Vec<HsmView>)),
)]
async fn list(State(views): State<Views>, caller: Caller) -> Result<Json<Vec<HsmView>>, ApiError> {
    Ok(Json(all(&views, &caller).await?))
}

/// Shows one signing HSM.
#[utoipa::path(
    get, path = "/hsms/{id}", operation_id = "getHsm",
    responses((status = 200, description = "The HSM", body = HsmView)),
)]
async fn show(
    State(hsms): State<Hsms>,
    State(views): State<Views>,
    caller: Caller,
    Path(id): Path<HsmId>,
) -> Result<Json<HsmView>, ApiError> {
    let view = views.hsm(&hsms.get(&id)?).await?;
    Ok(Json(seen_by(&views, &caller, view).await?))
}

/// Initialises an HSM, which erases everything on it. If no SO-PIN is configured, the server asks for it on its terminal, and the request waits.
#[utoipa::path(
    post, path = "/hsms/{id}/initialise", operation_id = "initialiseHsm",
    request_body = InitialiseHsm,
    responses((status = 200, description = "The HSM after its initialisation", body = HsmView)),
)]
async fn initialise(
    State(config): State<Arc<Config>>,
    State(hsms): State<Hsms>,
    State(activations): State<Activations>,
    State(views): State<Views>,
    caller: Caller,
    Path(id): Path<HsmId>,
    Body(body): Body<InitialiseHsm>,
) -> Result<Json<HsmView>, ApiError> {
    let hsm = hsms.get(&id)?;
    let quorum = PkaOptions::new(body.quorum.required, body.quorum.total, body.allow_replace)
        .map_err(HsmError::from)?;
    if !hsm.device()?.keys.is_empty() && body.erase.as_ref() != Some(&id) {
        return Err(HsmError::EraseNotConfirmed(id).into());
    }
    let so_pin = so_pin::obtain(&config, &id).await?;
    activations
        .initialise(&id, caller.actor(), quorum, body, so_pin)
        .await?;
    Ok(Json(views.hsm(&hsm).await?))
}

/// Registers the confirmed key of a custodian in an HSM.
#[utoipa::path(
    post, path = "/hsms/{id}/custodians", operation_id = "registerCustodian",
    request_body = RegisterCustodian,
    responses((status = 200, description = "The HSM with the registered key", body = HsmView)),
)]
async fn register(
    State(hsms): State<Hsms>,
    State(activations): State<Activations>,
    State(views): State<Views>,
    caller: Caller,
    Path(id): Path<HsmId>,
    Body(body): Body<RegisterCustodian>,
) -> Result<Json<HsmView>, ApiError> {
    let admin = caller.person().clone();
    activations
        .register(&id, caller.actor(), admin, body.key)
        .await?;
    Ok(Json(views.hsm(&hsms.get(&id)?).await?))
}

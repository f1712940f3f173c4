//! Signing HSMs and their keys.

use axum::{
    Json as Answer, Router,
    extract::State,
    routing::{get, post},
};
use countersign_card::PkaOptions;
use countersign_protocol::{
    hsm::{HsmState, HsmView, InitialiseHsm, RegisterCustodian},
    id::HsmId,
    operator::Role,
};
use sqlx::SqliteConnection;

use super::{
    extract::{Caller, Json, Path},
    problem::ApiError,
};
use crate::{
    app::App,
    hsm::{self, HsmError, so_pin},
    store::{self, StoreError},
};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/hsms", get(list))
        .route("/hsms/{id}", get(show))
        .route("/hsms/{id}/initialise", post(initialise))
        .route("/hsms/{id}/custodians", post(register))
}

/// Every HSM, as this caller sees it.
///
/// # Errors
/// The database's.
pub async fn all(app: &App, caller: &Caller) -> Result<Vec<HsmView>, ApiError> {
    let mut connection = app.store.read().await?;
    let mut views = Vec::new();
    for hsm in app.hsms.all() {
        let view = hsm::view(&mut connection, &hsm).await?;
        views.push(seen_by(&mut connection, caller, view).await?);
    }
    Ok(views)
}

/// A token that is for some keys is told of no others, and nobody of an activation that is not theirs to see.
///
/// # Errors
/// The database's.
pub async fn seen_by(
    connection: &mut SqliteConnection,
    caller: &Caller,
    mut hsm: HsmView,
) -> Result<HsmView, StoreError> {
    let actor = caller.actor();
    let requester = caller.requester_as(&actor);
    hsm.keys
        .retain(|key| requester.may_use(&key.label, &key.fingerprint.to_hex()));
    if let HsmState::Collecting { activation } | HsmState::Open { activation, .. } = &mut hsm.state
        && let Some(id) = activation
        && !caller.sees_all()
    {
        let there = store::activations::by_id(connection, id).await?;
        if !there.is_some_and(|there| caller.sees(&there.terms)) {
            *activation = None;
        }
    }
    Ok(hsm)
}

async fn list(State(app): State<App>, caller: Caller) -> Result<Answer<Vec<HsmView>>, ApiError> {
    Ok(Answer(all(&app, &caller).await?))
}

async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<HsmId>,
) -> Result<Answer<HsmView>, ApiError> {
    let hsm = app.hsms.get(&id)?;
    let mut connection = app.store.read().await?;
    let view = hsm::view(&mut connection, &hsm).await?;
    Ok(Answer(seen_by(&mut connection, &caller, view).await?))
}

async fn initialise(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<HsmId>,
    Json(body): Json<InitialiseHsm>,
) -> Result<Answer<HsmView>, ApiError> {
    caller.require(Role::Admin)?;
    let hsm = app.hsms.get(&id)?;
    let quorum = PkaOptions::new(body.quorum.required, body.quorum.total, body.allow_replace)
        .map_err(HsmError::from)?;
    if !hsm.device()?.keys.is_empty() && body.erase.as_ref() != Some(&id) {
        return Err(HsmError::Conflict(format!(
            "there are keys on this HSM, and all of them will be gone: repeat its id, {id}, to confirm"
        ))
        .into());
    }
    let so_pin = so_pin::obtain(&app.config, &id).await?;
    Ok(Answer(
        app.activations
            .initialise(&id, caller.actor(), quorum, body, so_pin)
            .await?,
    ))
}

async fn register(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<HsmId>,
    Json(body): Json<RegisterCustodian>,
) -> Result<Answer<HsmView>, ApiError> {
    caller.require(Role::Admin)?;
    let admin = caller.person().clone();
    Ok(Answer(
        app.activations
            .register(&id, caller.actor(), admin, body.key)
            .await?,
    ))
}

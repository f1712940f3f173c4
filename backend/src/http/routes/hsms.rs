//! Signing HSMs.

use axum::{Json, extract::State};
use countersign_protocol::{hsm::HsmView, id::HsmId};

use utoipa_axum::routes;

use crate::{
    hsm::Hsms,
    http::{auth::Caller, extract::Path, problem::ApiError, routes::Handler},
    store::StoreError,
    views::Views,
};

pub fn routes() -> Vec<Handler> {
    vec![routes!(list), routes!(show)]
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

//! Activations with their approvals, signatures and receipts.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use countersign_protocol::{
    activation::{ActivationTerms, ActivationView, NewActivation, NewPurpose},
    dsse::Envelope,
    id::{ActivationId, MemberId},
    limits,
    operator::Role,
    problem::ProblemCode,
    purpose::KeySetError,
    signature::{IDEMPOTENCY_KEY, SignRequest, SignatureView},
    text,
};
use serde::Deserialize;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, sleep_until},
};

use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::{
    activation::{ActivationError, Activations, LockRequest},
    events::{Change, Changes},
    http::{
        auth::{Caller, LiveCaller},
        extract::{Body, Path, Query},
        json_file,
        problem::ApiError,
        routes::Handler,
    },
    people::People,
    signing::Signing,
    store::activations::Which,
    views::Views,
};

/// Longest wait of one request, in seconds.
const LONGEST_WAIT: u64 = 30;
/// Largest number of activations in one list.
const MOST: usize = 200;

pub fn routes() -> Vec<Handler> {
    vec![
        routes!(list),
        routes!(create),
        routes!(show),
        routes!(lock),
        routes!(sign),
        routes!(signatures),
        routes!(receipt),
    ]
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Which activations the list has.
    #[serde(default)]
    #[param(inline)]
    state: StateFilter,
}

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum StateFilter {
    #[default]
    Active,
    Ended,
    All,
}

impl From<StateFilter> for Which {
    fn from(filter: StateFilter) -> Self {
        match filter {
            StateFilter::Active => Self::Active,
            StateFilter::Ended => Self::Ended,
            StateFilter::All => Self::All,
        }
    }
}

/// Lists up to 200 activations that the caller may see: first those that are open or wait for approvals, then those that are queued, then those that have ended, each newest first. Requesters without another role see their own. The list leaves files out.
#[utoipa::path(
    get, path = "/activations", operation_id = "listActivations",
    params(Filter),
    responses((status = 200, description = "The activations", body = Vec<ActivationView>)),
)]
async fn list(
    State(views): State<Views>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<ActivationView>>, ApiError> {
    let which = filter.state.into();
    if caller.sees_all() {
        return Ok(Json(views.activations(which, None, MOST, None).await?));
    }
    // Activations that the caller may not see must not count towards the limit.
    let sees = |terms: &ActivationTerms| caller.sees(terms);
    let own = Some(&caller.person().id);
    let views = views.activations(which, own, MOST, Some(&sees)).await?;
    Ok(Json(views))
}

/// Requests an activation, or joins an existing one. Requesters can request signatures, and admins new keys.
#[utoipa::path(
    post, path = "/activations", operation_id = "requestActivation",
    request_body = NewActivation,
    responses(
        (status = 201, description = "The new activation", body = ActivationView),
        (status = 200, description = "An existing activation for the same purpose", body = ActivationView),
    ),
)]
async fn create(
    State(activations): State<Activations>,
    State(views): State<Views>,
    caller: Caller,
    Body(body): Body<NewActivation>,
) -> Result<(StatusCode, Json<ActivationView>), ApiError> {
    check_names(&body)?;
    let actor = caller.actor();
    let (id, is_new) = activations
        .create(&caller.requester_as(&actor), body)
        .await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(views.activation(&id).await?)))
}

/// Checks the number and length of names before anything is done with them, because errors repeat them.
fn check_names(new: &NewActivation) -> Result<(), ApiError> {
    let invalid = |why: String| ApiError::new(ProblemCode::InvalidRequest, why);
    if let Some(hsm) = &new.hsm {
        text::check(hsm.as_str(), limits::KEY_REFERENCE)
            .map_err(|why| invalid(format!("the name of the HSM {why}")))?;
    }
    let NewPurpose::Sign { keys, .. } = &new.purpose else {
        return Ok(());
    };
    if keys.len() > limits::MAX_KEYS {
        return Err(invalid(KeySetError::TooMany(keys.len()).to_string()));
    }
    for key in keys {
        text::check(key, limits::KEY_REFERENCE)
            .map_err(|why| invalid(format!("the name of a key {why}")))?;
    }
    Ok(())
}

/// The activation with its terms, if the caller may see it. For other callers it does not exist. The id of a member stands
/// for its activation.
pub(super) async fn visible(
    views: &Views,
    caller: &Caller,
    id: &MemberId,
) -> Result<(ActivationId, ActivationTerms), ApiError> {
    let activation = id.activation();
    match views.terms(&activation).await? {
        Some(terms) if caller.sees(&terms) && names(id, &terms) => Ok((activation, terms)),
        // The error names the id as it was requested.
        _ => Err(ActivationError::NotFound(ActivationId::new(id.as_str())).into()),
    }
}

/// Whether the id is the one of this activation or of one of its members.
fn names(id: &MemberId, terms: &ActivationTerms) -> bool {
    id.as_str() == id.activation().as_str()
        || terms.members().iter().any(|(member, _)| member == id)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wait {
    /// The revision that the caller knows. The response comes when the activation has a larger one. A request that waits
    /// gets status 401 at once when its session ends or its token is revoked.
    after: Option<u64>,
    /// Longest time to wait for a larger revision, in seconds, at most 30. Without it the request waits for 30 seconds.
    wait: Option<u64>,
}

/// Shows an activation, at once or after it has changed.
#[utoipa::path(
    get, path = "/activations/{id}", operation_id = "getActivation",
    params(Wait),
    responses((status = 200, description = "The activation", body = ActivationView)),
)]
async fn show(
    State(activations): State<Activations>,
    State(views): State<Views>,
    State(people): State<People>,
    State(changes): State<Changes>,
    mut caller: LiveCaller,
    Path(id): Path<MemberId>,
    Query(query): Query<Wait>,
) -> Result<Json<ActivationView>, ApiError> {
    // Subscribe before reading, so that no change is missed in between.
    let mut people = people.changes();
    let mut changes = changes.subscribe();
    let (id, terms) = visible(&views, caller.now().await?, &id).await?;
    let seconds = query.wait.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
    let wait = query
        .after
        .map_or(Duration::ZERO, |_| Duration::from_secs(seconds));
    let deadline = Instant::now() + wait;
    let mut poll = None;
    loop {
        // A caller whose credential was revoked meanwhile gets no view.
        let caller = caller.now().await?;
        let view = views.activation(&id).await?;
        let wait = deadline.saturating_duration_since(Instant::now());
        if terms.requester.id == caller.person().id && !view.state.is_ended() {
            activations.attendance().note_poll(&id, wait);
            poll.get_or_insert_with(|| activations.attendance().begin_poll(&id));
        }
        if query.after.is_none_or(|after| view.revision > after) || wait.is_zero() {
            if let Some(poll) = poll {
                poll.answer();
            }
            return Ok(Json(view));
        }
        tokio::select! {
            () = changed(&mut changes, &id) => {}
            _ = people.changed() => {}
            () = sleep_until(deadline) => {}
        }
    }
}

/// Waits until an activation may have changed.
async fn changed(changes: &mut Receiver<Change>, id: &ActivationId) {
    loop {
        match changes.recv().await {
            Ok(Change::Activation(changed)) if changed == *id => return,
            Ok(_) => {}
            Err(RecvError::Lagged(_) | RecvError::Closed) => return,
        }
    }
}

/// Ends an activation and locks its HSMs. Requesters can end their own activations.
#[utoipa::path(
    post, path = "/activations/{id}/lock", operation_id = "lock",
    responses((status = 200, description = "The activation, after the lock was verified", body = ActivationView)),
)]
async fn lock(
    State(activations): State<Activations>,
    State(views): State<Views>,
    caller: Caller,
    Path(id): Path<MemberId>,
) -> Result<Json<ActivationView>, ApiError> {
    let (id, terms) = visible(&views, &caller, &id).await?;
    let request = LockRequest {
        person: caller.person().clone(),
        actor: caller.actor(),
        is_admin: caller.is(Role::Admin),
    };
    activations.lock(&terms, request).await?;
    Ok(Json(views.activation(&id).await?))
}

/// Signs a digest under an open activation of the caller.
#[utoipa::path(
    post, path = "/activations/{id}/signatures", operation_id = "sign",
    request_body = SignRequest,
    params(("idempotency-key" = String, Header, description = "A new random value for every signature, and the same value when the request is repeated.", min_length = 1, max_length = 200, pattern = "^[!-~]+$", example = "0b7a4c1e-5f0d-4c3a-9a7e-6d1f2b3c4d5e")),
    responses((status = 200, description = "The signature, which the server has verified and recorded", body = SignatureView)),
)]
async fn sign(
    State(signing): State<Signing>,
    caller: Caller,
    Path(id): Path<MemberId>,
    headers: HeaderMap,
    Body(body): Body<SignRequest>,
) -> Result<Json<SignatureView>, ApiError> {
    let key = headers.get(IDEMPOTENCY_KEY).and_then(|value| value.to_str().ok()).ok_or_else(|| {
        ApiError::new(
            ProblemCode::InvalidRequest,
            "the header `Idempotency-Key` is missing: send a new random value for every signature, and the same value when you retry",
        )
    })?;
    let actor = caller.actor();
    let requester = caller.requester_as(&actor);
    Ok(Json(
        signing
            .sign(&requester, &id.activation(), key, &body)
            .await?,
    ))
}

/// Lists the signatures of an activation.
#[utoipa::path(
    get, path = "/activations/{id}/signatures", operation_id = "listSignatures",
    responses((status = 200, description = "The signatures", body = Vec<SignatureView>)),
)]
async fn signatures(
    State(views): State<Views>,
    caller: Caller,
    Path(id): Path<MemberId>,
) -> Result<Json<Vec<SignatureView>>, ApiError> {
    let (id, _) = visible(&views, &caller, &id).await?;
    Ok(Json(views.signatures(&id).await?))
}

/// Returns the receipt of an activation, which the server's identity key signed.
#[utoipa::path(
    get, path = "/activations/{id}/receipt", operation_id = "getReceipt",
    responses((status = 200, description = "The receipt in its envelope", body = Envelope)),
)]
async fn receipt(
    State(views): State<Views>,
    caller: Caller,
    Path(id): Path<MemberId>,
) -> Result<Response, ApiError> {
    let (id, _) = visible(&views, &caller, &id).await?;
    let receipt = views.receipt(&id).await?;
    json_file::json_file(receipt.into())
        .await
        .map_err(ApiError::internal)
}

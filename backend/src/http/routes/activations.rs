//! Activations with their approvals, signatures and receipts.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use countersign_protocol::{
    activation::{
        ActivationTerms, ActivationView, ApprovalOutcome, ApprovalTaskView, Decline, NewActivation,
        SignedApproval,
    },
    dsse::Envelope,
    id::ActivationId,
    operator::Role,
    problem::ProblemCode,
    signature::{IDEMPOTENCY_KEY, SignRequest, SignatureView},
};
use serde::Deserialize;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, sleep_until},
};

use crate::{
    activation::{ActivationError, Activations, Approved, Custodian, LockRequest},
    events::{Change, Changes},
    http::{
        self,
        auth::{Caller, LiveCaller},
        extract::{Body, Path, Query},
        problem::ApiError,
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

pub fn routes() -> Router<http::State> {
    Router::new()
        .route("/activations", get(list).post(create))
        .route("/activations/{id}", get(show))
        .route("/activations/{id}/task", post(task))
        .route("/activations/{id}/approvals", post(approve))
        .route("/activations/{id}/decline", post(decline))
        .route("/activations/{id}/lock", post(lock))
        .route("/activations/{id}/signatures", get(signatures).post(sign))
        .route("/activations/{id}/receipt", get(receipt))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    #[serde(default)]
    state: StateFilter,
}

#[derive(Clone, Copy, Default, Deserialize)]
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
    Ok(Json(
        views.activations(which, own, MOST, Some(&sees)).await?,
    ))
}

async fn create(
    State(activations): State<Activations>,
    State(views): State<Views>,
    caller: Caller,
    Body(body): Body<NewActivation>,
) -> Result<(StatusCode, Json<ActivationView>), ApiError> {
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

/// The terms, if the caller may see the activation. For other callers it does not exist.
async fn visible(
    views: &Views,
    caller: &Caller,
    id: &ActivationId,
) -> Result<ActivationTerms, ApiError> {
    let terms = views.terms(id).await?;
    terms
        .filter(|terms| caller.sees(terms))
        // The error names the id as it was requested.
        .ok_or_else(|| ActivationError::NotFound(id.clone()).into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    after: Option<u64>,
    wait: Option<u64>,
}

async fn show(
    State(activations): State<Activations>,
    State(views): State<Views>,
    State(people): State<People>,
    State(changes): State<Changes>,
    mut caller: LiveCaller,
    Path(id): Path<ActivationId>,
    Query(query): Query<Wait>,
) -> Result<Json<ActivationView>, ApiError> {
    // Subscribe before reading, so that no change is missed in between.
    let mut people = people.changes();
    let mut changes = changes.subscribe();
    let terms = visible(&views, caller.now().await?, &id).await?;
    let seconds = query.wait.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
    let wait = query
        .after
        .map_or(Duration::ZERO, |_| Duration::from_secs(seconds));
    let deadline = Instant::now() + wait;
    loop {
        // A caller whose credential was revoked meanwhile gets no view.
        let caller = caller.now().await?;
        let view = views.activation(&id).await?;
        let wait = deadline.saturating_duration_since(Instant::now());
        if terms.requester.id == caller.person().id && !view.state.is_ended() {
            activations.attendance().asks(&id, wait);
        }
        if query.after.is_none_or(|after| view.revision > after) || wait.is_zero() {
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
            Ok(Change::Activation(changed)) if changed == id.activation() => return,
            Ok(_) => {}
            Err(RecvError::Lagged(_) | RecvError::Closed) => return,
        }
    }
}

fn custodian(caller: &Caller) -> Result<Custodian, ApiError> {
    caller.require(Role::Custodian)?;
    let session = caller.to_view();
    match session.key {
        Some(key) => Ok(Custodian {
            person: session.person,
            key,
        }),
        None => Err(ApiError::new(
            ProblemCode::NotAllowed,
            "only a custodian who is logged in with a card can approve or decline; API tokens cannot",
        )),
    }
}

async fn task(
    State(activations): State<Activations>,
    State(views): State<Views>,
    caller: Caller,
    Path(id): Path<ActivationId>,
) -> Result<Json<ApprovalTaskView>, ApiError> {
    let custodian = custodian(&caller)?;
    let terms = visible(&views, &caller, &id).await?;
    let task = activations.task(&terms, &custodian).await?;
    Ok(Json(ApprovalTaskView { task }))
}

async fn approve(
    State(activations): State<Activations>,
    State(views): State<Views>,
    caller: Caller,
    Path(id): Path<ActivationId>,
    Body(body): Body<SignedApproval>,
) -> Result<Json<ApprovalOutcome>, ApiError> {
    let custodian = custodian(&caller)?;
    let terms = visible(&views, &caller, &id).await?;
    let approved = activations.approve(&terms, &custodian, body).await?;
    Ok(Json(match approved {
        Approved::Counted => ApprovalOutcome::Counted {
            activation: Box::new(views.activation(&id).await?),
        },
        Approved::SignAgain { task } => ApprovalOutcome::SignAgain { task },
    }))
}

async fn decline(
    State(activations): State<Activations>,
    State(views): State<Views>,
    caller: Caller,
    Path(id): Path<ActivationId>,
    Body(body): Body<Decline>,
) -> Result<Json<ActivationView>, ApiError> {
    let custodian = custodian(&caller)?;
    let terms = visible(&views, &caller, &id).await?;
    activations
        .decline(&terms, &custodian, &body.reason)
        .await?;
    Ok(Json(views.activation(&id).await?))
}

async fn lock(
    State(activations): State<Activations>,
    State(views): State<Views>,
    caller: Caller,
    Path(id): Path<ActivationId>,
) -> Result<Json<ActivationView>, ApiError> {
    let terms = visible(&views, &caller, &id).await?;
    let request = LockRequest {
        person: caller.person().clone(),
        actor: caller.actor(),
        is_admin: caller.is(Role::Admin),
    };
    activations.lock(&terms, request).await?;
    Ok(Json(views.activation(&id).await?))
}

async fn sign(
    State(signing): State<Signing>,
    caller: Caller,
    Path(id): Path<ActivationId>,
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
    Ok(Json(signing.sign(&requester, &id, key, &body).await?))
}

async fn signatures(
    State(views): State<Views>,
    caller: Caller,
    Path(id): Path<ActivationId>,
) -> Result<Json<Vec<SignatureView>>, ApiError> {
    visible(&views, &caller, &id).await?;
    Ok(Json(views.signatures(&id).await?))
}

async fn receipt(
    State(views): State<Views>,
    caller: Caller,
    Path(id): Path<ActivationId>,
) -> Result<Json<Envelope>, ApiError> {
    visible(&views, &caller, &id).await?;
    Ok(Json(views.receipt(&id).await?))
}

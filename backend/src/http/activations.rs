//! Activations, approvals, signatures, receipts.

use std::time::Duration;

use axum::{
    Json as Answer, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use countersign_protocol::{
    activation::{
        ActivationTerms, ActivationView, ApprovalEvidence, ApprovalOutcome, ApprovalTaskView,
        Decline, NewActivation,
    },
    dsse::Envelope,
    event::Event,
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

use super::{
    extract::{Caller, Json, Path, Query},
    lasting::Lasting,
    problem::ApiError,
};
use crate::{
    activation::{self, ActivationError, Custodian, LockRequest},
    app::App,
    signing,
    store::{
        self,
        activations::{Wanted, Which},
    },
};

/// Longest wait of one request, in seconds.
const LONGEST_WAIT: u64 = 30;
/// Most activations in one list.
const MOST: usize = 200;

pub fn routes() -> Router<App> {
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
    State(app): State<App>,
    caller: Caller,
    Query(filter): Query<Filter>,
) -> Result<Answer<Vec<ActivationView>>, ApiError> {
    let mut connection = app.store.read().await?;
    let only = (!caller.sees_all()).then(|| caller.person().id.clone());
    let which = filter.state.into();
    // What the caller does not see takes no place in the list.
    let sees = |terms: &ActivationTerms| caller.sees(terms);
    let wanted: Option<Wanted<'_>> = if caller.sees_all() { None } else { Some(&sees) };
    let ids =
        store::activations::newest(&mut connection, which, only.as_ref(), MOST, wanted).await?;
    let mut views = Vec::new();
    for id in ids {
        views.push(activation::by_id(&mut connection, &app, &id).await?);
    }
    Ok(Answer(views))
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<NewActivation>,
) -> Result<(StatusCode, Answer<ActivationView>), ApiError> {
    let actor = caller.actor();
    let (view, new) = activation::create(&app, &caller.requester_as(&actor), body).await?;
    Ok((
        if new {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        },
        Answer(view),
    ))
}

/// The terms, if the caller may see the activation. Others are told that there is none.
async fn visible(
    app: &App,
    caller: &Caller,
    id: &ActivationId,
) -> Result<ActivationTerms, ApiError> {
    let mut connection = app.store.read().await?;
    let found = store::activations::by_id(&mut connection, &id.activation()).await?;
    found
        .map(|activation| activation.terms)
        .filter(|terms| caller.sees(terms))
        // As it was asked for, whatever was looked up.
        .ok_or_else(|| ActivationError::NotFound(id.clone()).into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    after: Option<u64>,
    wait: Option<u64>,
}

async fn show(
    State(app): State<App>,
    mut lasting: Lasting,
    Path(id): Path<ActivationId>,
    Query(query): Query<Wait>,
) -> Result<Answer<ActivationView>, ApiError> {
    // Listen first, look second: nothing falls between.
    let mut people = app.store.people_changes();
    let mut events = app.events.subscribe();
    let terms = visible(&app, lasting.now(&app).await?, &id).await?;
    let seconds = query.wait.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
    let wait = query
        .after
        .map_or(Duration::ZERO, |_| Duration::from_secs(seconds));
    let deadline = Instant::now() + wait;
    loop {
        // Who has lost their credentials while they waited is not answered.
        let caller = lasting.now(&app).await?;
        let mut connection = app.store.read().await?;
        let view = activation::by_id(&mut connection, &app, &id).await?;
        drop(connection);
        let wait = deadline.saturating_duration_since(Instant::now());
        if terms.requester.id == caller.person().id && !view.state.is_ended() {
            app.activations.attendance().asks(&id, wait);
        }
        if query.after.is_none_or(|after| view.revision > after) || wait.is_zero() {
            return Ok(Answer(view));
        }
        tokio::select! {
            () = changed(&mut events, &id) => {}
            _ = people.changed() => {}
            () = sleep_until(deadline) => {}
        }
    }
}

/// Waits until an activation may have changed.
async fn changed(events: &mut Receiver<Event>, id: &ActivationId) {
    loop {
        match events.recv().await {
            Ok(Event::Activation { activation }) if activation.terms.id == id.activation() => {
                return;
            }
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
            "custodians decide in person, not by a token",
        )),
    }
}

async fn task(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ActivationId>,
) -> Result<Answer<ApprovalTaskView>, ApiError> {
    let custodian = custodian(&caller)?;
    let terms = visible(&app, &caller, &id).await?;
    let task = activation::task(&app, &terms, &custodian).await?;
    Ok(Answer(ApprovalTaskView { task }))
}

async fn approve(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ActivationId>,
    Json(body): Json<ApprovalEvidence>,
) -> Result<Answer<ApprovalOutcome>, ApiError> {
    let custodian = custodian(&caller)?;
    let terms = visible(&app, &caller, &id).await?;
    Ok(Answer(
        activation::approve(&app, &terms, &custodian, body).await?,
    ))
}

async fn decline(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ActivationId>,
    Json(body): Json<Decline>,
) -> Result<Answer<ActivationView>, ApiError> {
    let custodian = custodian(&caller)?;
    let terms = visible(&app, &caller, &id).await?;
    Ok(Answer(
        activation::decline(&app, &terms, &custodian, &body.reason).await?,
    ))
}

async fn lock(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ActivationId>,
) -> Result<Answer<ActivationView>, ApiError> {
    let terms = visible(&app, &caller, &id).await?;
    let request = LockRequest {
        person: caller.person().clone(),
        actor: caller.actor(),
        admin: caller.is(Role::Admin),
    };
    Ok(Answer(activation::lock(&app, &terms, request).await?))
}

async fn sign(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ActivationId>,
    headers: HeaderMap,
    Json(body): Json<SignRequest>,
) -> Result<Answer<SignatureView>, ApiError> {
    let key = headers.get(IDEMPOTENCY_KEY).and_then(|value| value.to_str().ok()).ok_or_else(|| {
        ApiError::new(
            ProblemCode::InvalidRequest,
            "send a header `Idempotency-Key` with a new random value for every signature, and the same value when you retry",
        )
    })?;
    let actor = caller.actor();
    Ok(Answer(
        signing::sign(&app, &caller.requester_as(&actor), &id, key, &body).await?,
    ))
}

async fn signatures(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ActivationId>,
) -> Result<Answer<Vec<SignatureView>>, ApiError> {
    visible(&app, &caller, &id).await?;
    let mut connection = app.store.read().await?;
    Ok(Answer(signing::signatures(&mut connection, &id).await?))
}

async fn receipt(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ActivationId>,
) -> Result<Answer<Envelope>, ApiError> {
    visible(&app, &caller, &id).await?;
    Ok(Answer(signing::receipt(&app, &id).await?))
}

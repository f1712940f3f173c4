//! Custodians' decisions on activations.

use axum::{Json, extract::State};
use countersign_protocol::{
    activation::{ActivationView, ApprovalOutcome, ApprovalTaskView, Decline, SignedApproval},
    id::MemberId,
    problem::ProblemCode,
};
use utoipa_axum::routes;

use super::activations::visible;
use crate::{
    activation::{Activations, Approved, Custodian},
    http::{
        auth::Caller,
        extract::{Body, Path},
        problem::ApiError,
        routes::Handler,
    },
    views::Views,
};

pub fn routes() -> Vec<Handler> {
    vec![routes!(task), routes!(approve), routes!(decline)]
}

fn custodian(caller: &Caller) -> Result<Custodian, ApiError> {
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

/// Creates the task that the custodian's helper has to sign next. For a pool, this is the task for the first HSM that still needs the approval.
#[utoipa::path(
    post, path = "/activations/{id}/task", operation_id = "createApprovalTask",
    responses((status = 200, description = "The task", body = ApprovalTaskView)),
)]
async fn task(
    State(activations): State<Activations>,
    State(views): State<Views>,
    caller: Caller,
    Path(id): Path<MemberId>,
) -> Result<Json<ApprovalTaskView>, ApiError> {
    let custodian = custodian(&caller)?;
    let (_, terms) = visible(&views, &caller, &id).await?;
    let task = activations.task(&terms, &custodian).await?;
    Ok(Json(ApprovalTaskView { task }))
}

/// Approves an activation with what the custodian's card signed.
#[utoipa::path(
    post, path = "/activations/{id}/approvals", operation_id = "approve",
    request_body = SignedApproval,
    responses((status = 200, description = "The HSM counted the approval, or needs one more response", body = ApprovalOutcome)),
)]
async fn approve(
    State(activations): State<Activations>,
    State(views): State<Views>,
    caller: Caller,
    Path(id): Path<MemberId>,
    Body(body): Body<SignedApproval>,
) -> Result<Json<ApprovalOutcome>, ApiError> {
    let custodian = custodian(&caller)?;
    let (id, terms) = visible(&views, &caller, &id).await?;
    let approved = activations.approve(&terms, &custodian, body).await?;
    Ok(Json(match approved {
        Approved::Counted => ApprovalOutcome::Counted {
            activation: Box::new(views.activation(&id).await?),
        },
        Approved::SignAgain { task } => ApprovalOutcome::SignAgain { task },
    }))
}

/// Declines an activation.
#[utoipa::path(
    post, path = "/activations/{id}/decline", operation_id = "decline",
    request_body = Decline,
    responses((status = 200, description = "The activation", body = ActivationView)),
)]
async fn decline(
    State(activations): State<Activations>,
    State(views): State<Views>,
    caller: Caller,
    Path(id): Path<MemberId>,
    Body(body): Body<Decline>,
) -> Result<Json<ActivationView>, ApiError> {
    let custodian = custodian(&caller)?;
    let (id, terms) = visible(&views, &caller, &id).await?;
    activations
        .decline(&terms, &custodian, &body.reason)
        .await?;
    Ok(Json(views.activation(&id).await?))
}

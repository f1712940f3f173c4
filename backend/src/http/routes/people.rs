//! Operators, from the bootstrap code and invitations to enrolment and revocation.

use axum::{Json, extract::State, http::StatusCode};
use countersign_protocol::{
    id::{InvitationId, OperatorId},
    operator::{
        Bootstrap, CreatedInvitation, Enrolment, InvitationView, OpenInvitation, OpenedInvitation,
        OperatorView,
    },
};

use utoipa_axum::routes;

use crate::{
    http::{
        auth::Caller,
        extract::{Body, Path},
        problem::ApiError,
        routes::Handler,
    },
    people::People,
    views::Views,
};

pub fn routes() -> Vec<Handler> {
    vec![
        routes!(bootstrap),
        routes!(open),
        routes!(enrol),
        routes!(operators),
        routes!(revoke),
        routes!(invitations),
        routes!(revoke_invitation),
    ]
}

/// Creates the invitation of the first admin, in exchange for the one-time code that the server printed.
#[utoipa::path(
    post, path = "/bootstrap", operation_id = "bootstrap",
    request_body = Bootstrap,
    responses((status = 200, description = "The invitation with its link", body = CreatedInvitation)),
)]
async fn bootstrap(
    State(people): State<People>,
    Body(body): Body<Bootstrap>,
) -> Result<Json<CreatedInvitation>, ApiError> {
    Ok(Json(people.bootstrap(&body).await?))
}

/// Shows an invitation to the person who holds its code, with the task for their helper.
#[utoipa::path(
    post, path = "/enrolment/open", operation_id = "openInvitation",
    request_body = OpenInvitation,
    responses((status = 200, description = "The invitation", body = OpenedInvitation)),
)]
async fn open(
    State(people): State<People>,
    Body(body): Body<OpenInvitation>,
) -> Result<Json<OpenedInvitation>, ApiError> {
    Ok(Json(people.open_invitation(&body.code).await?))
}

/// Enrols the key of an invited person.
#[utoipa::path(
    post, path = "/enrolment", operation_id = "enrol",
    request_body = Enrolment,
    responses((status = 201, description = "The person with the enrolled key", body = OperatorView)),
)]
async fn enrol(
    State(people): State<People>,
    Body(body): Body<Enrolment>,
) -> Result<(StatusCode, Json<OperatorView>), ApiError> {
    Ok((StatusCode::CREATED, Json(people.enrol(&body).await?)))
}

/// Lists people with their keys.
#[utoipa::path(
    get, path = "/operators", operation_id = "listOperators",
    responses((status = 200, description = "All people, revoked ones too", body = Vec<OperatorView>)),
)]
async fn operators(State(views): State<Views>) -> Result<Json<Vec<OperatorView>>, ApiError> {
    Ok(Json(views.operators().await?))
}

/// Revokes a person's key permanently. Requests that cannot reach their quorum without it end.
#[utoipa::path(
    post, path = "/operators/{id}/revoke", operation_id = "revokeKey",
    responses((status = 200, description = "The person with the revoked key", body = OperatorView)),
)]
async fn revoke(
    State(people): State<People>,
    caller: Caller,
    Path(id): Path<OperatorId>,
) -> Result<Json<OperatorView>, ApiError> {
    Ok(Json(
        people
            .revoke_key(caller.person(), &caller.actor(), &id)
            .await?,
    ))
}

/// Lists invitations.
#[utoipa::path(
    get, path = "/invitations", operation_id = "listInvitations",
    responses((status = 200, description = "All invitations", body = Vec<InvitationView>)),
)]
async fn invitations(State(views): State<Views>) -> Result<Json<Vec<InvitationView>>, ApiError> {
    Ok(Json(views.invitations().await?))
}

/// Revokes an invitation, so that its link stops working.
#[utoipa::path(
    delete, path = "/invitations/{id}", operation_id = "revokeInvitation",
    responses((status = 204, description = "The invitation is revoked")),
)]
async fn revoke_invitation(
    State(people): State<People>,
    caller: Caller,
    Path(id): Path<InvitationId>,
) -> Result<StatusCode, ApiError> {
    people.revoke_invitation(&caller.actor(), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

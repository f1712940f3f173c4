//! Operators, from the bootstrap code and invitations to enrolment and revocation.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{delete, get, post},
};
use countersign_protocol::{
    id::{InvitationId, OperatorId},
    operator::{
        Bootstrap, ConfirmKey, CreatedInvitation, Enrolment, InvitationView, NewInvitation,
        OpenInvitation, OpenedInvitation, OperatorView, Role,
    },
};

use crate::{
    http::{
        self,
        auth::Caller,
        extract::{Body, Path},
        problem::ApiError,
    },
    people::People,
    views::Views,
};

pub fn routes() -> Router<http::State> {
    Router::new()
        .route("/bootstrap", post(bootstrap))
        .route("/enrolment/open", post(open))
        .route("/enrolment", post(enrol))
        .route("/operators", get(operators))
        .route("/operators/{id}/confirm", post(confirm))
        .route("/operators/{id}/revoke", post(revoke))
        .route("/invitations", get(invitations).post(invite))
        .route("/invitations/{id}", delete(revoke_invitation))
}

async fn bootstrap(
    State(people): State<People>,
    Body(body): Body<Bootstrap>,
) -> Result<Json<CreatedInvitation>, ApiError> {
    Ok(Json(people.bootstrap(&body).await?))
}

async fn open(
    State(people): State<People>,
    Body(body): Body<OpenInvitation>,
) -> Result<Json<OpenedInvitation>, ApiError> {
    Ok(Json(people.open_invitation(&body.code).await?))
}

async fn enrol(
    State(people): State<People>,
    Body(body): Body<Enrolment>,
) -> Result<(StatusCode, Json<OperatorView>), ApiError> {
    Ok((StatusCode::CREATED, Json(people.enrol(&body).await?)))
}

async fn operators(
    State(views): State<Views>,
    _: Caller,
) -> Result<Json<Vec<OperatorView>>, ApiError> {
    Ok(Json(views.operators().await?))
}

async fn confirm(
    State(people): State<People>,
    caller: Caller,
    Path(id): Path<OperatorId>,
    Body(body): Body<ConfirmKey>,
) -> Result<Json<OperatorView>, ApiError> {
    caller.require(Role::Admin)?;
    Ok(Json(
        people
            .confirm_key(caller.person(), &caller.actor(), &id, &body.fingerprint)
            .await?,
    ))
}

async fn revoke(
    State(people): State<People>,
    caller: Caller,
    Path(id): Path<OperatorId>,
) -> Result<Json<OperatorView>, ApiError> {
    caller.require(Role::Admin)?;
    Ok(Json(
        people
            .revoke_key(caller.person(), &caller.actor(), &id)
            .await?,
    ))
}

async fn invitations(
    State(views): State<Views>,
    caller: Caller,
) -> Result<Json<Vec<InvitationView>>, ApiError> {
    caller.require(Role::Admin)?;
    Ok(Json(views.invitations().await?))
}

async fn invite(
    State(people): State<People>,
    caller: Caller,
    Body(body): Body<NewInvitation>,
) -> Result<(StatusCode, Json<CreatedInvitation>), ApiError> {
    caller.require(Role::Admin)?;
    Ok((
        StatusCode::CREATED,
        Json(people.invite(&caller.actor(), &body).await?),
    ))
}

async fn revoke_invitation(
    State(people): State<People>,
    caller: Caller,
    Path(id): Path<InvitationId>,
) -> Result<StatusCode, ApiError> {
    caller.require(Role::Admin)?;
    people.revoke_invitation(&caller.actor(), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

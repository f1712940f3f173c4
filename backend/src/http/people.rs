//! Bootstrap, invitations, enrolment, operators.

use axum::{
    Json as Answer, Router,
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

use super::{
    extract::{Caller, Json, Path},
    problem::ApiError,
};
use crate::{app::App, people, store};

pub fn routes() -> Router<App> {
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
    State(app): State<App>,
    Json(body): Json<Bootstrap>,
) -> Result<Answer<CreatedInvitation>, ApiError> {
    Ok(Answer(people::bootstrap(&app, &body).await?))
}

async fn open(
    State(app): State<App>,
    Json(body): Json<OpenInvitation>,
) -> Result<Answer<OpenedInvitation>, ApiError> {
    Ok(Answer(people::open(&app, &body.code).await?))
}

async fn enrol(
    State(app): State<App>,
    Json(body): Json<Enrolment>,
) -> Result<(StatusCode, Answer<OperatorView>), ApiError> {
    Ok((
        StatusCode::CREATED,
        Answer(people::enrol(&app, &body).await?),
    ))
}

async fn operators(
    State(app): State<App>,
    _: Caller,
) -> Result<Answer<Vec<OperatorView>>, ApiError> {
    let mut connection = app.store.read().await?;
    let operators = store::operators::list(&mut connection).await?;
    Ok(Answer(
        operators
            .into_iter()
            .map(|operator| operator.view)
            .collect(),
    ))
}

async fn confirm(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<OperatorId>,
    Json(body): Json<ConfirmKey>,
) -> Result<Answer<OperatorView>, ApiError> {
    caller.require(Role::Admin)?;
    Ok(Answer(
        people::confirm(
            &app,
            caller.person(),
            &caller.actor(),
            &id,
            &body.fingerprint,
        )
        .await?,
    ))
}

async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<OperatorId>,
) -> Result<Answer<OperatorView>, ApiError> {
    caller.require(Role::Admin)?;
    Ok(Answer(
        people::revoke_key(&app, caller.person(), &caller.actor(), &id).await?,
    ))
}

async fn invitations(
    State(app): State<App>,
    caller: Caller,
) -> Result<Answer<Vec<InvitationView>>, ApiError> {
    caller.require(Role::Admin)?;
    let mut connection = app.store.read().await?;
    Ok(Answer(store::invitations::list(&mut connection).await?))
}

async fn invite(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<NewInvitation>,
) -> Result<(StatusCode, Answer<CreatedInvitation>), ApiError> {
    caller.require(Role::Admin)?;
    Ok((
        StatusCode::CREATED,
        Answer(people::invite(&app, &caller.actor(), &body).await?),
    ))
}

async fn revoke_invitation(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<InvitationId>,
) -> Result<StatusCode, ApiError> {
    caller.require(Role::Admin)?;
    people::revoke_invitation(&app, &caller.actor(), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

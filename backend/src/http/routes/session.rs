//! Log-in and log-out.

use axum::{Json, extract::State, http::StatusCode};
use countersign_protocol::session::{LogIn, LoginChallenge, SessionView};
use tower_sessions::Session;

use utoipa_axum::routes;

use crate::{
    http::{
        auth::{Caller, begin_session},
        extract::Body,
        problem::ApiError,
        routes::Handler,
    },
    people::People,
};

pub fn routes() -> Vec<Handler> {
    vec![
        routes!(challenge),
        routes!(log_in),
        routes!(who),
        routes!(log_out),
    ]
}

/// Creates a challenge for a log-in.
#[utoipa::path(
    post, path = "/session/challenge", operation_id = "createLoginChallenge",
    responses((status = 200, description = "The task for the helper", body = LoginChallenge)),
)]
async fn challenge(State(people): State<People>) -> Result<Json<LoginChallenge>, ApiError> {
    Ok(Json(people.challenge()?))
}

/// Begins a session, which the cookie in the response identifies.
#[utoipa::path(
    post, path = "/session", operation_id = "logIn",
    request_body = LogIn,
    responses((status = 200, description = "The session", body = SessionView)),
)]
async fn log_in(
    State(people): State<People>,
    cookie: Session,
    Body(body): Body<LogIn>,
) -> Result<Json<SessionView>, ApiError> {
    let view = people.log_in(&body.statement).await?;
    begin_session(&cookie, &view.person.id).await?;
    Ok(Json(view))
}

/// Shows who is logged in.
#[utoipa::path(
    get, path = "/session", operation_id = "getSession",
    responses((status = 200, description = "The person of the session, or the owner of the token with the roles that the token has", body = SessionView)),
)]
async fn who(caller: Caller) -> Json<SessionView> {
    Json(caller.to_view())
}

/// Ends the session.
#[utoipa::path(
    delete, path = "/session", operation_id = "logOut",
    responses((status = 204, description = "The session has ended")),
)]
async fn log_out(
    State(people): State<People>,
    caller: Caller,
    cookie: Session,
) -> Result<StatusCode, ApiError> {
    cookie.flush().await.map_err(ApiError::internal)?;
    people.log_out(&caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

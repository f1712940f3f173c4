//! Log-in, log-out, and the sessions of a person.

use axum::{Json, extract::State, http::StatusCode, response::IntoResponse};
use countersign_protocol::{
    id::SessionId,
    session::{LogIn, LoginChallenge, OpenSession, SessionView},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use crate::{
    http::{
        auth::{Arriving, Caller},
        extract::{Body, Path, Query},
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
        routes!(list),
        routes!(end_all),
        routes!(end),
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

/// Begins a session, which the cookie in the response identifies. A session that the browser already has ends.
#[utoipa::path(
    post, path = "/session", operation_id = "logIn",
    request_body = LogIn,
    responses((status = 200, description = "The session", body = SessionView)),
)]
async fn log_in(
    State(people): State<People>,
    arriving: Arriving,
    Body(body): Body<LogIn>,
) -> Result<impl IntoResponse, ApiError> {
    let logged_in = people.log_in(&body.statement, &arriving.browser).await?;
    Ok((arriving.log_in(&logged_in.secret)?, Json(logged_in.view)))
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
    arriving: Arriving,
) -> Result<impl IntoResponse, ApiError> {
    people
        .log_out(&caller.actor(), caller.session_id()?)
        .await?;
    Ok((arriving.log_out()?, StatusCode::NO_CONTENT))
}

/// Lists the person's own sessions, the last used one first.
#[utoipa::path(
    get, path = "/sessions", operation_id = "listSessions",
    responses((status = 200, description = "The sessions that have not ended", body = Vec<OpenSession>)),
)]
async fn list(
    State(people): State<People>,
    caller: Caller,
) -> Result<Json<Vec<OpenSession>>, ApiError> {
    let sessions = people.sessions(&caller.person().id, caller.session_id()?);
    Ok(Json(sessions.await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WhichSessions {
    /// Whether the session that sends the request goes on.
    #[serde(default)]
    keep_current: bool,
}

/// Ends the person's own sessions, all of them or all others.
#[utoipa::path(
    delete, path = "/sessions", operation_id = "endSessions",
    params(WhichSessions),
    responses((status = 204, description = "The sessions have ended")),
)]
async fn end_all(
    State(people): State<People>,
    caller: Caller,
    Query(which): Query<WhichSessions>,
) -> Result<StatusCode, ApiError> {
    let except = which.keep_current.then_some(caller.session_id()?);
    people
        .end_sessions(&caller.person().id, &caller.actor(), except)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends one of the person's own sessions.
#[utoipa::path(
    delete, path = "/sessions/{id}", operation_id = "endSession",
    responses((status = 204, description = "The session has ended")),
)]
async fn end(
    State(people): State<People>,
    caller: Caller,
    Path(id): Path<SessionId>,
) -> Result<StatusCode, ApiError> {
    people
        .end_session(&caller.person().id, &caller.actor(), &id)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

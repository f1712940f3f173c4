//! Log-in and log-out.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use countersign_protocol::{
    problem::ProblemCode,
    session::{LogIn, LoginChallenge, SessionView},
};
use tower_sessions::Session;

use crate::{
    http::{
        self,
        auth::{Caller, begin_session},
        extract::Body,
        problem::ApiError,
    },
    people::People,
};

pub fn routes() -> Router<http::State> {
    Router::new()
        .route("/session/challenge", post(challenge))
        .route("/session", get(who).post(log_in).delete(log_out))
}

async fn challenge(State(people): State<People>) -> Result<Json<LoginChallenge>, ApiError> {
    Ok(Json(people.challenge().await?))
}

async fn log_in(
    State(people): State<People>,
    cookie: Session,
    Body(body): Body<LogIn>,
) -> Result<Json<SessionView>, ApiError> {
    let view = people.log_in(&body.statement).await?;
    begin_session(&cookie, &view.person.id).await?;
    Ok(Json(view))
}

async fn who(caller: Caller) -> Json<SessionView> {
    Json(caller.to_view())
}

async fn log_out(
    State(people): State<People>,
    caller: Caller,
    cookie: Session,
) -> Result<StatusCode, ApiError> {
    // A token has no session to end.
    if let Caller::Token { .. } = caller {
        return Err(ApiError::new(
            ProblemCode::NotAllowed,
            "an API token cannot log out, because it has no session: revoke the token in the portal instead",
        ));
    }
    cookie.flush().await.map_err(ApiError::internal)?;
    people.log_out(&caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

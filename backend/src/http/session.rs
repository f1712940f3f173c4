//! Log-in and log-out.

use axum::{
    Json as Answer, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use countersign_protocol::{
    audit::AuditEvent,
    problem::ProblemCode,
    session::{LogIn, LoginChallenge, SessionView},
};
use tower_sessions::Session;

use super::{
    extract::{Caller, Json, begin_session},
    problem::ApiError,
};
use crate::{app::App, session};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/session/challenge", post(challenge))
        .route("/session", get(who).post(log_in).delete(log_out))
}

async fn challenge(State(app): State<App>) -> Result<Answer<LoginChallenge>, ApiError> {
    Ok(Answer(session::challenge(&app).await?))
}

async fn log_in(
    State(app): State<App>,
    cookie: Session,
    Json(body): Json<LogIn>,
) -> Result<Answer<SessionView>, ApiError> {
    let view = session::log_in(&app, &body.statement).await?;
    begin_session(&cookie, &view.person.id).await?;
    Ok(Answer(view))
}

async fn who(caller: Caller) -> Answer<SessionView> {
    Answer(caller.to_view())
}

async fn log_out(
    State(app): State<App>,
    caller: Caller,
    cookie: Session,
) -> Result<StatusCode, ApiError> {
    // A token has no session to end, and would fill the log with ends of none.
    if let Caller::Token { .. } = caller {
        return Err(ApiError::new(
            ProblemCode::NotAllowed,
            "only sessions of the portal are logged out: revoke a token in the portal",
        ));
    }
    cookie.flush().await.map_err(ApiError::internal)?;
    let mut tx = app.store.write().await?;
    tx.audit(&caller.actor(), AuditEvent::LoggedOut).await?;
    tx.forget_callers();
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

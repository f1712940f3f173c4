//! API tokens.

use axum::{
    Json as Answer, Router,
    extract::State,
    http::StatusCode,
    routing::{delete, get},
};
use countersign_protocol::{
    id::TokenId,
    operator::Role,
    problem::ProblemCode,
    token::{CreatedToken, NewToken, TokenView},
};

use super::{
    extract::{Caller, Json, Path},
    problem::ApiError,
};
use crate::{app::App, store, token};

pub fn routes() -> Router<App> {
    Router::new()
        .route("/tokens", get(list).post(create))
        .route("/tokens/{id}", delete(revoke))
}

/// Tokens are managed by people: one that leaked must not make another.
fn in_person(caller: &Caller) -> Result<(), ApiError> {
    match caller {
        Caller::Session(_) => Ok(()),
        Caller::Token { .. } => Err(ApiError::new(
            ProblemCode::NotAllowed,
            "tokens are managed in the portal, not with a token",
        )),
    }
}

async fn list(State(app): State<App>, caller: Caller) -> Result<Answer<Vec<TokenView>>, ApiError> {
    in_person(&caller)?;
    let mut connection = app.store.read().await?;
    let mut tokens = store::tokens::list(&mut connection).await?;
    if !caller.is(Role::Admin) {
        tokens.retain(|token| token.owner.id == caller.person().id);
    }
    Ok(Answer(tokens))
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<NewToken>,
) -> Result<(StatusCode, Answer<CreatedToken>), ApiError> {
    in_person(&caller)?;
    caller.require(Role::Requester)?;
    let created = token::create(&app, caller.person(), &caller.actor(), &body).await?;
    Ok((StatusCode::CREATED, Answer(created)))
}

async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<TokenId>,
) -> Result<StatusCode, ApiError> {
    in_person(&caller)?;
    token::revoke(
        &app,
        caller.person(),
        caller.is(Role::Admin),
        &caller.actor(),
        &id,
    )
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

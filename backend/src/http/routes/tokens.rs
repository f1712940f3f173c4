//! API tokens.

use axum::{Json, extract::State, http::StatusCode};
use countersign_protocol::{id::TokenId, operator::Role, token::TokenView};

use utoipa_axum::routes;

use crate::{
    http::{auth::Caller, extract::Path, problem::ApiError, routes::Handler},
    tokens::Tokens,
    views::Views,
};

pub fn routes() -> Vec<Handler> {
    vec![routes!(list), routes!(revoke)]
}

/// Lists API tokens. Admins see all of them, and other people see their own.
#[utoipa::path(
    get, path = "/tokens", operation_id = "listTokens",
    responses((status = 200, description = "The tokens without their secrets", body = Vec<TokenView>)),
)]
async fn list(
    State(views): State<Views>,
    caller: Caller,
) -> Result<Json<Vec<TokenView>>, ApiError> {
    let mut tokens = views.tokens().await?;
    if !caller.is(Role::Admin) {
        tokens.retain(|token| token.owner.id == caller.person().id);
    }
    Ok(Json(tokens))
}

/// Revokes a token. People can revoke their own tokens, and admins every token.
#[utoipa::path(
    delete, path = "/tokens/{id}", operation_id = "revokeToken",
    responses((status = 204, description = "The token is revoked")),
)]
async fn revoke(
    State(tokens): State<Tokens>,
    caller: Caller,
    Path(id): Path<TokenId>,
) -> Result<StatusCode, ApiError> {
    tokens
        .revoke(
            caller.person(),
            caller.is(Role::Admin),
            &caller.actor(),
            &id,
        )
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

//! API tokens.

use axum::{Json, extract::State, http::StatusCode};
use countersign_protocol::{
    Timestamp,
    id::TokenId,
    operator::Role,
    token::{CreatedToken, NewToken, TokenCertificate, TokenView},
};

use utoipa_axum::routes;

use crate::{
    http::{
        auth::Caller,
        extract::{Body, Path},
        problem::ApiError,
        routes::Handler,
    },
    tls::ClientCertificate,
    tokens::Tokens,
    views::Views,
};

pub fn routes() -> Vec<Handler> {
    vec![routes!(list), routes!(create), routes!(revoke)]
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

/// Creates an API token for the person.
#[utoipa::path(
    post, path = "/tokens", operation_id = "createToken",
    request_body = NewToken,
    responses((status = 201, description = "The token with its secret, which is shown only once", body = CreatedToken)),
)]
async fn create(
    State(tokens): State<Tokens>,
    caller: Caller,
    Body(body): Body<NewToken>,
) -> Result<(StatusCode, Json<CreatedToken>), ApiError> {
    let certificate = body.certificate.as_deref().map(certificate).transpose()?;
    let created = tokens
        .create(caller.person(), &caller.actor(), &body, certificate)
        .await?;
    Ok((StatusCode::CREATED, Json(created)))
}

/// Reads a client certificate that identifies an API token.
fn certificate(pem: &str) -> Result<TokenCertificate, ApiError> {
    let certificate = ClientCertificate::from_pem(pem.as_bytes())?;
    certificate.check(Timestamp::now())?;
    Ok(TokenCertificate {
        fingerprint: certificate.fingerprint,
        subject: certificate.subject,
        not_after: certificate.not_after,
    })
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

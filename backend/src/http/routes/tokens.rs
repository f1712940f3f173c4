//! API tokens.

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{delete, get},
};
use countersign_protocol::{
    Timestamp,
    id::TokenId,
    operator::Role,
    problem::ProblemCode,
    token::{CreatedToken, NewToken, TokenCertificate, TokenView},
};

use crate::{
    http::{
        self,
        auth::Caller,
        extract::{Body, Path},
        problem::ApiError,
    },
    tls::ClientCertificate,
    tokens::Tokens,
    views::Views,
};

pub fn routes() -> Router<http::State> {
    Router::new()
        .route("/tokens", get(list).post(create))
        .route("/tokens/{id}", delete(revoke))
}

/// Only people manage tokens, so that a token that leaked cannot create another one.
fn in_person(caller: &Caller) -> Result<(), ApiError> {
    match caller {
        Caller::Session(_) => Ok(()),
        Caller::Token { .. } => Err(ApiError::new(
            ProblemCode::NotAllowed,
            "an API token cannot manage tokens: log in to the portal instead",
        )),
    }
}

async fn list(
    State(views): State<Views>,
    caller: Caller,
) -> Result<Json<Vec<TokenView>>, ApiError> {
    in_person(&caller)?;
    let mut tokens = views.tokens().await?;
    if !caller.is(Role::Admin) {
        tokens.retain(|token| token.owner.id == caller.person().id);
    }
    Ok(Json(tokens))
}

async fn create(
    State(tokens): State<Tokens>,
    caller: Caller,
    Body(body): Body<NewToken>,
) -> Result<(StatusCode, Json<CreatedToken>), ApiError> {
    in_person(&caller)?;
    caller.require(Role::Requester)?;
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

async fn revoke(
    State(tokens): State<Tokens>,
    caller: Caller,
    Path(id): Path<TokenId>,
) -> Result<StatusCode, ApiError> {
    in_person(&caller)?;
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

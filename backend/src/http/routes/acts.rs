//! Acts, which people's cards sign.

use axum::{Json, extract::State, http::StatusCode};
use countersign_protocol::{
    Timestamp,
    act::{ActOutcome, ActToSign, ActView, NewAct, SignedAct},
    id::ActId,
    operator::Role,
    problem::ProblemCode,
    token::TokenCertificate,
};
use utoipa_axum::routes;

use crate::{
    acts::{ActError, Acts, Signer},
    http::{
        auth::Caller,
        extract::{Body, Path},
        problem::ApiError,
        routes::Handler,
    },
    tls::ClientCertificate,
};

pub fn routes() -> Vec<Handler> {
    vec![
        routes!(list),
        routes!(propose),
        routes!(show),
        routes!(task),
        routes!(sign),
        routes!(withdraw),
    ]
}

fn signer(caller: &Caller) -> Result<Signer, ApiError> {
    let session = caller.to_view();
    match session.key {
        Some(key) => Ok(Signer {
            person: session.person,
            key,
        }),
        None => Err(ApiError::new(
            ProblemCode::NotAllowed,
            "only a person who is logged in with a card can sign",
        )),
    }
}

/// Whether the caller may see an act. Requesters see only their own.
fn sees(caller: &Caller, act: &ActView) -> bool {
    let reads_all = [Role::Admin, Role::Custodian, Role::Auditor];
    act.terms.proposer.id == caller.person().id || reads_all.iter().any(|role| caller.is(*role))
}

/// The act, if the caller may see it.
async fn visible(acts: &Acts, caller: &Caller, id: &ActId) -> Result<ActView, ApiError> {
    let act = acts.get(id).await?;
    if sees(caller, &act) {
        Ok(act)
    } else {
        Err(ActError::NotFound(id.clone()).into())
    }
}

/// Lists acts: first those that await signatures, then those that ended within the last week. Requesters see only their own.
#[utoipa::path(
    get, path = "/acts", operation_id = "listActs",
    responses((status = 200, description = "The acts", body = Vec<ActView>)),
)]
async fn list(State(acts): State<Acts>, caller: Caller) -> Result<Json<Vec<ActView>>, ApiError> {
    let mut all = acts.list().await?;
    all.retain(|act| sees(&caller, act));
    Ok(Json(all))
}

/// Proposes an act. Nothing changes until the person's helper has shown it and their card has signed it, and for some acts a second
/// admin as well. Requesters can propose API tokens only.
#[utoipa::path(
    post, path = "/acts", operation_id = "proposeAct",
    request_body = NewAct,
    responses((status = 201, description = "The act, with the task for the helper of the person who proposed it", body = ActToSign)),
)]
async fn propose(
    State(acts): State<Acts>,
    caller: Caller,
    Body(body): Body<NewAct>,
) -> Result<(StatusCode, Json<ActToSign>), ApiError> {
    let certificate = match &body {
        NewAct::CreateToken(new) => new.certificate.as_deref().map(certificate).transpose()?,
        _ => None,
    };
    let proposed = acts.propose(&signer(&caller)?, body, certificate).await?;
    Ok((StatusCode::CREATED, Json(proposed)))
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

/// Shows an act.
#[utoipa::path(
    get, path = "/acts/{id}", operation_id = "getAct",
    responses((status = 200, description = "The act", body = ActView)),
)]
async fn show(
    State(acts): State<Acts>,
    caller: Caller,
    Path(id): Path<ActId>,
) -> Result<Json<ActView>, ApiError> {
    Ok(Json(visible(&acts, &caller, &id).await?))
}

/// Creates a task with which the caller's helper signs an act.
#[utoipa::path(
    post, path = "/acts/{id}/task", operation_id = "createActTask",
    responses((status = 200, description = "The act with the task", body = ActToSign)),
)]
async fn task(
    State(acts): State<Acts>,
    caller: Caller,
    Path(id): Path<ActId>,
) -> Result<Json<ActToSign>, ApiError> {
    let act = visible(&acts, &caller, &id).await?;
    let task = acts.task(&signer(&caller)?, &id).await?;
    Ok(Json(ActToSign { act, task }))
}

/// Signs an act. The last signature has it carried out before the response, which alone contains an invitation's link or a token's
/// secret. If it cannot be carried out, the signature does not count. Initialising an HSM may wait until the SO-PIN is entered on
/// the server's terminal.
#[utoipa::path(
    post, path = "/acts/{id}/signatures", operation_id = "signAct",
    request_body = SignedAct,
    responses((status = 200, description = "The act after the signature", body = ActOutcome)),
)]
async fn sign(
    State(acts): State<Acts>,
    caller: Caller,
    Path(id): Path<ActId>,
    Body(body): Body<SignedAct>,
) -> Result<Json<ActOutcome>, ApiError> {
    visible(&acts, &caller, &id).await?;
    let outcome = acts.sign(signer(&caller)?, id, body.statement).await?;
    Ok(Json(outcome))
}

/// Withdraws an act that awaits signatures. The person who proposed it can do this, and every admin.
#[utoipa::path(
    delete, path = "/acts/{id}", operation_id = "withdrawAct",
    responses((status = 204, description = "The act is withdrawn")),
)]
async fn withdraw(
    State(acts): State<Acts>,
    caller: Caller,
    Path(id): Path<ActId>,
) -> Result<StatusCode, ApiError> {
    visible(&acts, &caller, &id).await?;
    acts.withdraw(&signer(&caller)?, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<ActError> for ApiError {
    fn from(error: ActError) -> Self {
        let code = match error {
            ActError::People(error) => return error.into(),
            ActError::Token(error) => return error.into(),
            ActError::Key(error) => return error.into(),
            ActError::Device(error) => return error.into(),
            ActError::Hsm(error) => return error.into(),
            ActError::Activation(error) => return error.into(),
            ActError::Store(_) | ActError::Identity(_) | ActError::Panicked => {
                return Self::internal(error);
            }
            ActError::TooOften(wait) => return Self::too_many(error.to_string(), wait),
            ActError::TooManyPending(_) => ProblemCode::TooManyRequests,
            ActError::NotFound(_) => ProblemCode::NotFound,
            ActError::Role(_) | ActError::NotProposer | ActError::NotConfirmed => {
                ProblemCode::NotAllowed
            }
            ActError::Statement(_) => ProblemCode::StatementRejected,
            ActError::AlreadySigned
            | ActError::Ended(_)
            | ActError::CarryingOut
            | ActError::Changed(_)
            | ActError::SignerRevoked(_)
            | ActError::SecondAdminRevoked { .. } => ProblemCode::Conflict,
        };
        Self::new(code, error.to_string())
    }
}

//! `POST .../signhash`: a signature over a hash, under an open lease of the caller.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
};
use countersign_protocol::{
    activation::{ActivationState, ActivationTerms},
    cvc::Fingerprint,
    dsse::canonical_digest,
    problem::ProblemCode,
    purpose::Purpose,
    signature::SignRequest,
};
use serde::{Deserialize, Serialize};

use super::{
    Cloud, algorithm, ambiguous,
    client::Program,
    inventory::{Hsm, Key},
};
use crate::{
    activation::{ApprovedScope, Lease},
    http::{extract::Path, problem::ApiError},
    signing,
};

/// `SignatureInput` of the interface. What else is in a request is ignored, as there.
#[derive(Deserialize)]
struct SignatureInput {
    /// In hex.
    hash: String,
    algo: String,
}

/// `SignatureResult` of the interface.
#[derive(Serialize)]
pub struct SignatureResult {
    /// In hex: DER for ECDSA, as long as the modulus for RSA.
    signature: String,
}

type Answer = Result<Json<SignatureResult>, ApiError>;
type Body = Result<Bytes, BytesRejection>;

pub async fn by_key(
    State(cloud): State<Cloud>,
    program: Program,
    Path(key): Path<String>,
    body: Body,
) -> Answer {
    sign(&cloud, &program, &key, body, |_, _| true).await
}

pub async fn by_key_of_hsm(
    State(cloud): State<Cloud>,
    program: Program,
    Path((wanted, key)): Path<(String, String)>,
    body: Body,
) -> Answer {
    sign(&cloud, &program, &key, body, |hsm, _| hsm.id == wanted).await
}

pub async fn by_key_of_domain(
    State(cloud): State<Cloud>,
    program: Program,
    Path((domain, key)): Path<(String, String)>,
    body: Body,
) -> Answer {
    sign(&cloud, &program, &key, body, |_, key| {
        key.key_domain.eq_ignore_ascii_case(&domain)
    })
    .await
}

async fn sign(
    cloud: &Cloud,
    program: &Program,
    id: &str,
    body: Body,
    there: impl Fn(&Hsm, &Key) -> bool,
) -> Answer {
    let inventory = program.inventory(&cloud.hsms, &cloud.leases)?;
    let named = inventory.hsms.iter().flat_map(|hsm| {
        let keys = hsm.keys.iter();
        keys.filter(|key| key.id.eq_ignore_ascii_case(id) && there(hsm, key))
    });
    let (open, locked): (Vec<_>, Vec<_>) = named.partition(|key| key.is_open());
    let Some(key) = open.first().or(locked.first()) else {
        return Err(ApiError::new(
            ProblemCode::NotFound,
            format!(
                "there is no key `{id}` here on an HSM that is online, or your token is not for it: \
                 GET /se/api/keys?state=all lists those that you may use"
            ),
        ));
    };
    let mut pairs = open.windows(2);
    if pairs.any(|pair| pair[0].fingerprint != pair[1].fingerprint) {
        return Err(ambiguous(id));
    }
    let body = body.map_err(|error| invalid(error.body_text()))?;
    let request = request(&body, key)?;
    // The same wish under the same lease is one signature, however often it is sent.
    let idempotency_key = format!("signhash-{}", canonical_digest(&request));
    let leases: Vec<_> = open.iter().flat_map(|key| &key.leases).collect();
    let Some(lease) = best(&leases, &request, &idempotency_key) else {
        return Err(locked_key(cloud, program, key).await?);
    };
    let made = cloud
        .signing
        .sign(
            &program.requester(),
            &lease.terms.id,
            &idempotency_key,
            &request,
        )
        .await?;
    Ok(Json(SignatureResult {
        signature: hex::encode_upper(made.signature.as_bytes()),
    }))
}

fn invalid(why: String) -> ApiError {
    ApiError::new(ProblemCode::InvalidRequest, why)
}

/// What is asked for. Its media type is not looked at: the original takes any.
fn request(body: &[u8], key: &Key) -> Result<SignRequest, ApiError> {
    let input: SignatureInput = serde_json::from_slice(body).map_err(|error| {
        invalid(format!(
            "send {{\"hash\": HEX, \"algo\": \"ECDSA\" | \"RSA_PKCS1\" | \"RSA_PSS\"}}: {error}"
        ))
    })?;
    let hash = hex::decode(&input.hash)
        .map_err(|error| invalid(format!("`hash` is not in hex: {error}")))?;
    let mechanism = algorithm::mechanism(&input.algo, &hash, &key.public_key)
        .map_err(|error| invalid(error.to_string()))?;
    Ok(SignRequest {
        key: Some(key.fingerprint),
        ..SignRequest::new(mechanism, hash)
    })
}

/// The lease under which to sign: the one that has signed the same before, or else one that covers the hash, and of those
/// one that lists it. Where none covers it, any one, which then says why.
fn best<'a>(
    leases: &[&'a Arc<Lease>],
    request: &SignRequest,
    idempotency_key: &str,
) -> Option<&'a Arc<Lease>> {
    let rank = |lease: &Lease| {
        let signed = lease.pool.has_reserved(idempotency_key);
        let covered = lease
            .pool
            .covers(request.mechanism, &request.digest)
            .is_ok();
        let listed = matches!(lease.pool.scope(), ApprovedScope::Files(_));
        (!signed, !covered, !listed, lease.terms.requested_at)
    };
    leases.iter().copied().min_by_key(|lease| rank(lease))
}

/// How to open a key. Nothing is asked of custodians by itself: a hash alone tells them nothing.
async fn locked_key(cloud: &Cloud, program: &Program, key: &Key) -> Result<ApiError, ApiError> {
    let active = cloud.views.active_of(&key.hsm).await?;
    let requester = program.requester();
    let waiting = active.iter().find(|activation| {
        matches!(
            activation.state,
            ActivationState::Queued | ActivationState::Collecting
        ) && signing::allowed(&requester, &activation.terms).is_ok()
            && opens(&activation.terms, &key.fingerprint)
    });
    let (label, hsm) = (&key.info.label, &key.hsm);
    let origin = cloud.views.origin();
    let detail = match waiting.map(|activation| &activation.terms.id) {
        Some(id) => format!(
            "the key `{label}` on HSM {hsm} is locked: activation {id} waits for its custodians, {origin}/a/{id}"
        ),
        None => format!(
            "the key `{label}` on HSM {hsm} is locked: ask for an activation with it, by POST {origin}/api/v1/activations, and \
             sign when its custodians have opened it"
        ),
    };
    Ok(ApiError::new(ProblemCode::NotOpen, detail))
}

fn opens(terms: &ActivationTerms, key: &Fingerprint) -> bool {
    match &terms.purpose {
        Purpose::Sign { keys, .. } => keys.iter().any(|there| there.fingerprint == *key),
        Purpose::GenerateKey { .. } => false,
    }
}

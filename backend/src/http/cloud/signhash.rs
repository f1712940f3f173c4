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

/// `SignatureInput` of the interface. Other fields of a request are ignored, as in the cloud service.
#[derive(Deserialize)]
struct SignatureInput {
    /// The hash in hex.
    hash: String,
    algo: String,
}

/// `SignatureResult` of the interface.
#[derive(Serialize)]
pub struct SignatureResult {
    /// The signature in hex: in DER for ECDSA, as long as the modulus for RSA.
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
                "no HSM that is online holds a key `{id}` here that your token may use: \
                 GET /se/api/keys?state=all lists the keys that you may use"
            ),
        ));
    };
    let mut pairs = open.windows(2);
    if pairs.any(|pair| pair[0].fingerprint != pair[1].fingerprint) {
        return Err(ambiguous(id));
    }
    let body = body.map_err(|error| invalid(error.body_text()))?;
    let request = request(&body, key)?;
    // The same request under the same lease makes one signature, however often it is sent.
    let idempotency_key = format!("signhash-{}", canonical_digest(&request));
    let leases: Vec<_> = open.iter().flat_map(|key| &key.leases).collect();
    let Some(lease) = best(&leases, &request, &idempotency_key) else {
        return Err(locked_key(cloud, program, key).await?);
    };
    let made = cloud
        .signing
        .sign(
            &program.requester(),
            &lease.terms.id.activation(),
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

/// Parses the request. Its media type is not checked, because the cloud service accepts any.
fn request(body: &[u8], key: &Key) -> Result<SignRequest, ApiError> {
    let input: SignatureInput = serde_json::from_slice(body).map_err(|error| {
        invalid(format!(
            "the request is not valid: send {{\"hash\": HEX, \"algo\": \"ECDSA\"}}, or the algorithm RSA_PKCS1 or RSA_PSS ({error})"
        ))
    })?;
    let hash = hex::decode(&input.hash)
        .map_err(|error| invalid(format!("`hash` must be in hex: {error}")))?;
    let mechanism = algorithm::mechanism(&input.algo, &hash, &key.public_key)
        .map_err(|error| invalid(error.to_string()))?;
    Ok(SignRequest {
        key: Some(key.fingerprint),
        ..SignRequest::new(mechanism, hash)
    })
}

/// Selects the lease under which to sign: the one that has already signed the same request, otherwise one that covers the hash,
/// preferably because its manifest lists it. If no lease covers the hash, it returns any lease, so that signing reports the reason.
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

/// The problem for a locked key, which states how to open it. No activation is requested automatically, because custodians could
/// not judge a hash alone.
async fn locked_key(cloud: &Cloud, program: &Program, key: &Key) -> Result<ApiError, ApiError> {
    let active = cloud.views.active_of(&key.hsm).await?;
    let requester = program.requester();
    let mut active = active.iter().map(|summary| &summary.activation);
    let waiting = active.find(|activation| {
        matches!(
            activation.state,
            ActivationState::Queued | ActivationState::AwaitingApprovals
        ) && signing::allowed(&requester, &activation.terms).is_ok()
            && opens(&activation.terms, &key.fingerprint)
    });
    let (label, hsm) = (&key.info.label, &key.hsm);
    let origin = cloud.views.origin();
    let detail = match waiting.map(|activation| &activation.terms.id) {
        Some(id) => format!(
            "the key `{label}` on HSM {hsm} is locked: activation {id} is waiting for approvals at {origin}/a/{id}"
        ),
        None => format!(
            "the key `{label}` on HSM {hsm} is locked: request an activation for it with POST {origin}/api/v1/activations, and \
             sign once custodians have approved it"
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

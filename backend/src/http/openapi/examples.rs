//! Examples of bodies, in `examples.json`, and of problems, made from the errors of the program.

use std::sync::LazyLock;

use countersign_protocol::{
    activation::EndReason,
    cvc::{AttestationError, SignatureError},
    digest::Sha256Digest,
    dsse::EnvelopeError,
    id::ActivationId,
    problem::{Problem, ProblemCode},
};
use serde_json::{Map, Value};

use crate::{
    activation::ActivationError,
    devices::DeviceError,
    hsm::HsmError,
    http::{auth, method_not_allowed, problem::ApiError},
    people::{CodeError, LoginError, PeopleError},
    signing::SigningError,
};

/// Bodies by the name of their type.
static BODIES: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    // The text is part of the program, and a test reads it.
    serde_json::from_str(include_str!("examples.json")).unwrap_or_default()
});

/// The example of a type of body.
pub fn example(name: &str) -> Option<&'static Value> {
    BODIES.get(name)
}

/// The names of the types that have an example.
pub fn example_names() -> impl Iterator<Item = &'static str> {
    BODIES.keys().map(String::as_str)
}

/// The example of a problem.
pub fn problem(code: ProblemCode) -> Problem {
    let mut problem = error(code).into_problem();
    problem.request_id = Some("0193c5a76a517c429d3f2f8f1c0b7e11".to_owned());
    problem
}

/// An error with this code.
fn error(code: ProblemCode) -> ApiError {
    let activation = || ActivationId::new("8K3F-92QD");
    match code {
        ProblemCode::InvalidRequest => HsmError::NoSuchKey("firmwear".to_owned()).into(),
        ProblemCode::NotAuthenticated => auth::not_authenticated(),
        ProblemCode::NotAllowed => ActivationError::NotItsRequester.into(),
        ProblemCode::NotFound => ActivationError::NotFound(activation()).into(),
        ProblemCode::MethodNotAllowed => method_not_allowed(),
        ProblemCode::Conflict => ActivationError::AllRegistered.into(),
        ProblemCode::CodeInvalid => PeopleError::Code(CodeError::UsedInvitation).into(),
        ProblemCode::EnrolmentRejected => {
            PeopleError::Attestation(AttestationError::OuterSignature(SignatureError::Wrong)).into()
        }
        ProblemCode::StatementRejected => {
            PeopleError::Statement(EnvelopeError::SignatureCount(0).to_string()).into()
        }
        ProblemCode::HsmUnavailable => {
            DeviceError::NotAttached("the connection was closed".to_owned()).into()
        }
        ProblemCode::HsmRefused => SigningError::BadSignature.into(),
        ProblemCode::NotOpen => SigningError::NotOpen(activation()).into(),
        ProblemCode::ActivationEnded => SigningError::Ended(EndReason::LeaseExpired).into(),
        ProblemCode::NotInManifest => {
            SigningError::NotInManifest(Sha256Digest::of(b"test").to_string()).into()
        }
        ProblemCode::MechanismRejected => SigningError::Mechanism(
            "the key is EC secp256r1 and does not support `ecdsa-sha512`: use `ecdsa-sha256`"
                .to_owned(),
        )
        .into(),
        ProblemCode::IdempotencyMismatch => SigningError::IdempotencyMismatch.into(),
        ProblemCode::TooManyRequests => {
            LoginError::TooOften(std::time::Duration::from_secs(9)).into()
        }
        ProblemCode::Internal => ApiError::unknown_failure(),
    }
}

//! Errors over HTTP: problem details (RFC 9457).

use serde::{Deserialize, Serialize};

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The body of every HTTP response that reports an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[error("{detail}")]
pub struct Problem {
    /// `urn:countersign:problem:` followed by the name of the kind.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// The HTTP status.
    pub status: u16,
    /// The kind of the problem, in words.
    pub title: String,
    /// What happened and what to do about it.
    pub detail: String,
    /// Id of the request, as in the header `X-Request-Id` and in the server's log.
    #[serde(rename = "requestId", default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// The kinds of problems, which programs can distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemCode {
    /// The request is malformed, or a value is out of range.
    InvalidRequest,
    /// The request has no valid session, token or client certificate.
    NotAuthenticated,
    /// The caller does not have the required role.
    NotAllowed,
    /// The requested object does not exist.
    NotFound,
    /// The path does not support the method.
    MethodNotAllowed,
    /// The current state does not allow the request.
    Conflict,
    /// A one-time code is wrong, used, revoked or expired.
    CodeInvalid,
    /// The attestation of a key was rejected.
    EnrolmentRejected,
    /// A signed statement was rejected.
    StatementRejected,
    /// The HSM is not connected or cannot be used.
    HsmUnavailable,
    /// The HSM refused a command.
    HsmRefused,
    /// The activation is not open yet.
    NotOpen,
    /// The activation has ended.
    ActivationEnded,
    /// The digest is not in the approved manifest.
    NotInManifest,
    /// The key does not support the mechanism, or the scope does not allow it.
    MechanismRejected,
    /// The idempotency key was used before with another body.
    IdempotencyMismatch,
    /// The caller sends too many requests.
    TooManyRequests,
    /// The server failed.
    Internal,
}

impl ProblemCode {
    /// Every code, for documents and tests that must be complete.
    pub const ALL: [Self; 18] = [
        Self::InvalidRequest,
        Self::NotAuthenticated,
        Self::NotAllowed,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::CodeInvalid,
        Self::EnrolmentRejected,
        Self::StatementRejected,
        Self::HsmUnavailable,
        Self::HsmRefused,
        Self::NotOpen,
        Self::ActivationEnded,
        Self::NotInManifest,
        Self::MechanismRejected,
        Self::IdempotencyMismatch,
        Self::TooManyRequests,
        Self::Internal,
    ];

    /// The last part of [`Problem::problem_type`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid-request",
            Self::NotAuthenticated => "not-authenticated",
            Self::NotAllowed => "not-allowed",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Conflict => "conflict",
            Self::CodeInvalid => "code-invalid",
            Self::EnrolmentRejected => "enrolment-rejected",
            Self::StatementRejected => "statement-rejected",
            Self::HsmUnavailable => "hsm-unavailable",
            Self::HsmRefused => "hsm-refused",
            Self::NotOpen => "not-open",
            Self::ActivationEnded => "activation-ended",
            Self::NotInManifest => "not-in-manifest",
            Self::MechanismRejected => "mechanism-rejected",
            Self::IdempotencyMismatch => "idempotency-mismatch",
            Self::TooManyRequests => "too-many-requests",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::NotAuthenticated => 401,
            Self::NotAllowed => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict | Self::NotOpen => 409,
            Self::ActivationEnded => 410,
            Self::CodeInvalid
            | Self::EnrolmentRejected
            | Self::StatementRejected
            | Self::NotInManifest
            | Self::MechanismRejected
            | Self::IdempotencyMismatch => 422,
            Self::TooManyRequests => 429,
            Self::Internal => 500,
            Self::HsmRefused => 502,
            Self::HsmUnavailable => 503,
        }
    }

    /// The title for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::InvalidRequest => "Invalid request",
            Self::NotAuthenticated => "Not logged in",
            Self::NotAllowed => "Not allowed",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::Conflict => "Conflict with the current state",
            Self::CodeInvalid => "One-time code invalid",
            Self::EnrolmentRejected => "Key rejected",
            Self::StatementRejected => "Signed statement rejected",
            Self::HsmUnavailable => "HSM not available",
            Self::HsmRefused => "HSM refused the command",
            Self::NotOpen => "Activation not open",
            Self::ActivationEnded => "Activation ended",
            Self::NotInManifest => "Digest not approved",
            Self::MechanismRejected => "Mechanism not supported",
            Self::IdempotencyMismatch => "Idempotency key already used",
            Self::TooManyRequests => "Too many requests",
            Self::Internal => "Server error",
        }
    }
}

const TYPE_PREFIX: &str = "urn:countersign:problem:";

impl Problem {
    /// A problem of this kind with the given details.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            problem_type: format!("{TYPE_PREFIX}{}", code.as_str()),
            status: code.status(),
            title: code.title().to_owned(),
            detail: detail.into(),
            request_id: None,
        }
    }

    /// The kind of the problem, or `None` if this version does not know it.
    pub fn code(&self) -> Option<ProblemCode> {
        let name = self.problem_type.strip_prefix(TYPE_PREFIX)?;
        ProblemCode::ALL
            .into_iter()
            .find(|code| code.as_str() == name)
    }
}

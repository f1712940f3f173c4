//! Errors over HTTP: RFC 9457 problem details.

use serde::{Deserialize, Serialize};

/// Media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// `urn:countersign:problem:` and the code.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// HTTP status.
    pub status: u16,
    /// What kind of problem, in words.
    pub title: String,
    /// What happened here, and what to do.
    pub detail: String,
    /// Id of the request, as in the header `X-Request-Id` and in the server's log.
    #[serde(rename = "requestId", default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// Kinds of problem that programs tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemCode {
    /// The request makes no sense.
    InvalidRequest,
    /// Log in first, or send a token.
    NotAuthenticated,
    /// Logged in, but not allowed to do this.
    NotAllowed,
    /// No such thing.
    NotFound,
    /// This address does not take the method.
    MethodNotAllowed,
    /// The thing is in a state in which this is impossible.
    Conflict,
    /// A one-time code is wrong, used or expired.
    CodeInvalid,
    /// The key's evidence was refused.
    EnrolmentRefused,
    /// A signed statement was refused.
    StatementRefused,
    /// The HSM is not there, or not usable.
    HsmUnavailable,
    /// The HSM refused.
    HsmRefused,
    /// No quorum yet.
    NotOpen,
    /// The activation is over.
    ActivationEnded,
    /// The digest is not among the approved ones.
    NotInManifest,
    /// The key cannot do this mechanism, or the scope forbids it.
    MechanismRefused,
    /// The idempotency key was used with another body.
    IdempotencyMismatch,
    /// Too many requests.
    TooMany,
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
        Self::EnrolmentRefused,
        Self::StatementRefused,
        Self::HsmUnavailable,
        Self::HsmRefused,
        Self::NotOpen,
        Self::ActivationEnded,
        Self::NotInManifest,
        Self::MechanismRefused,
        Self::IdempotencyMismatch,
        Self::TooMany,
        Self::Internal,
    ];

    /// Last part of the problem type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid-request",
            Self::NotAuthenticated => "not-authenticated",
            Self::NotAllowed => "not-allowed",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Conflict => "conflict",
            Self::CodeInvalid => "code-invalid",
            Self::EnrolmentRefused => "enrolment-refused",
            Self::StatementRefused => "statement-refused",
            Self::HsmUnavailable => "hsm-unavailable",
            Self::HsmRefused => "hsm-refused",
            Self::NotOpen => "not-open",
            Self::ActivationEnded => "activation-ended",
            Self::NotInManifest => "not-in-manifest",
            Self::MechanismRefused => "mechanism-refused",
            Self::IdempotencyMismatch => "idempotency-mismatch",
            Self::TooMany => "too-many",
            Self::Internal => "internal",
        }
    }

    /// HTTP status.
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
            | Self::EnrolmentRefused
            | Self::StatementRefused
            | Self::NotInManifest
            | Self::MechanismRefused
            | Self::IdempotencyMismatch => 422,
            Self::TooMany => 429,
            Self::Internal => 500,
            Self::HsmRefused => 502,
            Self::HsmUnavailable => 503,
        }
    }

    /// Title for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::InvalidRequest => "Request not understood",
            Self::NotAuthenticated => "Not logged in",
            Self::NotAllowed => "Not allowed",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::Conflict => "Not possible now",
            Self::CodeInvalid => "Code not valid",
            Self::EnrolmentRefused => "Key not accepted",
            Self::StatementRefused => "Statement not accepted",
            Self::HsmUnavailable => "HSM not available",
            Self::HsmRefused => "HSM refused",
            Self::NotOpen => "HSM is locked",
            Self::ActivationEnded => "Activation is over",
            Self::NotInManifest => "Digest not approved",
            Self::MechanismRefused => "Mechanism not possible",
            Self::IdempotencyMismatch => "Idempotency key already used",
            Self::TooMany => "Too many requests",
            Self::Internal => "Server error",
        }
    }
}

const TYPE_PREFIX: &str = "urn:countersign:problem:";

impl Problem {
    /// A problem of this kind.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            problem_type: format!("{TYPE_PREFIX}{}", code.as_str()),
            status: code.status(),
            title: code.title().to_owned(),
            detail: detail.into(),
            request_id: None,
        }
    }

    /// The kind, if this version knows it.
    pub fn code(&self) -> Option<ProblemCode> {
        let name = self.problem_type.strip_prefix(TYPE_PREFIX)?;
        ProblemCode::ALL
            .into_iter()
            .find(|code| code.as_str() == name)
    }
}

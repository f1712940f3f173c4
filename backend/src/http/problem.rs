//! Errors as problem details (RFC 9457).

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign_protocol::problem::{PROBLEM_JSON, Problem, ProblemCode};

use crate::{
    activation::ActivationError,
    devices::DeviceError,
    hsm::HsmError,
    keys::KeyError,
    people::{LoginError, PeopleError},
    signing::SigningError,
    store::StoreError,
    tls::CertificateError,
    tokens::TokenError,
    views::TooManyListeners,
};

/// An error response of the API.
#[derive(Debug)]
pub struct ApiError {
    problem: Problem,
    /// When the caller may send the request again.
    retry_after: Option<Duration>,
}

impl ApiError {
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            problem: Problem::new(code, detail),
            retry_after: None,
        }
    }

    /// An error for a caller who has to wait for this time.
    pub fn too_many(detail: impl Into<String>, retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(ProblemCode::TooManyRequests, detail)
        }
    }

    pub fn code(&self) -> Option<ProblemCode> {
        self.problem.code()
    }

    pub fn into_problem(self) -> Problem {
        self.problem
    }

    /// An error that the caller cannot correct. Its text goes to the log only.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed because of an internal error");
        Self::unknown_failure()
    }

    /// The error that a caller gets in place of an internal one.
    pub fn unknown_failure() -> Self {
        Self::new(
            ProblemCode::Internal,
            "the server failed, and the change may or may not have been made. Report this to an admin: the server's log has the reason",
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = self.problem;
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let content = [(header::CONTENT_TYPE, PROBLEM_JSON)];
        let mut response = (status, content, Json(problem.clone())).into_response();
        if problem.code() == Some(ProblemCode::NotAuthenticated) {
            let scheme = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        if let Some(time) = self.retry_after {
            // Rounded up, so that the caller does not come too early.
            let seconds = HeaderValue::from(time.as_secs() + 1);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        // The id of the request is added where it is known.
        response.extensions_mut().insert(problem);
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}

impl From<axum::extract::rejection::JsonRejection> for ApiError {
    fn from(rejection: axum::extract::rejection::JsonRejection) -> Self {
        let detail = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            "the body is larger than the server accepts here: if it lists files, request fewer at once".to_owned()
        } else {
            use axum::extract::rejection::JsonRejection as Why;
            match &rejection {
                Why::MissingJsonContentType(_) => {
                    "the body must be JSON, with the header `Content-Type: application/json`"
                        .to_owned()
                }
                Why::JsonSyntaxError(error) => format!("the body is not JSON: {}", cause(error)),
                Why::JsonDataError(error) => {
                    format!("the body does not fit this request: {}", cause(error))
                }
                other => format!("the body cannot be read: {}", other.body_text()),
            }
        };
        Self::new(ProblemCode::InvalidRequest, detail)
    }
}

impl From<axum::extract::rejection::PathRejection> for ApiError {
    fn from(rejection: axum::extract::rejection::PathRejection) -> Self {
        let detail = format!("the path of the request is invalid: {}", cause(&rejection));
        Self::new(ProblemCode::InvalidRequest, detail)
    }
}

impl From<axum::extract::rejection::QueryRejection> for ApiError {
    fn from(rejection: axum::extract::rejection::QueryRejection) -> Self {
        let detail = format!("the query of the request is invalid: {}", cause(&rejection));
        Self::new(ProblemCode::InvalidRequest, detail)
    }
}

/// The error without the types of the program that the outermost one names: where it is in the body, if that is known,
/// and what is wrong.
fn cause(error: &dyn std::error::Error) -> String {
    let text = match error.source() {
        // The place, such as `purpose.keys`, stands in front of the innermost error.
        Some(source) => source.to_string(),
        None => error.to_string(),
    };
    match text.rsplit_once(" at line ") {
        Some((what, place)) => {
            let place = place.replace(" column ", ", column ");
            format!("{} (line {place})", shortened(what))
        }
        None => shortened(&text),
    }
}

/// The beginning of a text that may repeat a value of the request.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 300;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

impl From<axum::extract::ws::rejection::WebSocketUpgradeRejection> for ApiError {
    fn from(rejection: axum::extract::ws::rejection::WebSocketUpgradeRejection) -> Self {
        let detail = format!(
            "this address accepts only WebSocket connections: {}",
            rejection.body_text()
        );
        Self::new(ProblemCode::InvalidRequest, detail)
    }
}

impl From<PeopleError> for ApiError {
    fn from(error: PeopleError) -> Self {
        let code = match &error {
            PeopleError::TooOften(time) => return Self::too_many(error.to_string(), *time),
            PeopleError::Code(_) => ProblemCode::CodeInvalid,
            PeopleError::Invalid(_) => ProblemCode::InvalidRequest,
            PeopleError::Conflict(_) => ProblemCode::Conflict,
            PeopleError::NotFound(_) => ProblemCode::NotFound,
            PeopleError::Attestation(_) | PeopleError::Taken(_) => ProblemCode::EnrolmentRejected,
            PeopleError::Statement(_) => ProblemCode::StatementRejected,
            PeopleError::Store(_) | PeopleError::Identity(_) | PeopleError::Random(_) => {
                return Self::internal(error);
            }
        };
        Self::new(code, error.to_string())
    }
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Rejected(_) => Self::new(ProblemCode::StatementRejected, error.to_string()),
            LoginError::TooOften(time) => Self::too_many(error.to_string(), time),
            other => Self::internal(other),
        }
    }
}

impl From<TooManyListeners> for ApiError {
    fn from(error: TooManyListeners) -> Self {
        Self::too_many(error.to_string(), Duration::from_secs(60))
    }
}

impl From<CertificateError> for ApiError {
    fn from(error: CertificateError) -> Self {
        Self::new(ProblemCode::InvalidRequest, error.to_string())
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        let code = match error {
            TokenError::Label(_)
            | TokenError::Lifetime
            | TokenError::TooManyKeys(_)
            | TokenError::Key(_) => ProblemCode::InvalidRequest,
            TokenError::NotFound => ProblemCode::NotFound,
            TokenError::CertificateTaken => ProblemCode::Conflict,
            TokenError::Store(_) | TokenError::Random(_) => return Self::internal(error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<DeviceError> for ApiError {
    fn from(error: DeviceError) -> Self {
        let code = match error {
            DeviceError::Hsm(error) => return error.into(),
            DeviceError::Store(error) => return error.into(),
            DeviceError::Name(_) => ProblemCode::InvalidRequest,
            DeviceError::NameTaken(_)
            | DeviceError::NameOfAnotherDevice { .. }
            | DeviceError::NotQuarantined(_)
            | DeviceError::Configured(_) => ProblemCode::Conflict,
            DeviceError::NotWaiting(_) => ProblemCode::NotFound,
            DeviceError::NotAttached(_) => ProblemCode::HsmUnavailable,
        };
        Self::new(code, error.to_string())
    }
}

impl From<HsmError> for ApiError {
    fn from(error: HsmError) -> Self {
        let code = match &error {
            HsmError::NotFound(_) => ProblemCode::NotFound,
            HsmError::Unavailable(_) | HsmError::Stopped => ProblemCode::HsmUnavailable,
            HsmError::NotOpen => ProblemCode::NotOpen,
            HsmError::InUse
            | HsmError::EraseNotConfirmed(_)
            | HsmError::SoPin(_)
            | HsmError::AttachedJustNow => ProblemCode::Conflict,
            HsmError::NoSuchKey(_) | HsmError::AmbiguousKey(_) | HsmError::Quorum(_) => {
                ProblemCode::InvalidRequest
            }
            HsmError::Card(_) => ProblemCode::HsmRefused,
        };
        Self::new(code, error.to_string())
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        let code = match error {
            // The key is the resource of the request.
            KeyError::Hsm(HsmError::NoSuchKey(_)) => ProblemCode::NotFound,
            KeyError::Hsm(error) => return error.into(),
            KeyError::Store(error) => return error.into(),
            KeyError::Certificate(_) | KeyError::RawRsaOnEcKey => ProblemCode::InvalidRequest,
            KeyError::NotSelfSigned | KeyError::HasCertificate | KeyError::NeedsAct => {
                ProblemCode::NotAllowed
            }
        };
        Self::new(code, error.to_string())
    }
}

impl From<ActivationError> for ApiError {
    fn from(error: ActivationError) -> Self {
        use ActivationError as Error;
        let code = match error {
            Error::Hsm(error) => return error.into(),
            Error::Store(_) | Error::Identity(_) | Error::Random(_) => {
                return Self::internal(error);
            }
            Error::Invalid(_) | Error::NeedsLimits => ProblemCode::InvalidRequest,
            Error::NotFound(_) => ProblemCode::NotFound,
            Error::TooManyWaiting(_) => ProblemCode::TooManyRequests,
            Error::NotARequester
            | Error::NotAnAdmin
            | Error::NotForThisKey(_)
            | Error::NotItsRequester
            | Error::NotForSigning
            | Error::CannotLock
            | Error::NotRegistered
            | Error::OwnRequest
            | Error::NotConfirmed => ProblemCode::NotAllowed,
            Error::HasNoQuorum(_)
            | Error::LacksCustodians(_)
            | Error::TooFewCustodians { .. }
            | Error::KeyLabelTaken { .. }
            | Error::AlreadyApproved
            | Error::ApprovedBeforeDeclining
            | Error::ExpiredInQueue(_)
            | Error::AlreadyOpen
            | Error::HsmBusy
            | Error::AllRegistered
            | Error::UnknownKey
            | Error::NotACustodian(_)
            | Error::RegisteredAlready(_)
            | Error::Impossible { .. } => ProblemCode::Conflict,
            Error::Ended(_) => ProblemCode::ActivationEnded,
            Error::Rejected(_) => ProblemCode::StatementRejected,
            Error::NotStored(_) => ProblemCode::Internal,
        };
        Self::new(code, error.to_string())
    }
}

impl From<SigningError> for ApiError {
    fn from(error: SigningError) -> Self {
        let code = match error {
            SigningError::Hsm(error) => return error.into(),
            SigningError::Activation(error) => return error.into(),
            SigningError::Store(error) => return error.into(),
            SigningError::NotOpen(_) => ProblemCode::NotOpen,
            SigningError::Ended(_) => ProblemCode::ActivationEnded,
            SigningError::NotInManifest(_) => ProblemCode::NotInManifest,
            SigningError::Mechanism(_) => ProblemCode::MechanismRejected,
            SigningError::IdempotencyMismatch => ProblemCode::IdempotencyMismatch,
            SigningError::Invalid(_) => ProblemCode::InvalidRequest,
            SigningError::UnknownOutcome => ProblemCode::Conflict,
            SigningError::BadSignature => ProblemCode::HsmRefused,
        };
        Self::new(code, error.to_string())
    }
}

//! HTTP: routes, who is calling, errors, the embedded portal.

mod activations;
mod assets;
mod audit;
mod callers;
mod cloud;
mod credential;
mod devices;
mod events;
mod extract;
mod hsms;
mod keys;
mod lasting;
mod peer;
mod people;
mod problem;
mod proxy;
mod remote;
mod session;
mod session_life;
mod tokens;

use std::time::Duration;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use countersign_protocol::{about::About, problem::ProblemCode};
use tower_http::{
    catch_panic::CatchPanicLayer,
    classify::ServerErrorsFailureClass,
    set_header::SetResponseHeaderLayer,
    trace::{DefaultOnFailure, OnFailure, TraceLayer},
};
use tower_sessions::{Expiry, SessionManagerLayer, cookie::SameSite};
use tracing::{Instrument, Span};

pub use callers::Callers;
pub use extract::Caller;
pub use peer::Peer;
pub use problem::ApiError;
pub use remote::Endpoint;

use self::{credential::Credential, session_life::Sessions};
use crate::{app::App, store};

/// Manifests of many files fit.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// Everything that the server answers.
///
/// # Errors
/// The session store's.
pub async fn router(app: &App) -> anyhow::Result<Router> {
    let https = app.config.is_https();
    let session_layer = SessionManagerLayer::new(Sessions::open(&app.store).await?)
        .with_name(credential::session_cookie(https))
        .with_secure(https)
        .with_same_site(SameSite::Strict)
        .with_expiry(Expiry::OnInactivity(session_life::LONGEST));
    let not_stored = SetResponseHeaderLayer::if_not_present(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store"),
    );
    let cloud = cloud::routes(app)
        .layer(not_stored.clone())
        .layer(session_layer.clone())
        .layer(middleware::from_fn(run_to_end));
    let api = Router::new()
        .route("/about", get(about))
        .merge(people::routes())
        .merge(session::routes())
        .merge(tokens::routes())
        .merge(hsms::routes())
        .merge(devices::routes())
        .merge(keys::routes())
        .merge(activations::routes())
        .merge(audit::routes())
        .merge(events::routes())
        .fallback(|| async {
            ApiError::new(ProblemCode::NotFound, "there is no such address in the API")
        })
        .method_not_allowed_fallback(|| async {
            ApiError::new(
                ProblemCode::MethodNotAllowed,
                "this address does not take this method",
            )
        })
        .layer(not_stored)
        .layer(middleware::from_fn_with_state(app.clone(), same_origin))
        .layer(session_layer)
        .layer(middleware::from_fn(run_to_end))
        .layer(DefaultBodyLimit::max(BODY_LIMIT));
    let headers = [
        (
            header::CONTENT_SECURITY_POLICY,
            content_security_policy(app.config.helper_port),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".into()),
        (header::REFERRER_POLICY, "no-referrer".into()),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin".into(),
        ),
    ];
    let mut router = Router::new()
        .nest("/api/v1", api)
        .nest("/se/api", cloud)
        .merge(Endpoint::of(app).routes())
        .fallback(assets::serve)
        .layer(CatchPanicLayer::custom(|_| {
            ApiError::internal("a request panicked").into_response()
        }))
        .layer(TraceLayer::new_for_http().on_failure(log_failure));
    for (name, value) in headers {
        router = router.layer(SetResponseHeaderLayer::overriding(
            name,
            HeaderValue::from_str(&value)?,
        ));
    }
    if https {
        let value = HeaderValue::from_static("max-age=31536000");
        router = router.layer(SetResponseHeaderLayer::overriding(
            header::STRICT_TRANSPORT_SECURITY,
            value,
        ));
    }
    let router = router.layer(middleware::from_fn_with_state(
        app.clone(),
        proxy::see_through,
    ));
    Ok(router.with_state(app.clone()))
}

/// As usual, but for 504: so sessions of RAMOverHTTP clients end, and nothing else does.
fn log_failure(failure: ServerErrorsFailureClass, after: Duration, span: &Span) {
    match failure {
        ServerErrorsFailureClass::StatusCode(StatusCode::GATEWAY_TIMEOUT) => {}
        failure => DefaultOnFailure::new().on_failure(failure, after, span),
    }
}

/// Nothing inline, nothing from elsewhere; the portal may talk to this server and to the helper.
fn content_security_policy(helper_port: u16) -> String {
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self' ws://127.0.0.1:{helper_port} ws://localhost:{helper_port}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// A request that may change something runs to its end, also when its client hangs up.
async fn run_to_end(request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    match tokio::spawn(next.run(request).in_current_span()).await {
        Ok(response) => response,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => ApiError::internal(error).into_response(),
        },
    }
}

/// A request that changes something with a session must come from the portal itself.
async fn same_origin(State(app): State<App>, request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let upgrade = request.headers().contains_key(header::UPGRADE);
    let by_program = !matches!(
        Credential::of(
            request.headers(),
            request.extensions(),
            app.config.is_https()
        ),
        Credential::Session
    );
    let origin = request
        .headers()
        .get(header::ORIGIN)
        .map(HeaderValue::as_bytes);
    let ours = origin == Some(app.config.public_origin.as_bytes());
    if (safe && !upgrade) || (by_program && origin.is_none()) || ours {
        return next.run(request).await;
    }
    ApiError::new(
        ProblemCode::NotAllowed,
        format!(
            "requests that change something must come from {}",
            app.config.public_origin
        ),
    )
    .into_response()
}

async fn about(State(app): State<App>) -> Result<axum::Json<About>, ApiError> {
    let mut connection = app.store.read().await?;
    Ok(axum::Json(About {
        server: app.identity.identity().clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        needs_bootstrap: store::operators::list(&mut connection).await?.is_empty(),
        demo: app.config.demo,
        helper_port: app.config.helper_port,
    }))
}

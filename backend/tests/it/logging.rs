//! Only failures of the server are logged as errors.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode},
};
use countersign_protocol::activation::{ActivationState, ApprovalTaskView};
use countersign_server::http::Peer;
use countersign_simulator::Profile;
use hex_literal::hex;
use tower::ServiceExt;
use tracing::{Level, subscriber::DefaultGuard};

use crate::{
    http::{json, log_in, send},
    test_server::{BEN, ORIGIN, TestServer},
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Collects this thread's log as JSON, until the guard is dropped.
    fn json() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_max_level(Level::INFO)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("text")
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_end_of_a_remote_session_is_not_logged_as_an_error() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::ERROR)
        .with_writer(move || writer.clone())
        .finish();
    let _to_the_log = tracing::subscriber::set_default(subscriber);
    let test = TestServer::with_people(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;

    // A message for a session that has ended.
    let request = Request::post("/rt/hsm")
        .extension(ConnectInfo(Peer::new(([127, 0, 0, 1], 1).into())))
        .body(Body::from(hex!("AB03800100").to_vec()))
        .expect("a request");
    let answer = router.clone().oneshot(request).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(log.text(), "");

    // Other failures are logged as errors.
    test.server.store.pool().close().await;
    let answer = send(&router, "GET", "/about", &[], None).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let text = log.text();
    assert!(text.contains("tower_http"), "{text}");
    test.shutdown().await;
}

/// A request without a log-in, whose problem and log line carry the same id.
#[tokio::test]
async fn a_problem_names_the_request_that_the_log_names() {
    let (log, _to_the_log) = Log::json();
    let test = TestServer::with_people(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;

    // The database is gone, so the server fails.
    test.server.store.pool().close().await;
    let request = Request::get("/api/v1/about")
        .extension(ConnectInfo(Peer::new(([127, 0, 0, 1], 1).into())))
        .header("x-request-id", "chosen by the client")
        .body(Body::empty())
        .expect("a request");
    let answer = router.oneshot(request).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let id = answer.headers()["x-request-id"]
        .to_str()
        .expect("text")
        .to_owned();
    assert_ne!(id, "chosen by the client");
    let body = axum::body::to_bytes(answer.into_body(), 10_000)
        .await
        .expect("a body");
    let problem: serde_json::Value = serde_json::from_slice(&body).expect("a problem");
    assert_eq!(problem["requestId"], id.as_str());
    let text = log.text();
    let line = text.lines().find(|line| line.contains(&id));
    let line: serde_json::Value =
        serde_json::from_str(line.expect("a log line with the id")).expect("JSON");
    assert_eq!(line["level"], "ERROR", "{line}");
    assert_eq!(line["spans"][0]["path"], "/api/v1/about", "{line}");
}

#[tokio::test]
async fn the_line_about_an_approval_names_the_request() {
    let (log, _to_the_log) = Log::json();
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let id = test.request_any_content("ec", 60, 1).await;
    test.wait_for(&id, |view| view.state == ActivationState::AwaitingApprovals)
        .await;
    let cookie = log_in(&mut test, &router, BEN).await;
    let session = [("cookie", cookie.as_str()), ("origin", ORIGIN)];
    let path = format!("/activations/{id}/task");
    let task: ApprovalTaskView = json(send(&router, "POST", &path, &session, None).await).await;
    let signed = test.ben_mut().approve(&task.task);
    let body = serde_json::to_string(&signed).expect("JSON");
    let path = format!("/activations/{id}/approvals");
    let response = send(&router, "POST", &path, &session, Some(body)).await;
    assert_eq!(response.status(), StatusCode::OK);
    let request = response.headers()["x-request-id"].to_str().expect("text");
    let text = log.text();
    let is_about = |line: &str| line.contains("custodian approved") && line.contains(request);
    assert!(text.lines().any(is_about), "{text}");
    test.shutdown().await;
}

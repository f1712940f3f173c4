//! Long polls whose caller loses access while they wait.

use std::time::Duration;

use axum::{Router, http::StatusCode};
use countersign_protocol::{
    activation::{ActivationState, ActivationView},
    id::ActivationId,
};
use countersign_simulator::Profile;
use tokio::task::JoinHandle;

use crate::{
    http::{json, log_in, send},
    test_server::{DOUG, ORIGIN, TestServer, operator},
    tls::server::{in_time, token_for},
};

type Header = (&'static str, String);

/// Sends a long poll for the next change, which waits at most so many seconds.
fn wait(
    router: &Router,
    id: &ActivationId,
    revision: u64,
    seconds: u64,
    who: Header,
) -> JoinHandle<StatusCode> {
    let router = router.clone();
    let path = format!("/activations/{id}?after={revision}&wait={seconds}");
    tokio::spawn(async move {
        let headers = [(who.0, who.1.as_str())];
        send(&router, "GET", &path, &headers, None).await.status()
    })
}

/// A queued activation, which does not change, and its revision.
async fn queued(test: &TestServer, router: &Router, who: &Header) -> (ActivationId, u64) {
    let first = test.request_any_content("rsa", 60, 1).await;
    let id = test.request_any_content("ec", 60, 1).await;
    test.wait_for(&first, |view| {
        view.state == ActivationState::AwaitingApprovals
    })
    .await;
    let headers = [(who.0, who.1.as_str())];
    let path = format!("/activations/{id}");
    let view: ActivationView = json(send(router, "GET", &path, &headers, None).await).await;
    (id, view.revision)
}

async fn polls_have_started() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}

#[tokio::test]
async fn a_long_poll_ends_when_its_credential_is_revoked() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let cookies = [
        log_in(&mut test, &router, DOUG).await,
        log_in(&mut test, &router, DOUG).await,
    ];
    let revoked = token_for(&test, &[], None).await.expect("a token");
    let kept = token_for(&test, &[], None).await.expect("a token");
    let bearer = |secret: &str| ("authorization", format!("Bearer {secret}"));
    let (id, revision) = queued(&test, &router, &bearer(&kept.secret)).await;
    let poll = |who| wait(&router, &id, revision, 30, who);
    let by_revoked = poll(bearer(&revoked.secret));
    let by_kept = poll(bearer(&kept.secret));
    let [logged_out, logged_in] = cookies.clone().map(|cookie| poll(("cookie", cookie)));
    polls_have_started().await;

    let doug = test.doug().person.clone();
    test.server
        .tokens
        .revoke(&doug, false, &operator(&doug), &revoked.token.id)
        .await
        .expect("revoked");
    let status = in_time(by_revoked).await.expect("an answer");
    assert_eq!(status, StatusCode::UNAUTHORIZED);

    let headers = [("cookie", cookies[0].as_str()), ("origin", ORIGIN)];
    let out = send(&router, "DELETE", "/session", &headers, None).await;
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    let status = in_time(logged_out).await.expect("an answer");
    assert_eq!(status, StatusCode::UNAUTHORIZED);

    // The other polls keep waiting.
    polls_have_started().await;
    assert!(!by_kept.is_finished() && !logged_in.is_finished());
    let anna = &test.anna().person;
    test.server
        .people
        .revoke_key(anna, &operator(anna), &doug.id)
        .await
        .expect("revoked");
    for waiting in [by_kept, logged_in] {
        let status = in_time(waiting).await.expect("an answer");
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    test.shutdown().await;
}

/// A session can expire without any request or change.
#[tokio::test]
async fn a_long_poll_with_an_expired_session_is_rejected() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let cookie = log_in(&mut test, &router, DOUG).await;
    let who = ("cookie", cookie);
    let (id, revision) = queued(&test, &router, &who).await;
    let waiting = wait(&router, &id, revision, 2, who);
    polls_have_started().await;
    sqlx::query("UPDATE sessions SET used_at = 0")
        .execute(test.server.store.pool())
        .await
        .expect("ended");
    let status = in_time(waiting).await.expect("an answer");
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    test.shutdown().await;
}

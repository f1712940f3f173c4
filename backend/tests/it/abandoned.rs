//! Activations are cancelled when no client polls for them.

use std::time::{Duration, Instant};

use axum::{Router, body::Body, http::Request};
use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, ActivationView, EndReason, NewActivation},
    audit::AuditEvent,
    token::NewToken,
};
use countersign_simulator::Profile;
use tower::ServiceExt;

use crate::test_server::{ANNA, DOUG, TestServer, anything, reason};

/// Doug requests an activation that is abandoned after so many seconds without a poll.
async fn request(test: &TestServer, why: &str, seconds: Option<u32>) -> ActivationView {
    let new = NewActivation {
        reason: why.into(),
        abandoned_after_seconds: seconds,
        ..anything()
    };
    test.request_activation(DOUG, new)
        .await
        .expect("requested")
        .0
}

async fn ended(test: &TestServer, view: &ActivationView) -> EndReason {
    let id = &view.id();
    reason(&test.wait_for(id, |view| view.state.is_ended()).await)
}

#[tokio::test]
async fn an_activation_that_no_client_polls_is_cancelled() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let gone = request(&test, "gone", Some(4)).await;
    test.approve(ANNA, &gone.id()).await;
    // An equal request without the limit joins, so the activation must stay.
    let kept = request(&test, "kept", Some(4)).await;
    assert_eq!(request(&test, "kept", None).await.id(), kept.id());
    let queued = request(&test, "queued", Some(4)).await;

    let reason = EndReason::Abandoned { seconds: 4 };
    assert_eq!(ended(&test, &gone).await, reason);
    assert_eq!(ended(&test, &queued).await, reason);
    let audit = test.audit().await;
    let on_record = audit
        .iter()
        .filter(|event| matches!(event, AuditEvent::ActivationEnded { reason: ended, .. } if *ended == reason));
    assert_eq!(on_record.count(), 2);
    // The approval of the cancelled activation does not count for the next one.
    let kept = kept.id();
    let view = test.wait_for(&kept, |view| {
        view.state == ActivationState::AwaitingApprovals
    });
    assert_eq!(view.await.approvals, 0);
    test.shutdown().await;
}

/// A client that signs does not poll, so an open activation has no such limit.
#[tokio::test]
async fn an_open_activation_is_not_abandoned() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let first = request(&test, "open", Some(5)).await;
    test.open(&first.id()).await;
    let after = request(&test, "after", Some(5)).await;
    ended(&test, &after).await;
    let view = test.view(&first.id()).await;
    assert!(
        matches!(view.state, ActivationState::Open { .. }),
        "{view:?}"
    );
    test.shutdown().await;
}

/// A router, and a poll of Doug's activation that takes `seconds` if nothing happens.
async fn poll(test: &TestServer, view: &ActivationView, seconds: u32) -> (Router, Request<Body>) {
    let person = test.doug().person.clone();
    let new = NewToken {
        label: "build".into(),
        keys: vec![],
        days: 1,
        certificate: None,
    };
    let token = crate::test_server::create_token(&test.server, &person, &new)
        .await
        .expect("a token");
    let id = view.id();
    let poll = Request::get(format!(
        "/api/v1/activations/{id}?after=1000&wait={seconds}"
    ))
    .header("authorization", format!("Bearer {}", token.secret))
    .body(Body::empty())
    .expect("a request");
    (crate::test_server::router(&test.server).await, poll)
}

/// A program that was killed closes its connection in the middle of a poll. Its request must not block the HSM for as long as
/// a program may be cut off from the server.
#[tokio::test]
async fn the_request_of_a_killed_program_does_not_block_the_hsm_for_long() {
    let test = TestServer::ready(Profile::VENDOR).await;
    let killed = request(&test, "killed", Some(600)).await;
    let next = request(&test, "next", Some(600)).await;
    let (router, poll) = poll(&test, &killed, 30).await;
    let terms = &killed.terms;
    let attendance = || test.server.activations.attendance();
    let poll = tokio::spawn(router.oneshot(poll));
    while attendance().since_last_poll(terms, Timestamp::now()) > Duration::ZERO {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(attendance().left_to_return(terms), None);
    poll.abort();
    let start = Instant::now();
    let reason = loop {
        let view = test.view(&killed.id()).await;
        if view.state.is_ended() {
            break reason(&view);
        }
        assert!(start.elapsed() < Duration::from_secs(300), "{view:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert!(
        matches!(reason, EndReason::Abandoned { seconds } if seconds < 60),
        "{reason:?}"
    );
    let next = next.id();
    let next = test.wait_for(&next, |view| {
        view.state == ActivationState::AwaitingApprovals
    });
    next.await;
    test.shutdown().await;
}

#[tokio::test]
async fn a_long_poll_keeps_an_activation_alive() {
    let test = TestServer::ready(Profile::VENDOR).await;
    let waited = request(&test, "waited for", Some(3)).await;
    let id = waited.id();
    let (router, poll) = poll(&test, &waited, 7).await;
    let poll = tokio::spawn(router.oneshot(poll));
    // The activation without a poll ends first, although it was requested later.
    let other = request(&test, "other", Some(3)).await;
    ended(&test, &other).await;
    assert!(!test.view(&id).await.state.is_ended());
    poll.await.expect("runs").expect("an answer");
    assert_eq!(
        ended(&test, &waited).await,
        EndReason::Abandoned { seconds: 3 }
    );
    test.shutdown().await;
}

/// Clients could not poll while the server was stopped.
#[tokio::test]
async fn a_restart_starts_the_abandonment_time_again() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let view = request(&test, "before", Some(5)).await;
    test.shutdown().await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    test.restart().await;
    assert!(!test.view(&view.id()).await.state.is_ended());
    assert_eq!(
        ended(&test, &view).await,
        EndReason::Abandoned { seconds: 5 }
    );
    test.shutdown().await;
}

/// This holds however long the server has run.
#[tokio::test]
async fn the_silence_is_never_longer_than_the_age_of_the_request() {
    let test = TestServer::ready(Profile::VENDOR).await;
    let before = Instant::now();
    let view = request(&test, "new", None).await;
    let attendance = test.server.activations.attendance();
    attendance.forget(&view.id(), Duration::MAX);
    assert!(attendance.since_last_poll(&view.terms, Timestamp::now()) <= before.elapsed());
    test.shutdown().await;
}

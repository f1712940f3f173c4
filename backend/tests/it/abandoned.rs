//! What becomes of a request when whoever waited for it has gone.

use std::time::{Duration, Instant};

use axum::{body::Body, http::Request};
use countersign_protocol::{
    activation::{ActivationState, ActivationView, EndReason, NewActivation},
    audit::AuditEvent,
    token::NewToken,
};
use countersign_simulator::Profile;
use tower::ServiceExt;

use crate::world::{World, anything, operator, reason};

/// Doug asks, and may be out of reach for so many seconds.
async fn ask(world: &World, why: &str, seconds: Option<u32>) -> ActivationView {
    let new = NewActivation {
        reason: why.into(),
        abandoned_after_seconds: seconds,
        ..anything()
    };
    world.request(3, new).await.expect("asked").0
}

async fn ended(world: &World, view: &ActivationView) -> EndReason {
    let id = &view.terms.id;
    reason(&world.wait_for(id, |view| view.state.is_ended()).await)
}

#[tokio::test]
async fn only_what_nobody_waits_for_is_withdrawn() {
    let mut world = World::ready(Profile::VENDOR).await;
    let gone = ask(&world, "gone", Some(4)).await;
    world.authenticate(0, &gone.terms.id).await;
    // Somebody else said of the same request that it is to stay.
    let kept = ask(&world, "kept", Some(4)).await;
    assert_eq!(ask(&world, "kept", None).await.terms.id, kept.terms.id);
    let queued = ask(&world, "queued", Some(4)).await;

    let reason = EndReason::Abandoned { seconds: 4 };
    assert_eq!(ended(&world, &gone).await, reason);
    assert_eq!(ended(&world, &queued).await, reason);
    let audit = world.audit().await;
    let on_record = audit
        .iter()
        .filter(|event| matches!(event, AuditEvent::ActivationEnded { reason: ended, .. } if *ended == reason));
    assert_eq!(on_record.count(), 2);
    // Whoever authenticated for what is withdrawn has opened nothing.
    let view = world.wait_for(&kept.terms.id, |view| {
        view.state == ActivationState::Collecting
    });
    assert_eq!(view.await.authenticated, 0);
    world.app.shutdown().await;
}

/// Whoever signs does not ask.
#[tokio::test]
async fn what_is_open_stays() {
    let mut world = World::ready(Profile::VENDOR).await;
    let first = ask(&world, "open", Some(5)).await;
    world.open(&first.terms.id).await;
    let after = ask(&world, "after", Some(5)).await;
    ended(&world, &after).await;
    let view = world.view(&first.terms.id).await;
    assert!(
        matches!(view.state, ActivationState::Open { .. }),
        "{view:?}"
    );
    world.app.shutdown().await;
}

#[tokio::test]
async fn a_long_poll_is_waiting() {
    let world = World::ready(Profile::VENDOR).await;
    let person = world.people[3].person.clone();
    let new = NewToken {
        label: "build".into(),
        keys: vec![],
        days: 1,
        certificate: None,
    };
    let token = crate::world::create_token(&world.app, &person, &operator(&person), &new)
        .await
        .expect("a token");
    let router = crate::world::router(&world.app).await;
    let waited = ask(&world, "waited for", Some(3)).await;
    let id = waited.terms.id.clone();
    let request = Request::get(format!("/api/v1/activations/{id}?after=1000&wait=7"))
        .header("authorization", format!("Bearer {}", token.secret))
        .body(Body::empty())
        .expect("a request");
    let poll = tokio::spawn(router.oneshot(request));
    // Of two requests, the one that nobody asks for ends first, though it came later.
    let other = ask(&world, "other", Some(3)).await;
    ended(&world, &other).await;
    assert!(!world.view(&id).await.state.is_ended());
    poll.await.expect("runs").expect("an answer");
    assert_eq!(
        ended(&world, &waited).await,
        EndReason::Abandoned { seconds: 3 }
    );
    world.app.shutdown().await;
}

/// Nobody could reach a server that was not there.
#[tokio::test]
async fn a_restart_gives_the_whole_time_again() {
    let mut world = World::ready(Profile::VENDOR).await;
    let view = ask(&world, "before", Some(5)).await;
    world.app.shutdown().await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    world.restart().await;
    assert!(!world.view(&view.terms.id).await.state.is_ended());
    assert_eq!(
        ended(&world, &view).await,
        EndReason::Abandoned { seconds: 5 }
    );
    world.app.shutdown().await;
}

/// However long the server has run.
#[tokio::test]
async fn nobody_is_silent_for_longer_than_since_they_asked() {
    let world = World::ready(Profile::VENDOR).await;
    let before = Instant::now();
    let view = ask(&world, "new", None).await;
    let attendance = world.app.activations.attendance();
    attendance.forget(&view.terms.id, Duration::MAX);
    assert!(attendance.silence(&view.terms) <= before.elapsed());
    world.app.shutdown().await;
}

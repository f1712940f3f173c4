//! One requester cannot keep an HSM from the others, and loses everything that waits or is open together with their access.

use std::time::{Duration, Instant};

use countersign_protocol::{
    activation::{ActivationState, Decision, EndReason, NewActivation, NewPurpose},
    audit::Actor,
    id::{ActivationId, TokenId},
    mechanism::Mechanism,
    operator::Role,
    purpose::Scope,
    token::NewToken,
};
use countersign_server::{
    activation::ActivationError,
    config::{Config, LeaseConfig},
    signing::SigningError,
};
use countersign_simulator::Profile;

use crate::{
    person::new_card,
    test_server::{
        ANNA, CARLA, DOUG, TestServer, anything, config, create_token, files, operator, reason,
        request_for, requester, start_with,
    },
};

async fn ready_with(lease: LeaseConfig) -> TestServer {
    let folder = tempfile::tempdir().expect("a folder");
    let hsm = new_card("TARGET", Profile::VENDOR, None);
    let config = Config {
        lease,
        ..config(folder.path(), true)
    };
    let server = start_with(config, &hsm).await;
    let mut test = TestServer::of(server, hsm, folder).await;
    test.make_ready().await;
    test
}

fn because(why: &str) -> NewActivation {
    NewActivation {
        reason: why.into(),
        ..anything()
    }
}

async fn request(test: &TestServer, why: &str) -> Result<ActivationId, ActivationError> {
    Ok(test.request_activation(DOUG, because(why)).await?.0.id())
}

/// Requests with a token of Doug's.
async fn request_with(
    test: &TestServer,
    token: &TokenId,
    why: &str,
) -> Result<ActivationId, ActivationError> {
    let person = &test.doug().person;
    let actor = Actor::Token {
        person: person.clone(),
        token: token.clone(),
    };
    let created = test
        .server
        .activations
        .create(&requester(person, &actor, false), because(why))
        .await?;
    Ok(created.0)
}

async fn token(test: &TestServer, label: &str) -> TokenId {
    let doug = &test.doug().person;
    let new = NewToken {
        label: label.into(),
        days: 1,
        keys: Vec::new(),
        certificate: None,
    };
    let created = create_token(&test.server, doug, &new).await;
    created.expect("a token").token.id
}

#[tokio::test]
async fn a_request_without_progress_gives_way_to_the_next_one() {
    let mut test = ready_with(LeaseConfig {
        turn_seconds: 1,
        ..LeaseConfig::default()
    })
    .await;
    let first = request(&test, "first").await.expect("requested");
    // Nobody else waits, so it keeps the HSM and its approval.
    test.approve(ANNA, &first).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let view = test.view(&first).await;
    assert_eq!(view.state, ActivationState::AwaitingApprovals);
    assert_eq!(view.approvals, 1);

    let second = request(&test, "second").await.expect("requested");
    test.wait_for(&second, |view| {
        view.state == ActivationState::AwaitingApprovals
    })
    .await;
    let view = test
        .wait_for(&first, |view| view.state == ActivationState::Queued)
        .await;
    let anna = &view.custodians[0];
    assert!(
        matches!(anna.decision, Decision::ApprovalLost { .. }),
        "{anna:?}"
    );
    assert!(view.notice.is_some());

    // Each has its turn, again and again, and what opens keeps the HSM.
    test.wait_for(&first, |view| {
        view.state == ActivationState::AwaitingApprovals
    })
    .await;
    test.approve(CARLA, &first).await;
    let (_, view) = test.approve(ANNA, &first).await;
    assert!(
        matches!(view.state, ActivationState::Open { .. }),
        "{view:?}"
    );
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let view = test.view(&first).await;
    assert!(
        matches!(view.state, ActivationState::Open { .. }),
        "{view:?}"
    );
    test.shutdown().await;
}

#[tokio::test]
async fn waiting_requests_are_limited_by_person_and_size() {
    let mut test = ready_with(LeaseConfig {
        max_waiting_requests: 2,
        max_waiting_bytes: 4000,
        ..LeaseConfig::default()
    })
    .await;
    let first = request(&test, "first").await.expect("requested");
    let build = token(&test, "build").await;
    request_with(&test, &build, "second")
        .await
        .expect("requested");
    // A request that joins another one needs no place.
    assert_eq!(request(&test, "first").await.expect("joined"), first);
    for refused in [
        request(&test, "third").await,
        request_with(&test, &build, "third").await,
    ] {
        assert!(
            matches!(refused, Err(ActivationError::TooManyWaiting(_))),
            "{refused:?}"
        );
    }
    // Open activations no longer wait.
    test.open(&first).await;
    let names: Vec<_> = (0..60).map(|number| format!("file {number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let large = NewPurpose::Sign {
        keys: vec!["ec".into()],
        scope: Scope::Manifest {
            files: files(&names),
        },
    };
    let refused = test.request(DOUG, large, None).await;
    assert!(
        matches!(refused, Err(ActivationError::TooManyWaiting(_))),
        "{refused:?}"
    );
    request(&test, "third").await.expect("requested");
    test.shutdown().await;
}

/// Waits until the activation has ended because access was revoked, and the HSM is locked.
async fn ends(test: &TestServer, id: &ActivationId, since: Instant) {
    let view = test.wait_for(id, |view| view.state.is_ended()).await;
    assert!(
        matches!(reason(&view), EndReason::AccessRevoked { .. }),
        "{:?}",
        view.state
    );
    // The machine can be busy; what matters is that no timer of the coordinator was needed.
    assert!(
        since.elapsed() < Duration::from_secs(15),
        "{:?}",
        since.elapsed()
    );
}

#[tokio::test]
async fn a_revoked_token_ends_its_requests_and_leases() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let (build, other) = (token(&test, "build").await, token(&test, "other").await);
    let open = request_with(&test, &build, "open")
        .await
        .expect("requested");
    let waits = request_with(&test, &build, "waits")
        .await
        .expect("requested");
    let of_other = request_with(&test, &other, "other")
        .await
        .expect("requested");
    test.open(&open).await;
    let input = request_for("a.bin", Mechanism::EcdsaSha256);
    test.sign(&open, "1", &input).await.expect("signed");
    let doug = &test.doug().person;
    let since = Instant::now();
    test.server
        .tokens
        .revoke(doug, false, &operator(doug), &build)
        .await
        .expect("revoked");
    ends(&test, &open, since).await;
    ends(&test, &waits, since).await;
    let refused = test.sign(&open, "2", &input).await;
    assert!(
        matches!(
            refused,
            Err(SigningError::Ended(EndReason::AccessRevoked { .. }))
        ),
        "{refused:?}"
    );
    // The other token's request has the HSM now, which counts nothing.
    let view = test
        .wait_for(&of_other, |view| {
            view.state == ActivationState::AwaitingApprovals
        })
        .await;
    assert_eq!(view.approvals, 0);
    test.assert_not_open().await;
    test.shutdown().await;
}

#[tokio::test]
async fn a_revoked_person_ends_their_requests_and_leases() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let open = request(&test, "open").await.expect("requested");
    let waits = request(&test, "waits").await.expect("requested");
    test.open(&open).await;
    let anna = &test.anna().person;
    let since = Instant::now();
    test.server
        .people
        .revoke_key(anna, &operator(anna), &test.doug().person.id)
        .await
        .expect("revoked");
    ends(&test, &open, since).await;
    ends(&test, &waits, since).await;
    test.assert_locked().await;
    test.shutdown().await;
}

#[tokio::test]
async fn a_requester_who_loses_the_role_loses_requests_and_leases() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let open = request(&test, "open").await.expect("requested");
    test.open(&open).await;
    let since = Instant::now();
    let mut tx = test.server.store.write().await.expect("a change");
    sqlx::query("UPDATE operators SET roles = ? WHERE id = ?")
        .bind(serde_json::to_string(&[Role::Custodian]).expect("JSON"))
        .bind(test.doug().person.id.as_str())
        .execute(tx.connection())
        .await
        .expect("changed");
    tx.forget_callers();
    tx.commit().await.expect("stored");
    ends(&test, &open, since).await;
    test.assert_locked().await;
    test.shutdown().await;
}

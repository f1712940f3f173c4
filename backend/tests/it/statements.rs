//! Signed statements count only for what they name: this server, this challenge, and nobody's own confirmation.

use countersign_card::KeyKind;
use countersign_protocol::{
    Timestamp,
    activation::ActivationState,
    cvc::{Curve, Fingerprint},
    operator::{KeyStatus, Role},
    statement::LoginStatement,
    task::{ServerTask, Task},
};
use countersign_server::{
    activation::Approved,
    people::{Browser, LoginError, PeopleError},
};
use countersign_simulator::Profile;

use crate::{
    person::Card,
    test_server::{ANNA, BEN, CARLA, TestServer, confirm, operator},
};

const EXTERNAL_AUTHENTICATE: u8 = 0x82;

#[tokio::test]
async fn a_log_in_for_another_server_is_refused() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    for (other_origin, other_key) in [(true, false), (false, true), (false, false)] {
        let challenge = test.server.people.challenge().expect("a challenge");
        let task: ServerTask = challenge.task.peek().expect("a task");
        let Task::LogIn { nonce } = task.task else {
            panic!("another task")
        };
        let card = &mut test.anna_mut().card;
        let statement = LoginStatement {
            origin: if other_origin {
                "https://sign.example.net".into()
            } else {
                task.server.origin
            },
            server_key: if other_key {
                Fingerprint([7; 32])
            } else {
                task.server.key.fingerprint()
            },
            nonce,
            key: card.fingerprint(),
            at: Timestamp::now(),
        };
        let envelope = card.seal(&statement);
        let logged_in = test
            .server
            .people
            .log_in(&envelope, &Browser::default())
            .await;
        let logged_in = logged_in.map(|done| done.view);
        if other_origin || other_key {
            assert!(
                matches!(logged_in, Err(LoginError::Rejected(_))),
                "{logged_in:?}"
            );
        } else {
            logged_in.expect("logged in");
        }
    }
    test.shutdown().await;
}

#[tokio::test]
async fn nobody_confirms_or_revokes_their_own_key() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let link = test.invite("Emil", Role::Admin).await;
    test.enrol(&link, "EMIL01").await;
    let emil = test.people.last().expect("a person");
    let (person, key) = (&emil.person, emil.card.fingerprint());
    let confirmed = confirm(&test.server, person, &person.id, key).await;
    assert!(
        matches!(confirmed, Err(PeopleError::Conflict(_))),
        "{confirmed:?}"
    );
    let revoked = test
        .server
        .people
        .revoke_key(person, &operator(person), &person.id)
        .await;
    assert!(
        matches!(revoked, Err(PeopleError::Conflict(_))),
        "{revoked:?}"
    );
    let operators = test.server.views.operators().await.expect("operators");
    let emil = operators
        .iter()
        .find(|operator| operator.person.id == person.id)
        .expect("Emil");
    assert_eq!(emil.status, KeyStatus::AwaitingConfirmation);
    test.shutdown().await;
}

#[tokio::test]
async fn a_response_to_a_stale_challenge_does_not_reach_the_card() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let id = test.request_any_content("ec", 600, 10).await;
    test.wait_for(&id, |view| view.state == ActivationState::AwaitingApprovals)
        .await;
    let task = test.task(ANNA, &id).await.expect("a task");
    let stale = test.people[ANNA].approve(&task);
    test.approve(CARLA, &id).await;
    // Another custodian opens the request, for whom the HSM makes a new challenge.
    test.task(BEN, &id).await.expect("a task");
    test.hsm.reset_counts();
    let custodian = test.people[ANNA].custodian();
    let terms = test.view(&id).await.terms;
    let answer = test
        .server
        .activations
        .approve(&terms, &custodian, stale)
        .await
        .expect("an answer");
    assert!(matches!(answer, Approved::SignAgain { .. }), "{answer:?}");
    let counts = test.hsm.apdu_counts();
    assert!(!counts.by_instruction.contains_key(&EXTERNAL_AUTHENTICATE));
    assert_eq!(test.view(&id).await.approvals, 1);
    test.shutdown().await;
}

#[tokio::test]
async fn a_key_with_the_name_of_another_one_cannot_be_enrolled() {
    let test = TestServer::with_people(Profile::VENDOR).await;
    let name = test.ben().card.file.request.chr().to_string();
    let kind = KeyKind::Ec(Curve::BrainpoolP256r1);
    let mut copy = Card::with_name("COPY01", kind, &name);
    let link = test.invite("Emil", Role::Custodian).await;
    let (_, code) = link.split_once('#').expect("a code");
    let opened = test
        .server
        .people
        .open_invitation(code)
        .await
        .expect("opened");
    let enrolled = test
        .server
        .people
        .enrol(&copy.enrolment(code, &opened))
        .await;
    assert!(
        matches!(&enrolled, Err(PeopleError::Taken(why)) if why.contains(&name)),
        "{enrolled:?}"
    );
    test.shutdown().await;
}

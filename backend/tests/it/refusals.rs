//! Audit entries for what is refused.

use std::{net::IpAddr, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode, header},
};
use countersign_protocol::{
    activation::SignedApproval,
    audit::{Actor, AuditEntry, AuditEvent, Refusal},
    encoding::Base64,
    operator::{Enrolment, Role},
    session::{LogIn, LoginChallenge},
};
use countersign_server::store;
use countersign_simulator::Profile;
use tower::ServiceExt;

use crate::{
    http::{json, log_in, send, text},
    person::Card,
    test_server::{ANNA, BEN, CARLA, DOUG, ORIGIN, TestServer, router},
};

async fn entries(test: &TestServer) -> Vec<AuditEntry> {
    let mut connection = test.server.store.read().await.expect("a connection");
    let page = store::audit::page(&mut connection, None, 500).await;
    page.expect("a page").entries
}

/// Waits for this number of refusals of this kind, oldest first: actor, request and reason.
async fn refused(
    test: &TestServer,
    wanted: Refusal,
    number: usize,
) -> Vec<(Actor, String, String)> {
    for _ in 0..500 {
        let found = find_refused(test, wanted).await;
        if found.len() >= number {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never: {:#?}", entries(test).await);
}

async fn find_refused(test: &TestServer, wanted: Refusal) -> Vec<(Actor, String, String)> {
    let entries = entries(test).await.into_iter().rev();
    entries
        .filter_map(|entry| match entry.event {
            AuditEvent::Refused {
                refusal,
                request,
                why,
            } if refusal == wanted => Some((entry.actor, request, why)),
            _ => None,
        })
        .collect()
}

async fn post(router: &Router, path: &str, body: Option<String>) -> StatusCode {
    let answer = send(router, "POST", path, &[("origin", ORIGIN)], body).await;
    answer.status()
}

/// Logs in with this card.
async fn try_log_in(router: &Router, card: &mut Card) -> StatusCode {
    let origin = [("origin", ORIGIN)];
    let challenge = send(router, "POST", "/session/challenge", &origin, None).await;
    let challenge: LoginChallenge = json(challenge).await;
    let statement = card.log_in(&challenge.task);
    post(router, "/session", text(&LogIn { statement })).await
}

#[tokio::test]
async fn each_kind_of_refusal_leaves_an_entry() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let router = router(&test.server).await;
    // A log-in with an unknown card.
    let mut stranger = Card::new("STRANG");
    let status = try_log_in(&router, &mut stranger).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let log_ins = refused(&test, Refusal::LogIn, 1).await;
    let [(actor, request, why)] = log_ins.as_slice() else {
        panic!("{log_ins:?}");
    };
    assert!(matches!(actor, Actor::Stranger { .. }), "{actor:?}");
    assert_eq!(request, "POST /api/v1/session");
    assert!(why.contains("not enrolled"), "{why}");
    // A wrong code, which stays out of the log.
    let body = r#"{"code":"secret-code"}"#.to_owned();
    post(&router, "/enrolment/open", Some(body)).await;
    let codes = refused(&test, Refusal::Code, 1).await;
    assert!(!codes.is_empty(), "{codes:?}");
    assert!(!format!("{:?}", entries(&test).await).contains("secret-code"));
    // An unknown token.
    let token = [("authorization", "Bearer secret-token")];
    send(&router, "GET", "/hsms", &token, None).await;
    let tokens = refused(&test, Refusal::Credential, 1).await;
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    assert!(!format!("{:?}", entries(&test).await).contains("secret-token"));
    // A request for which the caller lacks the role, and one from a page of another site.
    let cookie = log_in(&mut test, &router, DOUG).await;
    let headers = [("origin", ORIGIN), ("cookie", cookie.as_str())];
    send(&router, "GET", "/invitations", &headers, None).await;
    let headers = [
        ("origin", "https://evil.example"),
        ("cookie", cookie.as_str()),
    ];
    send(&router, "DELETE", "/session", &headers, None).await;
    let denied = refused(&test, Refusal::Permission, 2).await;
    let [(actor, request, _), (other_site, _, _)] = denied.as_slice() else {
        panic!("{denied:?}");
    };
    assert!(
        matches!(actor, Actor::Operator { person } if *person == test.doug().person),
        "{actor:?}"
    );
    assert_eq!(request, "GET /api/v1/invitations");
    assert!(matches!(other_site, Actor::Stranger { .. }));
    test.shutdown().await;
}

#[tokio::test]
async fn a_forged_approval_leaves_an_entry_with_the_name_of_its_custodian() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let id = test.request_signatures("ec", &["a.bin"]).await;
    let cookie = log_in(&mut test, &router, BEN).await;
    let task = test.task(CARLA, &id).await.expect("a task");
    let approval: SignedApproval = test.carla_mut().approve(&task);
    let headers = [("origin", ORIGIN), ("cookie", cookie.as_str())];
    let path = format!("/activations/{id}/approvals");
    let answer = send(&router, "POST", &path, &headers, text(&approval)).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let approvals = refused(&test, Refusal::Approval, 1).await;
    let [(actor, ..)] = approvals.as_slice() else {
        panic!("{approvals:?}");
    };
    assert!(
        matches!(actor, Actor::Operator { person } if *person == test.ben().person),
        "{actor:?}"
    );
    test.shutdown().await;
}

#[tokio::test]
async fn a_flood_of_refusals_leaves_a_handful_of_entries_and_the_right_count() {
    const FLOOD: u64 = 10_000;
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    log_in(&mut test, &router, ANNA).await;
    let before = entries(&test).await.len();
    let stranger: IpAddr = [192, 0, 2, 1].into();
    for _ in 0..FLOOD {
        let request = Request::post("/api/v1/enrolment/open")
            .header(header::ORIGIN, ORIGIN)
            .header(header::CONTENT_TYPE, "application/json")
            .extension(ConnectInfo(countersign_server::http::Peer::new(
                (stranger, 1).into(),
            )))
            .body(Body::from(r#"{"code":"0000"}"#))
            .expect("a request");
        let answer = router.clone().oneshot(request).await.expect("an answer");
        assert!(answer.status().is_client_error());
    }
    test.shutdown().await;
    let after = entries(&test).await;
    let flood = &after[..after.len() - before];
    assert!(flood.len() < 30, "{}", flood.len());
    let own = Actor::Stranger { network: stranger };
    let of_flood = flood.iter().filter(|entry| entry.actor == own);
    let noted: u64 = of_flood
        .map(|entry| match &entry.event {
            AuditEvent::Refused { .. } => 1,
            AuditEvent::RefusalsCounted { count, .. } => *count,
            other => panic!("another entry: {other:?}"),
        })
        .sum();
    assert_eq!(noted, FLOOD);
}

#[tokio::test]
async fn the_holder_of_an_invitation_cannot_fill_the_log_with_rejected_enrolments() {
    let test = TestServer::with_people(Profile::VENDOR).await;
    let link = test.invite("Mallory", Role::Custodian).await;
    let (_, code) = link.split_once('#').expect("a code");
    let before = test.audit().await.len();
    // After some attempts, the invitation's limit rejects the others without an entry.
    for _ in 0..200 {
        let enrolment = Enrolment {
            code: code.to_owned(),
            pka: Base64(vec![0; 10]),
            statement: None,
        };
        test.server
            .people
            .enrol(&enrolment)
            .await
            .expect_err("rejected");
    }
    assert!(test.audit().await.len() - before < 40);
    test.shutdown().await;
}

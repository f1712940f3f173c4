//! Floods of requests by strangers, which must not keep others out.

use std::net::IpAddr;

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode, header},
    response::Response,
};
use countersign_protocol::{
    operator::{Enrolment, Role},
    problem::ProblemCode,
    session::{LogIn, LoginChallenge},
};
use countersign_server::{
    http::Peer,
    people::{Browser, LoginError, PeopleError},
};
use countersign_simulator::Profile;
use tower::ServiceExt;

use crate::{
    http::{code, json, log_in},
    test_server::{ANNA, BEN, ORIGIN, TestServer, router},
    tls::server::in_time,
};

/// Posts from this address.
async fn post(router: &Router, from: IpAddr, path: &str, body: &str) -> Response {
    let request = Request::post(format!("/api/v1{path}"))
        .header(header::ORIGIN, ORIGIN)
        .header(header::CONTENT_TYPE, "application/json")
        .extension(ConnectInfo(Peer::new((from, 1).into())))
        .body(Body::from(body.to_owned()))
        .expect("a request");
    router.clone().oneshot(request).await.expect("an answer")
}

/// Size and time of the database's log of writes, to which every change is written.
fn written(test: &TestServer) -> (u64, std::time::SystemTime) {
    let log = test.folder.path().join("countersign.db-wal");
    let log = std::fs::metadata(log).expect("the log");
    (log.len(), log.modified().expect("a time"))
}

#[tokio::test]
async fn a_flood_of_log_in_challenges_writes_nothing_and_locks_nobody_out() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let stranger: IpAddr = "192.0.2.1".parse().expect("an address");
    let before = written(&test);
    let mut turned_away = None;
    for _ in 0..2000 {
        let response = post(&router, stranger, "/session/challenge", "").await;
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            turned_away = Some(response);
        } else {
            let _: LoginChallenge = json(response).await;
        }
    }
    assert_eq!(written(&test), before);
    let turned_away = turned_away.expect("one network has its share only");
    let wait = turned_away.headers()[header::RETRY_AFTER].to_str();
    assert_eq!(wait.expect("text"), "1");
    assert_eq!(code(turned_away).await, ProblemCode::TooManyRequests);
    log_in(&mut test, &router, ANNA).await;
    test.shutdown().await;
}

/// Log-ins, one-time codes and challenges. Neither the account in a request nor the address within a network matters.
#[tokio::test]
async fn a_network_has_its_share_of_attempts_whatever_addresses_it_uses() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let task = test.server.people.challenge().expect("a challenge").task;
    let mut statement = test.people[BEN].card.log_in(&task);
    statement.signatures = test.people[ANNA].card.log_in(&task).signatures;
    let log_in_as_ben = serde_json::to_string(&LogIn { statement }).expect("JSON");
    for (path, body) in [
        ("/enrolment/open", r#"{"code":"0000"}"#),
        ("/enrolment", r#"{"code":"0000","pka":""}"#),
        ("/bootstrap", r#"{"code":"0000","name":"Eve"}"#),
        ("/session", &log_in_as_ben),
        ("/session/challenge", ""),
    ] {
        // Each router counts anew.
        let router = router(&test.server).await;
        let mut rejected = 0;
        for number in 0..300_u16 {
            let address = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, number]);
            let response = post(&router, address, path, body).await;
            if response.status() == StatusCode::TOO_MANY_REQUESTS {
                assert!(response.headers().contains_key(header::RETRY_AFTER));
                rejected += 1;
            }
        }
        assert!(rejected > 0, "{path}");
        // Ben, as whom the stranger failed to log in, can log in from elsewhere.
        log_in(&mut test, &router, BEN).await;
    }
    test.shutdown().await;
}

/// The holder of a code could fill the audit log with rejected enrolments. Wrong codes do not count, so a stranger cannot use up the
/// attempts of an invitation.
#[tokio::test]
async fn an_invitation_allows_a_limited_number_of_attempts() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let people = test.server.people.clone();
    let attempt = async |link: &str| {
        let (_, code) = link.split_once('#').expect("a code");
        let request = Enrolment {
            code: code.to_owned(),
            pka: Vec::new().into(),
            statement: None,
        };
        people.enrol(&request).await.expect_err("no key")
    };
    let tried = test.invite("Emil", Role::Auditor).await;
    let other = test.invite("Fred", Role::Auditor).await;
    for number in 0..60 {
        let wrong = attempt(&format!("/join#WRONG{number}")).await;
        assert!(matches!(wrong, PeopleError::Code(_)), "{wrong}");
    }
    let mut results = Vec::new();
    for _ in 0..100 {
        results.push(attempt(&tried).await);
    }
    let is_limit = |error: &PeopleError| matches!(error, PeopleError::TooOften(_));
    let first = results.iter().position(is_limit);
    assert!(first.is_some_and(|first| first >= 30), "{first:?}");
    assert!(is_limit(&results[99]));
    test.enrol(&other, "FRED01").await;
    test.shutdown().await;
}

/// A stranger can name any key in a statement, so only signed ones count.
#[tokio::test]
async fn only_the_holder_of_a_key_can_use_up_its_log_ins() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let people = test.server.people.clone();
    for number in 0..60 {
        let task = people.challenge().expect("a challenge").task;
        let mut statement = test.people[BEN].card.log_in(&task);
        statement.signatures = test.people[ANNA].card.log_in(&task).signatures;
        let rejected = people.log_in(&statement, &Browser::default()).await;
        assert!(rejected.is_err(), "{number}");
    }
    let mut results = Vec::new();
    for _ in 0..100 {
        let task = people.challenge().expect("a challenge").task;
        let statement = test.people[BEN].card.log_in(&task);
        results.push(people.log_in(&statement, &Browser::default()).await);
    }
    let first = results.iter().position(Result::is_err);
    assert!(first.is_some_and(|first| first >= 30), "{first:?}");
    assert!(matches!(results[99], Err(LoginError::TooOften(_))));
    let router = router(&test.server).await;
    log_in(&mut test, &router, ANNA).await;
    test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_do_not_wait_for_writes_and_delay_none() {
    let test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let stranger: IpAddr = "192.0.2.1".parse().expect("an address");
    // Somebody writes all the time.
    let tx = test.server.store.write().await.expect("a change");
    for (path, body) in [
        ("/session/challenge", ""),
        ("/bootstrap", r#"{"code":"0000","name":"Eve"}"#),
        ("/enrolment/open", r#"{"code":"0000"}"#),
        ("/enrolment", r#"{"code":"0000","pka":""}"#),
    ] {
        let response = in_time(post(&router, stranger, path, body)).await;
        assert!(response.status().as_u16() < 500, "{path}");
    }
    drop(tx);
    test.shutdown().await;
}

//! Access control of the HTTP API.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, Response, StatusCode, header},
};
use countersign_protocol::{
    Timestamp,
    about::About,
    act::NewAct,
    activation::{ActivationState, ActivationView, EndReason, Join, NewActivation, NewPurpose},
    audit::AuditPage,
    hsm::{HsmState, HsmView},
    id::{ActivationId, MemberId},
    lease::LeaseLimits,
    mechanism::Mechanism,
    problem::{Problem, ProblemCode},
    purpose::{NewKeyType, Scope},
    session::{LogIn, LoginChallenge, SessionView},
    token::NewToken,
};
use countersign_server::store;
use countersign_simulator::Profile;
use serde::{Serialize, de::DeserializeOwned};
use tower::ServiceExt;

use crate::{
    test_server::{ANNA, DOUG, ORIGIN, TestServer, create_token, request_for},
    tls::server::token_for,
};

const NO_CREDENTIALS: &[(&str, &str)] = &[];

pub async fn send(
    router: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<String>,
) -> Response<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/api/v1{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let request = request
        .body(body.map_or_else(Body::empty, Body::from))
        .expect("a request");
    router.clone().oneshot(request).await.expect("an answer")
}

pub async fn json<T: DeserializeOwned>(response: Response<Body>) -> T {
    let bytes = to_bytes(response.into_body(), usize::MAX)
        .await
        .expect("a body");
    serde_json::from_slice(&bytes)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&bytes)))
}

pub async fn code(response: Response<Body>) -> ProblemCode {
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "application/problem+json"
    );
    let status = response.status().as_u16();
    let problem: Problem = json(response).await;
    assert_eq!(problem.status, status);
    problem.code().expect("a known problem")
}

pub fn text<T: Serialize>(value: &T) -> Option<String> {
    Some(serde_json::to_string(value).expect("JSON"))
}

/// Logs in, and returns the cookie as a browser sends it back.
pub async fn log_in(test: &mut TestServer, router: &Router, index: usize) -> String {
    log_in_from(test, router, index, &[]).await
}

/// Logs in with a browser that sends these headers.
pub async fn log_in_from(
    test: &mut TestServer,
    router: &Router,
    index: usize,
    headers: &[(&str, &str)],
) -> String {
    let cookie = cookie_for(test, router, index, headers).await;
    cookie.split(';').next().expect("a cookie").to_owned()
}

/// Logs in, and returns the cookie with its attributes.
pub async fn set_cookie(test: &mut TestServer, router: &Router, index: usize) -> String {
    cookie_for(test, router, index, &[]).await
}

async fn cookie_for(
    test: &mut TestServer,
    router: &Router,
    index: usize,
    headers: &[(&str, &str)],
) -> String {
    let own_origin = test.server.config.public_origin.clone();
    let origin = [&[("origin", own_origin.as_str())], headers].concat();
    let challenge: LoginChallenge =
        json(send(router, "POST", "/session/challenge", &origin, None).await).await;
    let statement = test.people[index].card.log_in(&challenge.task);
    let body = text(&LogIn { statement });
    let response = send(router, "POST", "/session", &origin, body).await;
    assert_eq!(response.status(), StatusCode::OK);
    response.headers()[header::SET_COOKIE]
        .to_str()
        .expect("text")
        .to_owned()
}

#[tokio::test]
async fn a_statement_is_good_for_one_log_in() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let origin = [("origin", ORIGIN)];
    let challenge: LoginChallenge =
        json(send(&router, "POST", "/session/challenge", &origin, None).await).await;
    let statement = test.people[ANNA].card.log_in(&challenge.task);
    let body = text(&LogIn { statement });
    let first = send(&router, "POST", "/session", &origin, body.clone()).await;
    assert_eq!(first.status(), StatusCode::OK);
    let again = send(&router, "POST", "/session", &origin, body).await;
    assert_eq!(code(again).await, ProblemCode::StatementRejected);
    test.shutdown().await;
}

#[tokio::test]
async fn a_token_limited_to_some_keys_lists_only_these_keys() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let doug = log_in(&mut test, &router, DOUG).await;
    let session = [("cookie", doug.as_str()), ("origin", ORIGIN)];
    let new = NewToken {
        label: "pipeline".into(),
        keys: vec!["ec".into()],
        days: 1,
        certificate: None,
    };
    let created = create_token(&test.server, &test.doug().person, &new)
        .await
        .expect("a token");
    let bearer = format!("Bearer {}", created.secret);
    let token = [("authorization", bearer.as_str())];
    for (headers, keys) in [(&session[..], vec!["ec", "rsa"]), (&token, vec!["ec"])] {
        let list: Vec<HsmView> = json(send(&router, "GET", "/hsms", headers, None).await).await;
        let one: HsmView = json(send(&router, "GET", "/hsms/release", headers, None).await).await;
        assert_eq!(list.len(), 1);
        for hsm in [&list[0], &one] {
            let mut received: Vec<_> = hsm.keys.iter().map(|key| key.label.as_str()).collect();
            received.sort_unstable();
            assert_eq!(received, keys);
        }
    }
    test.shutdown().await;
}

async fn seen(router: &Router, headers: &[(&str, &str)]) -> Vec<ActivationId> {
    let list: Vec<ActivationView> =
        json(send(router, "GET", "/activations", headers, None).await).await;
    list.into_iter().map(|view| view.id()).collect()
}

#[tokio::test]
async fn a_token_limited_to_some_keys_sees_only_their_activations() {
    let test = TestServer::ready(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let sign = |keys: &[&str]| NewPurpose::Sign {
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        scope: Scope::Open,
    };
    let lease = LeaseLimits {
        seconds: 60,
        signatures: 1,
    };
    let rsa = test.request_any_content("rsa", 60, 1).await;
    let both = test.request(DOUG, sign(&["ec", "rsa"]), Some(lease)).await;
    let both = both.expect("requested").id();
    let mut bearers = Vec::new();
    for keys in [&["ec"][..], &[]] {
        let created = token_for(&test, keys, None).await.expect("a token");
        bearers.push(format!("Bearer {}", created.secret));
    }
    let limited = [("authorization", bearers[0].as_str())];
    let unlimited = [("authorization", bearers[1].as_str())];

    // Its request does not join an activation that it could not use.
    let new = NewActivation {
        hsm: None,
        purpose: sign(&["ec"]),
        reason: "Firmware 4.2.1".into(),
        lease: Some(lease),
        approval_seconds: None,
        abandoned_after_seconds: None,
        join: Join::SameKeys,
    };
    let requested = send(&router, "POST", "/activations", &limited, text(&new)).await;
    assert_eq!(requested.status(), StatusCode::CREATED);
    let ec = json::<ActivationView>(requested).await.id();

    assert_eq!(seen(&router, &limited).await, std::slice::from_ref(&ec));
    assert_eq!(
        seen(&router, &unlimited).await,
        // The HSM serves the first request, and the others wait.
        [rsa.clone(), ec.clone(), both.clone()]
    );
    let request = text(&request_for("file", Mechanism::RsaPkcs1Sha256));
    for id in [&rsa, &both] {
        for (method, below) in [
            ("GET", ""),
            ("POST", "/lock"),
            ("GET", "/signatures"),
            ("POST", "/signatures"),
            ("GET", "/receipt"),
        ] {
            let path = format!("/activations/{id}{below}");
            let body = request
                .clone()
                .filter(|_| (method, below) == ("POST", "/signatures"));
            let headers = [limited[0], ("idempotency-key", "1")];
            let response = send(&router, method, &path, &headers, body).await;
            assert_eq!(code(response).await, ProblemCode::NotFound, "{path}");
        }
        let path = format!("/activations/{id}");
        let other = send(&router, "GET", &path, &unlimited, None).await;
        let view: ActivationView = json(other).await;
        assert!(!view.state.is_ended());
    }
    let path = format!("/activations/{ec}/lock");
    let locked = send(&router, "POST", &path, &limited, None).await;
    assert_eq!(locked.status(), StatusCode::OK);
    test.shutdown().await;
}

#[tokio::test]
async fn hidden_activations_do_not_count_towards_the_list_limit() {
    let test = TestServer::ready(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let ec = test.request_any_content("ec", 60, 1).await;
    let rsa = test.request_any_content("rsa", 60, 1).await;
    let mut tx = test.server.store.write().await.expect("a change");
    let stored = store::activations::by_id(tx.connection(), &rsa.member(0)).await;
    let mut newer = stored.expect("read").expect("there");
    newer.state = ActivationState::Ended {
        reason: EndReason::Expired,
        at: Timestamp::now(),
    };
    for number in 0..300 {
        newer.terms.id = MemberId::new(format!("NEWER-{number}"));
        store::activations::insert(tx.connection(), &newer)
            .await
            .expect("stored");
    }
    tx.commit().await.expect("committed");
    let mut lists = Vec::new();
    for keys in [&["ec"][..], &[]] {
        let created = token_for(&test, keys, None).await.expect("a token");
        let bearer = format!("Bearer {}", created.secret);
        let headers = [("authorization", bearer.as_str())];
        let response = send(&router, "GET", "/activations?state=all", &headers, None).await;
        let list: Vec<ActivationView> = json(response).await;
        lists.push(list.into_iter().map(|view| view.id()));
    }
    let [limited, unlimited] = &mut lists[..] else {
        panic!("two lists")
    };
    assert!(limited.eq([ec]));
    // Every list has a limit.
    assert_eq!(unlimited.len(), 200);
    // Those that wait come first.
    assert_eq!(unlimited.nth(2), Some(newer.terms.id.activation()));
    test.shutdown().await;
}

/// The activation that the HSM serves, as each of these callers sees it.
async fn served(router: &Router, bearers: &[String]) -> Vec<Option<ActivationId>> {
    let mut received = Vec::new();
    for bearer in bearers {
        let headers = [("authorization", bearer.as_str())];
        let mut all: Vec<HsmView> = json(send(router, "GET", "/hsms", &headers, None).await).await;
        let one: HsmView = json(send(router, "GET", "/hsms/release", &headers, None).await).await;
        assert_eq!(all.pop().as_ref(), Some(&one));
        let (HsmState::AwaitingApprovals { activation } | HsmState::Open { activation, .. }) =
            one.state
        else {
            panic!("{:?}", one.state)
        };
        received.push(activation);
    }
    received
}

#[tokio::test]
async fn the_activation_of_an_hsm_is_shown_only_to_callers_that_may_see_it() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let mut bearers = Vec::new();
    for keys in [&["ec"][..], &["rsa"], &[]] {
        let created = token_for(&test, keys, None).await.expect("a token");
        bearers.push(format!("Bearer {}", created.secret));
    }
    let rsa = test.request_any_content("rsa", 60, 1).await;
    let waiting = |view: &HsmView| matches!(view.state, HsmState::AwaitingApprovals { .. });
    test.wait_for_hsm(waiting).await;
    let received = [None, Some(rsa.clone()), Some(rsa.clone())];
    assert_eq!(served(&router, &bearers).await, received);
    test.open(&rsa).await;
    assert_eq!(served(&router, &bearers).await, received);
    test.shutdown().await;
}

/// This holds even if the token's owner is an admin.
#[tokio::test]
async fn a_token_limited_to_some_keys_does_not_see_key_generation() {
    let test = TestServer::ready(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let purpose = NewPurpose::GenerateKey {
        label: "new".into(),
        key_type: NewKeyType::EcSecp256r1,
    };
    let requested = test.request(ANNA, purpose, None).await.expect("requested");
    let anna = &test.anna().person;
    for (keys, other) in [
        (vec!["new".to_owned()], vec![]),
        (vec![], vec![requested.id()]),
    ] {
        let new = NewToken {
            label: "pipeline".into(),
            keys,
            days: 1,
            certificate: None,
        };
        let created = create_token(&test.server, anna, &new)
            .await
            .expect("a token");
        let bearer = format!("Bearer {}", created.secret);
        assert_eq!(seen(&router, &[("authorization", &bearer)]).await, other);
    }
    test.shutdown().await;
}

#[tokio::test]
async fn each_credential_allows_only_its_own_requests() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;

    let about: About = json(send(&router, "GET", "/about", NO_CREDENTIALS, None).await).await;
    assert!(about.demo && !about.needs_bootstrap);
    for (method, path) in [
        ("GET", "/session"),
        ("GET", "/operators"),
        ("GET", "/invitations"),
        ("GET", "/tokens"),
        ("GET", "/hsms"),
        ("GET", "/hsms/release"),
        ("GET", "/keys"),
        ("GET", "/activations"),
        ("GET", "/activations/1"),
        ("GET", "/activations/1/signatures"),
        ("GET", "/activations/1/receipt"),
        ("GET", "/audit"),
    ] {
        assert_eq!(
            code(send(&router, method, path, NO_CREDENTIALS, None).await).await,
            ProblemCode::NotAuthenticated,
            "{path}"
        );
    }
    assert_eq!(
        code(send(&router, "GET", "/nothing", NO_CREDENTIALS, None).await).await,
        ProblemCode::NotFound
    );

    let doug = log_in(&mut test, &router, DOUG).await;
    let me: SessionView =
        json(send(&router, "GET", "/session", &[("cookie", &doug)], None).await).await;
    assert_eq!(me.person.name, "Doug");

    // A request with the cookie from another site's page is rejected.
    let new = NewToken {
        label: "pipeline".into(),
        keys: vec!["firmware".into()],
        days: 1,
        certificate: None,
    };
    for headers in [
        vec![("cookie", doug.as_str())],
        vec![("cookie", &doug), ("origin", "https://evil.example")],
    ] {
        let act = NewAct::CreateToken(new.clone());
        let response = send(&router, "POST", "/acts", &headers, text(&act)).await;
        assert_eq!(code(response).await, ProblemCode::NotAllowed);
    }
    let created = create_token(&test.server, &test.doug().person, &new)
        .await
        .expect("a token");
    let bearer = format!("Bearer {}", created.secret);
    let with_token = [("authorization", bearer.as_str())];
    assert_eq!(
        send(&router, "GET", "/keys", &with_token, None)
            .await
            .status(),
        StatusCode::OK
    );

    // A token acts only as a requester.
    for (method, path) in [
        ("GET", "/audit"),
        ("GET", "/tokens"),
        ("GET", "/invitations"),
        ("POST", "/acts"),
    ] {
        let body = (method == "POST").then(|| r#"{"type":"create-token"}"#.to_owned());
        assert_eq!(
            code(send(&router, method, path, &with_token, body).await).await,
            ProblemCode::NotAllowed,
            "{path}"
        );
    }
    let key = "11".repeat(32);
    for (method, below, body) in [
        ("PUT", "settings", Some(r#"{"rawRsa":true}"#)),
        ("DELETE", "certificate", None),
    ] {
        let path = format!("/keys/{key}/{below}");
        let body = body.map(str::to_owned);
        let response = send(&router, method, &path, &with_token, body).await;
        assert_eq!(code(response).await, ProblemCode::NotAllowed, "{path}");
    }
    let unknown = format!("/keys/{key}/certificate");
    let body = Some(r#"{"der":"MAA="}"#.to_owned());
    let response = send(&router, "PUT", &unknown, &with_token, body).await;
    assert_eq!(code(response).await, ProblemCode::NotFound);
    let doug_is_not_an_admin =
        send(&router, "GET", "/invitations", &[("cookie", &doug)], None).await;
    assert_eq!(code(doug_is_not_an_admin).await, ProblemCode::NotAllowed);

    // The sessions and tokens of a revoked person are rejected.
    let anna = log_in(&mut test, &router, ANNA).await;
    let headers = [("cookie", anna.as_str()), ("origin", ORIGIN)];
    let path = format!("/operators/{}/revoke", test.doug().person.id);
    assert_eq!(
        send(&router, "POST", &path, &headers, None).await.status(),
        StatusCode::OK
    );
    for headers in [
        vec![("cookie", doug.as_str())],
        vec![("authorization", bearer.as_str())],
    ] {
        let response = send(&router, "GET", "/keys", &headers, None).await;
        assert_eq!(code(response).await, ProblemCode::NotAuthenticated);
    }

    // Invalid requests are answered with a problem as well.
    for body in [
        "",
        "{",
        "[]",
        r#"{"type":"crown"}"#,
        r#"{"type":"invite-person","name":1}"#,
        r#"{"type":"invite-person","name":"x","roles":["king"]}"#,
        r#"{"type":"invite-person","name":"x","roles":["admin"],"unknown":1}"#,
    ] {
        let response = send(&router, "POST", "/acts", &headers, Some(body.into())).await;
        assert_eq!(code(response).await, ProblemCode::InvalidRequest, "{body}");
    }
    let nonsense = send(
        &router,
        "GET",
        "/activations/%ff",
        &[("cookie", &anna)],
        None,
    )
    .await;
    assert_eq!(code(nonsense).await, ProblemCode::InvalidRequest);
    let huge = Some("a".repeat(9 * 1024 * 1024));
    let response = send(&router, "POST", "/acts", &headers, huge).await;
    assert_eq!(code(response).await, ProblemCode::InvalidRequest);
    assert_eq!(
        send(&router, "DELETE", "/session", &headers, None)
            .await
            .status(),
        StatusCode::NO_CONTENT
    );
    let after = send(&router, "GET", "/session", &[("cookie", &anna)], None).await;
    assert_eq!(code(after).await, ProblemCode::NotAuthenticated);
    test.shutdown().await;
}

#[tokio::test]
async fn a_page_of_the_audit_log_can_begin_behind_its_end() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let anna = log_in(&mut test, &router, ANNA).await;
    let session = [("cookie", anna.as_str())];
    let newest: AuditPage = json(send(&router, "GET", "/audit", &session, None).await).await;
    for before in [newest.total, u64::MAX] {
        let path = format!("/audit?before={before}");
        let page: AuditPage = json(send(&router, "GET", &path, &session, None).await).await;
        assert_eq!(page, newest);
    }
    test.shutdown().await;
}

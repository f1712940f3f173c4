//! Every error response is a problem, whichever part of the server detects the error.

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, Response},
};
use countersign_protocol::problem::{Problem, ProblemCode};
use countersign_server::http::Peer;
use countersign_simulator::Profile;
use tower::ServiceExt;

use crate::{
    http::{code, json, send},
    test_server::TestServer,
    tls::server::token_for,
};

/// Sends a request to the endpoint for remote devices.
async fn attach(router: &Router, method: &str, path: &str, body: Vec<u8>) -> Response<Body> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .extension(ConnectInfo(Peer::new(([127, 0, 0, 1], 1).into())))
        .body(Body::from(body))
        .expect("a request");
    router.clone().oneshot(request).await.expect("an answer")
}

#[tokio::test]
async fn events_without_a_websocket_are_rejected() {
    let test = TestServer::with_people(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let created = token_for(&test, &[], None).await.expect("a token");
    let bearer = format!("Bearer {}", created.secret);
    let plain = [("authorization", bearer.as_str())];
    let old = [
        plain[0],
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "8"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    for headers in [&plain[..], &old] {
        let answer = send(&router, "GET", "/events", headers, None).await;
        assert_eq!(code(answer).await, ProblemCode::InvalidRequest);
    }
    test.shutdown().await;
}

#[tokio::test]
async fn invalid_requests_to_attach_a_card_are_rejected() {
    let test = TestServer::with_people(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    for (method, path, size, wanted) in [
        ("POST", "/rt/hsm", 70_000, ProblemCode::InvalidRequest),
        ("POST", "/rt/hsm", 0, ProblemCode::InvalidRequest),
        ("POST", "/rt/hsm/other", 70_000, ProblemCode::NotFound),
        ("GET", "/rt/hsm", 0, ProblemCode::MethodNotAllowed),
        ("PUT", "/rt/hsm/other", 0, ProblemCode::MethodNotAllowed),
    ] {
        let answer = attach(&router, method, path, vec![0; size]).await;
        assert_eq!(code(answer).await, wanted, "{method} {path} {size}");
    }
    test.shutdown().await;
}

/// The detail names the requested id, even if it is malformed.
#[tokio::test]
async fn the_problem_names_an_unknown_activation() {
    let test = TestServer::with_people(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let created = token_for(&test, &[], None).await.expect("a token");
    let bearer = format!("Bearer {}", created.secret);
    let token = [("authorization", bearer.as_str())];
    for (path, id) in [
        ("8K3F", "8K3F"),
        ("8K3F.2", "8K3F.2"),
        ("..%2F..%2Ffoo", "../../foo"),
        (".2", ".2"),
        ("%C3%A4%20b", "\u{e4} b"),
    ] {
        for below in ["", "/signatures", "/receipt"] {
            let path = format!("/activations/{path}{below}");
            let problem: Problem = json(send(&router, "GET", &path, &token, None).await).await;
            assert_eq!(problem.code(), Some(ProblemCode::NotFound));
            assert!(problem.detail.contains(id), "{}", problem.detail);
        }
    }
    test.shutdown().await;
}

#[tokio::test]
async fn a_list_is_not_read_as_an_object() {
    let test = TestServer::with_people(Profile::VENDOR).await;
    let router = crate::test_server::router(&test.server).await;
    let created = token_for(&test, &[], None).await.expect("a token");
    let bearer = format!("Bearer {}", created.secret);
    let token = [("authorization", bearer.as_str())];
    // As an object with one member it would be an unknown code.
    let body = r#"["AAAA"]"#.to_owned();
    let answer = send(&router, "POST", "/enrolment/open", &token, Some(body)).await;
    assert_eq!(code(answer).await, ProblemCode::InvalidRequest);
    test.shutdown().await;
}

//! Requests that name something that does not exist, and headers that are not quite right.

use axum::http::StatusCode;
use countersign_protocol::{problem::ProblemCode, token::NewToken};
use countersign_simulator::Profile;

use crate::{
    http::{code, log_in, send},
    test_server::{ANNA, DOUG, ORIGIN, TestServer, create_token, router},
};

#[tokio::test]
async fn a_key_that_no_hsm_holds_is_not_found() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let cookie = log_in(&mut test, &router, ANNA).await;
    let headers = [("origin", ORIGIN), ("cookie", cookie.as_str())];
    let key = "00".repeat(32);
    let path = format!("/keys/{key}/settings");
    let settings = Some(r#"{"rawRsa":false}"#.to_owned());
    let answer = send(&router, "PUT", &path, &headers, settings).await;
    assert_eq!(code(answer).await, ProblemCode::NotFound);
    let path = format!("/keys/{key}/certificate");
    let answer = send(&router, "DELETE", &path, &headers, None).await;
    assert_eq!(code(answer).await, ProblemCode::NotFound);
    test.shutdown().await;
}

#[tokio::test]
async fn a_member_that_does_not_exist_is_not_another_name_of_its_activation() {
    let mut test = TestServer::ready(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let id = test.request_signatures("ec", &["a.bin"]).await;
    let cookie = log_in(&mut test, &router, DOUG).await;
    let headers = [("origin", ORIGIN), ("cookie", cookie.as_str())];
    for below in ["", "/signatures", "/receipt"] {
        let path = format!("/activations/{}{below}", id.member(99));
        let answer = send(&router, "GET", &path, &headers, None).await;
        assert_eq!(code(answer).await, ProblemCode::NotFound, "{path}");
    }
    let path = format!("/activations/{}?wait=0", id.member(0));
    let answer = send(&router, "GET", &path, &headers, None).await;
    assert_eq!(answer.status(), StatusCode::OK);
    test.shutdown().await;
}

#[tokio::test]
async fn the_scheme_of_a_token_may_be_in_lower_case_but_stands_once() {
    let test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let owner = test.doug().person.clone();
    let new = NewToken {
        label: "build".into(),
        days: 1,
        keys: Vec::new(),
        certificate: None,
    };
    let token = create_token(&test.server, &owner, &new).await;
    let secret = token.expect("a token").secret;
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let header = format!("{scheme} {secret}");
        let headers = [("authorization", header.as_str())];
        let answer = send(&router, "GET", "/hsms", &headers, None).await;
        assert_eq!(answer.status(), StatusCode::OK, "{scheme}");
    }
    let header = format!("Bearer {secret}");
    let twice = [
        ("authorization", header.as_str()),
        ("authorization", header.as_str()),
    ];
    let answer = send(&router, "GET", "/hsms", &twice, None).await;
    assert_eq!(code(answer).await, ProblemCode::NotAuthenticated);
    test.shutdown().await;
}

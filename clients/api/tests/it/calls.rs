use std::time::{Duration, Instant};

use countersign_client::{
    Client, ClientError, Options, Retry, ServerUrl, Timeouts, Token,
    protocol::{
        activation::{Join, NewActivation, NewPurpose},
        id::{ActivationId, TokenId},
        mechanism::Mechanism,
        problem::{Problem, ProblemCode},
        purpose::Scope,
        signature::SignRequest,
    },
};

use crate::server::{Canned, Server};

fn client(server: &Server, token: Option<&str>) -> Client {
    let token = token.map(|token| Token::new(token.to_owned().into()).unwrap());
    let retry = Retry {
        attempts: 4,
        pause: Duration::from_millis(5),
    };
    let url = ServerUrl::parse(&server.url).unwrap();
    Client::new(
        url,
        token,
        &Options {
            retry,
            ..Options::default()
        },
    )
    .unwrap()
}

fn ok(body: &str) -> Canned {
    Canned::Respond(200, "content-type: application/json\r\n", body.to_owned())
}

fn problem(code: ProblemCode, detail: &str) -> Canned {
    let body = serde_json::to_string(&Problem::new(code, detail)).unwrap();
    Canned::Respond(
        code.status(),
        "content-type: application/problem+json\r\n",
        body,
    )
}

fn request() -> SignRequest {
    SignRequest::new(Mechanism::EcdsaSha256, vec![7; 32])
}

fn signature(digest: &[u8]) -> String {
    format!(
        r#"{{"id":"s1","activation":"8K3F","key":"{}","mechanism":"ecdsa-sha256","digest":"{}",
            "name":"a.bin","signature":"MAA=","madeAt":"2026-01-01T00:00:00Z"}}"#,
        "11".repeat(32),
        digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    )
}

#[test]
fn a_problem_keeps_its_code_and_detail() {
    let server = Server::start(vec![problem(
        ProblemCode::NotFound,
        "activation 8K3F not found",
    )]);
    let error = client(&server, None)
        .activation(&ActivationId::new("8K3F"))
        .unwrap_err();
    assert_eq!(error.code(), Some(ProblemCode::NotFound));
    assert_eq!(error.to_string(), "activation 8K3F not found");
    assert_eq!(server.next().line, "GET /api/v1/activations/8K3F HTTP/1.1");
}

#[test]
fn status_400_to_plain_http_suggests_https() {
    // A TLS port answers like this.
    let server = Server::start(vec![Canned::Respond(400, "", "TLS here".to_owned())]);
    let error = client(&server, None).keys().unwrap_err();
    assert!(
        error.to_string().contains("begins with https://"),
        "{error}"
    );
}

#[test]
fn a_response_of_another_server_is_malformed() {
    for canned in [
        Canned::Respond(404, "", "<html>".to_owned()),
        Canned::Respond(
            302,
            "location: https://elsewhere.example.org/\r\n",
            String::new(),
        ),
        ok("{}"),
    ] {
        let server = Server::start(vec![canned]);
        let error = client(&server, None).keys().unwrap_err();
        assert!(matches!(error, ClientError::Malformed { .. }), "{error}");
    }
}

#[test]
fn a_signature_is_retried_with_the_same_idempotency_key() {
    let server = Server::start(vec![
        Canned::Close,
        Canned::Truncate,
        problem(
            ProblemCode::Conflict,
            "the first request is still in progress",
        ),
        ok(&signature(&[7; 32])),
    ]);
    let client = client(&server, Some("token-1"));
    let made = client.sign(&ActivationId::new("8K3F"), &request()).unwrap();
    assert_eq!(made.digest, vec![7; 32]);
    let first = server.next();
    let key = first.header("idempotency-key").unwrap().to_owned();
    assert!(!key.is_empty());
    assert_eq!(first.header("authorization"), Some("Bearer token-1"));
    assert_eq!(first.header("origin"), None);
    for _ in 0..3 {
        let again = server.next();
        assert_eq!(again.header("idempotency-key"), Some(key.as_str()));
        assert_eq!(again.body, first.body);
    }
}

#[test]
fn all_attempts_for_a_signature_share_one_time_limit() {
    let too_late = ok(&signature(&[7; 32]));
    let server = Server::start(vec![Canned::Close, Canned::Hang, too_late]);
    let timeouts = Timeouts {
        signature: Duration::from_secs(2),
        ..Timeouts::default()
    };
    let retry = Retry {
        attempts: 4,
        pause: Duration::from_millis(5),
    };
    let client = client(&server, None).with_timeouts(timeouts, retry);
    let start = Instant::now();
    let error = client
        .sign_once(&ActivationId::new("8K3F"), &request())
        .unwrap_err();
    assert!(error.is_unreachable(), "{error}");
    let took = start.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    let first = server.next();
    assert_eq!(
        first.header("idempotency-key"),
        server.next().header("idempotency-key")
    );
    assert!(server.receives_nothing());
}

#[test]
fn each_signature_has_its_own_idempotency_key() {
    let server = Server::start(vec![ok(&signature(&[7; 32])), ok(&signature(&[7; 32]))]);
    let client = client(&server, Some("token-1"));
    for _ in 0..2 {
        client.sign(&ActivationId::new("8K3F"), &request()).unwrap();
    }
    assert_ne!(
        server.next().header("idempotency-key"),
        server.next().header("idempotency-key")
    );
}

#[test]
fn the_number_of_attempts_is_limited() {
    let server = Server::start(vec![
        Canned::Close,
        Canned::Close,
        Canned::Close,
        Canned::Close,
        ok(""),
    ]);
    let error = client(&server, None)
        .sign(&ActivationId::new("8K3F"), &request())
        .unwrap_err();
    assert!(error.is_unreachable(), "{error}");
    for _ in 0..4 {
        server.next();
    }
    assert!(server.receives_nothing());
}

#[test]
fn a_rejected_request_is_not_retried() {
    let server = Server::start(vec![problem(ProblemCode::Conflict, "no"), ok("")]);
    let error = client(&server, None)
        .sign(&ActivationId::new("8K3F"), &request())
        .unwrap_err();
    assert_eq!(error.code(), Some(ProblemCode::Conflict));
    server.next();
    assert!(server.receives_nothing());
}

#[test]
fn a_signature_of_another_digest_is_rejected() {
    let server = Server::start(vec![ok(&signature(&[8; 32]))]);
    let error = client(&server, None)
        .sign(&ActivationId::new("8K3F"), &request())
        .unwrap_err();
    assert!(matches!(error, ClientError::Malformed { .. }), "{error}");
}

#[test]
fn a_request_for_an_activation_is_not_retried() {
    let server = Server::start(vec![Canned::Close, ok("")]);
    let request = NewActivation {
        hsm: None,
        purpose: NewPurpose::Sign {
            keys: vec!["release".to_owned()],
            scope: Scope::Open,
        },
        reason: "test".to_owned(),
        lease: None,
        approval_seconds: None,
        abandoned_after_seconds: None,
        join: Join::SamePurpose,
    };
    let error = client(&server, None)
        .request_activation(&request)
        .unwrap_err();
    assert!(error.is_unreachable(), "{error}");
    server.next();
    assert!(server.receives_nothing());
}

#[test]
fn a_session_sends_its_cookie_and_origin() {
    let session = r#"{"person":{"id":"o1","name":"Anna"},"roles":["admin"],"key":null}"#;
    let cookie = "set-cookie: countersign=abc; HttpOnly; SameSite=Strict; Path=/\r\n";
    let server = Server::start(vec![
        Canned::Respond(200, cookie, session.to_owned()),
        ok(session),
        Canned::Respond(204, "", String::new()),
    ]);
    let client = client(&server, None);
    let statement =
        serde_json::from_str(r#"{"statement":{"payload":"","payloadType":"x","signatures":[]}}"#)
            .unwrap();
    client.log_in(&statement).unwrap();
    client.clone().session().unwrap();
    client.revoke_token(&TokenId::new("a/b")).unwrap();
    assert_eq!(server.next().header("origin"), Some(server.url.as_str()));
    let get = server.next();
    assert_eq!(get.header("cookie"), Some("countersign=abc"));
    assert_eq!(get.header("origin"), None);
    let delete = server.next();
    assert_eq!(delete.line, "DELETE /api/v1/tokens/a%2Fb HTTP/1.1");
    assert_eq!(delete.header("origin"), Some(server.url.as_str()));
    assert_eq!(delete.header("cookie"), Some("countersign=abc"));
}

#[test]
fn a_long_poll_sends_revision_and_seconds() {
    let server = Server::start(vec![problem(ProblemCode::NotFound, "gone")]);
    let id = ActivationId::new("8K3F");
    let _ = client(&server, None).activation_after(&id, 4, Duration::from_secs(90));
    assert_eq!(
        server.next().line,
        "GET /api/v1/activations/8K3F?after=4&wait=30 HTTP/1.1"
    );
}

#[test]
fn plain_http_to_another_machine_must_be_allowed() {
    let url = ServerUrl::parse("http://sign.example.org").unwrap();
    let Err(error) = Client::anonymous("http://sign.example.org") else {
        panic!("plain HTTP is accepted");
    };
    assert!(error.to_string().contains("allow_plain_http"), "{error}");
    let allowed = Options {
        allow_plain_http: true,
        ..Options::default()
    };
    assert!(Client::new(url, None, &allowed).is_ok());
}

#[test]
fn a_closed_port_is_unreachable() {
    let client = Client::new(
        ServerUrl::parse("http://127.0.0.1:1").unwrap(),
        None,
        &Options {
            retry: Retry {
                attempts: 1,
                pause: Duration::ZERO,
            },
            ..Options::default()
        },
    )
    .unwrap();
    let error = client.about().unwrap_err();
    assert!(error.is_unreachable(), "{error}");
}

/// What the client reported while it waited.
type Reports = std::sync::Arc<std::sync::Mutex<Vec<(String, Duration)>>>;

fn reporting(client: Client) -> (Client, Reports) {
    let reports = Reports::default();
    let to = reports.clone();
    let client = client.on_silence(std::sync::Arc::new(move |silence| {
        let report = (silence.server.to_owned(), silence.left);
        to.lock().unwrap().push(report);
    }));
    (client, reports)
}

#[test]
fn a_silent_server_is_reported_once_and_the_call_ends() {
    let server = Server::start(vec![Canned::Hang]);
    let timeouts = Timeouts {
        response: Duration::from_secs(7),
        ..Timeouts::default()
    };
    let client = client(&server, None).with_timeouts(timeouts, Retry::default());
    let (client, reports) = reporting(client);
    let error = client.keys().unwrap_err();
    assert!(error.is_unreachable(), "{error}");
    let reports = reports.lock().unwrap();
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].0, server.url);
    assert!(reports[0].1 <= Duration::from_secs(2), "{reports:?}");
    // The request is not repeated, because that would multiply the time limit.
    server.next();
    assert!(server.receives_nothing());
}

#[test]
fn a_long_poll_is_not_reported_as_silence() {
    let server = Server::start(vec![Canned::Hang]);
    let timeouts = Timeouts {
        grace: Duration::from_secs(1),
        ..Timeouts::default()
    };
    let client = client(&server, None).with_timeouts(timeouts, Retry::default());
    let (client, reports) = reporting(client);
    let error = client.activation_after(&ActivationId::new("8K3F"), 1, Duration::from_secs(6));
    assert!(error.unwrap_err().is_unreachable());
    assert!(reports.lock().unwrap().is_empty());
}

#[test]
fn several_calls_share_one_limit() {
    let server = Server::start(vec![
        Canned::Respond(200, "", "[]".to_owned()),
        Canned::Hang,
        Canned::Hang,
    ]);
    let client = client(&server, None).within(Duration::from_secs(1));
    assert!(client.keys().is_ok());
    assert!(client.hsms().unwrap_err().is_unreachable());
    assert!(client.hsms().unwrap_err().is_unreachable());
    server.next();
    server.next();
    // The limit had passed before the third call.
    assert!(server.receives_nothing());
}

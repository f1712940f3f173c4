//! The exact security headers of every kind of response, and the attributes of the session cookie.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, Request, Response, StatusCode, header},
};
use countersign_ram::{Answer, Initiation, Outcome};
use countersign_server::http::Peer;
use countersign_simulator::Profile;
use tower::ServiceExt;

use crate::{
    events::EventSocket,
    http::{log_in, set_cookie},
    person::new_card,
    test_server::{DOUG, TestServer, config, listen, router, start_with},
};

/// The headers that this test compares. No response may have one of them twice.
const COMPARED: [&str; 9] = [
    "cache-control",
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "referrer-policy",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
];

/// What the browser may do with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Page,
    /// A file of the portal with a hash in its name.
    Asset,
    Data,
}

type Policy<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// The directives of a policy with their values. A directive that occurs twice is an error, because browsers ignore the second one.
fn parse(policy: &str, separator: char) -> Policy<'_> {
    let mut directives = BTreeMap::new();
    for directive in policy.split(separator) {
        let mut words = directive.split_ascii_whitespace();
        let name = words.next().expect("a directive");
        let before = directives.insert(name, words.collect());
        assert!(before.is_none(), "{name} twice in {policy}");
    }
    directives
}

fn expected_policy(kind: Kind) -> Policy<'static> {
    let with = |directives: &[(&'static str, &'static [&'static str])]| {
        directives
            .iter()
            .map(|(name, values)| (*name, values.iter().copied().collect()))
            .collect()
    };
    match kind {
        // The helper of the test configuration listens on port 1.
        Kind::Page => with(&[
            ("default-src", &["'none'"]),
            ("script-src", &["'self'", "'wasm-unsafe-eval'"]),
            ("style-src", &["'self'"]),
            ("img-src", &["'self'"]),
            ("connect-src", &["'self'", "ws://127.0.0.1:1"]),
            ("base-uri", &["'none'"]),
            ("form-action", &["'none'"]),
            ("frame-ancestors", &["'none'"]),
            ("require-trusted-types-for", &["'script'"]),
            ("trusted-types", &["default"]),
        ]),
        Kind::Asset | Kind::Data => with(&[
            ("default-src", &["'none'"]),
            ("base-uri", &["'none'"]),
            ("form-action", &["'none'"]),
            ("frame-ancestors", &["'none'"]),
            ("require-trusted-types-for", &["'script'"]),
            ("trusted-types", &["'none'"]),
        ]),
    }
}

/// Checks all compared headers of a response.
fn check(headers: &HeaderMap, kind: Kind, https: bool, what: &str) {
    let mut expected = BTreeMap::from([
        ("cache-control", "no-store"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ]);
    if kind == Kind::Asset {
        expected.insert("cache-control", "public, max-age=31536000, immutable");
    }
    if https {
        expected.insert("strict-transport-security", "max-age=31536000");
    }
    let mut seen = BTreeMap::new();
    for name in COMPARED {
        let mut values = headers.get_all(name).iter();
        if let Some(value) = values.next() {
            seen.insert(name, value.to_str().expect("text"));
        }
        assert!(values.next().is_none(), "{what}: {name} twice");
    }
    let policy = seen.remove("content-security-policy");
    let policy = policy.unwrap_or_else(|| panic!("{what}: no content security policy"));
    assert_eq!(parse(policy, ';'), expected_policy(kind), "{what}");
    let permissions = seen.remove("permissions-policy");
    let permissions = permissions.unwrap_or_else(|| panic!("{what}: no permissions policy"));
    check_permissions(permissions);
    assert_eq!(seen, expected, "{what}");
}

/// Only the network of this computer and writing to the clipboard are allowed, and these to the portal itself.
fn check_permissions(policy: &str) {
    let mut allowed = BTreeSet::new();
    let mut denied = BTreeSet::new();
    for feature in policy.split(", ") {
        match feature.split_once('=').expect("a feature with its origins") {
            (name, "()") => assert!(denied.insert(name), "{name} twice"),
            (name, "(self)") => assert!(allowed.insert(name), "{name} twice"),
            other => panic!("{other:?}"),
        }
    }
    let expected = [
        "clipboard-write",
        "local-network-access",
        "loopback-network",
    ];
    assert_eq!(allowed, BTreeSet::from(expected));
    for feature in [
        "bluetooth",
        "camera",
        "clipboard-read",
        "display-capture",
        "geolocation",
        "hid",
        "microphone",
        "payment",
        "publickey-credentials-get",
        "serial",
        "usb",
    ] {
        assert!(denied.contains(feature), "{feature}");
    }
}

async fn response(
    router: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Response<Body> {
    send(router, method, path, headers, b"{}".to_vec()).await
}

async fn send(
    router: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::from(body)).expect("a request");
    let peer = Peer::new(([192, 0, 2, 1], 1).into());
    request.extensions_mut().insert(ConnectInfo(peer));
    router.clone().oneshot(request).await.expect("an answer")
}

/// A server with people, which browsers reach under this origin.
async fn server_at(origin: &str) -> TestServer {
    let folder = tempfile::tempdir().expect("a folder");
    let hsm = new_card("TARGET", Profile::VENDOR, None);
    let mut config = config(folder.path(), true);
    config.public_origin = origin.into();
    let server = start_with(config, &hsm).await;
    TestServer::of(server, hsm, folder).await
}

/// The first message of a RAMOverHTTP client.
fn initiation() -> Vec<u8> {
    let first = Initiation {
        atr: vec![0x3b, 0],
        max_command: None,
        max_response: None,
    };
    first.encode().expect("a message")
}

/// A later message, without the cookie of a session.
fn answer() -> Vec<u8> {
    let answer = Answer {
        outcomes: vec![Outcome::Response(vec![0x90, 0])],
        executed: 1,
    };
    answer.encode().expect("a message")
}

/// A file of the portal, if it has been built.
fn an_asset() -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../frontend/dist/assets");
    let mut files = std::fs::read_dir(folder).ok()?;
    let name = files.next()?.ok()?.file_name();
    Some(format!("/assets/{}", name.to_str()?))
}

#[tokio::test]
async fn every_response_has_exactly_the_strict_headers() {
    for origin in ["http://localhost:8080", "https://sign.example.org"] {
        let https = origin.starts_with("https");
        let mut test = server_at(origin).await;
        let router = router(&test.server).await;
        let cookie = log_in(&mut test, &router, DOUG).await;
        let mine = [("cookie", cookie.as_str()), ("origin", origin)];
        let json = [mine[0], mine[1], ("content-type", "application/json")];
        let by_program = [("authorization", "Bearer cst_unknown")];
        let asset = an_asset();
        // Without a build of the portal, its address says so.
        let page = if asset.is_some() {
            (StatusCode::OK, Kind::Page)
        } else {
            (StatusCode::NOT_FOUND, Kind::Data)
        };
        let data = |status| (status, Kind::Data);
        let mut cases = vec![
            ("GET", "/", &[][..], page),
            ("GET", "/people", &[], page),
            ("HEAD", "/", &[], page),
            ("POST", "/", &[], data(StatusCode::NOT_FOUND)),
            ("GET", "/assets/none.js", &[], data(StatusCode::NOT_FOUND)),
            ("GET", "/api/v1/about", &[], data(StatusCode::OK)),
            ("GET", "/api/v1/openapi.json", &[], data(StatusCode::OK)),
            ("GET", "/api/v1/session", &mine, data(StatusCode::OK)),
            ("HEAD", "/api/v1/session", &mine, data(StatusCode::OK)),
            (
                "GET",
                "/api/v1/session",
                &[],
                data(StatusCode::UNAUTHORIZED),
            ),
            ("GET", "/api/v1/devices", &mine, data(StatusCode::FORBIDDEN)),
            ("GET", "/api/v1/none", &mine, data(StatusCode::NOT_FOUND)),
            ("GET", "/api/none", &mine, data(StatusCode::NOT_FOUND)),
            (
                "PUT",
                "/api/v1/about",
                &mine,
                data(StatusCode::METHOD_NOT_ALLOWED),
            ),
            ("POST", "/api/v1/acts", &json, data(StatusCode::BAD_REQUEST)),
            (
                "POST",
                "/api/v1/acts",
                &by_program,
                data(StatusCode::UNAUTHORIZED),
            ),
            (
                "GET",
                "/se/api/none",
                &by_program,
                data(StatusCode::NOT_FOUND),
            ),
            ("POST", "/rt/hsm", &[], data(StatusCode::BAD_REQUEST)),
            ("GET", "/rt/hsm", &[], data(StatusCode::METHOD_NOT_ALLOWED)),
            ("GET", "/rt/none", &[], data(StatusCode::NOT_FOUND)),
            (
                "DELETE",
                "/api/v1/session",
                &mine,
                data(StatusCode::NO_CONTENT),
            ),
        ];
        if let Some(asset) = &asset {
            cases.push(("GET", asset, &[], (StatusCode::OK, Kind::Asset)));
        }
        for (method, path, headers, (status, kind)) in cases {
            let response = response(&router, method, path, headers).await;
            let what = format!("{method} {path} at {origin}");
            assert_eq!(response.status(), status, "{what}");
            check(response.headers(), kind, https, &what);
        }
        // A RAMOverHTTP client, whose session begins, or has ended.
        for (message, status) in [
            (initiation(), StatusCode::OK),
            (answer(), StatusCode::GATEWAY_TIMEOUT),
        ] {
            let response = send(&router, "POST", "/rt/hsm", &[], message).await;
            assert_eq!(response.status(), status);
            check(response.headers(), Kind::Data, https, "RAMOverHTTP");
        }
        test.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_upgrade_of_the_event_socket_has_the_strict_headers() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let address = listen(&test.server).await;
    let cookie = log_in(&mut test, &router, DOUG).await;
    let (_, upgraded) = EventSocket::with_response(address, &cookie);
    check(&upgraded, Kind::Data, false, "the event socket");

    test.shutdown().await;
}

/// The attributes of the session cookie without its secret.
fn attributes(cookie: &str) -> (String, BTreeSet<&str>) {
    let (name, rest) = cookie.split_once('=').expect("a name");
    let (secret, attributes) = rest.split_once(';').expect("attributes");
    assert!(!secret.is_empty());
    (
        name.to_owned(),
        attributes.split(';').map(str::trim).collect(),
    )
}

#[tokio::test]
async fn the_session_cookie_is_confined_to_this_host_and_the_server() {
    for (origin, name) in [
        ("http://localhost:8080", "countersign"),
        ("https://sign.example.org", "__Host-countersign"),
    ] {
        let mut test = server_at(origin).await;
        let router = router(&test.server).await;
        let cookie = set_cookie(&mut test, &router, DOUG).await;
        let mut expected =
            BTreeSet::from(["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"]);
        if origin.starts_with("https") {
            expected.insert("Secure");
        }
        assert_eq!(attributes(&cookie), (name.to_owned(), expected), "{origin}");

        // The cookie of the other scheme identifies nobody.
        let secret = cookie.split(['=', ';']).nth(1).expect("a secret");
        for (sent, status) in [
            ("countersign", name == "countersign"),
            ("__Host-countersign", name != "countersign"),
        ] {
            let sent = format!("{sent}={secret}");
            let answer = response(&router, "GET", "/api/v1/session", &[("cookie", &sent)]).await;
            assert_eq!(answer.status() == StatusCode::OK, status, "{sent}");
        }

        // The log-out deletes the cookie, with the same attributes.
        let sent = cookie.split(';').next().expect("a cookie");
        let headers = [("cookie", sent), ("origin", origin)];
        let out = response(&router, "DELETE", "/api/v1/session", &headers).await;
        let deleted = out.headers()[header::SET_COOKIE].to_str().expect("text");
        assert!(deleted.starts_with(&format!("{name}=;")), "{deleted}");
        assert!(
            deleted.contains("Max-Age=0") && deleted.contains("Path=/"),
            "{deleted}"
        );
        test.shutdown().await;
    }
}

//! Which connections are accepted, tested with raw requests.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use countersign_helper::prompt::{OriginAnswer, scripted::Shown};

use crate::support::{ORIGIN, TestHelper};

fn send(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    // An upgraded connection stays open.
    stream
        .set_read_timeout(Some(std::time::Duration::from_secs(5)))
        .unwrap();
    let mut chunk = [0; 4096];
    while !answer.contains("\r\n\r\n") {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(n) => answer.push_str(&String::from_utf8_lossy(&chunk[..n])),
        }
    }
    if !answer.starts_with("HTTP/1.1 101") {
        let mut rest = String::new();
        let closed = stream.read_to_string(&mut rest);
        assert!(closed.is_ok(), "the connection stays open");
        answer.push_str(&rest);
    }
    answer
}

fn upgrade(method: &str, path: &str, headers: &[&str]) -> String {
    let mut request = format!("{method} {path} HTTP/1.1\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str(
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    request
}

/// Whether the answer is the same as for every rejected request.
fn is_rejection(answer: &str) -> bool {
    let head = answer.to_ascii_lowercase();
    answer.starts_with("HTTP/1.1 403 ")
        && !head.contains("access-control-")
        && !head.contains("countersign")
        && answer.ends_with("\r\n\r\nrefused\n")
}

#[test]
fn a_valid_request_of_an_allowed_page_is_upgraded() {
    let helper = TestHelper::without_cards();
    let host = format!("Host: 127.0.0.1:{}", helper.port);
    let answer = send(
        helper.address(),
        &upgrade("GET", "/v1", &[&host, &format!("Origin: {ORIGIN}")]),
    );
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(!answer.to_ascii_lowercase().contains("access-control-"));
}

#[test]
fn idle_connections_make_room() {
    let helper = TestHelper::with_card();
    // Half of them send nothing, and half are pages that do not say hello.
    let mut idle = Vec::new();
    let mut silent_pages = Vec::new();
    for _ in 0..16 {
        idle.push(TcpStream::connect(helper.address()).unwrap());
        silent_pages.push(crate::support::Portal::connect_without_hello(helper.port));
    }
    let is_closed = |stream: &mut TcpStream| {
        stream
            .set_read_timeout(Some(std::time::Duration::from_secs(60)))
            .unwrap();
        // The end of the stream, an answer such as 408, or a reset.
        !matches!(stream.read(&mut [0; 1]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    };
    assert!(idle.iter_mut().all(is_closed));
    assert!(
        silent_pages
            .iter_mut()
            .all(crate::support::Portal::is_closed)
    );
    helper.portal();
}

#[test]
fn the_ipv6_address_is_served_too() {
    let helper = TestHelper::without_cards();
    let address = SocketAddr::new("::1".parse().unwrap(), helper.port);
    if TcpStream::connect(address).is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let host = format!("Host: [::1]:{}", helper.port);
    let answer = send(
        address,
        &upgrade("GET", "/v1", &[&host, &format!("Origin: {ORIGIN}")]),
    );
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
}

#[test]
fn wrong_hosts_are_rejected_without_a_prompt() {
    let helper = TestHelper::without_cards();
    let port = helper.port;
    let origin = format!("Origin: {ORIGIN}");
    for hosts in [
        vec![format!("Host: evil.example:{port}")],
        vec![format!("Host: 127.0.0.1.nip.example:{port}")],
        vec![format!("Host: 127.0.0.1:{}", port.wrapping_add(1))],
        vec!["Host: 127.0.0.1".to_owned()],
        vec!["Host:".to_owned()],
        vec![],
        vec![
            format!("Host: 127.0.0.1:{port}"),
            format!("Host: 127.0.0.1:{port}"),
        ],
        vec![
            format!("Host: 127.0.0.1:{port}"),
            format!("Host: evil.example:{port}"),
        ],
        vec![format!("Host: 0.0.0.0:{port}")],
    ] {
        let mut headers: Vec<&str> = hosts.iter().map(String::as_str).collect();
        headers.push(&origin);
        let answer = send(helper.address(), &upgrade("GET", "/v1", &headers));
        // The HTTP library rejects some of them.
        assert!(answer.starts_with("HTTP/1.1 4"), "{hosts:?}: {answer}");
    }
    assert_eq!(helper.user.shown(), []);
}

#[test]
fn wrong_origins_are_rejected_without_a_prompt() {
    let helper = TestHelper::without_cards();
    let host = format!("Host: 127.0.0.1:{}", helper.port);
    let good = format!("Origin: {ORIGIN}");
    for origins in [
        vec![],
        vec!["Origin: null"],
        vec!["Origin:"],
        vec!["Origin: https://Sign.example.org"],
        vec!["Origin: HTTPS://sign.example.org"],
        vec!["Origin: https://sign.example.org:443"],
        vec!["Origin: http://sign.example.org"],
        vec!["Origin: https://sign.example.org/"],
        vec!["Origin: https://sign.example.org https://evil.example"],
        vec!["Origin: chrome-extension://abcdef"],
        vec!["Origin: file://"],
        vec![good.as_str(), good.as_str()],
        vec![good.as_str(), "Origin: https://evil.example"],
    ] {
        let mut headers = vec![host.as_str()];
        headers.extend(origins.iter().copied());
        let answer = send(helper.address(), &upgrade("GET", "/v1", &headers));
        assert!(is_rejection(&answer), "{origins:?}: {answer}");
    }
    assert_eq!(helper.user.shown(), []);
}

#[test]
fn every_request_but_the_upgrade_is_rejected() {
    let helper = TestHelper::without_cards();
    let host = format!("Host: 127.0.0.1:{}", helper.port);
    let origin = format!("Origin: {ORIGIN}");
    let headers = [host.as_str(), origin.as_str()];
    for (method, path) in [
        ("POST", "/v1"),
        ("PUT", "/v1"),
        ("OPTIONS", "/v1"),
        ("DELETE", "/v1"),
        ("PATCH", "/v1"),
        ("GET", "/"),
        ("GET", "/v1?x=1"),
        ("GET", "/v1/"),
        ("GET", "/v2"),
        ("GET", "//v1"),
        ("GET", "/favicon.ico"),
        ("GET", "/v1/../v1"),
        ("BREW", "/v1"),
    ] {
        let answer = send(helper.address(), &upgrade(method, path, &headers));
        assert!(is_rejection(&answer), "{method} {path}: {answer}");
    }
    let plain = format!("GET /v1 HTTP/1.1\r\n{host}\r\n{origin}\r\n\r\n");
    assert!(is_rejection(&send(helper.address(), &plain)));
    let preflight = format!(
        "OPTIONS /v1 HTTP/1.1\r\n{host}\r\n{origin}\r\nAccess-Control-Request-Method: GET\r\n\
         Access-Control-Request-Private-Network: true\r\n\r\n"
    );
    assert!(is_rejection(&send(helper.address(), &preflight)));
    assert_eq!(helper.user.shown(), []);
}

#[test]
fn a_denied_page_is_asked_about_once_and_is_rejected() {
    let helper = TestHelper::without_cards();
    helper.user.answer_origins(OriginAnswer::No);
    let host = format!("Host: localhost:{}", helper.port);
    for _ in 0..5 {
        let answer = send(
            helper.address(),
            &upgrade("GET", "/v1", &[&host, "Origin: https://evil.example"]),
        );
        assert!(is_rejection(&answer), "{answer}");
    }
    // The same host with another port is another origin.
    let answer = send(
        helper.address(),
        &upgrade("GET", "/v1", &[&host, "Origin: https://evil.example:8443"]),
    );
    assert!(is_rejection(&answer), "{answer}");
    assert_eq!(
        helper.user.shown(),
        [
            Shown::Origin("https://evil.example".to_owned()),
            Shown::Origin("https://evil.example:8443".to_owned())
        ]
    );
}

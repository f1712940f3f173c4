//! Limits of bodies, which apply before anything is done with them.

use countersign_simulator::Profile;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    test_server::{ORIGIN, TestServer, listen},
    tls::server::{in_time, token_for},
};

/// Sends the head of a request that announces a body, and returns what the server answers without it.
async fn announce(
    address: std::net::SocketAddr,
    (method, path): (&str, &str),
    header: &str,
    body: &str,
) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{header}Content-Type: application/json\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    in_time(stream.read_to_end(&mut answer))
        .await
        .expect("an answer and the end");
    String::from_utf8_lossy(&answer).to_ascii_lowercase()
}

fn assert_too_large(answer: &str, path: &str) {
    assert!(answer.starts_with("http/1.1 400"), "{path}: {answer}");
    assert!(answer.contains("connection: close\r\n"), "{path}: {answer}");
    assert!(answer.contains("larger than"), "{path}: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_a_route_does_not_need_is_not_read() {
    let test = TestServer::with_people(Profile::VENDOR).await;
    let address = listen(&test.server).await;
    let secret = token_for(&test, &[], None).await.expect("a token").secret;
    let bearer = format!("Authorization: Bearer {secret}\r\n");
    let page = format!("Origin: {ORIGIN}\r\n");
    let announced = "Content-Length: 70000\r\n\r\n";
    // The part is longer than any usual body, and more would follow.
    let chunked = format!(
        "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n",
        70_000,
        "x".repeat(70_000)
    );
    for path in [
        "/api/v1/bootstrap",
        "/api/v1/enrolment/open",
        "/api/v1/enrolment",
        "/api/v1/session/challenge",
        "/api/v1/session",
        "/rt/hsm",
        "/se/api/keys/1/signhash",
    ] {
        assert_too_large(
            &announce(address, ("POST", path), &page, announced).await,
            path,
        );
        assert_too_large(
            &announce(address, ("POST", path), &page, &chunked).await,
            path,
        );
    }
    for (method, path) in [
        ("PUT", "/api/v1/keys/00/certificate"),
        ("POST", "/api/v1/activations/1/signatures"),
        ("POST", "/api/v1/activations/1/lock"),
    ] {
        let answer = announce(address, (method, path), &bearer, announced).await;
        assert_too_large(&answer, path);
    }
    let largest = "Content-Length: 8388609\r\n\r\n";
    let answer = announce(address, ("POST", "/api/v1/activations"), &bearer, largest).await;
    assert_too_large(&answer, "/activations");
    // Clients that are rejected for another reason must also learn that the connection ends.
    let answer = announce(address, ("POST", "/api/v1/activations"), &page, announced).await;
    assert!(answer.starts_with("http/1.1 401"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    test.shutdown().await;
}

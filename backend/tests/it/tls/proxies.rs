//! A server behind a proxy that terminates TLS: which forwarded headers are trusted.

use std::net::SocketAddr;

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_protocol::{problem::ProblemCode, session::SessionView};
use countersign_server::{
    config::{Config, TrustedProxies},
    http::ConnectionLimits,
};
use countersign_simulator::Profile;
use tokio::net::TcpStream;

use super::server::{Answer, Pair, TlsServer, in_time, send, token_for};
use crate::{
    person::new_card,
    ram_client::{Client, pass_through},
    test_server::{TestServer, config, listen, start_with},
};

fn trusting(proxies: &[&str]) -> TrustedProxies {
    let proxies: Vec<_> = proxies.iter().map(|proxy| (*proxy).to_owned()).collect();
    proxies.try_into().expect("networks")
}

async fn start_test_server(change: impl FnOnce(&mut Config)) -> (TestServer, SocketAddr) {
    let folder = tempfile::tempdir().expect("a folder");
    let hsm = new_card("TARGET", Profile::VENDOR, None);
    let mut config = config(folder.path(), true);
    change(&mut config);
    let server = start_with(config, &hsm).await;
    let address = listen(&server).await;
    (TestServer::of(server, hsm, folder).await, address)
}

async fn session(address: SocketAddr, headers: &[(&str, &str)]) -> Answer {
    let mut proxy = TcpStream::connect(address).await.expect("connects");
    in_time(send(&mut proxy, "GET", "/session", headers, ""))
        .await
        .expect("an answer")
}

/// Value of the header `Client-Cert` in the form of RFC 9440.
fn by_standard(pair: &Pair) -> String {
    format!(":{}:", BASE64_STANDARD.encode(pair.der()))
}

/// Value of the header in the form of nginx's `$ssl_client_escaped_cert`.
fn as_nginx_does(pair: &Pair) -> String {
    pair.certificate
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
        .replace(' ', "%20")
        .replace('\n', "%0A")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_can_forward_certificates() {
    let (test, address) = start_test_server(|config| {
        config.trusted_proxies = trusting(&["127.0.0.0/8"]);
        config.tls.client_certificates = true;
    })
    .await;
    let (pair, stranger) = (Pair::new("pipeline"), Pair::new("stranger"));
    token_for(&test, &[], Some(pair.certificate.clone()))
        .await
        .expect("a token");
    let (standard, nginx) = (by_standard(&pair), as_nginx_does(&pair));
    for value in [&standard, &nginx] {
        let me: SessionView = session(address, &[("client-cert", value)]).await.json();
        assert_eq!(me.person.name, "Doug");
    }
    for headers in [
        vec![],
        vec![("client-cert", "")],
        vec![("client-cert", "::")],
        vec![("client-cert", ":AAAA:")],
        vec![("client-cert", "nonsense")],
        vec![("client-cert", &by_standard(&stranger))],
        // One of the headers is the client's own, which the proxy did not remove.
        vec![("client-cert", &standard), ("client-cert", &standard)],
        // A request of a browser.
        vec![("client-cert", &standard), ("sec-fetch-site", "cross-site")],
    ] {
        let answer = session(address, &headers).await;
        assert_eq!(answer.code(), ProblemCode::NotAuthenticated, "{headers:?}");
    }
    test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarded_certificates_of_other_peers_are_ignored() {
    let pair = Pair::new("pipeline");
    let header = by_standard(&pair);
    for (proxies, switched_on) in [
        (&["10.0.0.0/8"][..], true),
        (&["127.0.0.1"], false),
        (&[], false),
    ] {
        let (test, address) = start_test_server(|config| {
            config.trusted_proxies = trusting(proxies);
            config.tls.client_certificates = switched_on;
        })
        .await;
        token_for(&test, &[], Some(pair.certificate.clone()))
            .await
            .expect("a token");
        let answer = session(address, &[("client-cert", &header)]).await;
        assert_eq!(answer.code(), ProblemCode::NotAuthenticated);
        test.shutdown().await;
    }

    // The header is also ignored on TLS connections with the server itself.
    let tls_server = TlsServer::new().await;
    tls_server.token(&[], Some(&pair)).await.expect("a token");
    for identity in [None, Some(Pair::new("other"))] {
        let mut connection = tls_server.connect(identity.as_ref()).await;
        let headers = [("client-cert", header.as_str())];
        let answer = connection.send("GET", "/session", &headers, "").await;
        assert_eq!(answer.code(), ProblemCode::NotAuthenticated);
    }
    tls_server.test.shutdown().await;
}

/// A proxy that authenticates with its own certificate still forwards those of its clients.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxys_own_certificate_does_not_identify_its_clients() {
    let tls_server = TlsServer::with(ConnectionLimits::of_this_process(), |config| {
        config.trusted_proxies = trusting(&["127.0.0.1"]);
    })
    .await;
    let (own, client) = (Pair::new("proxy"), Pair::new("pipeline"));
    tls_server.token(&[], Some(&own)).await.expect("a token");
    tls_server.token(&[], Some(&client)).await.expect("a token");
    let mut proxy = tls_server.connect(Some(&own)).await;
    let answer = proxy.get("/session").await;
    assert_eq!(answer.code(), ProblemCode::NotAuthenticated);
    let header = by_standard(&client);
    let answer = proxy
        .send("GET", "/session", &[("client-cert", &header)], "")
        .await;
    assert_eq!(answer.status, 200);
    tls_server.test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_hsm_shows_the_address_that_a_trusted_proxy_forwards() {
    for (proxies, wanted) in [(&["127.0.0.1"][..], "192.0.2.7"), (&[], "127.0.0.1")] {
        let (test, address) = start_test_server(|config| {
            config.hsms.clear();
            config.trusted_proxies = trusting(proxies);
        })
        .await;
        let headers = "X-Forwarded-For: 198.51.100.1, 192.0.2.7\r\n";
        let _client = Client::attach_with(
            address,
            "/rt/hsm",
            headers,
            test.hsm.connect(),
            pass_through(),
        );
        let from = in_time(async {
            loop {
                if let Some(waiting) = test.server.remote.list_waiting().pop() {
                    return waiting.from;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
        assert_eq!(from, wanted);
        test.shutdown().await;
    }
}

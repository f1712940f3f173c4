//! Behind a proxy that does TLS: whose word counts.

use std::net::SocketAddr;

use base64::{Engine, prelude::BASE64_STANDARD};
use countersign_protocol::{problem::ProblemCode, session::SessionView};
use countersign_server::config::{Config, TrustedProxies};
use countersign_simulator::Profile;
use tokio::net::TcpStream;

use super::stage::{Answer, Pair, Stage, listen, send, soon, token_for};
use crate::{
    player::new_card,
    ram_client::{Client, nobody},
    world::{World, config, start_with},
};

fn trusting(proxies: &[&str]) -> TrustedProxies {
    let proxies: Vec<_> = proxies.iter().map(|proxy| (*proxy).to_owned()).collect();
    proxies.try_into().expect("networks")
}

async fn world(change: impl FnOnce(&mut Config)) -> (World, SocketAddr) {
    let folder = tempfile::tempdir().expect("a folder");
    let hsm = new_card("TARGET", Profile::VENDOR, None);
    let mut config = config(folder.path(), true);
    change(&mut config);
    let app = start_with(config, &hsm).await;
    let server = listen(&app).await;
    (World::of(app, hsm, folder).await, server)
}

async fn session(server: SocketAddr, headers: &[(&str, &str)]) -> Answer {
    let mut proxy = TcpStream::connect(server).await.expect("connects");
    soon(send(&mut proxy, "GET", "/session", headers, ""))
        .await
        .expect("an answer")
}

/// As RFC 9440 has it.
fn by_standard(pair: &Pair) -> String {
    format!(":{}:", BASE64_STANDARD.encode(pair.der()))
}

/// nginx's `$ssl_client_escaped_cert`.
fn as_nginx_does(pair: &Pair) -> String {
    pair.certificate
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
        .replace(' ', "%20")
        .replace('\n', "%0A")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_passes_certificates_on() {
    let (world, server) = world(|config| {
        config.trusted_proxies = trusting(&["127.0.0.0/8"]);
        config.tls.client_certificates = true;
    })
    .await;
    let (pair, stranger) = (Pair::new("pipeline"), Pair::new("stranger"));
    token_for(&world, &[], Some(pair.certificate.clone()))
        .await
        .expect("a token");
    let (standard, nginx) = (by_standard(&pair), as_nginx_does(&pair));
    for value in [&standard, &nginx] {
        let me: SessionView = session(server, &[("client-cert", value)]).await.json();
        assert_eq!(me.person.name, "Doug");
    }
    for headers in [
        vec![],
        vec![("client-cert", "")],
        vec![("client-cert", "::")],
        vec![("client-cert", ":AAAA:")],
        vec![("client-cert", "nonsense")],
        vec![("client-cert", &by_standard(&stranger))],
        // The client's own, which the proxy did not take away.
        vec![("client-cert", &standard), ("client-cert", &standard)],
        // A browser's.
        vec![("client-cert", &standard), ("sec-fetch-site", "cross-site")],
    ] {
        let answer = session(server, &headers).await;
        assert_eq!(answer.code(), ProblemCode::NotAuthenticated, "{headers:?}");
    }
    world.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_is_believed() {
    let pair = Pair::new("pipeline");
    let header = by_standard(&pair);
    for (proxies, switched_on) in [
        (&["10.0.0.0/8"][..], true),
        (&["127.0.0.1"], false),
        (&[], false),
    ] {
        let (world, server) = world(|config| {
            config.trusted_proxies = trusting(proxies);
            config.tls.client_certificates = switched_on;
        })
        .await;
        token_for(&world, &[], Some(pair.certificate.clone()))
            .await
            .expect("a token");
        let answer = session(server, &[("client-cert", &header)]).await;
        assert_eq!(answer.code(), ProblemCode::NotAuthenticated);
        world.app.shutdown().await;
    }

    // Nor is a client that does its TLS with the server itself.
    let stage = Stage::new().await;
    stage.token(&[], Some(&pair)).await.expect("a token");
    for identity in [None, Some(Pair::new("other"))] {
        let mut connection = stage.connect(identity.as_ref()).await;
        let headers = [("client-cert", header.as_str())];
        let answer = connection.send("GET", "/session", &headers, "").await;
        assert_eq!(answer.code(), ProblemCode::NotAuthenticated);
    }
    stage.world.app.shutdown().await;
}

/// A proxy that shows a certificate of its own speaks for those behind it all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_proxys_own_certificate_is_not_its_clients() {
    let stage = Stage::with(Default::default(), |config| {
        config.trusted_proxies = trusting(&["127.0.0.1"]);
    })
    .await;
    let (own, client) = (Pair::new("proxy"), Pair::new("pipeline"));
    stage.token(&[], Some(&own)).await.expect("a token");
    stage.token(&[], Some(&client)).await.expect("a token");
    let mut proxy = stage.connect(Some(&own)).await;
    let answer = proxy.get("/session").await;
    assert_eq!(answer.code(), ProblemCode::NotAuthenticated);
    let header = by_standard(&client);
    let answer = proxy
        .send("GET", "/session", &[("client-cert", &header)], "")
        .await;
    assert_eq!(answer.status, 200);
    stage.world.app.shutdown().await;
}

/// What the portal shows of a waiting HSM is where it is, if a trusted proxy says so.
#[tokio::test(flavor = "multi_thread")]
async fn hsms_behind_a_proxy_are_where_it_says() {
    for (proxies, wanted) in [(&["127.0.0.1"][..], "192.0.2.7"), (&[], "127.0.0.1")] {
        let (world, server) = world(|config| {
            config.hsms.clear();
            config.trusted_proxies = trusting(proxies);
        })
        .await;
        let headers = "X-Forwarded-For: 198.51.100.1, 192.0.2.7\r\n";
        let _client =
            Client::attach_with(server, "/rt/hsm", headers, world.hsm.connect(), nobody());
        let from = soon(async {
            loop {
                if let Some(waiting) = world.app.remote.list_waiting().pop() {
                    return waiting.from;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
        assert_eq!(from, wanted);
        world.app.shutdown().await;
    }
}

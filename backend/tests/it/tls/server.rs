//! Certificates, a server with TLS, and a client that can misbehave.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use countersign_protocol::{
    problem::{Problem, ProblemCode},
    token::{CreatedToken, NewToken},
};
use countersign_server::{
    config::{Files, TlsConfig},
    http::{ConnectionLimits, Connections},
    tls::{Handshakes, Reload},
};
use countersign_simulator::Profile;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, SignatureAlgorithm};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    client::ResolvesClientCert,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    person::new_card,
    test_server::{NotCreated, TestServer, config, start_with},
};

pub const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Pair {
    pub fn new(name: &str) -> Self {
        Self::of(name, &PKCS_ECDSA_P256_SHA256, |_| {})
    }

    pub fn of(
        name: &str,
        algorithm: &'static SignatureAlgorithm,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let mut params =
            CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        change(&mut params);
        let key = KeyPair::generate_for(algorithm).expect("a key");
        Self {
            certificate: params.self_signed(&key).expect("signed").pem(),
            key: key.serialize_pem(),
        }
    }

    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate")
    }

    fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key")
    }

    pub fn write(&self, folder: &Path, name: &str) -> Files {
        let files = Files {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        };
        std::fs::write(&files.certificate, &self.certificate).expect("written");
        std::fs::write(&files.key, &self.key).expect("written");
        files
    }
}

/// A test server with TLS.
pub struct TlsServer {
    pub test: TestServer,
    pub address: SocketAddr,
    pub own: Pair,
    pub files: Files,
    pub reload: Reload,
    pub stop: Option<oneshot::Sender<()>>,
    pub serving: JoinHandle<()>,
}

impl TlsServer {
    pub async fn new() -> Self {
        Self::with(ConnectionLimits::of_this_process(), |_| {}).await
    }

    pub async fn with(
        limits: ConnectionLimits,
        change: impl FnOnce(&mut countersign_server::config::Config),
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let own = Pair::new("server");
        let files = own.write(folder.path(), "server");
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = tcp.local_addr().expect("an address");
        let mut config = config(folder.path(), true);
        config.public_origin = format!("https://localhost:{}", address.port());
        config.tls = TlsConfig {
            files: Some(files.clone()),
            client_certificates: true,
        };
        change(&mut config);
        let tls = config.tls.clone();
        let proxies = config.trusted_proxies.clone();
        let hsm = new_card("TARGET", Profile::VENDOR, None);
        let server = start_with(config, &hsm).await;
        let test = TestServer::of(server, hsm, folder).await;
        let (handshakes, reload) = Handshakes::new(&files, &tls).expect("handshakes");
        let (stop, stopped) = oneshot::channel::<()>();
        let router = crate::test_server::router(&test.server).await;
        let connections = Connections::new(router, proxies, limits).with_tls(Some(handshakes));
        let serving = tokio::spawn(connections.serve(tcp, async { drop(stopped.await) }));
        Self {
            test,
            address,
            own,
            files,
            reload,
            stop: Some(stop),
            serving,
        }
    }

    pub fn origin(&self) -> &str {
        &self.test.server.config.public_origin
    }

    /// Creates a token for Doug.
    pub async fn token(
        &self,
        keys: &[&str],
        certificate: Option<&Pair>,
    ) -> Result<CreatedToken, NotCreated> {
        token_for(
            &self.test,
            keys,
            certificate.map(|pair| pair.certificate.clone()),
        )
        .await
    }

    pub async fn connect(&self, identity: Option<&Pair>) -> Connection {
        let identity = identity.map(|pair| (pair.der(), pair.key_der()));
        self.connect_as(identity, BOTH).await.expect("a connection")
    }

    /// Configuration of a client that trusts this server and presents no certificate.
    pub fn client_config(&self) -> Arc<ClientConfig> {
        Arc::new(client_config(&self.own, None, BOTH))
    }

    /// Connects with this certificate and key, which need not match.
    pub async fn connect_as(
        &self,
        identity: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> std::io::Result<Connection> {
        let tcp = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = TlsConnector::from(Arc::new(client_config(&self.own, identity, versions)));
        Ok(Connection(connector.connect(name, tcp).await?))
    }
}

/// Creates a token for Doug with this text as its certificate.
pub async fn token_for(
    test: &TestServer,
    keys: &[&str],
    certificate: Option<String>,
) -> Result<CreatedToken, NotCreated> {
    let doug = &test.doug().person;
    let new = NewToken {
        label: "pipeline".into(),
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        days: 1,
        certificate,
    };
    crate::test_server::create_token(&test.server, doug, &new).await
}

fn client_config(
    server: &Pair,
    identity: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(server.der()).expect("a root");
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = provider()
                .key_provider
                .load_private_key(key)
                .expect("a key");
            let pair = CertifiedKey::new(vec![certificate], key);
            builder.with_client_cert_resolver(Arc::new(AnyPair(Arc::new(pair))))
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

/// Presents any certificate and key. The resolver of rustls refuses a key that does not match.
#[derive(Debug)]
struct AnyPair(Arc<CertifiedKey>);

impl ResolvesClientCert for AnyPair {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// A connection that is kept open.
pub struct Connection(pub TlsStream<TcpStream>);

impl Connection {
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        send(&mut self.0, method, path, headers, body)
            .await
            .expect("an answer")
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn code(&self) -> ProblemCode {
        let problem: Problem = serde_json::from_slice(&self.body).expect("a problem");
        assert_eq!(problem.status, self.status);
        problem.code().expect("a known problem")
    }

    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        assert!(
            (200..300).contains(&self.status),
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// Sends a request with HTTP/1.1, and keeps the connection open.
pub async fn send(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<Answer> {
    let mut request = format!(
        "{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    request += body;
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).expect("text");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Answer {
        status: head[9..12].parse().expect("a status"),
        head,
        body,
    })
}

/// Fails if this takes longer than 5 s.
pub async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(5), what)
        .await
        .expect("within the time limit")
}

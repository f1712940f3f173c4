//! Certificates that are not accepted, and what is said of them.

use std::{
    net::{Shutdown, TcpListener},
    path::Path,
    sync::Arc,
};

use countersign_client::{
    Client, ClientError, ConfigError, Options, ServerUrl, failure::TlsFailure,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate for localhost, signed by its own key.
struct Pair {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

fn pair(is_ca: IsCa) -> Pair {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.is_ca = is_ca;
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Pair { certificate, key }
}

/// Shakes hands as often as it is asked to, and says nothing more.
fn serve(pair: &Pair) -> String {
    let certificate = CertificateDer::from(pair.certificate.der().to_vec());
    let key = PrivateKeyDer::try_from(pair.key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut tls = rustls::ServerConnection::new(config.clone()).unwrap();
            while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
    format!("https://localhost:{port}")
}

fn asked(url: &str, ca: Option<&Path>) -> ClientError {
    let options = Options {
        ca_file: ca.map(Path::to_owned),
        ..Options::default()
    };
    let client = Client::new(ServerUrl::parse(url).unwrap(), None, &options);
    client.and_then(|client| client.about()).unwrap_err()
}

#[test]
fn a_certificate_of_nobody_known_is_refused_with_what_to_do() {
    let url = serve(&pair(IsCa::ExplicitNoCa));
    let error = asked(&url, None);
    assert!(
        matches!(
            &error,
            ClientError::Tls {
                why: TlsFailure::UnknownAuthority,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("ca_file"), "{error}");
}

/// Most recipes for a self-signed certificate make one that is an authority, and naming it does not help.
#[test]
fn an_authority_itself_is_no_server() {
    let pair = pair(IsCa::Ca(BasicConstraints::Unconstrained));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, pair.certificate.pem()).unwrap();
    let url = serve(&pair);
    for ca in [None, Some(file.as_path())] {
        let error = asked(&url, ca);
        assert!(
            matches!(
                &error,
                ClientError::Tls {
                    why: TlsFailure::AuthorityItself,
                    ..
                }
            ),
            "{error}"
        );
        assert!(error.to_string().contains("CA:FALSE"), "{error}");
    }
}

/// What the advice leads to.
#[test]
fn a_certificate_of_its_own_can_be_named() {
    let pair = pair(IsCa::ExplicitNoCa);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, pair.certificate.pem()).unwrap();
    let error = asked(&serve(&pair), Some(&file));
    // There is TLS now, and nobody behind it.
    assert!(error.is_unreachable(), "{error}");
}

#[test]
fn a_broken_certificate_is_found_in_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let pem = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";
    std::fs::write(&file, pem).unwrap();
    let error = asked("https://localhost:1", Some(&file));
    assert!(
        matches!(&error, ClientError::Config(ConfigError::CaFile { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("ca.pem"), "{error}");
}

//! Server certificates that the client rejects, and the advice in its errors.

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

/// A self-signed certificate for localhost, with its key.
struct SelfSigned {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

fn self_signed(is_ca: IsCa) -> SelfSigned {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.is_ca = is_ca;
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    SelfSigned { certificate, key }
}

/// Starts a server that completes each TLS handshake and then closes the connection.
fn serve(identity: &SelfSigned) -> String {
    let certificate = CertificateDer::from(identity.certificate.der().to_vec());
    let key = PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap();
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

fn error_of(url: &str, ca: Option<&Path>) -> ClientError {
    let options = Options {
        ca_file: ca.map(Path::to_owned),
        ..Options::default()
    };
    let client = Client::new(ServerUrl::parse(url).unwrap(), None, &options);
    client.and_then(|client| client.about()).unwrap_err()
}

#[test]
fn an_untrusted_certificate_is_rejected_with_advice() {
    let url = serve(&self_signed(IsCa::ExplicitNoCa));
    let error = error_of(&url, None);
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

/// Most recipes for a self-signed certificate create a CA certificate. Configuring it as trusted does not help.
#[test]
fn a_ca_certificate_is_rejected_as_a_server_certificate() {
    let identity = self_signed(IsCa::Ca(BasicConstraints::Unconstrained));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, identity.certificate.pem()).unwrap();
    let url = serve(&identity);
    for ca in [None, Some(file.as_path())] {
        let error = error_of(&url, ca);
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

#[test]
fn a_self_signed_certificate_can_be_trusted_by_configuration() {
    let identity = self_signed(IsCa::ExplicitNoCa);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, identity.certificate.pem()).unwrap();
    let error = error_of(&serve(&identity), Some(&file));
    // The handshake succeeds, and the server closes the connection afterwards.
    assert!(error.is_unreachable(), "{error}");
}

#[test]
fn an_invalid_ca_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    let pem = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";
    std::fs::write(&file, pem).unwrap();
    let error = error_of("https://localhost:1", Some(&file));
    assert!(
        matches!(&error, ClientError::Config(ConfigError::CaFile { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("ca.pem"), "{error}");
}

//! Certificates that are not accepted, and what is said of them.

use std::{
    net::{Shutdown, TcpListener},
    path::Path,
    sync::Arc,
};

use countersign_client::{Client, ClientError, Options, ServerUrl, failure::TlsFailure};
use rcgen::{CertificateParams, IsCa, KeyPair};
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

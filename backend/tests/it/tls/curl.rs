//! curl as a client with another TLS library, and a certificate created with openssl as in `docs/tls.md`.

use std::{path::Path, process::Command};

use countersign_protocol::session::SessionView;

use super::server::{TlsServer, token_for};

pub fn run(folder: &Path, program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program)
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program}, which `cargo xtask test` installs: {error}"));
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_with_an_openssl_certificate_acts_as_its_token() {
    let tls_server = TlsServer::new().await;
    let folder = tls_server.test.folder.path().to_owned();
    for (kind, tls) in [
        ("ec -pkeyopt ec_paramgen_curve:P-256", "1.3"),
        ("rsa:2048", "1.2"),
        ("rsa:2048", "1.3"),
        ("ed25519", "1.3"),
    ] {
        let command = format!(
            "req -x509 -newkey {kind} -noenc -days 365 -subj /CN=build7 -keyout client.key -out client.pem"
        );
        run(&folder, "openssl", &command.split(' ').collect::<Vec<_>>());
        let pem = std::fs::read_to_string(folder.join("client.pem")).expect("a certificate");
        token_for(&tls_server.test, &[], Some(pem))
            .await
            .expect("a token");
        let command = format!(
            "--silent --show-error --fail --cacert server.pem --cert client.pem --key client.key --tlsv{tls} --tls-max {tls} \
             {}/api/v1/session",
            tls_server.origin()
        );
        let from = folder.clone();
        let body = tokio::task::spawn_blocking(move || {
            run(
                &from,
                "curl",
                &command.split_whitespace().collect::<Vec<_>>(),
            )
        })
        .await
        .expect("no panic");
        let me: SessionView = serde_json::from_slice(&body).expect("a session");
        assert_eq!(me.person.name, "Doug", "{kind}");
    }
    tls_server.test.shutdown().await;
}

//! Servers that say nothing, and proxies that fail.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use crate::program::{Ended, Program};

/// Every run ends before this time, even on a busy machine. The longest limit is 60 s.
const CEILING: Duration = Duration::from_secs(180);

/// A server that accepts connections and never answers.
fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    url
}

#[test]
fn no_command_waits_forever_or_without_a_word_for_a_silent_server() {
    let commands: [&[&str]; 10] = [
        &["sign", "--key", "release", "a.bin"],
        &["sign", "--activation", "8K3F", "a.bin"],
        &["verify", "--key", "release", "a.bin"],
        &["keys"],
        &["certificate", "--key", "release", "--subject", "CN=x"],
        &["pkcs11", "doctor"],
        &["activation", "list"],
        &["activation", "show", "8K3F", "--watch"],
        &["activation", "lock", "8K3F"],
        &["activation", "lock", "--all"],
    ];
    let runs = commands.map(|arguments| {
        std::thread::spawn(move || {
            let url = silent();
            let program = Program::new(Some(&url));
            program.write("a.bin", "content");
            program.write("a.bin.sig", "signature");
            let arguments = match arguments[0] {
                "sign" => [arguments, &["--force"]].concat(),
                _ => arguments.to_vec(),
            };
            let start = Instant::now();
            let ran = program.run(&arguments);
            let took = start.elapsed();
            assert_eq!(ran.code, 5, "{arguments:?}: {} {}", ran.out, ran.err);
            let words = format!("waiting for an answer from {url}, for at most ");
            let told = ran.err.matches(&words).count();
            assert_eq!(told, 1, "{arguments:?}: {}", ran.err);
            assert!(took < CEILING, "{arguments:?}: {took:?}");
        })
    });
    for run in runs {
        run.join().unwrap();
    }
}

#[test]
fn a_proxy_that_fails_is_named_without_its_password() {
    let keys = |environment: &[(&str, &str)]| {
        let program = Program::new(Some("https://sign.invalid"));
        let mut command = program.command(&["keys"]);
        command.envs(environment.iter().copied());
        Ended::of(command.output().unwrap()).expect(5).err
    };
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        let proxy = (variable, "http://me:secret@127.0.0.1:9");
        let error = keys(&[proxy]);
        let name = format!("proxy http://127.0.0.1:9 (from {variable})");
        assert!(
            error.contains(&name) && error.contains("refused"),
            "{error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }
    let proxy = "http://127.0.0.1:9";
    let error = keys(&[("HTTPS_PROXY", proxy), ("NO_PROXY", ".invalid")]);
    assert!(!error.contains("proxy"), "{error}");
    let error = keys(&[("HTTP_PROXY", proxy)]);
    assert!(!error.contains("proxy"), "{error}");
}

#[test]
fn an_invalid_proxy_is_an_error() {
    let program = Program::new(Some("https://sign.invalid"));
    let mut command = program.command(&["keys"]);
    command.env("HTTPS_PROXY", "gopher://me:secret@proxy");
    let ran = Ended::of(command.output().unwrap()).expect(1);
    assert!(ran.err.contains("HTTPS_PROXY"), "{}", ran.err);
    assert!(!ran.err.contains("secret"), "{}", ran.err);
}

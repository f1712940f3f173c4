//! The proxy that the environment names, in the real program.

use std::process::Command;

use countersign_simulator::{NewCard, Profile, Simulator};

/// Tries once to attach a card to a server that does not exist, and returns the error.
fn attach(environment: &[(&str, &str)]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let card = directory.path().join("hsm.card");
    let new = NewCard {
        serial: "000010".to_owned(),
        label: "proxy".to_owned(),
        profile: Profile::VENDOR,
        user_pin: Some("648219".to_owned()),
    };
    Simulator::create(&card, &new).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign-helper"));
    for name in [
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
    ] {
        command.env_remove(name);
    }
    let output = command
        .args(["connect", "https://sign.invalid/rt/hsm", "--once", "--demo"])
        .arg("--simulated-card")
        .arg(&card)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_proxy_is_used_and_named_unless_the_server_is_exempt() {
    let proxy = ("HTTPS_PROXY", "http://me:secret@127.0.0.1:9");
    let error = attach(&[proxy]);
    assert!(
        error.contains("proxy http://127.0.0.1:9 (from HTTPS_PROXY)") && error.contains("refused"),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
    let error = attach(&[proxy, ("NO_PROXY", ".invalid")]);
    assert!(
        !error.contains("proxy") && !error.contains("refused"),
        "{error}"
    );
}

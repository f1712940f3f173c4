use serde_json::json;

use crate::{
    program::Program,
    server::{Behaviour, Server},
};

/// Appends to the recording, like the PKCS#11 module.
const BUILD: &str = r#"echo building; cat recorded >> "$COUNTERSIGN_RECORD""#;

/// A line of a recording.
fn line(server: &Server) -> String {
    let recorded = json!({
        "hsm": "hsm-1", "key": server.public_key().fingerprint(), "label": "release",
        "request": { "mechanism": "ecdsa-sha256", "digest": "11".repeat(32) },
        "program": "build", "files": [], "file": null
    });
    format!("{recorded}\n")
}

#[test]
fn environment_variables_apply_to_recordings() {
    let server = Server::start(Behaviour::default());
    let program = Program::new(Some(&server.url));
    program.write("recorded", line(&server));
    let ran = program
        .command(&[
            "record",
            "--request-only",
            "--json",
            "--",
            "/bin/sh",
            "-c",
            BUILD,
        ])
        .env("PATH", "/usr/bin:/bin")
        .env("COUNTERSIGN_REASON", "Build 7")
        .env("COUNTERSIGN_LEASE_SECONDS", "600")
        .output();
    let ran = crate::program::Ended::of(ran.unwrap()).expect(0);
    // Standard output contains the result alone, although the build prints too.
    assert!(ran.err.contains("building"), "{}", ran.err);
    assert_eq!(ran.json()["activation"]["terms"]["reason"], "Build 7");
    assert_eq!(
        server.terms()["lease"],
        json!({ "seconds": 600, "signatures": 1 })
    );
    // No program waits for the activation, so it is never abandoned.
    assert!(server.activation_request()["abandonedAfterSeconds"].is_null());
}

/// The most likely cause of such a failure is that the command has not found the module.
#[test]
fn the_error_of_a_command_that_signed_nothing_mentions_the_module() {
    for (build, mentioned) in [
        ("exit 3", true),
        ("cat recorded >> \"$COUNTERSIGN_RECORD\"; exit 3", false),
    ] {
        let server = Server::start(Behaviour::default());
        let program = Program::new(Some(&server.url));
        program.write("recorded", line(&server));
        let ran = program
            .command(&["record", "--", "/bin/sh", "-c", build])
            .env("PATH", "/usr/bin:/bin")
            .output();
        let ran = crate::program::Ended::of(ran.unwrap()).expect(1);
        assert_eq!(ran.err.contains("pkcs11 env"), mentioned, "{}", ran.err);
    }
}

/// Signals that are received while the build is running.
#[cfg(unix)]
mod signals {
    use std::{
        os::unix::process::CommandExt,
        process::{Child, Command, Stdio},
    };

    use super::*;
    use crate::program::{Ended, until};

    /// Runs until it receives a signal, waits half a second for another one, and succeeds.
    const TRAPS: &str = r#"
        trap "echo x >> received" HUP INT TERM
        echo "$COUNTERSIGN_RECORD" > recorder
        until [ -e received ]; do sleep 0.05; done
        sleep 0.5"#;

    fn start(program: &Program, build: &str) -> Child {
        // The environment of the tests may ignore signals.
        let wrapper = ["env", "--default-signal=INT,TERM,HUP"];
        let child = program
            .command_under(&wrapper, &["record", "--", "/bin/sh", "-c", build])
            .env("PATH", "/usr/bin:/bin")
            // A terminal gives each job a process group too.
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        until(|| std::fs::read_to_string(program.path("recorder")).is_ok_and(|it| !it.is_empty()));
        child
    }

    fn kill(arguments: &[&str]) {
        let sent = Command::new("kill").args(arguments).status();
        assert!(sent.unwrap().success());
    }

    fn end(child: Child) -> Ended {
        Ended::of(child.wait_with_output().unwrap())
    }

    /// Number of signals that the build received.
    fn received(program: &Program) -> usize {
        let received = std::fs::read_to_string(program.path("received"));
        received.unwrap().lines().count()
    }

    #[test]
    fn signals_are_forwarded_and_the_program_waits_for_the_build() {
        for (signal, code) in [("-TERM", 143), ("-HUP", 129)] {
            let server = Server::start(Behaviour::default());
            let program = Program::new(Some(&server.url));
            let child = start(&program, TRAPS);
            kill(&[signal, &child.id().to_string()]);
            end(child).expect(code);
            assert_eq!(received(&program), 1, "{signal}");
            let recorder = std::fs::read_to_string(program.path("recorder")).unwrap();
            assert!(!std::path::Path::new(recorder.trim()).exists());
            assert_eq!(server.count("POST /activations"), 0);
        }
    }

    #[test]
    fn ctrl_c_reaches_the_build_once() {
        let server = Server::start(Behaviour::default());
        let program = Program::new(Some(&server.url));
        let child = start(&program, TRAPS);
        kill(&["-INT", "--", &format!("-{}", child.id())]);
        end(child).expect(130);
        assert_eq!(received(&program), 1);
        assert_eq!(server.count("POST /activations"), 0);
    }

    #[test]
    fn the_hsm_is_locked_after_a_signal_ended_the_signing_build() {
        let server = Server::start(Behaviour::default());
        let program = Program::new(Some(&server.url));
        let recorded = line(&server);
        program.write("recorded", recorded);
        let build = r#"
            if [ -n "$COUNTERSIGN_RECORD" ]; then exec cat recorded >> "$COUNTERSIGN_RECORD"; fi
            echo signing > recorder
            exec sleep 60"#;
        let child = start(&program, build);
        kill(&["-TERM", &child.id().to_string()]);
        end(child).expect(143);
        assert_eq!(server.count("POST /activations/8K3F/lock"), 1);
    }
}

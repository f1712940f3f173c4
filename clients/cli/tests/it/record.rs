use serde_json::json;

use crate::{
    fake::{Behaviour, Fake},
    program::Program,
};

/// Writes down one digest, as the PKCS#11 module does.
const BUILD: &str = r#"echo building; cat recorded >> "$COUNTERSIGN_RECORD""#;

/// What the module writes down for a signature.
fn line(fake: &Fake) -> String {
    let recorded = json!({
        "hsm": "hsm-1", "key": fake.public_key().fingerprint(), "label": "release",
        "request": { "mechanism": "ecdsa-sha256", "digest": "11".repeat(32) },
        "program": "build", "files": [], "file": null
    });
    format!("{recorded}\n")
}

#[test]
fn what_the_pipeline_says_holds_for_recordings() {
    let fake = Fake::start(Behaviour::default());
    let program = Program::new(Some(&fake.url));
    program.write("recorded", line(&fake));
    let ran = program
        .command(&[
            "record",
            "--ask-only",
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
    let ran = crate::program::Ran::of(ran.unwrap()).expect(0);
    // Standard output is the result alone, although the build prints, too.
    assert!(ran.err.contains("building"), "{}", ran.err);
    assert_eq!(ran.json()["activation"]["terms"]["reason"], "Build 7");
    assert_eq!(
        fake.terms()["lease"],
        json!({ "seconds": 600, "signatures": 1 })
    );
    // Nobody waits for it: it is to stay.
    assert!(fake.asked()["abandonedAfterSeconds"].is_null());
}

/// Most often such a command fails because it has not found the module.
#[test]
fn a_command_that_fails_before_it_signs_is_told_of_the_module() {
    for (build, told) in [
        ("exit 3", true),
        ("cat recorded >> \"$COUNTERSIGN_RECORD\"; exit 3", false),
    ] {
        let fake = Fake::start(Behaviour::default());
        let program = Program::new(Some(&fake.url));
        program.write("recorded", line(&fake));
        let ran = program
            .command(&["record", "--", "/bin/sh", "-c", build])
            .env("PATH", "/usr/bin:/bin")
            .output();
        let ran = crate::program::Ran::of(ran.unwrap()).expect(1);
        assert_eq!(ran.err.contains("pkcs11 env"), told, "{}", ran.err);
    }
}

/// Signals that come while the build runs are the build's.
#[cfg(unix)]
mod signals {
    use std::{
        os::unix::process::CommandExt,
        process::{Child, Command, Stdio},
    };

    use super::*;
    use crate::program::{Ran, until};

    /// Runs until a signal has come, and half a second longer for another one; then ends well.
    const TRAPS: &str = r#"
        trap "echo x >> got" HUP INT TERM
        echo "$COUNTERSIGN_RECORD" > recorder
        until [ -e got ]; do sleep 0.05; done
        sleep 0.5"#;

    fn start(program: &Program, build: &str) -> Child {
        // No signal is ignored, whoever runs the tests.
        let under = ["env", "--default-signal=INT,TERM,HUP"];
        let child = program
            .command_under(&under, &["record", "--", "/bin/sh", "-c", build])
            .env("PATH", "/usr/bin:/bin")
            // As in a terminal of its own.
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

    fn end(child: Child) -> Ran {
        Ran::of(child.wait_with_output().unwrap())
    }

    fn got(program: &Program) -> usize {
        let got = std::fs::read_to_string(program.path("got"));
        got.unwrap().lines().count()
    }

    #[test]
    fn they_are_passed_on_and_the_build_ends_first() {
        for (signal, code) in [("-TERM", 143), ("-HUP", 129)] {
            let fake = Fake::start(Behaviour::default());
            let program = Program::new(Some(&fake.url));
            let child = start(&program, TRAPS);
            kill(&[signal, &child.id().to_string()]);
            end(child).expect(code);
            assert_eq!(got(&program), 1, "{signal}");
            let recorder = std::fs::read_to_string(program.path("recorder")).unwrap();
            assert!(!std::path::Path::new(recorder.trim()).exists());
            assert_eq!(fake.count("POST /activations"), 0);
        }
    }

    #[test]
    fn ctrl_c_reaches_the_build_once() {
        let fake = Fake::start(Behaviour::default());
        let program = Program::new(Some(&fake.url));
        let child = start(&program, TRAPS);
        kill(&["-INT", "--", &format!("-{}", child.id())]);
        end(child).expect(130);
        assert_eq!(got(&program), 1);
        assert_eq!(fake.count("POST /activations"), 0);
    }

    #[test]
    fn a_build_that_a_signal_ends_while_it_signs_leaves_nothing_open() {
        let fake = Fake::start(Behaviour::default());
        let program = Program::new(Some(&fake.url));
        let recorded = line(&fake);
        program.write("recorded", recorded);
        let build = r#"
            if [ -n "$COUNTERSIGN_RECORD" ]; then exec cat recorded >> "$COUNTERSIGN_RECORD"; fi
            echo signing > recorder
            exec sleep 60"#;
        let child = start(&program, build);
        kill(&["-TERM", &child.id().to_string()]);
        end(child).expect(143);
        assert_eq!(fake.count("POST /activations/8K3F/lock"), 1);
    }
}

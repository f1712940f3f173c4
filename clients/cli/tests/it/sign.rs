use countersign_protocol::mechanism::{Hash, Mechanism};
use serde_json::json;

use crate::{
    program::Program,
    server::{Behaviour, Server, open},
};

fn two_files(behaviour: Behaviour) -> (Server, Program) {
    let server = Server::start(behaviour);
    let program = Program::new(Some(&server.url));
    program.write("out/a.bin", "first");
    program.write("out/b.bin", "second");
    (server, program)
}

const SIGN: [&str; 5] = ["sign", "--key", "release", "out/a.bin", "./out/b.bin"];

#[test]
fn files_are_signed_and_verified() {
    let (server, program) = two_files(Behaviour::default());
    let ran = program
        .run(&[&SIGN[..], &["--json", "--reason", "4.2.1"]].concat())
        .expect(0);
    let document = ran.json();
    assert_eq!(document["activation"]["terms"]["id"], "8K3F");
    assert_eq!(document["files"][0]["file"], "out/a.bin");
    assert_eq!(document["files"][1]["name"], "out/b.bin");
    assert_eq!(document["files"][1]["mechanism"], "ecdsa-sha256");
    assert_eq!(document["files"][0]["signatureFile"], "out/a.bin.sig");
    assert_eq!(document["files"][0]["fetched"], false);
    for expected in [
        "https://sign.example.org/a/8K3F",
        "waiting for Bob",
        "2 of 3",
    ] {
        assert!(ran.err.contains(expected), "{expected}: {}", ran.err);
    }
    assert!(
        !ran.err.contains('\x1b'),
        "names contain control sequences: {:?}",
        ran.err
    );

    assert!(server.activation_request()["abandonedAfterSeconds"].as_u64() > Some(60));
    let terms = server.terms();
    assert_eq!(terms["reason"], "4.2.1");
    let names: Vec<_> = terms["purpose"]["scope"]["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| &file["name"])
        .collect();
    assert_eq!(names, ["out/a.bin", "out/b.bin"]);

    let signature = std::fs::read(program.path("out/a.bin.sig")).unwrap();
    let digest = countersign_protocol::digest::Sha256Digest::of(b"first");
    Mechanism::EcdsaSha256
        .verify(&server.public_key(), digest.as_bytes(), &signature)
        .unwrap();
    // Nothing is left to sign, and the server has not locked the HSM, so the program does.
    assert_eq!(server.count("POST /activations/8K3F/lock"), 1);
}

#[test]
fn an_existing_signature_is_reported_before_any_request() {
    let (server, program) = two_files(Behaviour::default());
    program.write("out/b.bin.sig", "old");
    let ran = program.run(&SIGN).expect(1);
    assert!(ran.err.contains("--force"), "{}", ran.err);
    assert_eq!(server.count(""), 0);
    program.run(&[&SIGN[..], &["--force"]].concat()).expect(0);
    assert_ne!(
        std::fs::read(program.path("out/b.bin.sig")).unwrap(),
        b"old"
    );
}

#[test]
fn signatures_are_written_to_the_output_directory() {
    let (_server, program) = two_files(Behaviour::default());
    program
        .run(&[&SIGN[..], &["--out-dir", "sigs"]].concat())
        .expect(0);
    assert!(program.path("sigs/a.bin.sig").exists());
    assert!(!program.path("out/a.bin.sig").exists());
}

#[test]
fn each_end_reason_has_its_exit_code() {
    let by = json!({ "id": "o1", "name": "Anna" });
    for (reason, code) in [
        (json!({ "type": "declined" }), 3),
        (json!({ "type": "cancelled", "by": by }), 3),
        (json!({ "type": "locked", "by": by }), 3),
        (
            json!({ "type": "access-revoked", "why": "the token was revoked" }),
            3,
        ),
        (json!({ "type": "expired" }), 4),
        (json!({ "type": "expired-in-queue" }), 4),
        (json!({ "type": "lease-expired" }), 4),
        (json!({ "type": "hsm-lost", "why": "unplugged" }), 1),
        (json!({ "type": "server-restarted" }), 1),
    ] {
        let (_server, program) = two_files(Behaviour {
            end: Some(reason.clone()),
            ..Behaviour::default()
        });
        let ran = program.run(&[&SIGN[..], &["--json"]].concat()).expect(code);
        assert_eq!(ran.json()["reason"], reason);
        // The end is reported once, as the error.
        assert!(!ran.err.contains("Ended at"), "{}", ran.err);
        assert_eq!(
            ran.json()["type"],
            "urn:countersign:problem:activation-ended"
        );
        assert!(!program.path("out/a.bin.sig").exists());
    }
}

#[test]
fn the_error_names_the_custodian_who_declined_and_the_reason() {
    let (_server, program) = two_files(Behaviour {
        end: Some(json!({ "type": "declined" })),
        ..Behaviour::default()
    });
    let ran = program.run(&SIGN).expect(3);
    assert!(
        ran.err.contains("was declined by Bob (\"not") && !ran.err.contains('\x1b'),
        "{:?}",
        ran.err
    );
}

#[test]
fn a_partial_result_lists_every_file() {
    let (_server, program) = two_files(Behaviour {
        limit: Some(1),
        ..Behaviour::default()
    });
    let ran = program.run(&[&SIGN[..], &["--json"]].concat()).expect(4);
    let problem = ran.json();
    assert_eq!(problem["files"][0]["file"], "out/a.bin");
    assert_eq!(problem["notSigned"][0]["file"], "./out/b.bin");
    assert!(ran.err.contains("1 of 2 files signed"), "{}", ran.err);
    assert!(program.path("out/a.bin.sig").exists());
    assert!(!program.path("out/b.bin.sig").exists());
}

#[test]
fn an_invalid_signature_is_not_written() {
    let (_server, program) = two_files(Behaviour {
        wrong_signatures: true,
        ..Behaviour::default()
    });
    let ran = program.run(&SIGN).expect(1);
    assert!(ran.err.contains("does not verify"), "{}", ran.err);
    assert!(!program.path("out/a.bin.sig").exists());
}

#[test]
fn a_second_run_fetches_the_signatures_of_the_first() {
    let (server, program) = two_files(Behaviour {
        limit: Some(1),
        ..Behaviour::default()
    });
    program.run(&SIGN).expect(4);
    server.set_behaviour(Behaviour {
        joined: true,
        ..Behaviour::default()
    });
    server.set_activation_state(open());
    let ran = program
        .run(&[&SIGN[..], &["--force", "--json"]].concat())
        .expect(0);
    assert_eq!(ran.json()["files"][0]["fetched"], true);
    assert_eq!(ran.json()["files"][1]["fetched"], false);
    // Three requests: two of the first run, of which one was rejected, and one of the second run.
    assert_eq!(server.count("POST /activations/8K3F/signatures"), 3);
}

#[test]
fn an_open_activation_can_be_used_by_its_id() {
    let (server, program) = two_files(Behaviour::default());
    program
        .run(&[&SIGN[..], &["--any-content", "--signatures", "9"]].concat())
        .expect(0);
    assert_eq!(
        server.terms()["lease"],
        json!({ "seconds": 3600, "signatures": 9 })
    );
    assert_eq!(server.count("POST /activations/8K3F/lock"), 0);
    let other = program.write("c.bin", "third");
    let other = other.to_str().unwrap();
    let ran = program.run(&[
        "sign",
        "--activation",
        "8K3F",
        "--mechanism",
        "ecdsa-sha384",
        "--json",
        other,
    ]);
    assert_eq!(
        ran.expect(0).json()["files"][0]["digest"]
            .as_str()
            .unwrap()
            .len(),
        96
    );
}

#[test]
fn a_file_outside_the_manifest_ends_with_6() {
    let (server, program) = two_files(Behaviour::default());
    program.run(&SIGN).expect(0);
    program.write("c.bin", "third");
    server.set_activation_state(open());
    let ran = program
        .run(&["sign", "--activation", "8K3F", "--json", "c.bin"])
        .expect(6);
    assert_eq!(
        ran.json()["type"],
        "urn:countersign:problem:not-in-manifest"
    );
    assert_eq!(ran.json()["files"], json!(["c.bin"]));
    assert!(!program.path("c.bin.sig").exists());
}

#[test]
fn an_activation_that_is_not_open_ends_with_6() {
    let (server, program) = two_files(Behaviour::default());
    program
        .run(&[&SIGN[..], &["--any-content"]].concat())
        .expect(0);
    server.set_activation_state(json!({ "type": "awaiting-approvals" }));
    program.write("c.bin", "third");
    let ran = program
        .run(&["sign", "--activation", "8K3F", "--json", "c.bin"])
        .expect(6);
    assert_eq!(ran.json()["type"], "urn:countersign:problem:not-open");
}

#[test]
fn the_manifest_lists_the_digests_that_are_signed() {
    let (server, program) = two_files(Behaviour::default());
    program
        .run(&[&SIGN[..], &["--mechanism", "ecdsa-sha384"]].concat())
        .expect(0);
    let listed = &server.terms()["purpose"]["scope"]["files"][0];
    let digest = Hash::Sha384.digest(b"first");
    assert_eq!(listed["sha384"], hex::encode(digest));
}

#[test]
fn the_manifest_determines_the_hash_function() {
    let (server, program) = two_files(Behaviour::default());
    program
        .run(&[&SIGN[..], &["--mechanism", "ecdsa-sha384"]].concat())
        .expect(0);
    server.set_activation_state(open());
    let under = ["sign", "--activation", "8K3F", "--force", "out/a.bin"];
    let ran = program.run(&[&under[..], &["--json"]].concat()).expect(0);
    assert_eq!(ran.json()["files"][0]["mechanism"], "ecdsa-sha384");
    // The error for another mechanism names the one to use.
    let other = [&under[..], &["--mechanism", "ecdsa-sha256"]].concat();
    let ran = program.run(&other).expect(6);
    assert!(
        ran.err.contains("`--mechanism ecdsa-sha384`"),
        "{}",
        ran.err
    );
    // For a file that is not listed by any hash function, the error names no mechanism.
    program.write("c.bin", "third");
    let unlisted = ["sign", "--activation", "8K3F", "c.bin"];
    let ran = program.run(&unlisted).expect(6);
    assert!(!ran.err.contains("--mechanism"), "{}", ran.err);
}

#[test]
fn a_mechanism_of_another_key_type_is_rejected() {
    let (server, program) = two_files(Behaviour::default());
    program
        .run(&[&SIGN[..], &["--mechanism", "rsa-pss-sha256"]].concat())
        .expect(1);
    assert_eq!(server.count("POST"), 0);
}

#[test]
fn the_error_for_an_unknown_key_names_the_known_ones() {
    let (_server, program) = two_files(Behaviour::default());
    let ran = program
        .run(&["sign", "--key", "nightly", "out/a.bin"])
        .expect(1);
    assert!(ran.err.contains("release (HSM hsm-1)"), "{}", ran.err);
    let ran = program
        .run(&["sign", "--key", "release", "--hsm", "hsm-2", "out/a.bin"])
        .expect(1);
    assert!(ran.err.contains("HSM hsm-2"), "{}", ran.err);
}

#[cfg(unix)]
mod interrupted {
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::program::{Ended, until};

    fn start_waiting(server: &Server, program: &Program) -> Child {
        // The environment of the tests may ignore signals.
        let wrapper = ["env", "--default-signal=INT,TERM,HUP"];
        start(server, program.command_under(&wrapper, &SIGN))
    }

    fn start(server: &Server, mut command: Command) -> Child {
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        until(|| server.count("GET /activations/8K3F?after") > 0);
        child
    }

    fn send(child: &Child, signal: &str) {
        let pid = child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.unwrap().success());
    }

    fn interrupt(child: Child, signal: &str) -> Ended {
        send(&child, signal);
        Ended::of(child.wait_with_output().unwrap())
    }

    #[test]
    fn a_requested_activation_is_cancelled() {
        for signal in ["-INT", "-TERM", "-HUP"] {
            let (server, program) = two_files(Behaviour {
                undecided: true,
                ..Behaviour::default()
            });
            let ran = interrupt(start_waiting(&server, &program), signal).expect(3);
            assert!(ran.err.contains("8K3F was cancelled"), "{}", ran.err);
            assert_eq!(server.count("POST /activations/8K3F/lock"), 1);
        }
    }

    /// `nohup` lets a program wait longer than the login session lasts.
    #[test]
    fn an_ignored_hangup_stays_ignored() {
        let (server, program) = two_files(Behaviour {
            undecided: true,
            ..Behaviour::default()
        });
        let child = start(&server, program.command_under(&["nohup"], &SIGN));
        send(&child, "-HUP");
        server.set_behaviour(Behaviour::default());
        Ended::of(child.wait_with_output().unwrap()).expect(0);
        assert!(program.path("out/a.bin.sig").exists());
    }

    #[test]
    fn a_joined_activation_is_not_cancelled() {
        let behaviour = Behaviour {
            undecided: true,
            joined: true,
            ..Behaviour::default()
        };
        let (server, program) = two_files(behaviour);
        let ran = interrupt(start_waiting(&server, &program), "-INT").expect(3);
        assert!(
            ran.err.contains("countersign activation lock 8K3F"),
            "{}",
            ran.err
        );
        assert_eq!(server.count("POST /activations/8K3F/lock"), 0);
    }

    #[test]
    fn a_file_that_changed_while_waiting_is_not_signed() {
        let (server, program) = two_files(Behaviour {
            undecided: true,
            ..Behaviour::default()
        });
        let child = start_waiting(&server, &program);
        program.write("out/a.bin", "something else");
        server.set_behaviour(Behaviour::default());
        let ran = Ended::of(child.wait_with_output().unwrap()).expect(1);
        assert!(
            ran.err.contains("out/a.bin: the file was changed"),
            "{}",
            ran.err
        );
        assert!(!program.path("out/a.bin.sig").exists());
        assert!(program.path("out/b.bin.sig").exists());
    }
}

use countersign_protocol::mechanism::{Hash, Mechanism};
use serde_json::json;

use crate::{
    fake::{Behaviour, Fake, open},
    program::Program,
};

fn two_files(behaviour: Behaviour) -> (Fake, Program) {
    let fake = Fake::start(behaviour);
    let program = Program::new(Some(&fake.url));
    program.write("out/a.bin", "first");
    program.write("out/b.bin", "second");
    (fake, program)
}

const SIGN: [&str; 5] = ["sign", "--key", "release", "out/a.bin", "./out/b.bin"];

#[test]
fn files_are_signed_and_verified() {
    let (fake, program) = two_files(Behaviour::default());
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
    for expected in ["https://sign.example.org/a/8K3F", "missing: Bob", "2 of 3"] {
        assert!(ran.err.contains(expected), "{expected}: {}", ran.err);
    }
    assert!(
        !ran.err.contains('\x1b'),
        "no control sequences out of names: {:?}",
        ran.err
    );

    assert!(fake.asked()["abandonedAfterSeconds"].as_u64() > Some(60));
    let terms = fake.terms();
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
        .verify(&fake.public_key(), digest.as_bytes(), &signature)
        .unwrap();
    // Nothing is left to sign, and the server had not locked by itself.
    assert_eq!(fake.count("POST /activations/8K3F/lock"), 1);
}

#[test]
fn an_existing_signature_is_refused_before_anybody_is_asked() {
    let (fake, program) = two_files(Behaviour::default());
    program.write("out/b.bin.sig", "old");
    let ran = program.run(&SIGN).expect(1);
    assert!(ran.err.contains("--force"), "{}", ran.err);
    assert_eq!(fake.count(""), 0);
    program.run(&[&SIGN[..], &["--force"]].concat()).expect(0);
    assert_ne!(
        std::fs::read(program.path("out/b.bin.sig")).unwrap(),
        b"old"
    );
}

#[test]
fn signatures_go_to_a_directory() {
    let (_fake, program) = two_files(Behaviour::default());
    program
        .run(&[&SIGN[..], &["--out-dir", "sigs"]].concat())
        .expect(0);
    assert!(program.path("sigs/a.bin.sig").exists());
    assert!(!program.path("out/a.bin.sig").exists());
}

#[test]
fn every_way_to_end_has_its_exit_code() {
    let by = json!({ "id": "o1", "name": "Anna" });
    for (reason, code) in [
        (json!({ "type": "declined" }), 3),
        (json!({ "type": "cancelled", "by": by }), 3),
        (json!({ "type": "locked", "by": by }), 3),
        (json!({ "type": "expired" }), 4),
        (json!({ "type": "still-queued" }), 4),
        (json!({ "type": "time-used" }), 4),
        (json!({ "type": "hsm-lost", "why": "unplugged" }), 1),
        (json!({ "type": "server-restarted" }), 1),
    ] {
        let (_fake, program) = two_files(Behaviour {
            end: Some(reason.clone()),
            ..Behaviour::default()
        });
        let ran = program.run(&[&SIGN[..], &["--json"]].concat()).expect(code);
        assert_eq!(ran.json()["reason"], reason);
        // It is told once.
        assert!(!ran.err.contains("Over since"), "{}", ran.err);
        assert_eq!(
            ran.json()["type"],
            "urn:countersign:problem:activation-ended"
        );
        assert!(!program.path("out/a.bin.sig").exists());
    }
}

#[test]
fn who_declined_and_why_is_told() {
    let (_fake, program) = two_files(Behaviour {
        end: Some(json!({ "type": "declined" })),
        ..Behaviour::default()
    });
    let ran = program.run(&SIGN).expect(3);
    assert!(
        ran.err.contains("Bob: not\\u{1b}[2J today") && !ran.err.contains('\x1b'),
        "{:?}",
        ran.err
    );
}

#[test]
fn a_part_is_told_file_by_file() {
    let (_fake, program) = two_files(Behaviour {
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
fn a_wrong_signature_is_not_written() {
    let (_fake, program) = two_files(Behaviour {
        lies: true,
        ..Behaviour::default()
    });
    let ran = program.run(&SIGN).expect(1);
    assert!(ran.err.contains("does not verify"), "{}", ran.err);
    assert!(!program.path("out/a.bin.sig").exists());
}

#[test]
fn a_second_run_takes_the_signatures_of_the_first() {
    let (fake, program) = two_files(Behaviour {
        limit: Some(1),
        ..Behaviour::default()
    });
    program.run(&SIGN).expect(4);
    fake.behave(Behaviour {
        joined: true,
        ..Behaviour::default()
    });
    fake.set_activation_state(open());
    let ran = program
        .run(&[&SIGN[..], &["--force", "--json"]].concat())
        .expect(0);
    assert_eq!(ran.json()["files"][0]["fetched"], true);
    assert_eq!(ran.json()["files"][1]["fetched"], false);
    // One refused in the first run.
    assert_eq!(fake.count("POST /activations/8K3F/signatures"), 3);
}

#[test]
fn an_open_activation_can_be_used_by_its_id() {
    let (fake, program) = two_files(Behaviour::default());
    program
        .run(&[&SIGN[..], &["--open-scope", "--signatures", "9"]].concat())
        .expect(0);
    assert_eq!(
        fake.terms()["lease"],
        json!({ "seconds": 3600, "signatures": 9 })
    );
    assert_eq!(fake.count("POST /activations/8K3F/lock"), 0);
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
fn what_nobody_approved_ends_with_6() {
    let (fake, program) = two_files(Behaviour::default());
    program.run(&SIGN).expect(0);
    program.write("c.bin", "third");
    fake.set_activation_state(open());
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
    let (fake, program) = two_files(Behaviour::default());
    program
        .run(&[&SIGN[..], &["--open-scope"]].concat())
        .expect(0);
    fake.set_activation_state(json!({ "type": "collecting" }));
    program.write("c.bin", "third");
    let ran = program
        .run(&["sign", "--activation", "8K3F", "--json", "c.bin"])
        .expect(6);
    assert_eq!(ran.json()["type"], "urn:countersign:problem:not-open");
}

#[test]
fn a_manifest_has_the_digests_that_are_signed() {
    let (fake, program) = two_files(Behaviour::default());
    program
        .run(&[&SIGN[..], &["--mechanism", "ecdsa-sha384"]].concat())
        .expect(0);
    let listed = &fake.terms()["purpose"]["scope"]["files"][0];
    let digest = Hash::Sha384.digest(b"first");
    assert_eq!(listed["sha384"], hex::encode(digest));
}

#[test]
fn the_manifest_says_by_which_hash_function_files_are_signed() {
    let (fake, program) = two_files(Behaviour::default());
    program
        .run(&[&SIGN[..], &["--mechanism", "ecdsa-sha384"]].concat())
        .expect(0);
    fake.set_activation_state(open());
    let under = ["sign", "--activation", "8K3F", "--force", "out/a.bin"];
    let ran = program.run(&[&under[..], &["--json"]].concat()).expect(0);
    assert_eq!(ran.json()["files"][0]["mechanism"], "ecdsa-sha384");
    // Who asks for another one is told.
    let other = [&under[..], &["--mechanism", "ecdsa-sha256"]].concat();
    let ran = program.run(&other).expect(6);
    assert!(
        ran.err.contains("`--mechanism ecdsa-sha384`"),
        "{}",
        ran.err
    );
    // Where it is no matter of the hash function, none is named.
    program.write("c.bin", "third");
    let strange = ["sign", "--activation", "8K3F", "c.bin"];
    let ran = program.run(&strange).expect(6);
    assert!(!ran.err.contains("--mechanism"), "{}", ran.err);
}

#[test]
fn a_mechanism_of_another_kind_of_key_is_refused() {
    let (fake, program) = two_files(Behaviour::default());
    program
        .run(&[&SIGN[..], &["--mechanism", "rsa-pss-sha256"]].concat())
        .expect(1);
    assert_eq!(fake.count("POST"), 0);
}

#[test]
fn an_unknown_key_names_the_known_ones() {
    let (_fake, program) = two_files(Behaviour::default());
    let ran = program
        .run(&["sign", "--key", "nightly", "out/a.bin"])
        .expect(1);
    assert!(ran.err.contains("release (HSM hsm-1)"), "{}", ran.err);
    let ran = program
        .run(&["sign", "--key", "release", "--hsm", "hsm-2", "out/a.bin"])
        .expect(1);
    assert!(ran.err.contains("no HSM `hsm-2`"), "{}", ran.err);
}

#[cfg(unix)]
mod interrupted {
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::program::{Ran, until};

    /// No signal is ignored, whoever runs the tests.
    fn waiting(fake: &Fake, program: &Program) -> Child {
        let under = ["env", "--default-signal=INT,TERM,HUP"];
        started(fake, program.command_under(&under, &SIGN))
    }

    fn started(fake: &Fake, mut command: Command) -> Child {
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        until(|| fake.count("GET /activations/8K3F?after") > 0);
        child
    }

    fn send(child: &Child, signal: &str) {
        let pid = child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.unwrap().success());
    }

    fn interrupt(child: Child, signal: &str) -> Ran {
        send(&child, signal);
        Ran::of(child.wait_with_output().unwrap())
    }

    #[test]
    fn the_own_activation_is_cancelled() {
        for signal in ["-INT", "-TERM", "-HUP"] {
            let (fake, program) = two_files(Behaviour {
                slow: true,
                ..Behaviour::default()
            });
            let ran = interrupt(waiting(&fake, &program), signal).expect(3);
            assert!(ran.err.contains("8K3F is cancelled"), "{}", ran.err);
            assert_eq!(fake.count("POST /activations/8K3F/lock"), 1);
        }
    }

    /// As `nohup` starts it, for waits that are longer than a login.
    #[test]
    fn a_hangup_that_is_ignored_stays_so() {
        let (fake, program) = two_files(Behaviour {
            slow: true,
            ..Behaviour::default()
        });
        let child = started(&fake, program.command_under(&["nohup"], &SIGN));
        send(&child, "-HUP");
        fake.behave(Behaviour::default());
        Ran::of(child.wait_with_output().unwrap()).expect(0);
        assert!(program.path("out/a.bin.sig").exists());
    }

    #[test]
    fn an_activation_that_was_there_stays() {
        let behaviour = Behaviour {
            slow: true,
            joined: true,
            ..Behaviour::default()
        };
        let (fake, program) = two_files(behaviour);
        let ran = interrupt(waiting(&fake, &program), "-INT").expect(3);
        assert!(
            ran.err.contains("countersign activation lock 8K3F"),
            "{}",
            ran.err
        );
        assert_eq!(fake.count("POST /activations/8K3F/lock"), 0);
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_not_signed() {
        let (fake, program) = two_files(Behaviour {
            slow: true,
            ..Behaviour::default()
        });
        let child = waiting(&fake, &program);
        program.write("out/a.bin", "something else");
        fake.behave(Behaviour::default());
        let ran = Ran::of(child.wait_with_output().unwrap()).expect(1);
        assert!(
            ran.err.contains("out/a.bin: the file was changed"),
            "{}",
            ran.err
        );
        assert!(!program.path("out/a.bin.sig").exists());
        assert!(program.path("out/b.bin.sig").exists());
    }
}

use serde_json::json;

use crate::{
    fake::{Behaviour, Fake, ended},
    program::Program,
};

#[test]
fn activations_can_be_listed_shown_and_locked() {
    let fake = Fake::start(Behaviour::default());
    let program = Program::new(Some(&fake.url));
    program.write("a.bin", "first");
    program
        .run(&["sign", "--key", "release", "--open-scope", "a.bin"])
        .expect(0);
    let ran = program.run(&["activation", "list", "--json"]).expect(0);
    assert_eq!(ran.json()["activations"][0]["terms"]["id"], "8K3F");
    let ran = program.run(&["activation", "list"]).expect(0);
    assert!(
        ran.out.contains("sign any content with key \"release\""),
        "{}",
        ran.out
    );
    let ran = program.run(&["activation", "show", "8K3F"]).expect(0);
    assert!(
        ran.out.contains("Anna") && !ran.out.contains('\x1b'),
        "{:?}",
        ran.out
    );
    let ran = program
        .run(&["activation", "lock", "8K3F", "--json"])
        .expect(0);
    assert_eq!(ran.json()["activation"]["state"]["type"], "ended");
    assert_eq!(fake.count("POST /activations/8K3F/lock"), 1);
    let ran = program
        .run(&["activation", "list", "--state", "all"])
        .expect(0);
    assert!(ran.out.contains("8K3F  cancelled"), "{}", ran.out);
}

#[test]
fn watching_ends_with_the_activation() {
    let fake = Fake::start(Behaviour::default());
    let program = Program::new(Some(&fake.url));
    program.write("a.bin", "first");
    program
        .run(&["sign", "--key", "release", "--open-scope", "a.bin"])
        .expect(0);
    fake.set_activation_state(ended(json!({ "type": "time-used" })));
    let ran = program
        .run(&["activation", "show", "8K3F", "--watch", "--json"])
        .expect(0);
    assert_eq!(
        ran.json()["activation"]["state"]["reason"]["type"],
        "time-used"
    );
}

#[test]
fn an_unknown_activation_is_the_servers_problem() {
    let fake = Fake::start(Behaviour::default());
    let program = Program::new(Some(&fake.url));
    let ran = program
        .run(&["activation", "show", "8K3F", "--json"])
        .expect(1);
    assert_eq!(ran.json()["type"], "urn:countersign:problem:not-found");
    assert_eq!(ran.json()["status"], 404);
}

#[test]
fn keys_are_listed() {
    let fake = Fake::start(Behaviour::default());
    let program = Program::new(Some(&fake.url));
    let ran = program.run(&["keys", "--json"]).expect(0);
    assert_eq!(ran.json()["keys"][0]["label"], "release");
    let ran = program.run(&["keys"]).expect(0);
    assert!(ran.out.contains("EC secp256r1"), "{}", ran.out);
}

#[test]
fn a_build_ends_only_what_was_asked_for_with_its_reason() {
    let fake = Fake::start(Behaviour::default());
    let program = Program::new(Some(&fake.url));
    program.write("a.bin", "first");
    program
        .run(&[
            "sign",
            "--key",
            "release",
            "--open-scope",
            "--reason",
            "Build 7",
            "a.bin",
        ])
        .expect(0);
    let locks = || fake.count("POST /activations/8K3F/lock");
    let ran = program
        .run(&["activation", "lock", "--reason", "Build 8"])
        .expect(0);
    assert!(ran.out.contains("There is none"), "{}", ran.out);
    assert_eq!(locks(), 0);
    program
        .run(&["activation", "lock", "--reason", "Build 7"])
        .expect(0);
    assert_eq!(locks(), 1);
}

#[test]
fn what_is_to_be_locked_is_said() {
    let program = Program::new(None);
    let ran = program.run(&["activation", "lock"]).expect(2);
    for way in ["ID", "--reason", "--all"] {
        assert!(ran.err.contains(way), "{way}: {}", ran.err);
    }
    for arguments in [
        &["8K3F", "--all"][..],
        &["--reason", "x", "--all"],
        // A variable that is not set.
        &["--reason", ""],
    ] {
        program
            .run(&[&["activation", "lock"], arguments].concat())
            .expect(2);
    }
}

use serde_json::json;

use crate::{
    program::Program,
    server::{Behaviour, Server, ended},
};

#[test]
fn activations_can_be_listed_shown_and_locked() {
    let server = Server::start(Behaviour::default());
    let program = Program::new(Some(&server.url));
    program.write("a.bin", "first");
    program
        .run(&["sign", "--key", "release", "--any-content", "a.bin"])
        .expect(0);
    let ran = program.run(&["activation", "list", "--json"]).expect(0);
    assert_eq!(ran.json()["activations"][0]["terms"]["id"], "8K3F");
    let ran = program.run(&["activation", "list"]).expect(0);
    assert!(ran.out.contains("any content"), "{}", ran.out);
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
    assert_eq!(server.count("POST /activations/8K3F/lock"), 1);
    let ran = program
        .run(&["activation", "list", "--state", "all"])
        .expect(0);
    assert!(ran.out.contains("8K3F  cancelled"), "{}", ran.out);
}

#[test]
fn an_empty_list_says_how_to_request_an_activation() {
    let server = Server::start(Behaviour::default());
    let program = Program::new(Some(&server.url));
    let ran = program.run(&["activation", "list"]).expect(0);
    assert!(ran.out.contains("countersign sign"), "{}", ran.out);
}

#[test]
fn the_details_show_the_deadline_only_before_the_end() {
    let server = Server::start(Behaviour::default());
    let program = Program::new(Some(&server.url));
    program.write("a.bin", "first");
    program
        .run(&["sign", "--key", "release", "--any-content", "a.bin"])
        .expect(0);
    server.set_activation_state(json!({ "type": "awaiting-approvals" }));
    let show = || program.run(&["activation", "show", "8K3F"]).expect(0).out;
    let pending = show();
    assert!(pending.contains("Approve by"), "{pending}");
    assert!(
        pending.contains("1 of 2 approvals; approved by Anna; waiting for Bob or Carol"),
        "{pending}"
    );
    assert!(pending.contains("up to 1 signature, 1 h"), "{pending}");
    server.set_activation_state(ended(json!({ "type": "expired" })));
    let expired = show();
    assert!(!expired.contains("Approve by"), "{expired}");
    assert!(expired.contains("with 1 of 2 approvals"), "{expired}");
    assert!(expired.contains("no response"), "{expired}");
}

#[test]
fn watching_ends_with_the_activation() {
    let server = Server::start(Behaviour::default());
    let program = Program::new(Some(&server.url));
    program.write("a.bin", "first");
    program
        .run(&["sign", "--key", "release", "--any-content", "a.bin"])
        .expect(0);
    server.set_activation_state(ended(json!({ "type": "lease-expired" })));
    let ran = program
        .run(&["activation", "show", "8K3F", "--watch", "--json"])
        .expect(0);
    assert_eq!(
        ran.json()["activation"]["state"]["reason"]["type"],
        "lease-expired"
    );
}

#[test]
fn an_unknown_activation_is_reported_with_the_problem_of_the_server() {
    let server = Server::start(Behaviour::default());
    let program = Program::new(Some(&server.url));
    let ran = program
        .run(&["activation", "show", "8K3F", "--json"])
        .expect(1);
    assert_eq!(ran.json()["type"], "urn:countersign:problem:not-found");
    assert_eq!(ran.json()["status"], 404);
}

#[test]
fn keys_are_listed() {
    let server = Server::start(Behaviour::default());
    let program = Program::new(Some(&server.url));
    let ran = program.run(&["keys", "--json"]).expect(0);
    assert_eq!(ran.json()["keys"][0]["label"], "release");
    let ran = program.run(&["keys"]).expect(0);
    assert!(ran.out.contains("EC secp384r1"), "{}", ran.out);
}

#[test]
fn lock_with_a_reason_ends_only_activations_with_that_reason() {
    let server = Server::start(Behaviour::default());
    let program = Program::new(Some(&server.url));
    program.write("a.bin", "first");
    program
        .run(&[
            "sign",
            "--key",
            "release",
            "--any-content",
            "--reason",
            "Build 7",
            "a.bin",
        ])
        .expect(0);
    let locks = || server.count("POST /activations/8K3F/lock");
    let ran = program
        .run(&["activation", "lock", "--reason", "Build 8"])
        .expect(0);
    assert!(ran.out.contains("no active activations"), "{}", ran.out);
    assert_eq!(locks(), 0);
    program
        .run(&["activation", "lock", "--reason", "Build 7"])
        .expect(0);
    assert_eq!(locks(), 1);
}

#[test]
fn lock_needs_exactly_one_selection() {
    let program = Program::new(None);
    let ran = program.run(&["activation", "lock"]).expect(2);
    for way in ["ID", "--reason", "--all"] {
        assert!(ran.err.contains(way), "{way}: {}", ran.err);
    }
    for arguments in [
        &["8K3F", "--all"][..],
        &["--reason", "x", "--all"],
        // The shell passes an unset variable as an empty argument.
        &["--reason", ""],
    ] {
        program
            .run(&[&["activation", "lock"], arguments].concat())
            .expect(2);
    }
}

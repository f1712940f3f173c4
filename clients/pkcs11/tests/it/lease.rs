//! A long-lived program notices that its lease has ended, and can log in again.

use serde_json::json;

use crate::{
    program::Program,
    server::{Behaviour, Server, ended},
};

/// A server whose custodians approve at once.
fn server() -> Server {
    Server::start(Behaviour {
        with_device: true,
        ..Behaviour::default()
    })
}

#[test]
fn a_program_logs_in_again_after_its_lease_has_ended() {
    let locked = json!({ "type": "locked", "by": { "id": "o1", "name": "Anna" } });
    for (reason, words) in [
        (locked, "locked by Anna"),
        (json!({ "type": "lease-expired" }), "lease expired"),
        (json!({ "type": "signature-limit-reached" }), "limit"),
        (
            json!({ "type": "hsm-lost", "why": "unplugged" }),
            "unplugged",
        ),
    ] {
        let server = server();
        let mut program = Program::start(&server.url, "lease-ends", &[]);
        server.set_activation_state(ended(reason.clone()));
        program.go_on();
        program.wait_until_ready();
        server.set_activation_state(ended(reason));
        let text = program.end();
        assert!(text.contains("lease-ends ok"), "{text}");
        let told = text.matches("is locked for this program again").count();
        assert_eq!(told, 2, "{text}");
        assert!(text.contains(words), "{text}");
        // Three activations with a signature each.
        assert_eq!(server.count("POST /activations"), 6, "{text}");
    }
}

#[test]
fn a_key_is_opened_again_after_its_lease_has_ended() {
    let server = server();
    let wait_in = [("COUNTERSIGN_WAIT_IN", "sign")];
    let program = Program::start(&server.url, "lease-of-a-key-ends", &wait_in);
    server.set_activation_state(ended(json!({ "type": "lease-expired" })));
    let text = program.end();
    assert!(text.contains("lease-of-a-key-ends ok"), "{text}");
}

/// Programs look at their session as often as they like, which must not become one request each.
#[test]
fn a_session_is_not_looked_up_on_the_server_each_time() {
    let server = server();
    let program = Program::start(&server.url, "session-info", &[]);
    let before = server.count("GET /activations/8K3F");
    let text = program.end();
    assert!(text.contains("session-info ok"), "{text}");
    let asked = server.count("GET /activations/8K3F") - before;
    assert!(asked < 100, "{asked} requests for 100,000 calls");
}

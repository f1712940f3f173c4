//! A server that becomes silent: every function of the module that asks it ends, and says for whom it waits.

use crate::{
    program::Program,
    server::{Behaviour, Server},
};

#[test]
fn no_function_waits_forever_or_without_a_word() {
    let behaviour = Behaviour {
        with_device: true,
        ..Behaviour::default()
    };
    let server = Server::start(behaviour.clone());
    let limits = [
        ("COUNTERSIGN_PATIENCE_SECONDS", "8"),
        ("COUNTERSIGN_SIGN_SECONDS", "8"),
    ];
    let program = Program::start(&server.url, "silence", &limits);
    server.set_behaviour(Behaviour {
        silent: true,
        ..behaviour
    });
    // The program itself checks that C_GetSessionInfo does not wait each time.
    let text = program.end();
    for result in [
        "C_Sign 0x30",
        "C_GetSlotList 0",
        "C_GetSessionInfo",
        "C_Login 0x30",
    ] {
        assert!(text.lines().any(|line| line == result), "{result}: {text}");
    }
    // C_Sign, C_GetSlotList and C_Login wait longer than a few seconds.
    let words = format!("still waiting for an answer from {}", server.url);
    assert!(text.matches(&words).count() >= 3, "{text}");
}

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::Stdio,
};

use crate::{
    program::{Ended, Program},
    server::{Behaviour, Server},
};

#[test]
fn a_usage_error_ends_with_2() {
    let program = Program::new(None);
    for arguments in [
        &["sign"][..],
        &["sign", "--key", "release"],
        &["sign", "file"],
        &["sign", "--key", "release", "--mechanism", "md5", "file"],
        &["sign", "--key", "release", "--signatures", "3", "file"],
        &["sign", "--activation", "8K3F", "--reason", "x", "file"],
        &["verify", "file"],
        &["verify", "--key", "release", "--pem", "key.pem", "file"],
        &["activation"],
        // The option does not exist, because every user of the machine could read its value.
        &["keys", "--token", "secret"],
    ] {
        program.run(arguments).expect(2);
    }
}

#[test]
fn a_usage_error_is_json_on_request() {
    let ran = Program::new(None).run(&["sign", "--json"]).expect(2);
    let problem = ran.json();
    assert_eq!(problem["type"], "urn:countersign:client:usage");
    assert_eq!(problem["exitCode"], 2);
}

#[test]
fn the_help_lists_the_exit_codes() {
    let ran = Program::new(None).run(&["sign", "--help"]).expect(0);
    assert!(ran.out.contains("Exit codes:"), "{}", ran.out);
}

#[test]
fn a_missing_configuration_is_an_error_that_names_the_file() {
    let ran = Program::new(None).run(&["keys"]).expect(1);
    assert!(ran.err.contains("config.toml"), "{}", ran.err);
    let ran = Program::new(None).run(&["keys", "--json"]).expect(1);
    assert_eq!(ran.json()["type"], "urn:countersign:client:configuration");
}

#[test]
fn an_unreachable_server_ends_with_5() {
    let program = Program::new(Some("http://127.0.0.1:1"));
    let ran = program.run(&["keys", "--json"]).expect(5);
    assert_eq!(ran.json()["type"], "urn:countersign:client:unreachable");
}

#[test]
fn a_closed_pipe_does_not_cause_a_panic() {
    let mut child = Program::new(None)
        .command(&["keys", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_token_command_does_not_get_piped_input() {
    let server = Server::start(Behaviour::default());
    let program = Program::new(Some(&server.url));
    let mut running = program
        .command(&["keys"])
        .env_remove("COUNTERSIGN_TOKEN")
        .env("COUNTERSIGN_TOKEN_COMMAND", "/bin/cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The program may have ended already, because it does not read its input.
    let _ = running.stdin.take().unwrap().write_all(b"piped");
    Ended::of(running.wait_with_output().unwrap()).expect(1);
}

#[test]
fn a_server_without_tls_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]).unwrap();
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let ran = Program::new(Some(&url)).run(&["keys"]).expect(1);
    assert!(ran.err.contains("does not speak TLS"), "{}", ran.err);
}

#[test]
fn an_unknown_hsm_is_an_error() {
    let server = Server::start(Behaviour::default());
    let program = Program::new(Some(&server.url));
    let ran = program.run(&["keys", "--hsm", "nowhere"]).expect(1);
    assert!(
        ran.err.contains("nowhere") && ran.err.contains("hsm-1"),
        "{}",
        ran.err
    );
    // An HSM without keys is not an error.
    let ran = program.run(&["keys", "--hsm", "hsm-2"]).expect(0);
    assert!(ran.out.contains("hsm-2"), "{}", ran.out);
    let ran = program.run(&["keys", "--hsm", "hsm-1"]).expect(0);
    assert!(ran.out.contains("release"), "{}", ran.out);
}

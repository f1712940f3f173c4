use std::process::Stdio;

use crate::{
    program::{Ended, Program, until},
    server::{Behaviour, Server},
};

const CERTIFICATE: [&str; 5] = ["certificate", "--key", "release", "--subject", "CN=Release"];

#[test]
fn an_unwritable_output_is_reported_before_approval_is_requested() {
    let server = Server::start(Behaviour::default());
    let program = Program::new(Some(&server.url));
    for path in ["missing/c.pem", "."] {
        let ran = program
            .run(&[&CERTIFICATE[..], &["--out", path]].concat())
            .expect(1);
        assert!(
            ran.err.contains(path) && !ran.err.contains(".countersign-"),
            "{}",
            ran.err
        );
    }
    assert_eq!(server.count("POST"), 0);
    program
        .run(&[&CERTIFICATE[..], &["--out", "c.pem"]].concat())
        .expect(0);
    let pem = std::fs::read_to_string(program.path("c.pem")).unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{pem}");
    assert_eq!(server.count("PUT"), 1);
}

#[test]
fn a_certificate_is_printed_if_it_cannot_be_written() {
    let server = Server::start(Behaviour {
        undecided: true,
        ..Behaviour::default()
    });
    let program = Program::new(Some(&server.url));
    let directory = program.path("out");
    std::fs::create_dir(&directory).unwrap();
    let child = program
        .command(&[&CERTIFICATE[..], &["--json", "--out", "out/c.pem"]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until(|| server.count("GET /activations/8K3F?after") > 0);
    std::fs::remove_dir(directory).unwrap();
    server.set_behaviour(Behaviour::default());
    let ran = Ended::of(child.wait_with_output().unwrap()).expect(1);
    // The server stores the certificate, and both outputs contain it.
    assert_eq!(server.count("PUT"), 1);
    let begin = "-----BEGIN CERTIFICATE-----";
    assert!(
        ran.err.contains(begin) && ran.err.contains("out/c.pem"),
        "{}",
        ran.err
    );
    assert!(ran.json()["pem"].as_str().unwrap().starts_with(begin));
}

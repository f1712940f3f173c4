use std::process::Stdio;

use crate::{
    fake::{Behaviour, Fake},
    program::{Program, Ran, until},
};

const CERTIFICATE: [&str; 5] = ["certificate", "--key", "release", "--subject", "CN=Release"];

#[test]
fn a_place_that_cannot_be_written_is_told_before_anybody_is_asked() {
    let fake = Fake::start(Behaviour::default());
    let program = Program::new(Some(&fake.url));
    for place in ["missing/c.pem", "."] {
        let ran = program
            .run(&[&CERTIFICATE[..], &["--out", place]].concat())
            .expect(1);
        assert!(
            ran.err.contains(place) && !ran.err.contains(".countersign-"),
            "{}",
            ran.err
        );
    }
    assert_eq!(fake.count("POST"), 0);
    program
        .run(&[&CERTIFICATE[..], &["--out", "c.pem"]].concat())
        .expect(0);
    let pem = std::fs::read_to_string(program.path("c.pem")).unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{pem}");
    assert_eq!(fake.count("PUT"), 1);
}

#[test]
fn a_certificate_that_was_made_is_not_lost() {
    let fake = Fake::start(Behaviour {
        slow: true,
        ..Behaviour::default()
    });
    let program = Program::new(Some(&fake.url));
    let place = program.path("out");
    std::fs::create_dir(&place).unwrap();
    let child = program
        .command(&[&CERTIFICATE[..], &["--json", "--out", "out/c.pem"]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until(|| fake.count("GET /activations/8K3F?after") > 0);
    std::fs::remove_dir(place).unwrap();
    fake.behave(Behaviour::default());
    let ran = Ran::of(child.wait_with_output().unwrap()).expect(1);
    // The server has it, and people and programs do.
    assert_eq!(fake.count("PUT"), 1);
    let begin = "-----BEGIN CERTIFICATE-----";
    assert!(
        ran.err.contains(begin) && ran.err.contains("out/c.pem"),
        "{}",
        ran.err
    );
    assert!(ran.json()["pem"].as_str().unwrap().starts_with(begin));
}

use crate::{
    program::Program,
    server::{Behaviour, Server},
};

fn signed() -> (Server, Program) {
    let server = Server::start(Behaviour::default());
    let program = Program::new(Some(&server.url));
    program.write("a.bin", "first");
    program
        .run(&["sign", "--key", "release", "a.bin"])
        .expect(0);
    (server, program)
}

#[test]
fn a_valid_signature_verifies_with_and_without_a_server() {
    let (_server, program) = signed();
    let pem = program.run(&["keys", "--pem", "release"]).expect(0).out;
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----"), "{pem}");
    let offline = Program::new(None);
    offline.write("key.pem", pem);
    offline.write("a.bin", "first");
    offline.write(
        "other.sig",
        std::fs::read(program.path("a.bin.sig")).unwrap(),
    );
    let ran = offline
        .run(&[
            "verify",
            "--json",
            "--pem",
            "key.pem",
            "--signature",
            "other.sig",
            "a.bin",
        ])
        .expect(0);
    assert_eq!(ran.json()["files"][0]["valid"], true);
    let ran = program
        .run(&["verify", "--key", "release", "a.bin"])
        .expect(0);
    assert!(ran.out.contains("a.bin: valid signature"), "{}", ran.out);
}

#[test]
fn a_changed_file_does_not_verify() {
    let (_server, program) = signed();
    program.write("a.bin", "fir5t");
    program.write("b.bin", "unsigned");
    let ran = program
        .run(&["verify", "--json", "--key", "release", "a.bin", "b.bin"])
        .expect(1);
    let problem = ran.json();
    assert_eq!(problem["type"], "urn:countersign:client:signature");
    assert_eq!(problem["files"][0]["valid"], false);
    assert_eq!(problem["files"][1]["valid"], false);
    assert!(ran.err.contains("b.bin.sig"), "{}", ran.err);
}

#[test]
fn the_signature_option_needs_exactly_one_file() {
    let (_server, program) = signed();
    program
        .run(&[
            "verify",
            "--key",
            "release",
            "--signature",
            "x",
            "a.bin",
            "b.bin",
        ])
        .expect(2);
}

use serde_json::json;

use crate::{
    fake::{Behaviour, Fake},
    program::Program,
};

/// Writes down one digest, as the PKCS#11 module does.
const BUILD: &str = r#"echo building; cat recorded >> "$COUNTERSIGN_RECORD""#;

#[test]
fn what_the_pipeline_says_holds_for_recordings() {
    let fake = Fake::start(Behaviour::default());
    let program = Program::new(Some(&fake.url));
    let recorded = json!({
        "hsm": "hsm-1", "key": fake.public_key().fingerprint(), "label": "release",
        "request": { "mechanism": "ecdsa-sha256", "digest": "11".repeat(32) },
        "program": "build", "files": [], "file": null
    });
    program.write("recorded", format!("{recorded}\n"));
    let ran = program
        .command(&[
            "record",
            "--ask-only",
            "--json",
            "--",
            "/bin/sh",
            "-c",
            BUILD,
        ])
        .env("PATH", "/usr/bin:/bin")
        .env("COUNTERSIGN_REASON", "Build 7")
        .env("COUNTERSIGN_LEASE_SECONDS", "600")
        .output();
    let ran = crate::program::Ran::of(ran.unwrap()).expect(0);
    // Standard output is the result alone, although the build prints, too.
    assert!(ran.err.contains("building"), "{}", ran.err);
    assert_eq!(ran.json()["activation"]["terms"]["reason"], "Build 7");
    assert_eq!(
        fake.terms()["lease"],
        json!({ "seconds": 600, "signatures": 1 })
    );
    // Nobody waits for it: it is to stay.
    assert!(fake.asked()["abandonedAfterSeconds"].is_null());
}

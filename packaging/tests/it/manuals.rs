//! Manual pages and shell completions.

use std::process::Command;

/// Beside the test: `deps/it-...` and `examples/manuals`.
fn generator() -> std::path::PathBuf {
    let test = std::env::current_exe().expect("the test knows its own path");
    let folder = test.ancestors().nth(2).expect("target/PROFILE/deps/it");
    folder.join("examples/manuals")
}

#[test]
fn each_program_has_a_manual_page_and_completions() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let status = Command::new(generator())
        .arg(folder.path())
        .status()
        .expect("the generator runs");
    assert!(status.success());
    for program in ["countersign", "countersign-server", "countersign-helper"] {
        for file in [
            format!("man/man1/{program}.1"),
            format!("completions/bash/{program}.bash"),
            format!("completions/zsh/_{program}"),
            format!("completions/fish/{program}.fish"),
        ] {
            let text = std::fs::read_to_string(folder.path().join(&file))
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(text.contains(program), "{file}");
        }
    }
    // Subcommands have pages of their own.
    assert!(folder.path().join("man/man1/countersign-sign.1").exists());
}

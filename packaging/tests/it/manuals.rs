//! Manual pages, shell completions, and the other files that are installed.

use crate::documents::{code_lines, read, root};

#[test]
fn each_program_has_a_manual_page_and_completions() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    countersign_packaging::write_manuals(folder.path()).expect("the folder is writable");
    for program in ["countersign", "countersign-server", "countersign-helper"] {
        for file in [
            format!("man/man1/{program}.1"),
            format!("completions/bash/{program}.bash"),
            format!("completions/zsh/_{program}"),
            format!("completions/fish/{program}.fish"),
        ] {
            let text = std::fs::read_to_string(folder.path().join(&file))
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            // Manual pages escape hyphens.
            assert!(text.replace("\\-", "-").contains(program), "{file}");
        }
    }
    // Subcommands have pages of their own.
    assert!(folder.path().join("man/man1/countersign-sign.1").exists());
}

#[test]
fn the_files_that_are_installed_exist() {
    let generated = tempfile::tempdir().expect("a temporary folder");
    countersign_packaging::write_manuals(generated.path()).expect("the folder is writable");
    let sources = [generated.path().to_owned(), root().join("packaging")];
    let mut seen = 0;
    for line in code_lines(&read("docs/install.md")) {
        for word in line.split_whitespace() {
            let Some(path) = word.strip_prefix("target/dist/") else {
                continue;
            };
            seen += 1;
            // A star stands for several files of a folder.
            let path = match path.split_once('*') {
                Some((before, _)) => before.rsplit_once('/').map_or("", |(folder, _)| folder),
                None => path,
            };
            assert!(
                sources.iter().any(|source| source.join(path).exists()),
                "{line}"
            );
        }
    }
    assert!(seen > 8, "only {seen} files were found");
}

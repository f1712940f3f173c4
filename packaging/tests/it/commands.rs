//! The commands that documents show are commands that the programs know.

use clap::Command;
use countersign_packaging::programs;

use crate::documents::{code_lines, code_spans, documents, read};

fn program(name: &str) -> Option<Command> {
    programs()
        .into_iter()
        .find(|program| program.get_name() == name)
}

/// Options of programs that were built with simulated cards.
fn needs_simulator(line: &str) -> bool {
    ["--demo", "--simulated-card"]
        .iter()
        .any(|option| line.contains(option))
}

/// Splits a command line as a shell does, as far as documents need it: quotes, comments, and what comes after it.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (None, '#') if word.is_none() => break,
            (None, ';' | '|' | '>' | '&' | ')') => break,
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn commands_in_code_blocks_are_complete() {
    let mut seen = 0;
    for document in documents() {
        for line in code_lines(&document.text) {
            let words = words(&line);
            let Some(program) = words.first().and_then(|name| program(name)) else {
                continue;
            };
            if needs_simulator(&line) {
                continue;
            }
            seen += 1;
            if let Err(error) = program.try_get_matches_from(&words) {
                let shown = error.kind();
                use clap::error::ErrorKind::{
                    DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion,
                };
                assert!(
                    matches!(
                        shown,
                        DisplayHelp | DisplayVersion | DisplayHelpOnMissingArgumentOrSubcommand
                    ),
                    "{}: `{line}`\n{error}",
                    document.path.display()
                );
            }
        }
    }
    assert!(seen > 30, "only {seen} commands were found");
}

#[test]
fn commands_in_sentences_name_subcommands_and_options_that_exist() {
    let mut seen = 0;
    for document in documents() {
        for span in code_spans(&document.text) {
            let words = words(&span);
            let Some(root) = words.first().and_then(|name| program(name)) else {
                continue;
            };
            if needs_simulator(&span) {
                continue;
            }
            seen += 1;
            let mut command = &root;
            for (index, word) in words.iter().enumerate().skip(1) {
                if word == "--" {
                    break;
                }
                if let Some(option) = word.strip_prefix("--") {
                    let known = |command: &Command| {
                        command
                            .get_arguments()
                            .any(|argument| argument.get_long() == Some(option))
                    };
                    assert!(
                        ["help", "version"].contains(&option) || known(command) || known(&root),
                        "{}: `{span}`: there is no --{option}",
                        document.path.display()
                    );
                } else if let Some(sub) = command.find_subcommand(word) {
                    command = sub;
                } else {
                    // Words in capitals stand for something.
                    assert!(
                        index > 1 || word.starts_with(|c: char| c.is_ascii_uppercase()),
                        "{}: `{span}`: there is no subcommand {word}",
                        document.path.display()
                    );
                }
            }
        }
    }
    assert!(seen > 20, "only {seen} commands were found");
}

#[test]
fn the_command_for_a_client_certificate_works_as_written() {
    let page = read("docs/tls.md");
    let command = code_lines(&page)
        .into_iter()
        .find(|line| line.starts_with("openssl req"))
        .expect("docs/tls.md shows how to create a client certificate");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = std::process::Command::new("sh")
        .args(["-e", "-c", &command])
        .current_dir(folder.path())
        .output()
        .expect("a shell runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    for file in ["client.key", "client.pem"] {
        assert!(folder.path().join(file).exists(), "{file}");
    }
}

#[test]
fn lines_are_split_as_shells_do() {
    assert_eq!(
        words(r#"countersign sign --reason "Firmware 4.2.1" a.bin  # a comment"#),
        ["countersign", "sign", "--reason", "Firmware 4.2.1", "a.bin"]
    );
}

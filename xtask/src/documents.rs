//! The cargo commands that documents show.

use std::{path::Path, process::Command};

use clap::{CommandFactory, Parser, error::ErrorKind};

use super::Cli;

/// README, CONTRIBUTING, ARCHITECTURE and every page of the book.
fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let pages = std::fs::read_dir(root.join("docs")).unwrap();
    pages
        .map(|entry| entry.unwrap().path())
        .chain(["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"].map(|name| root.join(name)))
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.display().to_string(), text)
        })
        .collect()
}

/// The commands of code blocks that begin like this, without the beginning and without comments.
fn commands(beginning: &str) -> Vec<(String, String)> {
    let mut commands = Vec::new();
    for (name, text) in documents() {
        for line in text.lines() {
            if let Some(rest) = line.trim_start().strip_prefix(beginning) {
                let rest = rest.split(" #").next().unwrap_or_default();
                commands.push((name.clone(), rest.trim().to_owned()));
            }
        }
    }
    commands
}

fn parse(command: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("xtask").chain(command.split_whitespace()))
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn every_task_in_the_documents_exists() {
    let commands = commands("cargo xtask ");
    for (name, command) in &commands {
        assert!(parse(command).is_ok(), "{name}: {command}");
    }
    assert!(commands.len() > 5, "{} tasks were found", commands.len());
}

#[test]
fn every_task_in_a_sentence_exists() {
    let mut seen = 0;
    for (name, text) in documents() {
        for span in text.split('`').map(|span| span.replace('\n', " ")) {
            let Some(command) = span.strip_prefix("cargo xtask ") else {
                continue;
            };
            if let Err(error) = parse(command) {
                let names_only = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
                assert_eq!(error.kind(), names_only, "{name}: {command}");
            }
            seen += 1;
        }
    }
    assert!(seen > 5, "{seen} tasks were found");
}

/// `cargo tree` rejects unknown packages and features as `cargo test` does, without compiling anything.
#[test]
fn packages_and_features_of_cargo_commands_exist() {
    let mut seen = 0;
    for task in ["test", "clippy"] {
        for (name, command) in commands(&format!("cargo {task} ")) {
            let words: Vec<_> = command.split_whitespace().collect();
            let selection: Vec<_> = words
                .windows(2)
                .filter(|pair| ["-p", "--package", "--features"].contains(&pair[0]))
                .flatten()
                .collect();
            let output = Command::new("cargo")
                .args(["tree", "--offline", "--quiet", "--depth", "0"])
                .args(selection)
                .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
                .output()
                .unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name}: {command}: {errors}");
            seen += 1;
        }
    }
    assert!(seen > 5, "{seen} commands were found");
}

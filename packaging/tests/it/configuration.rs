//! `docs/configuration.md` and `packaging/server.toml.example` have every setting.

use std::{collections::BTreeSet, fs};

use clap::{Command, CommandFactory};
use countersign_client::{Overrides, Settings};
use countersign_server::config::ConfigFile;

use crate::documents::{code_spans, read, root};

/// A name that no configuration has: the error then lists the names that there are.
const UNKNOWN: &str = "zzz";

/// The names in serde's "unknown field `zzz`, expected one of `a`, `b`".
fn expected(error: &str) -> Option<BTreeSet<String>> {
    let (_, list) = error.split_once(&format!("unknown field `{UNKNOWN}`, expected "))?;
    let names = list.split('`').skip(1).step_by(2).map(str::to_owned);
    Some(names.collect())
}

/// Every setting of a configuration: `name`, or `section.name`. `error` reads a text and returns what is wrong with it.
fn settings(error: impl Fn(&str) -> String) -> BTreeSet<String> {
    let top = error(&format!("{UNKNOWN} = 1"));
    let top = expected(&top).unwrap_or_else(|| panic!("{top}"));
    let mut all = BTreeSet::new();
    for name in top {
        let table = [format!("[{name}]"), format!("[[{name}]]")];
        let section = table
            .iter()
            .find_map(|header| expected(&error(&format!("{header}\n{UNKNOWN} = 1"))));
        match section {
            Some(names) => all.extend(names.into_iter().map(|key| format!("{name}.{key}"))),
            None => drop(all.insert(name)),
        }
    }
    all
}

fn server_settings() -> BTreeSet<String> {
    settings(|text| match toml::from_str::<ConfigFile>(text) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    })
}

fn client_settings() -> BTreeSet<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("config.toml");
    settings(|text| {
        fs::write(&file, text).expect("the file is writable");
        let overrides = Overrides {
            config: Some(file.clone()),
            ..Overrides::default()
        };
        match Settings::load_from(&overrides, &|_| None) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    })
}

/// The section of the page below this heading.
fn section(heading: &str) -> String {
    let page = read("docs/configuration.md");
    let (_, rest) = page
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("docs/configuration.md has no section {heading}"));
    rest.split("\n## ").next().unwrap_or_default().to_owned()
}

fn missing(settings: BTreeSet<String>, page: &str) -> Vec<String> {
    let spans: BTreeSet<_> = code_spans(page).into_iter().collect();
    settings
        .into_iter()
        .filter(|setting| !spans.contains(setting))
        .collect()
}

#[test]
fn the_page_has_every_setting_of_the_server() {
    let settings = server_settings();
    assert!(settings.contains("hsm.reader") && settings.contains("tls.key_file"));
    let missing = missing(settings, &section("Server"));
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_page_has_every_setting_of_clients() {
    let settings = client_settings();
    assert!(settings.contains("server") && settings.contains("activation.wait_in"));
    let missing = missing(settings, &section("Clients"));
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_page_has_every_option_of_server_and_helper() {
    for (heading, command) in [
        ("Server", countersign_server::cli::command()),
        ("Helper", countersign_helper::cli::Cli::command()),
    ] {
        let page = section(heading);
        let mut names = BTreeSet::new();
        collect(&command, &mut names);
        let missing: Vec<_> = names
            .into_iter()
            .filter(|name| !page.contains(name))
            .collect();
        assert!(missing.is_empty(), "{heading}: {missing:?}");
    }
}

/// Options, and the environment variables that replace them.
fn collect(command: &Command, names: &mut BTreeSet<String>) {
    for argument in command.get_arguments() {
        let long = argument.get_long().filter(|long| {
            !["help", "version", "demo"].contains(long) && !long.starts_with("simulated")
        });
        names.extend(long.map(|long| format!("--{long}")));
        names.extend(
            argument
                .get_env()
                .map(|variable| variable.to_string_lossy().into_owned()),
        );
    }
    for sub in command.get_subcommands() {
        collect(sub, names);
    }
}

#[test]
fn the_page_has_every_environment_variable_of_clients() {
    let mut variables = BTreeSet::new();
    for folder in [
        "clients/api/src",
        "clients/cli/src",
        "clients/pkcs11/src",
        "helper/src",
    ] {
        variables_in(&root().join(folder), &mut variables);
    }
    assert!(variables.contains("COUNTERSIGN_TOKEN_FILE"));
    let page = read("docs/configuration.md");
    let missing: Vec<_> = variables
        .into_iter()
        .filter(|name| !page.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// String literals that name a variable.
fn variables_in(folder: &std::path::Path, variables: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("the entry is readable").path();
        if path.is_dir() {
            variables_in(&path, variables);
            continue;
        }
        if path.extension().is_none_or(|ending| ending != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("the file is text");
        for rest in text.split("\"COUNTERSIGN_").skip(1) {
            let name: String = rest
                .chars()
                .take_while(|c| c.is_ascii_uppercase() || *c == '_')
                .collect();
            if rest[name.len()..].starts_with('"') {
                variables.insert(format!("COUNTERSIGN_{name}"));
            }
        }
    }
}

/// The example with every setting that is switched off in it switched on.
fn complete_example() -> String {
    read("packaging/server.toml.example")
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if setting.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => {
                setting
            }
            _ => line,
        })
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn the_example_is_a_configuration() {
    let example = read("packaging/server.toml.example");
    toml::from_str::<ConfigFile>(&example).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_example_has_every_setting() {
    let example = complete_example();
    toml::from_str::<ConfigFile>(&example).unwrap_or_else(|error| panic!("{error}"));
    let table: toml::Table = toml::from_str(&example).expect("it is TOML");
    let mut shown = BTreeSet::new();
    for (name, value) in &table {
        let tables: Vec<&toml::Table> = match value {
            toml::Value::Table(table) => vec![table],
            toml::Value::Array(values) => values.iter().filter_map(toml::Value::as_table).collect(),
            _ => vec![],
        };
        if tables.is_empty() {
            shown.insert(name.clone());
        }
        for key in tables.into_iter().flat_map(|table| table.keys()) {
            shown.insert(format!("{name}.{key}"));
        }
    }
    assert_eq!(shown, server_settings());
}

//! Checks the layers of the server: a module imports only from its own layer's entry and from lower layers.

#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The layers from top to bottom. Modules of one layer must not import each other.
const LAYERS: &[&[&str]] = &[
    &["cli"],
    &["server"],
    &["http"],
    &["views", "acts"],
    &["devices"],
    &["signing"],
    &["activation"],
    &["keys", "remote", "people", "tokens"],
    &["hsm", "refusals"],
    &["store", "tls"],
    &[
        "clock", "events", "faults", "mandate", "config", "identity", "network", "random",
        "throttle",
    ],
];

/// Crates on which the domain must not depend.
const NOT_IN_THE_DOMAIN: &[&str] = &[
    "axum",
    "tower",
    "tower-http",
    "cookie",
    "rustls",
    "tokio-rustls",
];

#[test]
fn no_module_imports_from_a_higher_layer() {
    let layers: BTreeMap<_, _> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(layer, modules)| modules.iter().map(move |module| (*module, layer)))
        .collect();
    let mut wrong = Vec::new();
    let mut arrows = 0;
    for file in rust_files(&root().join("src"))
        .into_iter()
        .chain(rust_files(&root().join("domain/src")))
    {
        let Some(module) = module_of(&file) else {
            continue;
        };
        let own = layers
            .get(module.as_str())
            .unwrap_or_else(|| panic!("{}: `{module}` belongs to no layer", file.display()));
        let text = fs::read_to_string(&file).expect("a source file");
        for (line, imported) in imports(&text) {
            let Some(layer) = layers.get(imported.as_str()) else {
                continue;
            };
            if imported == module {
                continue;
            }
            arrows += 1;
            if layer <= own {
                wrong.push(format!(
                    "{}:{line}: `{module}` imports `{imported}`, which is {}",
                    file.display(),
                    if layer == own {
                        "in the same layer"
                    } else {
                        "in a higher layer"
                    }
                ));
            }
        }
    }
    assert!(arrows > 100, "only {arrows} imports were found");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_domain_does_not_depend_on_http_or_tls() {
    let manifest = fs::read_to_string(root().join("domain/Cargo.toml")).expect("a manifest");
    let manifest: toml::Table = manifest.parse().expect("TOML");
    let dependencies = manifest["dependencies"].as_table().expect("a table");
    for unwanted in NOT_IN_THE_DOMAIN {
        assert!(!dependencies.contains_key(*unwanted), "{unwanted}");
    }
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::{\n    store::{self, Store},\n    hsm,\n};\nuse crate::views::Views;\nfn f() { crate::http::router() }\nuse countersign_domain::people::People;\n";
    let found: Vec<_> = imports(text)
        .into_iter()
        .map(|(line, module)| format!("{line} {module}"))
        .collect();
    assert_eq!(found, ["2 store", "3 hsm", "5 views", "6 http", "7 people"]);
}

/// No file and no function is longer than one can read in one go.
#[test]
fn files_and_functions_are_short() {
    const FILE: usize = 350;
    const FUNCTION: usize = 80;
    let mut long = Vec::new();
    let mut functions = 0;
    for folder in ["src", "domain/src"] {
        for file in rust_files(&root().join(folder)) {
            let text = fs::read_to_string(&file).expect("a source file");
            let lines: Vec<_> = text.lines().collect();
            if lines.len() > FILE {
                long.push(format!("{}: {} lines", file.display(), lines.len()));
            }
            for (begin, line) in lines.iter().enumerate() {
                let Some((indent, _)) = line.split_once("fn ") else {
                    continue;
                };
                let margin = &line[..line.len() - line.trim_start().len()];
                if !indent
                    .trim()
                    .chars()
                    .all(|c| c.is_alphanumeric() || "() ".contains(c))
                {
                    continue;
                }
                let end = format!("{margin}}}");
                let length = lines[begin..].iter().position(|line| *line == end);
                functions += usize::from(length.is_some());
                if length.is_some_and(|length| length >= FUNCTION) {
                    long.push(format!("{}:{}: {line}", file.display(), begin + 1));
                }
            }
        }
    }
    assert!(functions > 500, "only {functions} functions were found");
    assert!(long.is_empty(), "\n{}", long.join("\n"));
}

#[test]
fn modules_are_not_reached_through_their_parents() {
    for folder in ["src", "domain/src"] {
        for file in rust_files(&root().join(folder)) {
            let text = fs::read_to_string(&file).expect("a source file");
            // It could lead to another layer without its name.
            assert!(!text.contains("super::super"), "{}", file.display());
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The top-level module to which a file belongs; `None` for the crate's root.
fn module_of(file: &Path) -> Option<String> {
    let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
    let src = parts.iter().rposition(|part| part == "src")?;
    let name = parts.get(src + 1)?.trim_end_matches(".rs").to_owned();
    (!matches!(name.as_str(), "lib" | "main")).then_some(name)
}

/// Names of the modules that follow `crate::`, with their lines.
fn imports(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let roots = ["crate::", "countersign_domain::"];
    let places = roots.iter().flat_map(|root| {
        let places = text.match_indices(root);
        places.map(|(at, _)| (at, root.len()))
    });
    for (at, length) in places {
        let rest = &text[at + length..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(
                top_level(group)
                    .into_iter()
                    .map(|(offset, name)| (at + length + 1 + offset, name)),
            ),
            None => found.push((at, identifier(rest))),
        }
    }
    found
        .into_iter()
        .map(|(at, name)| (text[..at].matches('\n').count() + 1, name))
        .collect()
}

/// First path segments of the elements of an import group, with their offsets.
fn top_level(group: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut is_start = true;
    for (offset, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => is_start = true,
            letter if is_start && depth == 0 && letter.is_alphabetic() => {
                found.push((offset, identifier(&group[offset..])));
                is_start = false;
            }
            _ => {}
        }
    }
    found
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect()
}

//! The Markdown files that people read.

use std::{
    fs,
    path::{Path, PathBuf},
};

pub struct Document {
    /// Relative to the workspace.
    pub path: PathBuf,
    pub text: String,
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is inside the workspace")
        .to_owned()
}

pub fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Markdown file in the workspace's own folder, in `docs`, and README of the helper.
pub fn documents() -> Vec<Document> {
    let mut paths = vec![PathBuf::from("helper/README.md")];
    for folder in ["", "docs"] {
        let entries = fs::read_dir(root().join(folder)).expect("the folder is readable");
        for entry in entries {
            let name = entry.expect("the entry is readable").file_name();
            let path = Path::new(folder).join(name);
            if path.extension().is_some_and(|ending| ending == "md") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths
        .into_iter()
        .map(|path| Document {
            text: read(&path),
            path,
        })
        .collect()
}

/// The lines of fenced code blocks, with lines that end in a backslash joined to the next one.
pub fn code_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut inside = false;
    let mut continued = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside {
            match line.strip_suffix('\\') {
                Some(part) => continued.push_str(part),
                None => {
                    let line = std::mem::take(&mut continued) + line;
                    lines.push(line.trim().to_owned());
                }
            }
        }
    }
    lines
}

/// The text without fenced code blocks.
pub fn prose(text: &str) -> String {
    let mut inside = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

/// The texts between single backticks.
pub fn code_spans(text: &str) -> Vec<String> {
    prose(text)
        .split('`')
        .skip(1)
        .step_by(2)
        .map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

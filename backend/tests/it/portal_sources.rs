//! The sources of the portal: no page has a field that could take a PIN.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Types of the portal's inputs and buttons, and of what `index.html` loads.
const TYPES: [&str; 11] = [
    "application/wasm",
    "button",
    "checkbox",
    "email",
    "file",
    "image/svg+xml",
    "module",
    "number",
    "radio",
    "submit",
    "text",
];
/// What a field for a secret would have.
const SECRET: [&str; 6] = [
    "current-password",
    "new-password",
    "one-time-code",
    "text-security",
    "set_type(",
    "\"password\"",
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The texts in double quotes after each `before`.
fn quoted_after<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    let parts = text.split(before).skip(1);
    parts.filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn no_page_of_the_portal_has_a_field_for_a_pin() {
    let frontend = Path::new(env!("CARGO_MANIFEST_DIR")).join("../frontend");
    let mut sources = ["index.html", "boot.js"]
        .map(|name| frontend.join(name))
        .to_vec();
    files(&frontend.join("src"), &mut sources);
    files(&frontend.join("../style"), &mut sources);
    let mut types = BTreeSet::new();
    for source in &sources {
        let text = fs::read_to_string(source).expect("a text");
        for sign in SECRET {
            assert!(!text.contains(sign), "{}: {sign}", source.display());
        }
        for before in ["type=\"", "kind=\"", "kind: \""] {
            for value in quoted_after(&text, before) {
                types.insert(value.to_owned());
                assert!(TYPES.contains(&value), "{}: type {value}", source.display());
            }
        }
    }
    // The scan found the portal's fields.
    for expected in ["number", "radio", "checkbox", "file"] {
        assert!(types.contains(expected), "{expected}: {types:?}");
    }
}

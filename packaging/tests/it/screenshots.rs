//! The book's screenshots are those of the browser test, and pages show all of them.

use std::fs;

use crate::documents::{documents, read, root};

#[test]
fn the_browser_test_makes_every_screenshot_of_the_book() {
    let story = read("tests/e2e/tests/e2e/browser/story.rs");
    let pages: String = documents().into_iter().map(|page| page.text).collect();
    let mut seen = 0;
    for entry in fs::read_dir(root().join("docs/images/portal")).expect("the folder is readable") {
        let file = entry.expect("the entry is readable").file_name();
        let file = file.to_str().expect("a readable name");
        let name = file.strip_suffix(".png").expect("a PNG file");
        assert!(story.contains(&format!("\"{name}\"")), "{name}");
        assert!(pages.contains(&format!("(images/portal/{file})")), "{name}");
        seen += 1;
    }
    assert!(seen >= 6, "{seen}");
}

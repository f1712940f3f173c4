//! Relative links lead to files and headings that exist; the book has every page.

use std::{collections::BTreeSet, path::Path};

use crate::documents::{documents, prose, read, root};

/// Targets of `[text](target)` outside of code blocks and code spans.
fn links(text: &str) -> Vec<String> {
    let without_code: String = prose(text).split('`').step_by(2).collect();
    without_code
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .collect()
}

/// The anchors of all headings, as code hosts and mdBook make them.
fn anchors(text: &str) -> Vec<String> {
    prose(text)
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter_map(|c| match c {
                    ' ' => Some('-'),
                    c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                    _ => None,
                })
                .collect()
        })
        .collect()
}

#[test]
fn relative_links_lead_somewhere() {
    let mut broken = Vec::new();
    let mut seen = 0;
    for document in documents() {
        let folder = document.path.parent().unwrap_or(Path::new(""));
        for link in links(&document.text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() {
                document.path.clone()
            } else {
                folder.join(file)
            };
            let found = root().join(&target).exists()
                && (anchor.is_empty() || anchors(&read(&target)).iter().any(|a| a == anchor));
            if !found {
                broken.push(format!("{}: {link}", document.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(seen > 50, "only {seen} links were found");
}

#[test]
fn pages_of_the_book_stay_inside_it() {
    for document in documents() {
        if document.path.starts_with("docs") {
            for link in links(&document.text) {
                assert!(
                    !link.starts_with("../"),
                    "{}: {link} is not a page of the book",
                    document.path.display()
                );
            }
        }
    }
}

#[test]
fn the_book_has_every_page_once() {
    let listed = links(&read("docs/SUMMARY.md"));
    let once: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), once.len(), "a page is listed twice");
    let pages: BTreeSet<String> = documents()
        .into_iter()
        .filter(|document| document.path.starts_with("docs"))
        .filter_map(|document| Some(document.path.file_name()?.to_str()?.to_owned()))
        .filter(|name| name != "SUMMARY.md")
        .collect();
    assert_eq!(once, pages);
}

#[test]
fn headings_become_anchors() {
    assert_eq!(
        anchors("# One `code`, and more\n```\n# no heading\n```\n"),
        ["one-code-and-more"]
    );
}

//! The page about threats names code and tests that exist.

use std::collections::BTreeMap;

use crate::documents::{code_spans, read, root};

const PAGE: &str = "docs/threats.md";
const THREATS: u32 = 32;

/// The section of one threat.
struct Threat {
    heading: String,
    text: String,
}

impl Threat {
    fn id(&self) -> &str {
        self.heading.split(' ').next().unwrap_or_default()
    }

    /// The text of a part, which begins with its name in bold type and ends where the next part begins.
    fn part(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.text.split_once(&format!("\n**{name}.**"))?;
        Some(rest.split("\n**").next().unwrap_or(rest))
    }

    /// Files and names of functions in the list of tests, where each file stands before its functions.
    fn tests(&self) -> Vec<(String, String)> {
        let mut tests = Vec::new();
        for item in self.part("Tests").unwrap_or_default().split("\n- ").skip(1) {
            let mut spans = code_spans(item).into_iter();
            let file = spans.next().unwrap_or_default();
            tests.extend(spans.map(|name| (file.clone(), name)));
        }
        tests
    }

    /// Whether the section has a defence with a test, or says what is open.
    fn is_answered(&self) -> bool {
        let open = self.part("Open").unwrap_or_default();
        !self.tests().is_empty() || !open.trim().is_empty()
    }
}

fn threats(page: &str) -> Vec<Threat> {
    page.split("\n### ")
        .skip(1)
        .map(|section| {
            let section = section.split("\n## ").next().unwrap_or(section);
            let (heading, text) = section.split_once('\n').unwrap_or((section, ""));
            Threat {
                heading: heading.to_owned(),
                text: text.to_owned(),
            }
        })
        .collect()
}

/// Whether a code span is the path of a file or folder in the repository.
fn is_path(span: &str) -> bool {
    let has_folder = span.contains('/') && !span.contains([' ', ':']) && !span.starts_with('/');
    has_folder || span.ends_with(".toml") || span.ends_with(".lock")
}

/// Whether the source has a function of this name that a test runner runs. In `proptest!`, tests carry the same attribute.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
    let declares = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ")
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with('('))
    };
    lines.iter().enumerate().any(|(at, line)| {
        declares(line)
            && lines[..at]
                .iter()
                .rev()
                .take_while(|line| line.starts_with("#[") || line.starts_with("//"))
                .any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"))
    })
}

#[test]
fn every_path_on_the_page_exists() {
    let page = read(PAGE);
    let paths: Vec<String> = code_spans(&page)
        .into_iter()
        .filter(|span| is_path(span))
        .collect();
    assert!(paths.len() > 50, "only {} paths were found", paths.len());
    let missing: Vec<&String> = paths
        .iter()
        .filter(|path| !root().join(path).exists())
        .collect();
    assert!(missing.is_empty(), "{PAGE} names {missing:#?}");
}

#[test]
fn every_test_on_the_page_exists() {
    let page = read(PAGE);
    let mut missing = Vec::new();
    for threat in threats(&page) {
        for (file, name) in threat.tests() {
            let source = std::fs::read_to_string(root().join(&file)).unwrap_or_default();
            if !has_test(&source, &name) {
                missing.push(format!("{}: {file}: {name}", threat.id()));
            }
        }
        for item in threat
            .part("Tests")
            .unwrap_or_default()
            .split("\n- ")
            .skip(1)
        {
            if code_spans(item).len() < 2 {
                missing.push(format!("{}: no test in: {item}", threat.id()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_threat_is_on_the_page_once_with_a_test_or_what_is_open() {
    let threats = threats(&read(PAGE));
    let mut sections: BTreeMap<&str, usize> = BTreeMap::new();
    for threat in &threats {
        *sections.entry(threat.id()).or_default() += 1;
    }
    let expected: Vec<String> = (1..=THREATS).map(|number| format!("T{number}")).collect();
    let expected = expected.iter().map(|id| (id.as_str(), 1)).collect();
    assert_eq!(sections, expected);
    let silent: Vec<&str> = threats
        .iter()
        .filter(|threat| !threat.is_answered())
        .map(|threat| threat.heading.as_str())
        .collect();
    assert!(
        silent.is_empty(),
        "neither a test nor what is open: {silent:#?}"
    );
}

#[test]
fn only_functions_with_the_attribute_are_tests() {
    let source = "
        #[test]
        fn plain() {}

        #[tokio::test(flavor = \"multi_thread\")]
        async fn concurrent() {}

        proptest! {
            #![proptest_config(config())]
            /// Comment.
            #[test]
            fn random(value in any::<u8>()) {}
        }

        #[test]
        fn before() {}
        fn helper() {}
    ";
    for name in ["plain", "concurrent", "random", "before"] {
        assert!(has_test(source, name), "{name}");
    }
    for name in ["plai", "helper", "missing"] {
        assert!(!has_test(source, name), "{name}");
    }
}

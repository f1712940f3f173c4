//! `docs/troubleshooting.md` explains every problem and every exit code.

use std::collections::BTreeSet;

use countersign_protocol::problem::ProblemCode;

use crate::documents::{code_spans, read};

#[test]
fn every_problem_is_explained() {
    let spans: BTreeSet<_> = code_spans(&read("docs/troubleshooting.md"))
        .into_iter()
        .collect();
    let missing: Vec<_> = ProblemCode::ALL
        .into_iter()
        .map(ProblemCode::as_str)
        .filter(|code| !spans.contains(*code))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_exit_code_is_explained() {
    let page = read("docs/troubleshooting.md");
    let command = countersign_cli::command();
    let help = command
        .get_after_help()
        .expect("`--help` ends with the exit codes")
        .to_string();
    let codes: Vec<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_once("  "))
        .flat_map(|(codes, _)| codes.split(", "))
        .collect();
    assert!(codes.contains(&"6") && codes.contains(&"143"), "{codes:?}");
    for code in codes {
        assert!(page.contains(&format!("| {code} |")), "exit code {code}");
    }
}

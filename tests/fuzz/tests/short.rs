//! A short run of every target, and the runner itself.
#![allow(clippy::expect_used, reason = "tests")]

use std::process::Command;

use countersign_fuzz::{
    TARGETS, Target,
    runner::{self, Until},
};

/// Runs a target in a process of its own, because targets may change the process's environment or end it.
fn run(target: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_countersign-fuzz"))
        .args(["run", target, "--finding"])
        .arg(folder.path().join("finding"))
        .output()
        .expect("the program starts");
    let text = String::from_utf8_lossy(&output.stderr);
    let last: Vec<_> = text.lines().rev().take(40).collect();
    let last: Vec<_> = last.into_iter().rev().collect();
    let finding = std::fs::read(folder.path().join("finding")).unwrap_or_default();
    assert!(
        output.status.success(),
        "{}{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        hex::encode(finding),
        last.join("\n")
    );
}

macro_rules! short_runs {
    ($($target:ident),* $(,)?) => {
        $(#[test]
        fn $target() {
            run(stringify!($target));
        })*

        #[test]
        fn every_target_has_a_short_run() {
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($target)),*]);
        }
    };
}

short_runs![
    apdu,
    approval,
    config,
    cvc,
    driver,
    helper,
    pkcs11,
    ram,
    rest,
    secure_messaging,
    tlv,
];

#[test]
fn the_runner_finds_what_a_mutation_breaks() {
    let target = Target {
        name: "none",
        run: |data| assert!(data.len() < 12, "too long"),
        seeds: || vec![b"countersig".to_vec()],
        short: 0,
    };
    let outcome = runner::run(&target, 1, Until::Executions(10_000)).expect("a run");
    assert!(outcome.finding.is_some_and(|input| input.len() >= 12));
}

#[test]
fn the_runner_finds_a_panic_that_the_target_catches() {
    let target = Target {
        name: "none",
        run: |_| {
            let _ = std::panic::catch_unwind(|| panic!("caught"));
        },
        seeds: || vec![b"x".to_vec()],
        short: 0,
    };
    let outcome = runner::run(&target, 1, Until::Executions(1)).expect("a run");
    assert_eq!(outcome.finding.as_deref(), Some(&b"x"[..]));
}

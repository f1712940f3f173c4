//! The files that systemd reads.

use std::{path::Path, process::Command};

use crate::documents::root;

/// systemd's judgement of the server's sandbox, from 0 (best) to 10, must stay below this.
const EXPOSURE: f64 = 2.0;

fn present(program: &str) -> bool {
    let present = Command::new(program).arg("--version").output().is_ok();
    if !present {
        eprintln!("{program} is not installed: this test does nothing");
    }
    present
}

#[test]
fn the_server_runs_in_a_sandbox() {
    if !present("systemd-analyze") {
        return;
    }
    let unit = root().join("packaging/systemd/countersign-server.service");
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(unit)
        .output()
        .expect("systemd-analyze runs");
    let report = String::from_utf8_lossy(&output.stdout);
    let level = report
        .lines()
        .find_map(|line| line.split_once("countersign-server.service: "))
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .and_then(|level| level.parse::<f64>().ok())
        .unwrap_or_else(|| panic!("no exposure level in: {report}"));
    assert!(level < EXPOSURE, "exposure {level}\n{report}");
}

#[test]
fn the_user_can_be_created() {
    if !present("systemd-sysusers") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(folder.path().join("etc")).expect("the folder is writable");
    let output = Command::new("systemd-sysusers")
        .arg(format!("--root={}", folder.path().display()))
        .arg(root().join("packaging/sysusers.d/countersign.conf"))
        .output()
        .expect("systemd-sysusers runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let users = std::fs::read_to_string(folder.path().join("etc/passwd")).expect("users");
    assert!(users.contains("countersign:"), "{users}");
}

#[test]
fn units_start_programs_with_options_that_exist() {
    let units = [
        (
            "packaging/systemd/countersign-server.service",
            countersign_server::cli::command(),
        ),
        (
            "packaging/systemd/user/countersign-helper.service",
            <countersign_helper::cli::Cli as clap::CommandFactory>::command(),
        ),
    ];
    for (unit, command) in units {
        let text = crate::documents::read(unit);
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart="))
            .expect("the unit starts a program");
        let words: Vec<_> = line.split_whitespace().collect();
        let name = Path::new(words[0]).file_name().expect("a program");
        assert_eq!(name.to_str(), Some(command.get_name()));
        if let Err(error) = command.try_get_matches_from(words) {
            panic!("{unit}: {error}");
        }
    }
}

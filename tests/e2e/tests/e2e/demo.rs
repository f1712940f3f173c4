//! The interactive demo, terminated from outside.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::ensure;
use countersign_harness::program::{Program, built};

/// How long the demo may take to stop its programs.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Counts the processes whose command lines contain this folder.
fn programs_of(folder: &Path) -> anyhow::Result<usize> {
    let folder = folder.display().to_string();
    let processes = std::fs::read_dir("/proc")?.filter_map(Result::ok);
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    Ok(lines
        .filter(|line| String::from_utf8_lossy(line).contains(&folder))
        .count())
}

#[test]
fn a_terminated_demo_leaves_no_process_and_no_file_behind() -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path().join("demo");
    std::fs::create_dir(&folder)?;
    let pid_file = scratch.path().join("pid");
    let line = format!(
        "echo $$ > {}; exec {}",
        pid_file.display(),
        built("countersign-demo")?.display()
    );
    // The helper prompts on a terminal, which `script` provides.
    let mut command = Command::new("script");
    command
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .env("TMPDIR", &folder);
    let mut demo = Program::start("demo", command, &scratch.path().join("log"))?;
    demo.wait_for(|line| line.contains("Press Ctrl-C").then_some(()))?;
    ensure!(programs_of(&folder)? > 0, "{}", demo.log());

    let pid = std::fs::read_to_string(&pid_file)?;
    Command::new("kill").args(["-TERM", pid.trim()]).status()?;
    let start = Instant::now();
    while programs_of(&folder)? > 0 || std::fs::read_dir(&folder)?.next().is_some() {
        ensure!(
            start.elapsed() < TIME_LIMIT,
            "processes or files are left:\n{}",
            demo.log()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

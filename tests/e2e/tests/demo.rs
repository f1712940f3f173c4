//! The demo that waits for a person, ended from elsewhere.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::ensure;
use countersign_harness::program::{Program, built};

/// How long the demo may take to end what it started.
const END: Duration = Duration::from_secs(30);

/// Programs whose command lines name this folder.
fn programs_of(folder: &Path) -> anyhow::Result<usize> {
    let folder = folder.display().to_string();
    let processes = std::fs::read_dir("/proc")?.filter_map(Result::ok);
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    Ok(lines
        .filter(|line| String::from_utf8_lossy(line).contains(&folder))
        .count())
}

#[test]
fn nothing_stays_when_it_is_terminated() -> anyhow::Result<()> {
    let scratch = tempfile::tempdir()?;
    let folder = scratch.path().join("demo");
    std::fs::create_dir(&folder)?;
    let number = scratch.path().join("number");
    // The helper asks on a terminal.
    let line = format!(
        "echo $$ > {}; exec {}",
        number.display(),
        built("countersign-demo")?.display()
    );
    let mut command = Command::new("script");
    command
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env("SHELL", "/bin/sh")
        .env("TMPDIR", &folder);
    let mut demo = Program::start("demo", command, &scratch.path().join("log"))?;
    demo.wait_for(|line| line.contains("Ctrl-C ends").then_some(()))?;
    ensure!(programs_of(&folder)? > 0, "{}", demo.log());

    let number = std::fs::read_to_string(&number)?;
    Command::new("kill")
        .args(["-TERM", number.trim()])
        .status()?;
    let start = Instant::now();
    while programs_of(&folder)? > 0 || std::fs::read_dir(&folder)?.next().is_some() {
        ensure!(start.elapsed() < END, "something stays:\n{}", demo.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

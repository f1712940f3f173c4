//! The interactive demo of README, terminated from outside.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::ensure;
use countersign_harness::page::Page;

use super::demo::{shell, the_command};

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
    let mut shell = shell(scratch.path())?;
    shell.set("TMPDIR", &folder);
    shell.set("SHELL", "/bin/sh");
    let page = Page::read("README.md")?;
    let command = the_command(&page, "## Try it without hardware", "cargo xtask demo")?;
    ensure!(command == "cargo xtask demo", "{command}");
    // The helper prompts on a terminal, which `script` provides.
    let mut demo = shell.start(&format!(
        "script --quiet --return --command 'echo $$ > {}; exec {command}' /dev/null",
        pid_file.display()
    ))?;
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

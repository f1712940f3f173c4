//! Runs a program together with everything that it starts, so that no process outlives it.

use std::{
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, bail, ensure};

use crate::run::describe;

/// Runs a program in a process group and a temporary folder of its own. Ctrl-C, SIGTERM and SIGHUP kill the whole group.
///
/// # Errors
/// The program cannot be started, fails, or is interrupted.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    // A killed group does not remove its temporary files, so this process does.
    let folder = tempfile::tempdir()?;
    let group = Arc::new(Group::default());
    let interrupted = group.clone();
    ctrlc::set_handler(move || interrupted.kill())?;
    let line = describe(command);
    let mut child = command
        .process_group(0)
        .env("TMPDIR", folder.path())
        .spawn()
        .with_context(|| format!("cannot run `{line}`"))?;
    group.started(child.id());
    let status = child.wait()?;
    if group.is_killed() {
        bail!("interrupted: `{line}` and everything that it started was killed");
    }
    ensure!(status.success(), "`{line}` failed: {status}");
    Ok(())
}

#[derive(Default)]
struct Group {
    leader: OnceLock<u32>,
    killed: AtomicBool,
}

impl Group {
    fn started(&self, leader: u32) {
        self.leader.get_or_init(|| leader);
        if self.is_killed() {
            self.kill();
        }
    }

    fn is_killed(&self) -> bool {
        self.killed.load(Ordering::SeqCst)
    }

    fn kill(&self) {
        self.killed.store(true, Ordering::SeqCst);
        let Some(leader) = self.leader.get() else {
            return;
        };
        let mut kill = Command::new("kill");
        kill.args(["-KILL", "--", &format!("-{leader}")]);
        // The group may have ended just now.
        let _ = kill.stderr(Stdio::null()).status();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Read},
        path::Path,
        thread,
    };

    use super::*;

    /// The background process ignores signals. The pipe ends when the last process that holds it has ended.
    const SCRIPT: &str = r#"
        (trap "" HUP INT TERM; exec sleep 60) &
        touch "$TMPDIR/left"
        echo "$TMPDIR"
        wait"#;

    #[test]
    fn a_terminated_run_leaves_no_process_and_no_file_behind() -> anyhow::Result<()> {
        let (output, input) = std::io::pipe()?;
        let mut output = BufReader::new(output);
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]).stdout(input);
        let running = thread::spawn(move || run(&mut command));
        let mut folder = String::new();
        output.read_line(&mut folder)?;
        let own = std::process::id().to_string();
        let begun = std::time::Instant::now();
        crate::run::run(Command::new("kill").args(["-TERM", &own]))?;
        output.read_to_string(&mut String::new())?;
        assert!(begun.elapsed().as_secs() < 30);
        assert!(running.join().expect("no panic").is_err());
        assert!(!Path::new(folder.trim()).exists());
        Ok(())
    }
}

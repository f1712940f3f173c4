//! Running a program that starts others, none of which outlives it.

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

/// Runs a program in a process group and a temporary folder of its own. Ctrl-C, SIGTERM and SIGHUP end the whole group.
///
/// # Errors
/// It cannot be started, does not end well, or was interrupted.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    // Nobody in a group that was ended clears up.
    let folder = tempfile::tempdir()?;
    let group = Arc::new(Group::default());
    let to_end = group.clone();
    ctrlc::set_handler(move || to_end.end())?;
    let line = describe(command);
    let mut child = command
        .process_group(0)
        .env("TMPDIR", folder.path())
        .spawn()
        .with_context(|| format!("cannot run `{line}`"))?;
    group.started(child.id());
    let status = child.wait()?;
    if group.is_ended() {
        bail!("interrupted: whatever `{line}` has started was ended");
    }
    ensure!(status.success(), "`{line}` failed: {status}");
    Ok(())
}

#[derive(Default)]
struct Group {
    leader: OnceLock<u32>,
    ended: AtomicBool,
}

impl Group {
    fn started(&self, leader: u32) {
        self.leader.get_or_init(|| leader);
        if self.is_ended() {
            self.end();
        }
    }

    fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        let Some(leader) = self.leader.get() else {
            return;
        };
        let mut kill = Command::new("kill");
        kill.args(["-KILL", "--", &format!("-{leader}")]);
        // It may have ended by itself just now.
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

    /// The one in the background does what it likes with signals; the pipe ends with the last that holds it.
    const SCRIPT: &str = r#"
        (trap "" HUP INT TERM; exec sleep 60) &
        touch "$TMPDIR/left"
        echo "$TMPDIR"
        wait"#;

    #[test]
    fn nothing_that_was_started_stays() -> anyhow::Result<()> {
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

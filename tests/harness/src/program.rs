//! Programs that run in the background.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

/// How long a program may take to become ready or to terminate.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// A program that runs in the background. Dropping it kills the program.
pub struct Program {
    name: String,
    child: Child,
    lines: Receiver<String>,
    log: PathBuf,
}

/// Path of a program that was built into the same folder as the running one.
///
/// # Errors
/// The program was not built.
pub fn built(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own
        .ancestors()
        .skip(1)
        .find(|folder| folder.join(name).is_file())
        .with_context(|| {
            format!("{name} is not built: run `cargo xtask test` or `cargo xtask demo`")
        })?;
    Ok(folder.join(name))
}

impl Program {
    /// Starts `command` and writes its standard output and error to `log`.
    ///
    /// # Errors
    /// The program cannot be started, or the log cannot be written.
    pub fn start(name: &str, command: Command, log: &Path) -> anyhow::Result<Self> {
        Self::start_with_input(name, command, log, Stdio::null())
    }

    /// [`Self::start`] with a standard input.
    pub fn start_with_input(
        name: &str,
        mut command: Command,
        log: &Path,
        input: Stdio,
    ) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let (sender, lines) = channel();
        let streams: [Option<Box<dyn std::io::Read + Send>>; 2] = [
            child.stdout.take().map(|stream| Box::new(stream) as _),
            child.stderr.take().map(|stream| Box::new(stream) as _),
        ];
        for stream in streams.into_iter().flatten() {
            let sender = sender.clone();
            let mut file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(log)?;
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = writeln!(file, "{line}");
                    let _ = sender.send(line);
                }
            });
        }
        Ok(Self {
            name: name.to_owned(),
            child,
            lines,
            log: log.to_owned(),
        })
    }

    /// Waits for a line from which `find` returns a value.
    ///
    /// # Errors
    /// The program ended, or printed no such line within 30 s; the message quotes the log.
    pub fn wait_for<T>(&mut self, find: impl Fn(&str) -> Option<T>) -> anyhow::Result<T> {
        let start = Instant::now();
        while start.elapsed() < TIME_LIMIT {
            match self.lines.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => {
                    if let Some(found) = find(&line) {
                        return Ok(found);
                    }
                }
                Err(_) => {
                    if let Some(status) = self.child.try_wait()? {
                        bail!("{} ended with {status}:\n{}", self.name, self.log_tail());
                    }
                }
            }
        }
        bail!(
            "{} did not become ready within {} s:\n{}",
            self.name,
            TIME_LIMIT.as_secs(),
            self.log_tail()
        );
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything the program printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Sends SIGKILL, which leaves the program no time to clean up.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Errors
    /// The program still ran after 30 s.
    pub fn terminate(mut self) -> anyhow::Result<ExitStatus> {
        terminate(&mut self.child)?
            .with_context(|| format!("{} ignored SIGTERM:\n{}", self.name, self.log_tail()))
    }
}

/// Sends SIGTERM and waits for the end. Returns `None` if the program still runs after 30 s.
pub fn terminate(child: &mut Child) -> anyhow::Result<Option<ExitStatus>> {
    Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()?;
    let start = Instant::now();
    while start.elapsed() < TIME_LIMIT {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(None)
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

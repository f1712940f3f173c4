//! Runs the command of `countersign record`.

use std::{
    ffi::OsString,
    path::Path,
    process::{Command, ExitStatus},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use countersign_client::{
    ACTIVATION_ENV,
    recording::{RECORD_ENV, Recorded},
    words::exit_status,
};
use countersign_protocol::id::ActivationId;

use super::plan::NOTHING_RECORDED;
use crate::{
    args::Global,
    environment::{assignment, of_options, quoted},
    error::CliError,
    interrupt::{Interrupt, Signal},
    output::printable,
};

/// Build tools use the value of this variable instead of the current time, so that two runs have the same result
/// (reproducible-builds.org).
const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";
/// Interval for checking whether the command has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The command and its environment.
pub struct Program {
    command: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    /// With `--json`, the command's standard output goes to standard error, because standard output is for the result
    /// alone.
    json: bool,
}

impl Program {
    /// The global options are passed on as variables, so that the PKCS#11 module uses the same server as this program.
    pub fn new(command: &[OsString], global: &Global) -> Self {
        let mut environment = of_options(global);
        if std::env::var_os(SOURCE_DATE_EPOCH).is_none() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.map_or(0, |now| now.as_secs());
            environment.push((SOURCE_DATE_EPOCH, now.to_string().into()));
        }
        Self {
            command: command.to_vec(),
            environment,
            json: global.json,
        }
    }

    fn command(&self) -> Command {
        let mut words = self.command.iter();
        let mut command = Command::new(words.next().cloned().unwrap_or_default());
        command
            .args(words)
            .env_remove(RECORD_ENV)
            .env_remove(ACTIVATION_ENV)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        if self.json {
            command.stdout(std::io::stderr());
        }
        command
    }

    /// Runs the command. Signals go to the command, which may have to clean up. `consequence` is the end of the error
    /// message, and `hint` returns the probable cause of a failure.
    fn run(
        &self,
        command: Command,
        consequence: &str,
        interrupt: &Interrupt,
        hint: impl FnOnce() -> Option<&'static str>,
    ) -> Result<(), CliError> {
        let (status, signal) = wait(command, interrupt)
            .map_err(|error| CliError::Files(format!("cannot run {self}: {error}")))?;
        match signal {
            Some(signal) => Err(CliError::Signal {
                signal,
                message: format!(
                    "received {signal} while {self} was running, which ended with {}, so {consequence}",
                    exit_status(status)
                ),
            }),
            None if status.success() => Ok(()),
            None => {
                let hint = hint().map(|hint| format!(". Perhaps {hint}"));
                Err(CliError::Files(format!(
                    "{self} ended with {}, so {consequence}{}",
                    exit_status(status),
                    hint.unwrap_or_default()
                )))
            }
        }
    }

    /// Runs the command in recording mode.
    ///
    /// # Errors
    /// The command fails, or the recording cannot be read.
    pub fn record(&self, interrupt: &Interrupt) -> Result<Vec<Recorded>, CliError> {
        let file = tempfile::NamedTempFile::new()
            .map_err(|error| CliError::Files(format!("cannot create a temporary file: {error}")))?;
        let mut command = self.command();
        command.env(RECORD_ENV, file.path());
        self.run(
            command,
            "the recording failed and no approval was requested",
            interrupt,
            || {
                let empty = file.as_file().metadata().is_ok_and(|file| file.len() == 0);
                empty.then_some(NOTHING_RECORDED)
            },
        )?;
        read(file.path())
    }

    /// Runs the command under the activation.
    ///
    /// # Errors
    /// The command fails.
    pub fn sign(&self, activation: &ActivationId, interrupt: &Interrupt) -> Result<(), CliError> {
        let mut command = self.command();
        command.env(ACTIVATION_ENV, activation.as_str());
        self.run(command, "signatures may be missing", interrupt, || None)
    }

    /// A shell command line that runs the command under the activation.
    pub fn signing_command_line(&self, activation: &ActivationId) -> String {
        let mut line = format!("{ACTIVATION_ENV}={activation} ");
        for (name, value) in &self.environment {
            line.push_str(&format!("{} ", assignment(name, value)));
        }
        let words: Vec<_> = self
            .command
            .iter()
            .map(|word| quoted(&word.to_string_lossy()))
            .collect();
        line.push_str(&words.join(" "));
        line
    }

    /// The reason that custodians read if the user gave none.
    pub fn default_reason(&self) -> String {
        format!("Signatures requested by {self}")
    }
}

/// Shows the program's name only, because the text gets into build logs and the arguments may contain a PIN.
impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let program = self.command.first().cloned().unwrap_or_default();
        let name = Path::new(&program).file_name().unwrap_or(&program);
        f.write_str(&printable(&name.to_string_lossy()))
    }
}

/// Runs a command and forwards signals to it. Returns the first signal too, or the one that ended the command.
fn wait(
    mut command: Command,
    interrupt: &Interrupt,
) -> std::io::Result<(ExitStatus, Option<Signal>)> {
    let received = interrupt.command_signals();
    let mut child = command.spawn()?;
    let mut first = None;
    loop {
        // The child is polled in this thread, so that no signal is sent to its process id after it was reaped.
        if let Some(status) = child.try_wait()? {
            let last = received.signals.try_recv().ok();
            return Ok((status, first.or(last).or(Signal::of_status(status))));
        }
        if let Ok(signal) = received.signals.recv_timeout(POLL_INTERVAL) {
            signal.forward(&child);
            first.get_or_insert(signal);
        }
    }
}

fn read(file: &Path) -> Result<Vec<Recorded>, CliError> {
    let unreadable = |error: String| CliError::Files(format!("cannot read the recording: {error}"));
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
    text.lines()
        .map(|line| serde_json::from_str(line).map_err(|error| unreadable(error.to_string())))
        .collect()
}

//! The recorded command.

use std::{
    ffi::OsString,
    path::Path,
    process::{Command, ExitStatus},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use countersign_client::{
    ACTIVATION_ENV,
    recording::{RECORD_ENV, Recorded},
};
use countersign_protocol::id::ActivationId;

use super::plan::NOTHING_SIGNED;
use crate::{
    args::Global,
    environment::{assignment, of_flags, quoted},
    error::CliError,
    interrupt::{Interrupt, Signal},
    output::printable,
};

/// What build tools take for the time, so that two runs give the same (reproducible-builds.org).
const SOURCE_DATE_EPOCH: &str = "SOURCE_DATE_EPOCH";
/// How often a command that runs is looked at.
const TICK: Duration = Duration::from_millis(20);

/// The command, with what it needs in its environment.
pub struct Program {
    command: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    /// Standard output is for our own result alone.
    json: bool,
}

impl Program {
    /// `global`: the module is to reach the same server as this program.
    pub fn new(command: &[OsString], global: &Global) -> Self {
        let mut environment = of_flags(global);
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

    fn start(&self) -> Command {
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

    /// A signal is the command's: it may have to clear up. `perhaps`: why it failed by itself.
    fn run(
        &self,
        command: Command,
        what: &str,
        interrupt: &Interrupt,
        perhaps: impl FnOnce() -> Option<&'static str>,
    ) -> Result<(), CliError> {
        let (status, signal) = wait(command, interrupt)
            .map_err(|error| CliError::Files(format!("cannot run {self}: {error}")))?;
        match signal {
            Some(signal) => Err(CliError::Signal {
                signal,
                message: format!("{what}: {signal} came while {self} ran; it ended with {status}"),
            }),
            None if status.success() => Ok(()),
            None => {
                let perhaps = perhaps().map(|why| format!(". Perhaps {why}"));
                Err(CliError::Files(format!(
                    "{what}: {self} ended with {status}{}",
                    perhaps.unwrap_or_default()
                )))
            }
        }
    }

    /// Runs it against the recorder.
    ///
    /// # Errors
    /// It fails, or the recording cannot be read.
    pub fn record(&self, interrupt: &Interrupt) -> Result<Vec<Recorded>, CliError> {
        let file = tempfile::NamedTempFile::new()
            .map_err(|error| CliError::Files(format!("no temporary file: {error}")))?;
        let mut command = self.start();
        command.env(RECORD_ENV, file.path());
        self.run(
            command,
            "nobody was asked, since the command fails while it is recorded",
            interrupt,
            || {
                let empty = file.as_file().metadata().is_ok_and(|file| file.len() == 0);
                empty.then_some(NOTHING_SIGNED)
            },
        )?;
        read(file.path())
    }

    /// Runs it under the activation.
    ///
    /// # Errors
    /// It fails.
    pub fn sign(&self, activation: &ActivationId, interrupt: &Interrupt) -> Result<(), CliError> {
        let mut command = self.start();
        command.env(ACTIVATION_ENV, activation.as_str());
        self.run(command, "not everything was signed", interrupt, || None)
    }

    /// A line for a shell that runs it under the activation.
    pub fn for_real(&self, activation: &ActivationId) -> String {
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

    /// What custodians read where nobody gave a reason.
    pub fn reason(&self) -> String {
        format!("What {self} signs")
    }
}

/// The program's name only: this stands in build logs, and a PIN may be among the arguments.
impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let program = self.command.first().cloned().unwrap_or_default();
        let name = Path::new(&program).file_name().unwrap_or(&program);
        f.write_str(&printable(&name.to_string_lossy()))
    }
}

/// Runs a command, and passes signals on to it. Also, which one came first, or ended it.
fn wait(
    mut command: Command,
    interrupt: &Interrupt,
) -> std::io::Result<(ExitStatus, Option<Signal>)> {
    let waiting = interrupt.for_command();
    let mut child = command.spawn()?;
    let mut first = None;
    loop {
        // Looked at, not waited for: a signal must never go to another program that has got its number.
        if let Some(status) = child.try_wait()? {
            let last = waiting.signals.try_recv().ok();
            return Ok((status, first.or(last).or(Signal::that_ended(status))));
        }
        if let Ok(signal) = waiting.signals.recv_timeout(TICK) {
            signal.pass_on(&child);
            first.get_or_insert(signal);
        }
    }
}

fn read(file: &Path) -> Result<Vec<Recorded>, CliError> {
    let unreadable =
        |error: String| CliError::Files(format!("the recording cannot be read: {error}"));
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
    text.lines()
        .map(|line| serde_json::from_str(line).map_err(|error| unreadable(error.to_string())))
        .collect()
}

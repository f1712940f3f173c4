//! A shell in which a newcomer types the commands of a page.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};

use crate::{
    helper::PIN,
    page::Page,
    pinentry::{SCRIPT, ScriptedPrompt},
    program::{Program, built},
};

/// Time limit for a script, in seconds; `timeout` then kills it.
const TIME_LIMIT: &str = "120";

/// Covers the folders of the system with layers in memory.
const OWN_SYSTEM: &str = "\
layers=$(mktemp -d)
mount -t tmpfs tmpfs $layers
for folder in etc usr var; do
    mkdir -p $layers/$folder/new $layers/$folder/work
    mount -t overlay overlay -o lowerdir=/$folder,upperdir=$layers/$folder/new,workdir=$layers/$folder/work /$folder
done
mount -t tmpfs tmpfs /run
";

/// A home directory, a working directory, and a path on which this project's programs are found.
pub struct Shell {
    home: PathBuf,
    work: PathBuf,
    stand_ins: PathBuf,
    variables: Vec<(String, OsString)>,
    replacements: Vec<(String, String)>,
    /// Lines that the newcomer has entered before.
    before: String,
}

/// Whether [`Shell::run_on_own_system`] works here, which needs root and a kernel that permits namespaces.
pub fn has_own_system() -> bool {
    let namespace = Command::new("unshare")
        .args(["--mount", "--pid", "--fork", "true"])
        .output();
    namespace.is_ok_and(|output| output.status.success())
}

/// The output of a script.
#[derive(Debug)]
pub struct Printed {
    pub stdout: String,
    pub stderr: String,
}

impl Printed {
    /// Fails, quoting the whole output, unless it contains the text.
    pub fn must_have(&self, text: &str) -> anyhow::Result<()> {
        ensure!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "the output does not contain `{text}`:\n{}{}",
            self.stdout,
            self.stderr
        );
        Ok(())
    }
}

impl Shell {
    /// Creates the directories in `folder`.
    ///
    /// # Errors
    /// The programs were not built, or a directory cannot be created.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        let shell = Self {
            home: folder.join("home"),
            work: folder.join("work"),
            stand_ins: folder.join("stand-ins"),
            variables: Vec::new(),
            replacements: Vec::new(),
            before: String::new(),
        };
        for folder in [&shell.home, &shell.work, &shell.stand_ins] {
            fs::create_dir_all(folder)?;
        }
        Ok(shell)
    }

    pub fn home(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// A path in the working directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.work.join(name)
    }

    /// Sets an environment variable.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.variables.push((name.to_owned(), value.into()));
    }

    /// Runs these lines before each script, in the same shell.
    pub fn before(&mut self, lines: &str) {
        self.before = format!("{lines}\n");
    }

    /// Replaces something that a page can only give as an example, such as the address of the server.
    pub fn replace(&mut self, documented: &str, real: impl Into<String>) {
        self.replacements.push((documented.to_owned(), real.into()));
    }

    /// The text with everything replaced.
    fn real(&self, text: &str) -> String {
        let replacements = self.replacements.iter();
        replacements.fold(text.to_owned(), |text, (documented, real)| {
            text.replace(documented, real)
        })
    }

    /// Puts a script on the path, before all other programs of that name.
    pub fn stand_in(&self, program: &str, script: &str) -> anyhow::Result<()> {
        let path = self.stand_ins.join(program);
        fs::write(&path, format!("#!/bin/sh\n{script}\n"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    /// Makes the helper accept simulated cards, which needs an option that no page shows, and simulates a custodian who
    /// consents to everything. `more` are further options.
    pub fn helper_with_simulated_cards(&mut self, more: &str) -> anyhow::Result<ScriptedPrompt> {
        let helper = built("countersign-helper")?;
        let helper = helper.display();
        let script = format!(
            "[ \"${{1:-}}\" = origins ] || set -- \"$@\" --demo {more}\nexec {helper} \"$@\""
        );
        self.stand_in("countersign-helper", &script)?;
        let pinentry = built("countersign-scripted-pinentry")?;
        self.stand_in("pinentry-gnome3", &format!("exec {}", pinentry.display()))?;
        // With a display, the helper selects the graphical pinentry.
        self.set("DISPLAY", ":0");
        let prompt = ScriptedPrompt {
            consent: true,
            pin: Some(PIN.to_owned()),
            shown: self.home("shown.jsonl"),
        };
        prompt.write(&self.home("script.json"))?;
        self.set(SCRIPT, self.home("script.json"));
        Ok(prompt)
    }

    /// Writes a file in the working directory, or a file of the given absolute path, and replaces examples in it.
    pub fn write(&self, path: impl AsRef<Path>, content: &str) -> anyhow::Result<()> {
        let path = self.work.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, self.real(content))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// `program` in the newcomer's environment.
    fn command(&self, program: &str) -> anyhow::Result<Command> {
        let programs = built("countersign")?;
        let programs = programs.parent().context("the programs are in a folder")?;
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!(
            "{}:{}:{path}:/usr/sbin:/sbin",
            self.stand_ins.display(),
            programs.display()
        );
        let mut command = Command::new(program);
        command
            .current_dir(&self.work)
            .env_clear()
            .env("HOME", &self.home)
            .env("LANG", "C.UTF-8")
            .env("PATH", path)
            .envs(self.variables.iter().cloned());
        Ok(command)
    }

    /// Starts a command that runs until it is stopped. Its output goes to a log in the home directory.
    ///
    /// # Errors
    /// The command cannot be started.
    pub fn start(&self, command: &str) -> anyhow::Result<Program> {
        let mut bash = self.command("bash")?;
        // The shell becomes the program, which therefore receives the signals.
        bash.args(["-c", &format!("exec {}", self.real(command))]);
        Program::start(command, bash, &self.home.join("log"))
    }

    /// Runs a script, which must succeed, as root on a system of its own: what it writes to `/etc`, `/usr` and `/var` is
    /// discarded, and the programs that it leaves behind are ended. Only programs that it installs, and those of the
    /// system, are on its path.
    ///
    /// # Errors
    /// The caller may not create namespaces, or the script fails.
    pub fn run_on_own_system(&self, script: &str) -> anyhow::Result<Printed> {
        let path = format!(
            "PATH={}:/usr/sbin:/usr/bin:/sbin:/bin",
            self.stand_ins.display()
        );
        let script = script.replace('\'', "'\\''");
        self.run(&format!(
            "unshare --mount --pid --fork --kill-child --mount-proc bash -euo pipefail -c '{OWN_SYSTEM}\n{path}\n{script}'"
        ))
    }

    /// Runs a script, which must succeed.
    pub fn run(&self, script: &str) -> anyhow::Result<Printed> {
        self.run_with_input(script, Stdio::null())
    }

    /// [`Self::run`] with a standard input.
    pub fn run_with_input(&self, script: &str, input: Stdio) -> anyhow::Result<Printed> {
        let (status, printed) = self.try_run(script, input)?;
        ensure!(
            status == Some(0),
            "ended with {status:?}:\n{script}\n{}{}",
            printed.stdout,
            printed.stderr
        );
        Ok(printed)
    }

    /// Runs a script until its first failure, and returns the exit code, which is `None` after a signal.
    pub fn try_run(&self, script: &str, input: Stdio) -> anyhow::Result<(Option<i32>, Printed)> {
        let mut timeout = self.command("timeout")?;
        timeout
            .args(["--kill-after=5", TIME_LIMIT])
            .args(["bash", "-euo", "pipefail", "-c"])
            .arg(format!("{}{}", self.before, self.real(script)));
        let output = timeout.stdin(input).output()?;
        let printed = Printed {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        Ok((output.status.code(), printed))
    }

    /// Runs all scripts below a heading in one shell.
    pub fn run_section(&self, page: &Page, heading: &str) -> anyhow::Result<Printed> {
        self.run(&page.scripts(heading)?.concat())
            .with_context(|| format!("{}: {heading}", page.name()))
    }
}

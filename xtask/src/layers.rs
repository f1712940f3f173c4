//! Layers of a test run: one after the other or side by side, with a table of their times at the end.

use std::{
    io::{Read, Seek, Write},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};

use crate::run::describe;

/// The layers that have run so far.
pub struct Layers {
    start: Instant,
    finished: Vec<Finished>,
}

struct Finished {
    name: &'static str,
    took: Duration,
    side_by_side: bool,
}

/// A layer that runs beside others, in its own process.
pub struct Step {
    pub name: &'static str,
    pub command: Command,
}

impl Layers {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            finished: Vec::new(),
        }
    }

    /// Runs one layer.
    pub fn run(
        &mut self,
        name: &'static str,
        layer: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.announce(name);
        let start = Instant::now();
        let result = layer();
        self.finished.push(Finished {
            name,
            took: start.elapsed(),
            side_by_side: false,
        });
        result.with_context(|| format!("layer \"{name}\""))
    }

    /// Runs several layers at the same time. The output of each is printed when it ends, so that outputs do not mix. All of
    /// them run to their end, so that one run shows every failure.
    pub fn run_side_by_side<const N: usize>(&mut self, steps: [Step; N]) -> anyhow::Result<()> {
        let names: Vec<_> = steps.iter().map(|step| step.name).collect();
        self.announce(&format!("side by side: {}", names.join("; ")));
        let mut result = Ok(());
        for (name, took, outcome) in finish_in_any_order(steps) {
            if result.is_ok() {
                result = outcome.with_context(|| format!("layer \"{name}\""));
            }
            self.finished.push(Finished {
                name,
                took,
                side_by_side: true,
            });
        }
        result
    }

    fn announce(&self, what: &str) {
        eprintln!("\n== {what} (after {} s)", self.start.elapsed().as_secs());
    }

    /// Prints how long each layer took.
    pub fn print_times(&self) {
        eprintln!("\n  seconds  layer (* ran beside its neighbours)");
        for Finished {
            name,
            took,
            side_by_side,
        } in &self.finished
        {
            let mark = if *side_by_side { '*' } else { ' ' };
            eprintln!("{:>9}{mark} {name}", took.as_secs());
        }
        eprintln!("{:>9}  in all", self.start.elapsed().as_secs());
    }
}

type Outcome = (&'static str, Duration, anyhow::Result<()>);

fn finish_in_any_order<const N: usize>(steps: [Step; N]) -> Vec<Outcome> {
    let (sender, outcomes) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for Step { name, mut command } in steps {
            let sender = sender.clone();
            scope.spawn(move || {
                let start = Instant::now();
                let output = captured(&mut command);
                // The receiver lives as long as this scope.
                let _ = sender.send((name, start.elapsed(), output));
            });
        }
        drop(sender);
        outcomes
            .iter()
            .map(|(name, took, output)| {
                eprintln!("\n-- {name} ({} s)", took.as_secs());
                let (text, result) = match output {
                    Ok((text, true)) => (text, Ok(())),
                    Ok((text, false)) => (text, Err(anyhow!("failed; its output is above"))),
                    Err(error) => (Vec::new(), Err(error)),
                };
                let _ = std::io::stderr().write_all(&text);
                (name, took, result)
            })
            .collect()
    })
}

/// Runs a command. Returns its standard output and error, in the order in which they were written, and whether it succeeded.
fn captured(command: &mut Command) -> anyhow::Result<(Vec<u8>, bool)> {
    let line = describe(command);
    let mut file = tempfile::tempfile()?;
    let status = command
        .stdout(file.try_clone()?)
        .stderr(file.try_clone()?)
        .status()
        .with_context(|| format!("cannot run `{line}`"))?;
    let mut text = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut text)?;
    if !status.success() {
        writeln!(text, "`{line}` failed: {status}")?;
    }
    Ok((text, status.success()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(name: &'static str, script: &str) -> Step {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Step { name, command }
    }

    #[test]
    fn a_failing_layer_lets_its_neighbours_finish_and_is_named() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let mark = folder.path().join("mark");
        let slow = format!("sleep 0.3; touch {}", mark.display());
        let mut layers = Layers::new();
        let result = layers.run_side_by_side([shell("bad", "exit 3"), shell("slow", &slow)]);
        let error = format!("{:#}", result.expect_err("one layer failed"));
        assert!(error.contains("bad") && !error.contains("slow"), "{error}");
        assert!(mark.exists());
        assert_eq!(layers.finished.len(), 2);
        Ok(())
    }

    #[test]
    fn output_and_errors_are_captured_in_order() -> anyhow::Result<()> {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; echo three"]);
        let (text, succeeded) = captured(&mut command)?;
        assert!(succeeded);
        assert_eq!(String::from_utf8(text)?, "one\ntwo\nthree\n");
        Ok(())
    }
}

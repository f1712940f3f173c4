//! Runs a target with stable Rust: seeds and recorded findings first, then mutations of them.

use std::{
    fs,
    panic::{self, AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use mutatis::Session;

use crate::Target;

/// Longest input in bytes, as in `cargo xtask fuzz`.
pub const LONGEST: usize = 64 * 1024;

/// Mutations of one input before the next input is taken.
const DEPTH: usize = 8;

/// Whether anything has panicked since the last input, also where a program stops its own panics.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// When a run ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After this number of executions, which makes a run repeatable.
    Executions(u64),
    /// After this time.
    Time(Duration),
}

/// The outcome of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Number of inputs that were tried.
    pub executions: u64,
    /// The first input for which the target panicked.
    pub finding: Option<Vec<u8>>,
}

/// Inputs of a target: its seeds, and every file in its corpus folder.
///
/// # Errors
/// A file of the corpus cannot be read.
pub fn inputs(target: &Target) -> std::io::Result<Vec<Vec<u8>>> {
    let mut inputs = (target.seeds)();
    let folder = corpus(target);
    if folder.is_dir() {
        let mut files: Vec<_> = fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        files.sort();
        for file in files {
            inputs.push(fs::read(file)?);
        }
    }
    Ok(inputs)
}

/// The folder with the findings of a target that were mended.
#[must_use]
pub fn corpus(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name)
}

/// Runs a target until its first finding. The same seed leads to the same inputs.
///
/// # Errors
/// A file of the corpus cannot be read.
pub fn run(target: &Target, seed: u64, until: Until) -> std::io::Result<Outcome> {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        PANICKED.store(true, Ordering::SeqCst);
        report(info);
    }));
    let inputs = inputs(target)?;
    let begin = Instant::now();
    let mut executions = 0;
    let is_over = |executions: u64| match until {
        Until::Executions(most) => executions >= most,
        Until::Time(longest) => begin.elapsed() >= longest,
    };
    let mut try_input = |input: &[u8]| {
        executions += 1;
        PANICKED.store(false, Ordering::SeqCst);
        let run = target.run;
        let stopped = catch_unwind(AssertUnwindSafe(|| run(input))).is_err();
        (stopped || PANICKED.load(Ordering::SeqCst)).then(|| input.to_vec())
    };
    let mut finding = inputs.iter().find_map(|input| try_input(input));
    let mut session = Session::new().seed(seed);
    let mut rounds = 0_u64;
    'search: while finding.is_none() && !inputs.is_empty() {
        for input in &inputs {
            let mut input = input.clone();
            for _ in 0..DEPTH {
                if session.mutate(&mut input).is_err() || input.len() > LONGEST {
                    break;
                }
                rounds += 1;
                finding = try_input(&input);
                if finding.is_some() || is_over(rounds) {
                    break 'search;
                }
            }
        }
    }
    Ok(Outcome {
        executions,
        finding,
    })
}

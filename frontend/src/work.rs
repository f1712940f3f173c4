//! Something that takes a moment after a click: busy meanwhile, a problem afterwards, or neither.

use std::{future::Future, pin::Pin};

use countersign_protocol::problem::Problem;
use leptos::{prelude::*, task::spawn_local};

/// State of one form or button.
#[derive(Clone, Copy)]
pub struct Work {
    /// Running now.
    pub busy: RwSignal<bool>,
    /// How the last run failed.
    pub problem: RwSignal<Option<Problem>>,
}

impl Work {
    /// Idle.
    pub fn new() -> Self {
        Self {
            busy: RwSignal::new(false),
            problem: RwSignal::new(None),
        }
    }

    /// Runs `job`, unless one is running: a double click is one click.
    pub fn run(self, job: impl Future<Output = Result<(), Problem>> + 'static) {
        if self.busy.get_untracked() {
            return;
        }
        // Boxed, so that the rest is in the program once and not once for every form.
        self.run_boxed(Box::pin(job));
    }

    fn run_boxed(self, job: Pin<Box<dyn Future<Output = Result<(), Problem>>>>) {
        self.busy.set(true);
        self.problem.set(None);
        spawn_local(async move {
            let result = job.await;
            // The page may be gone by now.
            self.busy.try_set(false);
            if let Err(problem) = result {
                self.problem.try_set(Some(problem));
            }
        });
    }
}

/// A problem that this page found by itself, in the form of the server's.
pub fn problem(title: &str, detail: impl Into<String>) -> Problem {
    Problem {
        problem_type: String::new(),
        status: 0,
        title: title.to_owned(),
        detail: detail.into(),
    }
}

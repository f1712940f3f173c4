//! An asynchronous action after a click, with its busy state and its problem.

use std::{future::Future, pin::Pin};

use countersign_protocol::problem::Problem;
use leptos::{prelude::*, task::spawn_local};

/// State of one form or button.
#[derive(Clone, Copy)]
pub struct Work {
    /// Whether the action runs.
    pub busy: RwSignal<bool>,
    /// The problem of the last run.
    pub problem: RwSignal<Option<Problem>>,
}

impl Work {
    pub fn new() -> Self {
        Self {
            busy: RwSignal::new(false),
            problem: RwSignal::new(None),
        }
    }

    /// Runs `job`, unless an earlier one still runs, so that a double click acts once.
    pub fn run(self, job: impl Future<Output = Result<(), Problem>> + 'static) {
        if self.busy.get_untracked() {
            return;
        }
        // Boxed, so that the program contains the rest once and not once per form.
        self.run_boxed(Box::pin(job));
    }

    fn run_boxed(self, job: Pin<Box<dyn Future<Output = Result<(), Problem>>>>) {
        self.busy.set(true);
        self.problem.set(None);
        spawn_local(async move {
            let result = job.await;
            // The page may have been left in the meantime.
            self.busy.try_set(false);
            if let Err(problem) = result {
                self.problem.try_set(Some(problem));
            }
        });
    }
}

/// A problem that the portal itself found, in the form of a server's problem.
pub fn problem(title: &str, detail: impl Into<String>) -> Problem {
    Problem {
        problem_type: String::new(),
        status: 0,
        title: title.to_owned(),
        detail: detail.into(),
    }
}

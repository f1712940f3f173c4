//! The lease behind a login, and whether it is still open.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use countersign_client::{Client, ClientError, Retry, Timeouts, words::end_sentence};
use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, ActivationView, EndReason},
    id::ActivationId,
};

/// How often the server is asked at most, because programs call `C_GetSessionInfo` many times in a row.
const INTERVAL: Duration = Duration::from_secs(1);
/// Limit of one question. A program that only asks for the state of its session must not hang.
const LIMIT: Duration = Duration::from_secs(1);
/// After a question without an answer, the next one waits this many times as long as that one took.
const REST: u32 = 20;

/// When to ask the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Unless it was asked a moment ago.
    Seldom,
    /// In any case.
    Now,
}

/// The lease of an activation that was open at a login.
#[derive(Debug)]
pub struct Lease {
    pub activation: ActivationId,
    /// Whether the login remains after everything was signed, so that repeated requests return the recorded signatures.
    outlives_completion: bool,
    known: Mutex<Known>,
}

/// What is known about the lease.
#[derive(Debug)]
struct Known {
    /// The end of the lease, by the clock of the server.
    until: Option<Timestamp>,
    /// When the server may be asked again.
    ask_at: Instant,
}

impl Lease {
    /// The lease of an activation that was just seen open or complete.
    pub fn new(view: &ActivationView, outlives_completion: bool) -> Self {
        Self {
            activation: view.id(),
            outlives_completion,
            known: Mutex::new(Known {
                until: until(view),
                ask_at: Instant::now() + INTERVAL,
            }),
        }
    }

    /// A lease about which the server is not asked soon.
    #[cfg(test)]
    pub fn unchecked(activation: ActivationId) -> Self {
        Self {
            activation,
            outlives_completion: false,
            known: Mutex::new(Known {
                until: None,
                ask_at: Instant::now() + Duration::from_secs(3600),
            }),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the end of the lease as a sentence, if it has ended. An unreachable server leaves the lease open until its
    /// time has passed.
    pub fn end(&self, client: &Client, ask: Ask) -> Option<String> {
        {
            let mut known = self.known();
            if ask == Ask::Seldom && Instant::now() < known.ask_at {
                return None;
            }
            // Other threads do not ask at the same time.
            known.ask_at = Instant::now() + INTERVAL;
        }
        let asked = Instant::now();
        match quick(client).activation(&self.activation) {
            Ok(view) => {
                let end = self.end_of(&view);
                self.known().until = until(&view);
                end
            }
            Err(error) => {
                let mut known = self.known();
                known.ask_at = Instant::now() + (asked.elapsed() * REST).max(INTERVAL);
                self.end_without_answer(&error, known.until)
            }
        }
    }

    fn end_of(&self, view: &ActivationView) -> Option<String> {
        match &view.state {
            ActivationState::Open { .. } => None,
            ActivationState::Ended {
                reason: EndReason::Completed,
                ..
            } if self.outlives_completion => None,
            ActivationState::Ended { reason, .. } => Some(end_sentence(view, reason)),
            ActivationState::Queued | ActivationState::AwaitingApprovals => {
                Some(format!("activation {} is not open", self.activation))
            }
        }
    }

    fn end_without_answer(&self, error: &ClientError, until: Option<Timestamp>) -> Option<String> {
        match error {
            ClientError::Problem(problem) if matches!(problem.status, 401 | 403 | 404) => {
                Some(error.to_string())
            }
            _ if until.is_some_and(|until| until < Timestamp::now()) => Some(format!(
                "the time of activation {} has ended",
                self.activation
            )),
            _ => None,
        }
    }
}

fn quick(client: &Client) -> Client {
    let timeouts = Timeouts {
        connect: LIMIT,
        response: LIMIT,
        ..client.timeouts()
    };
    let once = Retry {
        attempts: 1,
        ..Retry::default()
    };
    client.with_timeouts(timeouts, once).within(LIMIT)
}

const fn until(view: &ActivationView) -> Option<Timestamp> {
    match &view.state {
        ActivationState::Open { until, .. } => Some(*until),
        _ => None,
    }
}

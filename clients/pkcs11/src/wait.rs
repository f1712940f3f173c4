//! Waits for the quorum. The module polls once per second without a thread, so that nothing is left running afterwards.

use std::{
    thread,
    time::{Duration, Instant},
};

use countersign_client::{
    Client, ClientError,
    words::{duration, end_sentence, printable, status, time},
};
use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, ActivationView, EndReason},
    problem::ProblemCode,
};

use crate::{
    report::{self, LiveLine},
    system::Signals,
};

/// The server holds each request for this long, so a signal is noticed after this time at the latest.
const POLL: Duration = Duration::from_secs(1);
/// Interval of lines without news, because build systems stop jobs without output.
const HEARTBEAT: Duration = Duration::from_secs(300);

/// The result of the wait.
pub enum Outcome {
    /// The lease is open.
    Open(Box<ActivationView>),
    /// The activation has ended.
    Ended {
        reason: EndReason,
        /// The end as a sentence.
        sentence: String,
    },
    /// The server is unreachable, or rejects the request.
    Failed(ClientError),
    /// A signal was received.
    Interrupted,
    /// Another thread called `C_Finalize`.
    Finalized,
}

/// Waits until the activation is open or has ended.
pub fn until_open(
    client: &Client,
    mut view: ActivationView,
    retry_time: Duration,
    signals: &Signals,
    finalized: impl Fn() -> bool,
) -> Outcome {
    let mut display = Display::new();
    let mut unreachable_since: Option<Instant> = None;
    loop {
        if let ActivationState::Ended { reason, .. } = &view.state {
            return Outcome::Ended {
                reason: reason.clone(),
                sentence: end_sentence(&view, reason),
            };
        }
        if signals.caught().is_some() {
            return Outcome::Interrupted;
        }
        if finalized() {
            return Outcome::Finalized;
        }
        if let ActivationState::Open { .. } = &view.state {
            return Outcome::Open(Box::new(view));
        }
        if unreachable_since.is_none() {
            display.show(&view);
        }
        let polled_at = Instant::now();
        match client.activation_after(&view.id(), view.revision, POLL) {
            Ok(polled) => {
                if unreachable_since.take().is_some() {
                    display.live.clear();
                    report::line("the server is reachable again");
                }
                let is_unchanged = polled.revision <= view.revision;
                view = polled;
                if is_unchanged {
                    thread::sleep(POLL.saturating_sub(polled_at.elapsed()));
                }
            }
            Err(error) if error.is_unreachable() => {
                let since = *unreachable_since.get_or_insert_with(|| {
                    display.live.clear();
                    report::line(&retrying(&error, retry_time));
                    polled_at
                });
                if since.elapsed() >= retry_time {
                    return Outcome::Failed(error);
                }
                thread::sleep(POLL.saturating_sub(polled_at.elapsed()));
            }
            Err(error) => return Outcome::Failed(error),
        }
    }
}

/// Shows the status of the wait: as one live line if it fits on the terminal, and otherwise as a line for each change.
struct Display {
    live: LiveLine,
    last_status: String,
    last_line_at: Instant,
}

impl Display {
    fn new() -> Self {
        Self {
            live: LiveLine::new(),
            last_status: String::new(),
            last_line_at: Instant::now(),
        }
    }

    fn show(&mut self, view: &ActivationView) {
        let status = status(view);
        let time_left = time_left(view);
        let full = format!("countersign: {time_left}: {status}");
        if self.live.fits(&full) {
            self.live.show(&full);
            return;
        }
        if self.last_status != status {
            self.live.clear();
            report::line(&status);
            self.last_line_at = Instant::now();
            self.last_status = status;
        } else if !self.live.is_terminal() && self.last_line_at.elapsed() > HEARTBEAT {
            report::line(&format!("still waiting, {time_left}: {status}"));
            self.last_line_at = Instant::now();
        }
        self.live.show(&format!("countersign: {time_left}"));
    }
}

/// Repeats a call while the server is unreachable, until `retry_time` has passed, a signal is received or the module is
/// finalized. A server that has just become reachable may not have found its HSMs yet, so the call is repeated then
/// too.
pub fn retry_while_unreachable<T>(
    retry_time: Duration,
    signals: &Signals,
    finalized: impl Fn() -> bool,
    call: impl Fn() -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    let start = Instant::now();
    let mut was_unreachable = false;
    loop {
        let result = call();
        was_unreachable |= matches!(&result, Err(error) if error.is_unreachable());
        match result {
            Err(error)
                if was_unreachable
                    && (error.is_unreachable()
                        || error.code() == Some(ProblemCode::HsmUnavailable))
                    && start.elapsed() < retry_time
                    && signals.caught().is_none()
                    && !finalized() =>
            {
                report::line(&retrying(&error, retry_time));
                thread::sleep(POLL);
            }
            result => return result,
        }
    }
}

fn retrying(error: &ClientError, retry_time: Duration) -> String {
    format!("{error}. Retrying for {}", duration(retry_time))
}

/// The time until the deadline for approvals.
fn time_left(view: &ActivationView) -> String {
    let left = view.terms.expires_at.duration_since(Timestamp::now());
    let seconds = left.as_secs().max(0);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02} left")
    } else {
        format!("{minutes}:{seconds:02} left")
    }
}

/// Reports what is needed to approve the activation: its id, purpose, HSM, quorum, deadline and page.
pub fn announce(view: &ActivationView, joined: bool) {
    let terms = &view.terms;
    let verb = if joined { "joined" } else { "requested" };
    report::line(&format!(
        "{verb} activation {} on HSM {} to {}; {} custodians must approve by {}. Approve at {}",
        terms.id,
        terms.hsm_names(),
        countersign_client::words::purpose(&terms.purpose),
        terms.quorum,
        time(&terms.expires_at),
        printable(&view.url)
    ));
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use countersign_protocol::problem::Problem;

    use super::*;

    /// The result of calls that have these results, one after the other.
    fn result_of(results: Vec<Result<u8, ClientError>>) -> Result<u8, ClientError> {
        let _alone = crate::system::alone();
        let results = RefCell::new(results.into_iter());
        let next = || results.borrow_mut().next();
        retry_while_unreachable(
            Duration::from_secs(60),
            &Signals::watch(),
            || false,
            || next().unwrap_or_else(|| unreachable!("there were too many attempts")),
        )
    }

    #[test]
    fn an_unavailable_hsm_is_retried_only_after_the_server_was_unreachable() {
        let unreachable = || {
            Err(ClientError::Unreachable {
                server: "sign.example.org".into(),
                why: "refused".into(),
                proxy: None,
                timed_out: false,
            })
        };
        let unavailable = || {
            let problem = Problem::new(ProblemCode::HsmUnavailable, "disconnected");
            Err(ClientError::Problem(problem))
        };
        assert!(matches!(
            result_of(vec![unreachable(), unavailable(), Ok(1)]),
            Ok(1)
        ));
        assert!(result_of(vec![unavailable()]).is_err());
    }
}

//! Waiting for the quorum: one request a second, no thread, so that nothing is left behind.

use std::{
    thread,
    time::{Duration, Instant},
};

use countersign_client::{
    Client, ClientError,
    words::{ending, line, printable, seconds, time},
};
use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, ActivationView, EndReason},
    problem::ProblemCode,
};

use crate::{
    report::{self, Live},
    system::Signals,
};

/// The server holds each request this long; a signal is noticed as soon.
const POLL: Duration = Duration::from_secs(1);
/// Build systems stop jobs that say nothing.
const HEARTBEAT: Duration = Duration::from_secs(300);

/// How the wait ended.
pub enum Outcome {
    /// The lease is open.
    Open(Box<ActivationView>),
    /// It never will be: why, and how that is said.
    Ended(EndReason, String),
    /// The server is gone, or refuses.
    Failed(ClientError),
    /// A signal came.
    Interrupted,
    /// `C_Finalize` was called meanwhile.
    Finalized,
}

/// Waits until the activation is open or over.
pub fn until_open(
    client: &Client,
    mut view: ActivationView,
    patience: Duration,
    signals: &Signals,
    finalized: impl Fn() -> bool,
) -> Outcome {
    let live = Live::new();
    let mut told = String::new();
    let mut spoke = Instant::now();
    let mut away: Option<Instant> = None;
    loop {
        if let ActivationState::Ended { reason, .. } = &view.state {
            return Outcome::Ended(reason.clone(), ending(&view, reason));
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
        if away.is_none() {
            let status = line(&view);
            let left = left(&view);
            let full = format!("countersign: {left}: {status}");
            if live.fits(&full) {
                live.show(&full);
            } else {
                if told != status {
                    live.clear();
                    report::line(&status);
                    spoke = Instant::now();
                    told = status;
                } else if !live.is_terminal() && spoke.elapsed() > HEARTBEAT {
                    report::line(&format!("still waiting, {left}: {told}"));
                    spoke = Instant::now();
                }
                live.show(&format!("countersign: {left}"));
            }
        }
        let asked = Instant::now();
        match client.activation_after(&view.terms.id, view.revision, POLL) {
            Ok(news) => {
                if away.take().is_some() {
                    live.clear();
                    report::line("the server is back");
                }
                let same = news.revision <= view.revision;
                view = news;
                if same {
                    thread::sleep(POLL.saturating_sub(asked.elapsed()));
                }
            }
            Err(error) if error.is_unreachable() => {
                let since = *away.get_or_insert_with(|| {
                    live.clear();
                    report::line(&unreachable(&error, patience));
                    asked
                });
                if since.elapsed() >= patience {
                    return Outcome::Failed(error);
                }
                thread::sleep(POLL.saturating_sub(asked.elapsed()));
            }
            Err(error) => return Outcome::Failed(error),
        }
    }
}

/// What the server says; one that cannot be reached is asked again as long as patience, user and program allow. One that is
/// back may not have found its HSMs yet.
pub fn reach<T>(
    patience: Duration,
    signals: &Signals,
    finalized: impl Fn() -> bool,
    call: impl Fn() -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    let since = Instant::now();
    let mut was_away = false;
    loop {
        let result = call();
        was_away |= matches!(&result, Err(error) if error.is_unreachable());
        match result {
            Err(error)
                if was_away
                    && (error.is_unreachable()
                        || error.code() == Some(ProblemCode::HsmUnavailable))
                    && since.elapsed() < patience
                    && signals.caught().is_none()
                    && !finalized() =>
            {
                report::line(&unreachable(&error, patience));
                thread::sleep(POLL);
            }
            result => return result,
        }
    }
}

fn unreachable(error: &ClientError, patience: Duration) -> String {
    format!("{error}. Trying again for {}", seconds(patience))
}

/// Time left, in words.
fn left(view: &ActivationView) -> String {
    let left = view.terms.expires_at.duration_since(Timestamp::now());
    let seconds = left.as_secs().max(0);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02} left")
    } else {
        format!("{minutes}:{seconds:02} left")
    }
}

/// Where to approve, and who has to.
pub fn announce(view: &ActivationView, joined: bool) {
    let terms = &view.terms;
    let verb = if joined { "joined" } else { "asked for" };
    report::line(&format!(
        "{verb} activation {} to {} on the HSM {}: {} must agree by {}. Approve at {}",
        terms.id,
        countersign_client::words::purpose(&terms.purpose),
        terms.hsm_names(),
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

    /// What comes of these answers, one after the other.
    fn reached(answers: Vec<Result<u8, ClientError>>) -> Result<u8, ClientError> {
        let answers = RefCell::new(answers.into_iter());
        let next = || answers.borrow_mut().next();
        let over = || unreachable!("it was asked once too often");
        let patience = Duration::from_secs(60);
        reach(
            patience,
            &Signals::watch(),
            || false,
            || next().unwrap_or_else(over),
        )
    }

    #[test]
    fn an_hsm_is_waited_for_only_behind_a_server_that_was_away() {
        let away = || {
            Err(ClientError::Unreachable {
                server: "sign.example.org".into(),
                why: "refused".into(),
                timed_out: false,
            })
        };
        let absent = || {
            let problem = Problem::new(ProblemCode::HsmUnavailable, "absent");
            Err(ClientError::Problem(problem))
        };
        assert!(matches!(reached(vec![away(), absent(), Ok(1)]), Ok(1)));
        assert!(reached(vec![absent()]).is_err());
    }
}

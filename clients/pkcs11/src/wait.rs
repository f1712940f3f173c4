//! Waiting for the quorum: one request a second, no thread, so that nothing is left behind.

use std::{
    thread,
    time::{Duration, Instant},
};

use countersign_client::{
    Client, ClientError,
    words::{line, printable, time},
};
use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, ActivationView, EndReason},
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
    /// It never will be.
    Ended(EndReason),
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
        match &view.state {
            ActivationState::Open { .. } => return Outcome::Open(Box::new(view)),
            ActivationState::Ended { reason, .. } => return Outcome::Ended(reason.clone()),
            ActivationState::Queued | ActivationState::Collecting => {}
        }
        if away.is_none() {
            let status = line(&view);
            if live.is_terminal() {
                live.show(&format!("countersign: {}: {status}", left(&view)));
            } else if told != status || spoke.elapsed() > HEARTBEAT {
                report::line(&status);
                spoke = Instant::now();
                if told == status {
                    report::line(&format!(
                        "still waiting, until {}",
                        time(&view.terms.expires_at)
                    ));
                }
                told = status;
            }
        }
        if signals.caught().is_some() {
            return Outcome::Interrupted;
        }
        if finalized() {
            return Outcome::Finalized;
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
                    report::line(&format!(
                        "{error}. Trying again for {} seconds",
                        patience.as_secs()
                    ));
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

//! Waiting for the quorum.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use countersign_client::{Client, ClientError, LONGEST_WAIT, Requested};
use countersign_protocol::{
    activation::{ActivationState, ActivationView},
    id::ActivationId,
};

use crate::{
    error::CliError,
    interrupt::Interrupt,
    output::printable,
    progress::{self, Progress},
    status,
};

/// How long a server may be away while people are asked: a restart, a new network.
const PATIENCE: Duration = Duration::from_secs(5 * 60);
/// Pause before a server that is away is asked again.
const PAUSE: Duration = Duration::from_secs(3);

enum Wake {
    News(Box<ActivationView>),
    Away(ClientError),
    Failed(ClientError),
    Interrupted,
}

/// What a request says that is waited for here.
pub fn abandoned_after() -> Option<u32> {
    // A server that falls silent is found out by the end of a poll, and given up at the end of another one.
    countersign_client::abandoned_after(PATIENCE + 2 * LONGEST_WAIT)
}

/// Who has to agree, until when, and where.
pub fn announce(asked: &Requested) {
    let verb = if asked.joined { "Joined" } else { "Asked for" };
    let terms = &asked.activation.terms;
    progress::line(&format!(
        "{verb} activation {} on the HSM {}: {} must agree by {}",
        terms.id,
        terms.hsm_names(),
        terms.quorum,
        status::time(&terms.expires_at)
    ));
    progress::line(&format!("Approve at {}", printable(&asked.activation.url)));
}

/// Refuses unless signatures can be made now.
pub fn require_open(view: &ActivationView) -> Result<(), CliError> {
    match &view.state {
        ActivationState::Open { .. } => Ok(()),
        ActivationState::Ended { reason, .. } => Err(CliError::ended(view, reason)),
        ActivationState::Queued | ActivationState::Collecting => {
            Err(CliError::NotOpen(view.terms.id.clone()))
        }
    }
}

/// Returns when the lease is open. On Ctrl-C the activation is cancelled, if it is `ours` alone.
pub fn until_open(
    client: &Client,
    view: ActivationView,
    ours: bool,
    interrupt: &Interrupt,
) -> Result<ActivationView, CliError> {
    let id = view.terms.id.clone();
    let (sender, wakes) = channel();
    let on_interrupt = sender.clone();
    // The receiver may be gone when the wait is over; then there is nothing to wake.
    interrupt.listen(Box::new(move || drop(on_interrupt.send(Wake::Interrupted))));
    watch(client.clone(), id.clone(), view.revision, sender, &view);
    match news(&wakes, view)? {
        Some(view) => require_open(&view).map(|()| view),
        None => Err(CliError::Interrupted(cancel(client, &id, ours))),
    }
}

/// Asks the server in a thread of its own, since a long poll cannot be interrupted.
fn watch(
    client: Client,
    id: ActivationId,
    mut revision: u64,
    sender: Sender<Wake>,
    view: &ActivationView,
) {
    if is_settled(view) {
        return;
    }
    thread::spawn(move || {
        loop {
            let wake = match status::next(&client, &id, revision) {
                Ok(view) => {
                    revision = view.revision;
                    Wake::News(Box::new(view))
                }
                Err(error) if error.is_unreachable() => {
                    thread::sleep(PAUSE);
                    Wake::Away(error)
                }
                Err(error) => Wake::Failed(error),
            };
            let last = match &wake {
                Wake::News(view) => is_settled(view),
                Wake::Failed(_) => true,
                Wake::Away(_) | Wake::Interrupted => false,
            };
            if sender.send(wake).is_err() || last {
                return;
            }
        }
    });
}

const fn is_settled(view: &ActivationView) -> bool {
    matches!(
        view.state,
        ActivationState::Open { .. } | ActivationState::Ended { .. }
    )
}

/// The activation once it is open or over; `None` when interrupted before.
fn news(
    wakes: &Receiver<Wake>,
    mut view: ActivationView,
) -> Result<Option<ActivationView>, CliError> {
    let progress = Progress::waiting();
    if !view.state.is_ended() {
        progress.status(&status::line(&view));
    }
    let mut away_since: Option<Instant> = None;
    while !is_settled(&view) {
        match wakes.recv() {
            Ok(Wake::News(news)) => {
                if away_since.take().is_some() {
                    progress.line("The server is back");
                }
                view = *news;
                // How it ended is the error that follows.
                if !view.state.is_ended() {
                    progress.status(&status::line(&view));
                }
            }
            Ok(Wake::Away(error)) => {
                if away_since.is_none() {
                    progress.line(&format!("{error}. Trying again for five minutes"));
                }
                if away_since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                    return Err(error.into());
                }
            }
            Ok(Wake::Failed(error)) => return Err(error.into()),
            Ok(Wake::Interrupted) | Err(_) => return Ok(None),
        }
    }
    Ok(Some(view))
}

/// What was done about the activation, in words.
fn cancel(client: &Client, id: &ActivationId, ours: bool) -> String {
    if !ours {
        return format!(
            "interrupted; activation {id} was there before and stays: `countersign activation lock {id}` ends it"
        );
    }
    match client.lock(id) {
        Ok(_) => format!("interrupted; activation {id} is cancelled, nothing was signed"),
        Err(error) => format!(
            "interrupted, but activation {id} could not be cancelled ({error}): `countersign activation lock {id}`"
        ),
    }
}

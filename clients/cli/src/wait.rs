//! Waits until an activation is open.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use countersign_client::{Client, ClientError, LONGEST_WAIT, Requested, words::duration};
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

/// How long to retry while the server is unreachable, which covers a restart or a change of network.
const RETRY_TIME: Duration = Duration::from_secs(5 * 60);
const RETRY_PAUSE: Duration = Duration::from_secs(3);

enum Event {
    Polled(Box<ActivationView>),
    Unreachable(ClientError),
    Failed(ClientError),
    Interrupted,
}

/// The value of `abandonedAfterSeconds` in requests whose activation this program waits for.
pub fn abandoned_after() -> Option<u32> {
    // One poll may pass before a silent server is noticed, and another one before this program gives up.
    countersign_client::abandoned_after(RETRY_TIME + 2 * LONGEST_WAIT)
}

/// Prints what is needed to approve the activation: its id, HSM, quorum, deadline and page.
pub fn announce(requested: &Requested) {
    let verb = if requested.joined {
        "Joined"
    } else {
        "Requested"
    };
    let terms = &requested.activation.terms;
    progress::line(&format!(
        "{verb} activation {} on HSM {}; {} custodians must approve by {}",
        terms.id,
        terms.hsm_names(),
        terms.quorum,
        status::time(&terms.expires_at)
    ));
    progress::line(&format!(
        "Approve at {}",
        printable(&requested.activation.url)
    ));
}

/// Returns an error unless the activation is open.
pub fn require_open(view: &ActivationView) -> Result<(), CliError> {
    match &view.state {
        ActivationState::Open { .. } => Ok(()),
        ActivationState::Ended { reason, .. } => Err(CliError::ended(view, reason)),
        ActivationState::Queued | ActivationState::AwaitingApprovals => {
            Err(CliError::NotOpen(view.id()))
        }
    }
}

/// Waits until the activation is open. Ctrl-C cancels the activation, if this run requested it (`is_ours`).
pub fn until_open(
    client: &Client,
    view: ActivationView,
    is_ours: bool,
    interrupt: &Interrupt,
) -> Result<ActivationView, CliError> {
    let id = view.id();
    let (sender, events) = channel();
    let on_interrupt = sender.clone();
    // Sending fails after the wait has ended, when the receiver no longer exists.
    interrupt.on_request(Box::new(move || {
        drop(on_interrupt.send(Event::Interrupted));
    }));
    start_polling(client.clone(), id.clone(), view.revision, sender, &view);
    match receive_until_settled(&events, view)? {
        Some(view) => require_open(&view).map(|()| view),
        None => Err(CliError::Interrupted(cancel(client, &id, is_ours))),
    }
}

/// Polls in a thread of its own, because a long poll cannot be interrupted.
fn start_polling(
    client: Client,
    id: ActivationId,
    mut revision: u64,
    sender: Sender<Event>,
    view: &ActivationView,
) {
    if is_settled(view) {
        return;
    }
    thread::spawn(move || {
        loop {
            let event = match status::poll(&client, &id, revision) {
                Ok(view) => {
                    revision = view.revision;
                    Event::Polled(Box::new(view))
                }
                Err(error) if error.is_unreachable() => {
                    thread::sleep(RETRY_PAUSE);
                    Event::Unreachable(error)
                }
                Err(error) => Event::Failed(error),
            };
            let is_last = match &event {
                Event::Polled(view) => is_settled(view),
                Event::Failed(_) => true,
                Event::Unreachable(_) | Event::Interrupted => false,
            };
            if sender.send(event).is_err() || is_last {
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

/// Returns the activation once it is open or has ended, or `None` after an interrupt.
fn receive_until_settled(
    events: &Receiver<Event>,
    mut view: ActivationView,
) -> Result<Option<ActivationView>, CliError> {
    let progress = Progress::waiting();
    if !view.state.is_ended() {
        progress.status(&status::status(&view));
    }
    let mut unreachable_since: Option<Instant> = None;
    while !is_settled(&view) {
        match events.recv() {
            Ok(Event::Polled(polled)) => {
                if unreachable_since.take().is_some() {
                    progress.line("The server is reachable again");
                }
                view = *polled;
                // The end is not shown here, because the error that follows reports it.
                if !view.state.is_ended() {
                    progress.status(&status::status(&view));
                }
            }
            Ok(Event::Unreachable(error)) => {
                if unreachable_since.is_none() {
                    progress.line(&format!("{error}. Retrying for {}", duration(RETRY_TIME)));
                }
                if unreachable_since.get_or_insert_with(Instant::now).elapsed() > RETRY_TIME {
                    return Err(error.into());
                }
            }
            Ok(Event::Failed(error)) => return Err(error.into()),
            Ok(Event::Interrupted) | Err(_) => return Ok(None),
        }
    }
    Ok(Some(view))
}

/// Cancels the activation, if it is ours, and returns a message about the result.
fn cancel(client: &Client, id: &ActivationId, is_ours: bool) -> String {
    if !is_ours {
        return format!(
            "interrupted; activation {id} was requested by another run and stays active; to end it, run \
             `countersign activation lock {id}`"
        );
    }
    match client.lock(id) {
        Ok(_) => format!("interrupted; activation {id} was cancelled and nothing was signed"),
        Err(error) => format!(
            "interrupted, but activation {id} could not be cancelled: {error}. To cancel it, run \
             `countersign activation lock {id}`"
        ),
    }
}

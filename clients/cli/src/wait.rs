//! Waits until an activation is open.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use countersign_client::{Client, ClientError, LONGEST_WAIT, Requested, words::duration};
use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, ActivationView},
    id::ActivationId,
    problem::ProblemCode,
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
/// How long to wait until the server has stored why a lease has ended.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// How often the times on a terminal are updated.
const CLOCK: Duration = Duration::from_secs(1);

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

/// Replaces the error of a signature by how the activation has ended, which says more.
pub fn explain(client: &Client, id: &ActivationId, error: ClientError) -> CliError {
    if !matches!(
        error.code(),
        Some(ProblemCode::ActivationEnded | ProblemCode::NotOpen | ProblemCode::HsmUnavailable)
    ) {
        return error.into();
    }
    match client.ended_activation(id, END_TIMEOUT) {
        Ok(view) => match &view.state {
            ActivationState::Ended { reason, .. } => CliError::ended(&view, reason),
            _ => error.into(),
        },
        Err(_) => error.into(),
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
    let on_ctrl_c = if is_ours {
        "Ctrl-C cancels the request"
    } else {
        "Ctrl-C stops waiting and leaves the request active"
    };
    match receive_until_settled(&events, view, on_ctrl_c)? {
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
    on_ctrl_c: &str,
) -> Result<Option<ActivationView>, CliError> {
    let progress = Progress::waiting();
    if !is_settled(&view) {
        progress.hint(on_ctrl_c);
    }
    let mut unreachable_since: Option<Instant> = None;
    while !is_settled(&view) {
        if unreachable_since.is_none() {
            progress.waiting_status(&status::status(&view), &time_left(&view));
        }
        match events.recv_timeout(CLOCK) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(Event::Polled(polled)) => {
                if unreachable_since.take().is_some() {
                    progress.line("The server is reachable again");
                }
                view = *polled;
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
            Ok(Event::Interrupted) | Err(RecvTimeoutError::Disconnected) => return Ok(None),
        }
    }
    // An end is not shown here, because the error that follows reports it.
    if !view.state.is_ended() {
        progress.status(&status::status(&view));
    }
    Ok(Some(view))
}

/// The time until the deadline for approvals.
fn time_left(view: &ActivationView) -> String {
    let left = view.terms.expires_at.duration_since(Timestamp::now());
    let left = Duration::try_from(left).unwrap_or_default();
    format!("{} left", duration(left))
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

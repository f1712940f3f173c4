//! One session, from the initiation until one side ends it.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use countersign_card::{Transport, TransportError};
use countersign_ram::{
    Answer, Initiation, Instruction, MessageError, Notification, Outcome, Request,
};

use super::{
    exchange::{Exchange, ExchangeError, Reply},
    filter::{Filter, PinCommands, Verdict},
    report::Report,
};
use crate::prompt::text::duration;

/// The answer to a refused command: security status not satisfied.
const REFUSED: [u8; 2] = [0x69, 0x82];

/// How long a stop waits for the command that the card executes.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(2);

/// Stops a session at any time, and resets the card at once.
#[derive(Default)]
pub struct Stop {
    stopped: AtomicBool,
    card: Mutex<Option<Box<dyn Transport>>>,
}

impl Stop {
    /// Takes the card from the session and resets it. If the card executes a command for too long, it is reset when this
    /// process ends.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        let until = Instant::now() + COMMAND_TIMEOUT;
        while self.card.try_lock().is_err() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        if Instant::now() < until {
            self.reset_card();
        }
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    fn insert_card(&self, card: Box<dyn Transport>) {
        *self.card.lock().unwrap_or_else(PoisonError::into_inner) = Some(card);
    }

    /// Takes the card from the session and resets it, which reverts every state that the server set.
    fn reset_card(&self) {
        let card = self
            .card
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut card) = card
            && let Err(error) = card.reset()
        {
            tracing::debug!("could not reset the card at the end of the session: {error}");
        }
    }

    fn with_card<T>(
        &self,
        work: impl FnOnce(&mut dyn Transport) -> Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        let mut card = self.card.lock().unwrap_or_else(PoisonError::into_inner);
        match card.as_mut() {
            Some(card) => work(card.as_mut()),
            None => Err(TransportError::Disconnected(
                "the session was stopped".into(),
            )),
        }
    }
}

/// How a session ended without a failure.
#[derive(Debug)]
pub enum End {
    /// The server has finished.
    Finished,
    /// The server rejected the card, for this reason.
    Refused(String),
    /// The user stopped the session.
    Stopped,
}

/// Why a session failed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error(transparent)]
    Card(#[from] TransportError),
    #[error("the card's answers do not fit into a message: {0}")]
    Message(#[from] MessageError),
}

/// Runs one session with a card that no one else uses, and resets the card afterwards.
pub fn run(
    exchange: &Exchange,
    mut card: Box<dyn Transport>,
    pins: PinCommands,
    stop: &Stop,
    report: &dyn Report,
) -> Result<End, SessionError> {
    let atr = card.reset()?;
    let limits = card.limits();
    let size = |bytes: usize| u32::try_from(bytes).ok();
    let first = Initiation {
        atr: atr.0,
        max_command: size(limits.command),
        max_response: size(limits.response),
    };
    stop.insert_card(card);
    let end = converse(exchange, &first.encode()?, pins, stop, report);
    stop.reset_card();
    match end {
        _ if stop.is_stopped() => Ok(End::Stopped),
        end => end,
    }
}

fn converse(
    exchange: &Exchange,
    initiation: &[u8],
    pins: PinCommands,
    stop: &Stop,
    report: &dyn Report,
) -> Result<End, SessionError> {
    let mut message = initiation.to_vec();
    let mut filter = Filter::new(pins);
    // Some servers use the same notification for a failure and for a rejection. Only what follows shows which one it is.
    let mut failure = None;
    loop {
        if stop.is_stopped() {
            return Ok(End::Stopped);
        }
        let request = match (exchange.post(&message), failure) {
            (Ok(Reply::Work(request)), _) => request,
            (Ok(Reply::Finished), None) => return Ok(End::Finished),
            (Ok(Reply::Finished), Some(why)) => return Ok(End::Refused(why)),
            (Err(error), Some(why)) if error.ends_session() => return Ok(End::Refused(why)),
            (Err(error), _) => return Err(error.into()),
        };
        let executed = execute(request, &mut filter, stop, report);
        failure = executed.failure;
        message = executed.answer.encode()?;
        match executed.next {
            Next::Continue => {}
            Next::Close(why) => return Ok(End::Refused(why)),
            Next::Fail(error) => {
                // The server learns of the failure before the session ends.
                exchange.post(&message)?;
                return Err(error.into());
            }
        }
    }
}

/// The result of a request.
struct Executed {
    answer: Answer,
    /// The text of the last notification, if it reports a failure.
    failure: Option<String>,
    next: Next,
}

enum Next {
    Continue,
    Close(String),
    Fail(TransportError),
}

/// Executes the instructions in their order.
fn execute(request: Request, filter: &mut Filter, stop: &Stop, report: &dyn Report) -> Executed {
    let mut answer = Answer::default();
    let mut failure = None;
    let mut next = Next::Continue;
    for instruction in request.instructions {
        let outcome = match instruction {
            Instruction::Command(command) => {
                answer.executed += 1;
                forward(&command, filter, stop, report).map(Outcome::Response)
            }
            Instruction::Reset => stop
                .with_card(|card| card.reset())
                .map(|atr| Outcome::Atr(atr.0)),
            Instruction::Notify(notification) => {
                report.status(&notification_text(&notification));
                failure = (notification.id < 0).then_some(notification.text);
                continue;
            }
            Instruction::Close(why) => {
                next = Next::Close(why);
                break;
            }
        };
        match outcome {
            Ok(outcome) => answer.outcomes.push(outcome),
            Err(error) => {
                answer.outcomes.push(Outcome::Failed(error.to_string()));
                next = Next::Fail(error);
                break;
            }
        }
    }
    Executed {
        answer,
        failure,
        next,
    }
}

/// The server's text for the user, and the time that the server expects to take.
fn notification_text(notification: &Notification) -> String {
    match notification.seconds {
        Some(seconds) if seconds > 0 => format!(
            "Server: {} (about {})",
            notification.text,
            duration(seconds)
        ),
        _ => format!("Server: {}", notification.text),
    }
}

fn forward(
    command: &[u8],
    filter: &mut Filter,
    stop: &Stop,
    report: &dyn Report,
) -> Result<Vec<u8>, TransportError> {
    let refused = match filter.check(command) {
        Verdict::Forward => None,
        Verdict::Refuse(what) => Some(what),
        Verdict::Ask(command) if report.allows_pin_command(command) => None,
        Verdict::Ask(command) => {
            filter.deny();
            Some(command.what)
        }
    };
    if let Some(what) = refused {
        report.refused(what);
        return Ok(REFUSED.to_vec());
    }
    stop.with_card(|card| card.transmit(command))
}

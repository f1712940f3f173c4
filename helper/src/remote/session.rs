//! One session: from the initiation until one of the sides has had enough.

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

/// Answered in the card's place: security status not satisfied.
const NOT_PASSED_ON: [u8; 2] = [0x69, 0x82];

/// How long a stop waits for a card that is at work.
const AT_WORK: Duration = Duration::from_secs(2);

/// The person at the card can stop at any time; the card is logged out at once.
#[derive(Default)]
pub struct Stop {
    stopped: AtomicBool,
    card: Mutex<Option<Box<dyn Transport>>>,
}

impl Stop {
    /// Takes the card away from the session, and resets it. A card at work is waited for, but not for long: it is reset
    /// when this process ends.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        let until = Instant::now() + AT_WORK;
        while self.card.try_lock().is_err() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        if Instant::now() < until {
            self.take_card();
        }
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    fn lend(&self, card: Box<dyn Transport>) {
        *self.card.lock().unwrap_or_else(PoisonError::into_inner) = Some(card);
    }

    /// Whatever the server did to the card ends here.
    fn take_card(&self) {
        let card = self
            .card
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(mut card) = card
            && let Err(error) = card.reset()
        {
            tracing::debug!("the card could not be reset at the end: {error}");
        }
    }

    fn with_card<T>(
        &self,
        work: impl FnOnce(&mut dyn Transport) -> Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        let mut card = self.card.lock().unwrap_or_else(PoisonError::into_inner);
        match card.as_mut() {
            Some(card) => work(card.as_mut()),
            None => Err(TransportError::Disconnected("Session canceled".into())),
        }
    }
}

/// How a session ended where nothing failed.
#[derive(Debug)]
pub enum End {
    /// The server has finished.
    Finished,
    /// The server will have nothing to do with this card, and says why.
    Refused(String),
    /// The person at the card stopped it.
    Stopped,
}

/// Why a session failed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The server, or the way to it.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The card.
    #[error(transparent)]
    Card(#[from] TransportError),
    /// An answer that cannot be written.
    #[error("the card's answers do not fit into a message: {0}")]
    Message(#[from] MessageError),
}

/// Runs one session with a card that nobody else uses meanwhile. At its end the card is reset.
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
    stop.lend(card);
    let end = converse(exchange, &first.encode()?, pins, stop, report);
    stop.take_card();
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
    // Some servers tell of a failure as they tell of a refusal, and go on: what they do next says which it is.
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
        let done = follow(request, &mut filter, stop, report);
        failure = done.failure;
        message = done.answer.encode()?;
        match done.then {
            Then::GoOn => {}
            Then::Close(why) => return Ok(End::Refused(why)),
            Then::Fail(error) => {
                // The server is told, and then nothing more can come of this session.
                exchange.post(&message)?;
                return Err(error.into());
            }
        }
    }
}

/// What was done for a request.
struct Done {
    answer: Answer,
    /// The server's words, if the last of them told of a failure.
    failure: Option<String>,
    then: Then,
}

enum Then {
    GoOn,
    Close(String),
    Fail(TransportError),
}

/// Follows the instructions in their order.
fn follow(request: Request, filter: &mut Filter, stop: &Stop, report: &dyn Report) -> Done {
    let mut answer = Answer::default();
    let mut failure = None;
    let mut then = Then::GoOn;
    for instruction in request.instructions {
        let outcome = match instruction {
            Instruction::Command(command) => {
                answer.executed += 1;
                pass_on(&command, filter, stop, report).map(Outcome::Response)
            }
            Instruction::Reset => stop
                .with_card(|card| card.reset())
                .map(|atr| Outcome::Atr(atr.0)),
            Instruction::Notify(notification) => {
                report.tell(&news(&notification));
                failure = (notification.id < 0).then_some(notification.text);
                continue;
            }
            Instruction::Close(why) => {
                then = Then::Close(why);
                break;
            }
        };
        match outcome {
            Ok(outcome) => answer.outcomes.push(outcome),
            Err(error) => {
                answer.outcomes.push(Outcome::Failed(error.to_string()));
                then = Then::Fail(error);
                break;
            }
        }
    }
    Done {
        answer,
        failure,
        then,
    }
}

/// The server's words for the person, and how long it will take.
fn news(notification: &Notification) -> String {
    match notification.seconds {
        Some(seconds) if seconds > 0 => format!(
            "Server: {} (about {})",
            notification.text,
            duration(seconds)
        ),
        _ => format!("Server: {}", notification.text),
    }
}

fn pass_on(
    command: &[u8],
    filter: &mut Filter,
    stop: &Stop,
    report: &dyn Report,
) -> Result<Vec<u8>, TransportError> {
    let stays = match filter.judge(command) {
        Verdict::Passes => None,
        Verdict::Stays(what) => Some(what),
        Verdict::Ask(what) if report.allows(what) => None,
        Verdict::Ask(what) => {
            filter.declined();
            Some(what)
        }
    };
    if let Some(what) = stays {
        report.refused(what);
        return Ok(NOT_PASSED_ON.to_vec());
    }
    stop.with_card(|card| card.transmit(command))
}

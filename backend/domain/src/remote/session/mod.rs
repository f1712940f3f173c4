//! A session with one RAMOverHTTP client: HTTP on one side, the thread that uses the card on the other.
//!
//! The client and the thread never act at the same time. While the thread has nothing for the client, the server holds the client's
//! POST; while the client executes instructions, the thread waits for its answer.

#[cfg(test)]
mod tests;
mod verification;

use std::{
    net::IpAddr,
    sync::{Condvar, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use countersign_card::ApduLimits;
use countersign_ram::{Answer, Initiation, Instruction, Notification, Outcome, Request};
use tokio::sync::Notify;

use self::verification::Verification;
use super::ending::Ending;

/// Longest time for which a POST is held. The client then gets an empty request, because it gives up after 40 s.
const HOLD_TIME: Duration = Duration::from_secs(25);
/// Time in which a client must post again after a request without instructions.
const RETURN_TIMEOUT: Duration = Duration::from_secs(5);
/// Time in which a client whose connection broke during an instruction must post its answer on another connection.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Interval at which the waiting thread checks that the client is still connected.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

const CONNECTION_BROKE: &str = "the connection to the remote client broke";

/// A live connection of a client. It cannot be upgraded once the connection broke.
pub type Connection = Weak<()>;

/// The server's reply to a POST.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// 200: the next request, which may be empty.
    Work(Request),
    /// 504: the session has ended, and the client may connect anew.
    Gone,
}

/// The session of one client.
pub struct RamSession {
    /// Address of the client, for people.
    from: IpAddr,
    limits: ApduLimits,
    verification: Verification,
    state: Mutex<State>,
    /// Wakes the held POST.
    client: Notify,
    /// Wakes the thread that waits in [`RamSession::execute`].
    thread: Condvar,
}

struct State {
    phase: Phase,
    /// Instructions of the thread that were not sent yet.
    instructions: Option<Vec<Instruction>>,
    /// The client's answer to the thread's last instructions.
    outcomes: Option<Vec<Outcome>>,
    /// Messages for the person at the client, which the next request carries.
    notifications: Vec<Notification>,
}

enum Phase {
    /// The client's initiation arrived, and its POST is not held yet.
    Initiated,
    /// The server holds the client's POST.
    Held,
    /// The server has replied, and the client must post again.
    Client(Exchange),
    Ended(Ending),
}

/// A request that the client has and must answer.
struct Exchange {
    /// Number of outcomes that the answer must have.
    expected: usize,
    sent: Instant,
    /// The connection that carried the request, unless the client closes it after each reply.
    connection: Option<Connection>,
    /// When the thread first found the connection broken.
    broken: Option<Instant>,
}

impl RamSession {
    /// Begins a session with a client that announced a card.
    pub fn new(initiation: &Initiation, from: IpAddr) -> Self {
        let limit = |announced: Option<u32>, usual: usize| {
            let announced = announced.and_then(|bytes| usize::try_from(bytes).ok());
            announced.map_or(usual, |announced| usual.min(announced))
        };
        Self {
            from,
            limits: ApduLimits {
                command: limit(initiation.max_command, ApduLimits::USUAL.command),
                response: limit(initiation.max_response, ApduLimits::USUAL.response),
            },
            verification: Verification::default(),
            state: Mutex::new(State {
                phase: Phase::Initiated,
                instructions: None,
                outcomes: None,
                notifications: Vec::new(),
            }),
            client: Notify::new(),
            thread: Condvar::new(),
        }
    }

    /// Address of the client, for people.
    pub fn from(&self) -> IpAddr {
        self.from
    }

    /// The largest APDUs that client and server support.
    pub fn limits(&self) -> ApduLimits {
        self.limits
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the session ended, or `None` if it has not.
    pub fn ending(&self) -> Option<Ending> {
        let mut state = self.lock();
        self.end_if_disconnected(&mut state);
        match &state.phase {
            Phase::Ended(ending) => Some(ending.clone()),
            Phase::Initiated | Phase::Held | Phase::Client(_) => None,
        }
    }

    /// Ends the session, unless it has already ended.
    pub fn end(&self, ending: Ending) {
        self.end_locked(&mut self.lock(), ending);
    }

    fn end_locked(&self, state: &mut State, ending: Ending) {
        if !matches!(state.phase, Phase::Ended(_)) {
            state.phase = Phase::Ended(ending);
            self.client.notify_one();
            self.thread.notify_all();
        }
    }

    /// Sends a message to the person at the client. Never waits.
    pub fn notify(&self, id: i32, text: impl Into<String>) {
        let text = text.into();
        self.lock().notifications.push(Notification {
            id,
            text,
            seconds: None,
        });
        self.client.notify_one();
    }

    /// Has the client execute instructions in this order, and waits for the outcomes. Returns one outcome per instruction, or fewer
    /// if the last one is a failure. Only the thread that uses the card may call this.
    ///
    /// # Errors
    /// The session had ended or ended meanwhile, or the client did not answer within `timeout`.
    pub fn execute(
        &self,
        instructions: Vec<Instruction>,
        timeout: Duration,
    ) -> Result<Vec<Outcome>, Ending> {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        state.instructions = Some(instructions);
        state.outcomes = None;
        self.client.notify_one();
        loop {
            if let Some(outcomes) = state.outcomes.take() {
                return Ok(outcomes);
            }
            self.end_if_disconnected(&mut state);
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let why = format!(
                    "the remote client did not answer within {} s",
                    timeout.as_secs()
                );
                self.end_locked(&mut state, Ending::Lost(why));
            }
            if let Phase::Ended(ending) = &state.phase {
                return Err(ending.clone());
            }
            state = self
                .thread
                .wait_timeout(state, left.min(CHECK_INTERVAL))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Ends the session if the client did not come back in time.
    fn end_if_disconnected(&self, state: &mut State) {
        let Phase::Client(exchange) = &mut state.phase else {
            return;
        };
        let disconnected = if exchange.expected == 0 {
            exchange.sent.elapsed() > RETURN_TIMEOUT
        } else if exchange
            .connection
            .as_ref()
            .is_some_and(|connection| connection.strong_count() == 0)
        {
            exchange.broken.get_or_insert_with(Instant::now).elapsed() > RECONNECT_TIMEOUT
        } else {
            false
        };
        if disconnected {
            self.end_locked(state, Ending::Lost(CONNECTION_BROKE.into()));
        }
    }

    /// Handles a POST of the client: its initiation (`None`) or its answer to the last request. Returns when a request can be sent,
    /// or an empty request after `HOLD_TIME`.
    ///
    /// `connection` carried the POST; it is `None` if the client closes it after each reply.
    pub async fn post(&self, answer: Option<Answer>, connection: Option<Connection>) -> Reply {
        if let Some(reply) = self.accept(answer) {
            return reply;
        }
        // Dropped together with the POST if its connection breaks.
        let mut held = HeldPost(Some(self));
        let deadline = tokio::time::Instant::now() + HOLD_TIME;
        loop {
            let expired = tokio::time::Instant::now() >= deadline;
            if let Some(reply) = self.next(connection.as_ref(), expired) {
                held.0 = None;
                return reply;
            }
            // A timeout needs no handling, because the next round then replies in any case.
            let _ = tokio::time::timeout_at(deadline, self.client.notified()).await;
        }
    }

    /// Takes the answer of a POST. Returns the reply if the session has ended or ends because of the answer.
    fn accept(&self, answer: Option<Answer>) -> Option<Reply> {
        let mut state = self.lock();
        match (&state.phase, answer) {
            (Phase::Initiated, None) => {}
            (Phase::Client(exchange), Some(answer)) => {
                if !matches_instructions(&answer.outcomes, exchange.expected) {
                    let why = "the remote client's answer does not match its instructions";
                    self.end_locked(&mut state, Ending::Refused(why.into()));
                } else if exchange.expected > 0 {
                    self.note_answer();
                    state.outcomes = Some(answer.outcomes);
                } else if let Some(Outcome::Failed(why)) = answer.outcomes.into_iter().next() {
                    self.end_locked(&mut state, Ending::Aborted(why));
                }
            }
            (Phase::Ended(_), _) => {}
            (Phase::Initiated | Phase::Held | Phase::Client(_), _) => {
                let why = "the remote client posted twice at the same time";
                self.end_locked(&mut state, Ending::Refused(why.into()));
            }
        }
        if let Phase::Ended(ending) = &mut state.phase {
            return Some(final_reply(ending));
        }
        state.phase = Phase::Held;
        self.thread.notify_all();
        None
    }

    /// The next reply to a held POST, or `None` if there is nothing to send. `expired`: an empty request is sent as well.
    fn next(&self, connection: Option<&Connection>, expired: bool) -> Option<Reply> {
        let mut state = self.lock();
        if let Phase::Ended(ending) = &mut state.phase {
            return Some(final_reply(ending));
        }
        let instructions = state.instructions.take();
        if instructions.is_none() && state.notifications.is_empty() && !expired {
            return None;
        }
        let instructions = instructions.unwrap_or_default();
        state.phase = Phase::Client(Exchange {
            expected: instructions.len(),
            sent: Instant::now(),
            connection: connection.cloned(),
            broken: None,
        });
        let notifications = state.notifications.drain(..).map(Instruction::Notify);
        let instructions = notifications.chain(instructions).collect();
        Some(Reply::Work(Request { instructions }))
    }
}

/// Whether an answer has one outcome per instruction. Only the last outcome may be a failure, which may leave out the rest.
fn matches_instructions(outcomes: &[Outcome], expected: usize) -> bool {
    match outcomes.split_last() {
        Some((Outcome::Failed(_), before)) => {
            before.len() <= expected
                && before
                    .iter()
                    .all(|outcome| !matches!(outcome, Outcome::Failed(_)))
        }
        _ => {
            outcomes.len() == expected
                && outcomes
                    .iter()
                    .all(|outcome| !matches!(outcome, Outcome::Failed(_)))
        }
    }
}

/// The reply of a session that has ended. A refusal is sent once as a notification. Some clients post again after it, and then get
/// [`Reply::Gone`].
fn final_reply(ending: &mut Ending) -> Reply {
    let Ending::Refused(text) = ending else {
        return Reply::Gone;
    };
    let text = std::mem::take(text);
    *ending = Ending::Aborted(text.clone());
    Reply::Work(Request {
        instructions: vec![Instruction::Notify(Notification {
            id: -1,
            text,
            seconds: None,
        })],
    })
}

/// A POST that the server holds. The session ends if it is dropped without a reply, because its connection then broke.
struct HeldPost<'a>(Option<&'a RamSession>);

impl Drop for HeldPost<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.0 {
            session.end(Ending::Lost(CONNECTION_BROKE.into()));
        }
    }
}

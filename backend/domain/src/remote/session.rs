//! One client's session: HTTP on one side, the thread that speaks to the card on the other.
//!
//! Exactly one side has the turn. While it is the thread's, the client's POST is held; while it is the client's, the thread waits
//! for the answer.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use countersign_card::ApduLimits;
use countersign_ram::{Answer, Initiation, Instruction, Notification, Outcome, Request};
use tokio::sync::Notify;

use super::ending::Ending;

/// A client gives up after 40 s without an answer: before that it gets an empty request.
const HOLD: Duration = Duration::from_secs(25);
/// A client that has nothing to do comes back at once.
const COMES_BACK: Duration = Duration::from_secs(5);
/// A client whose connection broke while it works may come back on another one.
const RECONNECTS: Duration = Duration::from_secs(2);
/// How often the thread looks whether the client is still there.
const LOOK: Duration = Duration::from_millis(250);

/// A live connection; dropped when it breaks.
pub type Connection = Weak<()>;

/// What a client is answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// 200, with this to do.
    Work(Request),
    /// 504: the session is over; connect anew.
    Gone,
}

/// One client's session.
pub struct RamSession {
    /// Where the client is, for people.
    from: String,
    limits: ApduLimits,
    state: Mutex<State>,
    /// Wakes the held POST.
    client: Notify,
    /// Wakes the thread.
    thread: Condvar,
}

struct State {
    turn: Turn,
    /// What the thread wants to be done next.
    orders: Option<Vec<Instruction>>,
    /// What became of it.
    outcomes: Option<Vec<Outcome>>,
    /// For the person at the client; goes along with the next request.
    news: Vec<Notification>,
}

enum Turn {
    /// Ours, and nobody holds a POST: the client's initiation is still to be answered.
    New,
    /// Ours: a POST is held.
    Held,
    /// The client's.
    Client(Working),
    /// Nobody's.
    Over(Ending),
}

/// What a client is doing.
struct Working {
    /// How many outcomes are to come.
    asked: usize,
    since: Instant,
    /// The connection that carried the request, if the client means to keep it.
    connection: Option<Connection>,
    /// When the connection was first seen broken.
    broken: Option<Instant>,
}

impl RamSession {
    /// A client has a card.
    pub fn new(initiation: &Initiation, from: String) -> Self {
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
            state: Mutex::new(State {
                turn: Turn::New,
                orders: None,
                outcomes: None,
                news: Vec::new(),
            }),
            client: Notify::new(),
            thread: Condvar::new(),
        }
    }

    /// Where the client is, for people.
    pub fn from(&self) -> &str {
        &self.from
    }

    /// Longest APDUs.
    pub fn limits(&self) -> ApduLimits {
        self.limits
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why the session is over, if it is.
    pub fn over(&self) -> Option<Ending> {
        let mut state = self.lock();
        self.notice_silence(&mut state);
        match &state.turn {
            Turn::Over(ending) => Some(ending.clone()),
            Turn::New | Turn::Held | Turn::Client(_) => None,
        }
    }

    /// Ends the session, unless it is over.
    pub fn end(&self, ending: Ending) {
        self.end_with(&mut self.lock(), ending);
    }

    fn end_with(&self, state: &mut State, ending: Ending) {
        if !matches!(state.turn, Turn::Over(_)) {
            state.turn = Turn::Over(ending);
            self.client.notify_one();
            self.thread.notify_all();
        }
    }

    /// Tells the person at the client; never waits.
    pub fn tell(&self, id: i32, text: impl Into<String>) {
        let text = text.into();
        self.lock().news.push(Notification {
            id,
            text,
            seconds: None,
        });
        self.client.notify_one();
    }

    /// Thread: has this done, in this order; as many outcomes, unless the last one is a failure.
    ///
    /// # Errors
    /// Why the session is over.
    pub fn ask(
        &self,
        instructions: Vec<Instruction>,
        patience: Duration,
    ) -> Result<Vec<Outcome>, Ending> {
        let deadline = Instant::now() + patience;
        let mut state = self.lock();
        state.orders = Some(instructions);
        state.outcomes = None;
        self.client.notify_one();
        loop {
            if let Some(outcomes) = state.outcomes.take() {
                return Ok(outcomes);
            }
            self.notice_silence(&mut state);
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let why = format!("no answer came within {} seconds", patience.as_secs());
                self.end_with(&mut state, Ending::Lost(why));
            }
            if let Turn::Over(ending) = &state.turn {
                return Err(ending.clone());
            }
            state = self
                .thread
                .wait_timeout(state, left.min(LOOK))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Ends a session whose client does not come back.
    fn notice_silence(&self, state: &mut State) {
        let Turn::Client(working) = &mut state.turn else {
            return;
        };
        let gone = if working.asked == 0 {
            working.since.elapsed() > COMES_BACK
        } else if working
            .connection
            .as_ref()
            .is_some_and(|connection| connection.strong_count() == 0)
        {
            working.broken.get_or_insert_with(Instant::now).elapsed() > RECONNECTS
        } else {
            false
        };
        if gone {
            self.end_with(state, Ending::Lost("the connection to it broke".into()));
        }
    }

    /// Client: the answer to what it was told last (`None`: its initiation). Returns when there is something to do, or when
    /// it should be heard again.
    ///
    /// `connection`: the one that this came on, if the client means to keep it.
    pub async fn post(&self, answer: Option<Answer>, connection: Option<Connection>) -> Reply {
        if let Some(reply) = self.take_answer(answer) {
            return reply;
        }
        // Dropped with the POST, when its connection breaks.
        let mut held = Held(Some(self));
        let deadline = tokio::time::Instant::now() + HOLD;
        loop {
            let waited_enough = tokio::time::Instant::now() >= deadline;
            if let Some(reply) = self.next(connection.as_ref(), waited_enough) {
                held.0 = None;
                return reply;
            }
            // Either there is something to do, or it has waited enough.
            let _ = tokio::time::timeout_at(deadline, self.client.notified()).await;
        }
    }

    fn take_answer(&self, answer: Option<Answer>) -> Option<Reply> {
        let mut state = self.lock();
        match (&state.turn, answer) {
            (Turn::New, None) => {}
            (Turn::Client(working), Some(answer)) => {
                if !fits(&answer.outcomes, working.asked) {
                    let why = "its answer does not fit what it was told to do";
                    self.end_with(&mut state, Ending::Refused(why.into()));
                } else if working.asked > 0 {
                    state.outcomes = Some(answer.outcomes);
                } else if let Some(Outcome::Failed(why)) = answer.outcomes.into_iter().next() {
                    self.end_with(&mut state, Ending::Aborted(why));
                }
            }
            (Turn::Over(_), _) => {}
            (Turn::New | Turn::Held | Turn::Client(_), _) => {
                let why = "it posted twice at the same time";
                self.end_with(&mut state, Ending::Refused(why.into()));
            }
        }
        if let Turn::Over(ending) = &mut state.turn {
            return Some(last_words(ending));
        }
        state.turn = Turn::Held;
        self.thread.notify_all();
        None
    }

    /// The next reply to a held POST, if there is one; `now`: even if there is nothing to do.
    fn next(&self, connection: Option<&Connection>, now: bool) -> Option<Reply> {
        let mut state = self.lock();
        if let Turn::Over(ending) = &mut state.turn {
            return Some(last_words(ending));
        }
        let orders = state.orders.take();
        if orders.is_none() && state.news.is_empty() && !now {
            return None;
        }
        let orders = orders.unwrap_or_default();
        state.turn = Turn::Client(Working {
            asked: orders.len(),
            since: Instant::now(),
            connection: connection.cloned(),
            broken: None,
        });
        let news = state.news.drain(..).map(Instruction::Notify);
        let instructions = news.chain(orders).collect();
        Some(Reply::Work(Request { instructions }))
    }
}

/// One outcome each, where only the last may be a failure that leaves out the rest.
fn fits(outcomes: &[Outcome], asked: usize) -> bool {
    match outcomes.split_last() {
        Some((Outcome::Failed(_), before)) => {
            before.len() <= asked
                && before
                    .iter()
                    .all(|outcome| !matches!(outcome, Outcome::Failed(_)))
        }
        _ => {
            outcomes.len() == asked
                && outcomes
                    .iter()
                    .all(|outcome| !matches!(outcome, Outcome::Failed(_)))
        }
    }
}

/// Said once: some clients come back, and are sent away then.
fn last_words(ending: &mut Ending) -> Reply {
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

/// A POST that is held: the connection broke if it goes away unanswered.
struct Held<'a>(Option<&'a RamSession>);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.0 {
            session.end(Ending::Lost("the connection to it broke".into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use countersign_ram::ClientMessage;
    use hex_literal::hex;

    use super::*;

    const SHORT: Duration = Duration::from_secs(30);

    fn session() -> Arc<RamSession> {
        let first = hex!("E81AC0183BFE1800008131FE458031815448534D31738021408107FA");
        match ClientMessage::parse(&first).unwrap() {
            ClientMessage::Initiation(initiation) => {
                Arc::new(RamSession::new(&initiation, "127.0.0.1".into()))
            }
            ClientMessage::Answer(_) => panic!("an initiation"),
        }
    }

    fn answer(bytes: &[u8]) -> Option<Answer> {
        match ClientMessage::parse(bytes).unwrap() {
            ClientMessage::Answer(answer) => Some(answer),
            ClientMessage::Initiation(_) => panic!("an answer"),
        }
    }

    fn bytes(reply: Reply) -> Vec<u8> {
        match reply {
            Reply::Work(request) => request.encode().unwrap(),
            Reply::Gone => panic!("gone"),
        }
    }

    /// The thread's side, elsewhere.
    fn ask(
        session: &Arc<RamSession>,
        instructions: Vec<Instruction>,
    ) -> tokio::task::JoinHandle<Result<Vec<Outcome>, Ending>> {
        let session = session.clone();
        tokio::task::spawn_blocking(move || session.ask(instructions, SHORT))
    }

    /// A session as recorded with CardContact's client, in the server's role.
    #[tokio::test]
    async fn the_recorded_session() {
        let session = session();
        let asked = ask(
            &session,
            vec![
                Instruction::Command(hex!("00A404000BE82B0601040181C31F020100").to_vec()),
                Instruction::Command(hex!("00200081").to_vec()),
            ],
        );
        assert_eq!(
            bytes(session.post(None, None).await),
            hex!("AA19221100A404000BE82B0601040181C31F020100220400200081")
        );
        // While the client works, nobody else is asked.
        let reset = {
            let session = session.clone();
            async move {
                let outcomes = asked.await.unwrap().unwrap();
                (outcomes, ask(&session, vec![Instruction::Reset]))
            }
        };
        let reset = tokio::spawn(reset);
        let work = session
            .post(
                answer(&hex!(
                    "AB24231B6F17820178840BE82B0601040181C31F020185050000000305900023026A88800102"
                )),
                None,
            )
            .await;
        assert_eq!(bytes(work), hex!("AA02C000"));
        let (outcomes, reset) = reset.await.unwrap();
        assert_eq!(outcomes.len(), 2);
        session.tell(0, "Signed");
        let work = session
            .post(
                answer(&hex!(
                    "AB1DC0183BFE1800008131FE458031815448534D31738021408107FA800100"
                )),
                None,
            )
            .await;
        assert_eq!(bytes(work), hex!("AA0DE00B0201000C065369676E6564"));
        assert!(matches!(
            reset.await.unwrap().unwrap().as_slice(),
            [Outcome::Atr(_)]
        ));
        session.end(Ending::Refused("Failed".into()));
        let work = session.post(answer(&hex!("AB03800100")), None).await;
        assert_eq!(bytes(work), hex!("AA0DE00B0201FF0C064661696C6564"));
        // Some clients come back all the same.
        let work = session.post(answer(&hex!("AB03800100")), None).await;
        assert_eq!(work, Reply::Gone);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_without_work_is_heard_before_it_gives_up() {
        let session = session();
        let begun = tokio::time::Instant::now();
        assert_eq!(bytes(session.post(None, None).await), hex!("AA00"));
        let held = begun.elapsed();
        assert!(held >= HOLD && held < Duration::from_secs(40), "{held:?}");
        assert_eq!(
            bytes(session.post(answer(&hex!("AB03800100")), None).await),
            hex!("AA00")
        );
        assert_eq!(session.over(), None);
    }

    #[tokio::test]
    async fn a_post_that_goes_away_ends_the_session() {
        let session = session();
        let held = tokio::spawn({
            let session = session.clone();
            async move { session.post(None, None).await }
        });
        tokio::task::yield_now().await;
        held.abort();
        let _ = held.await;
        assert!(matches!(session.over(), Some(Ending::Lost(_))));
        let asked = ask(&session, vec![Instruction::Reset]).await.unwrap();
        assert!(asked.is_err());
    }

    #[tokio::test]
    async fn a_connection_that_breaks_at_work_is_noticed_by_the_thread() {
        let session = session();
        let connection = Arc::new(());
        let asked = ask(&session, vec![Instruction::Reset]);
        session.post(None, Some(Arc::downgrade(&connection))).await;
        drop(connection);
        // Long before its patience ends.
        let begun = Instant::now();
        assert!(matches!(asked.await.unwrap(), Err(Ending::Lost(_))));
        assert!(begun.elapsed() < SHORT);
    }

    #[tokio::test]
    async fn answers_that_do_not_fit_end_the_session() {
        for wrong in [
            &hex!("AB03800100")[..],
            &hex!("AB0B2302900023029000800102")[..],
        ] {
            let session = session();
            let asked = ask(&session, vec![Instruction::Command(vec![0, 0x84, 0, 0, 8])]);
            session.post(None, None).await;
            let work = session.post(answer(wrong), None).await;
            assert!(matches!(work, Reply::Work(_)), "told why");
            assert!(asked.await.unwrap().is_err());
        }
    }

    #[tokio::test]
    async fn two_posts_at_once_end_the_session() {
        let session = session();
        let held = tokio::spawn({
            let session = session.clone();
            async move { session.post(None, None).await }
        });
        tokio::task::yield_now().await;
        session.post(answer(&hex!("AB03800100")), None).await;
        held.await.unwrap();
        assert!(session.over().is_some());
    }
}

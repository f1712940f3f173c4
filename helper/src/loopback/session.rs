//! The connection of one page: requests in, replies and notifications out, until either side closes it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::extract::ws::{Message as Frame, WebSocket};
use countersign_protocol::helper::{Answer, HelperError, Message, Request, Step};
use tokio::{sync::mpsc, task::JoinHandle};

use super::{places::Place, rate::Rate};
use crate::{
    advice,
    conversation::{Caller, Conversation},
    helper::Helper,
    origin::Origin,
    prompt::Deadline,
};

/// How long a page may take until its hello is answered.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// A finished request: the conversation and the reply.
type Finished = (Conversation, Message);

struct Session {
    socket: WebSocket,
    /// `None` while a thread handles a request.
    conversation: Option<Conversation>,
    work: Option<JoinHandle<Finished>>,
    steps: mpsc::UnboundedReceiver<Message>,
    step_sender: mpsc::UnboundedSender<Message>,
    deadline: Deadline,
    rate: Rate,
    place: Place,
    /// When the connection ends unless the page says hello.
    hello_until: Option<Instant>,
}

/// The connection was closed.
struct Closed;

/// Serves one connection until it closes, then logs cards out.
pub(super) async fn run(socket: WebSocket, helper: Arc<Helper>, origin: Origin, place: Place) {
    tracing::info!(%origin, "connected");
    let mut changes = helper.card_changes();
    let (step_sender, steps) = mpsc::unbounded_channel();
    let mut session = Session {
        socket,
        conversation: Some(Conversation::new(helper, origin.clone())),
        work: None,
        steps,
        step_sender,
        // Each prompt sets its own time limit; this deadline is only used to cancel.
        deadline: Deadline::unlimited(),
        rate: Rate::new(),
        place,
        hello_until: Some(Instant::now() + HELLO_TIMEOUT),
    };
    while session.handle_event(&mut changes).await.is_ok() {}
    session.close().await;
    tracing::info!(%origin, "disconnected");
}

impl Session {
    async fn handle_event(
        &mut self,
        changes: &mut tokio::sync::broadcast::Receiver<()>,
    ) -> Result<(), Closed> {
        let expiry = self
            .conversation
            .as_ref()
            .and_then(Conversation::session_ends);
        tokio::select! {
            frame = self.socket.recv() => match frame {
                Some(Ok(Frame::Text(text))) => self.request(text.as_str()).await,
                Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => Ok(()),
                Some(Ok(Frame::Binary(_) | Frame::Close(_)) | Err(_)) | None => Err(Closed),
            },
            Some(step) = self.steps.recv() => self.send(&step).await,
            finished = finish(&mut self.work) => self.finished(finished).await,
            changed = changes.recv() => match changed {
                // Lagging is fine: one notification covers all missed changes.
                Ok(()) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {
                    self.send(&Message::CardsChanged).await
                }
                Err(tokio::sync::broadcast::error::RecvError::Closed) => Err(Closed),
            },
            () = until(expiry) => self.expire().await,
            () = until(self.hello_until) => Err(Closed),
            () = self.place.closed() => Err(Closed),
        }
    }

    async fn request(&mut self, text: &str) -> Result<(), Closed> {
        tokio::time::sleep(self.rate.take(Instant::now())).await;
        let request: Request = match serde_json::from_str(text) {
            Ok(request) => request,
            Err(error) => {
                let id = request_id(text);
                return self
                    .send(&reply(id, Err(advice::unknown_message(&error))))
                    .await;
            }
        };
        let Some(conversation) = self.conversation.take() else {
            return self.send(&reply(request.id, Err(advice::busy()))).await;
        };
        self.start(conversation, request);
        Ok(())
    }

    /// Handles the request on its own thread, because cards and prompts block.
    fn start(&mut self, mut conversation: Conversation, request: Request) {
        self.place.in_use();
        let (id, operation) = (request.id, request.operation);
        let steps = self.step_sender.clone();
        let deadline = self.deadline.clone();
        self.work = Some(tokio::task::spawn_blocking(move || {
            let report = move |step: Step| {
                let _ = steps.send(Message::Progress { id, step });
            };
            let caller = Caller::new(deadline, Box::new(report));
            let result = conversation.answer(operation, &caller);
            if let Err(error) = &result {
                tracing::info!(code = ?error.code, "rejected a request: {error}");
            }
            (conversation, reply(id, result))
        }));
    }

    async fn finished(&mut self, finished: Option<Finished>) -> Result<(), Closed> {
        self.work = None;
        // A failed thread has also ended the PIN session.
        let (conversation, message) = finished.ok_or(Closed)?;
        if conversation.is_greeted() {
            self.hello_until = None;
        }
        // A PIN session keeps the place, and ends by itself.
        if conversation.session_ends().is_none() {
            self.place.idle();
        }
        self.conversation = Some(conversation);
        while let Ok(step) = self.steps.try_recv() {
            self.send(&step).await?;
        }
        self.send(&message).await
    }

    async fn expire(&mut self) -> Result<(), Closed> {
        let Some(mut conversation) = self.conversation.take() else {
            return Ok(());
        };
        let ended = tokio::task::spawn_blocking(move || {
            conversation.end_session();
            conversation
        });
        self.conversation = Some(ended.await.map_err(|_| Closed)?);
        self.place.idle();
        Ok(())
    }

    async fn send(&mut self, message: &Message) -> Result<(), Closed> {
        let text = serde_json::to_string(message).map_err(|_| Closed)?;
        self.socket
            .send(Frame::text(text))
            .await
            .map_err(|_| Closed)
    }

    /// Closes open prompts and logs the card out.
    async fn close(mut self) {
        self.deadline.cancel();
        let working = match self.work.take() {
            Some(work) => work.await.ok().map(|(conversation, _)| conversation),
            None => None,
        };
        let conversation = working.or(self.conversation.take());
        // The conversation logs the card out on drop, which blocks.
        let _ = tokio::task::spawn_blocking(move || drop(conversation)).await;
    }
}

fn reply(id: u64, result: Result<Answer, HelperError>) -> Message {
    Message::Reply { id, result }
}

/// The id of a message that could not be parsed otherwise.
fn request_id(text: &str) -> u64 {
    #[derive(serde::Deserialize)]
    struct Id {
        id: u64,
    }
    serde_json::from_str::<Id>(text).map_or(0, |id| id.id)
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}

async fn finish(work: &mut Option<JoinHandle<Finished>>) -> Option<Finished> {
    match work {
        Some(handle) => handle.await.ok(),
        None => std::future::pending().await,
    }
}

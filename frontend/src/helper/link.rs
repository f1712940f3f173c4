//! The connection itself: it opens, classifies failures, and sends one request after the other.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use countersign_protocol::{
    about::HELPER_PATH,
    helper::{
        Answer, HELPER_PROTOCOL, HelperError, HelperErrorCode, Message, Operation, Request, Step,
    },
};
use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};

use super::Status;
use crate::{
    browser,
    oneshot::{self, Receiver, Sender},
    socket::{Socket, SocketEvent},
};

/// On loopback, a connection is accepted or refused within milliseconds. A longer one waits for a decision of the user.
const PROMPT_AFTER_MS: u32 = 1_500;
const FIRST_PAUSE_MS: u32 = 2_000;
/// Browsers delay connections after repeated failures. This pause is longer than their delay, so that [`PROMPT_AFTER_MS`]
/// still measures the connection alone.
const LONGEST_PAUSE_MS: u32 = 30_000;

type Reply = Result<Answer, HelperError>;

/// State that the callbacks of the socket share with the waiting tasks.
#[derive(Clone)]
pub struct Link {
    inner: Rc<RefCell<Inner>>,
    status: RwSignal<Status>,
    step: RwSignal<Option<Step>>,
}

#[derive(Default)]
struct Inner {
    socket: Option<Socket>,
    port: u16,
    /// Number of the current connection, so that events of an earlier one are ignored.
    connection: u32,
    next_id: u64,
    /// The helper handles one request at a time.
    pending: Option<(u64, Sender<Reply>)>,
    queue: VecDeque<(Operation, Sender<Reply>)>,
    pause: u32,
}

impl Link {
    pub fn new(status: RwSignal<Status>, step: RwSignal<Option<Step>>) -> Self {
        Self {
            inner: Rc::default(),
            status,
            step,
        }
    }

    /// Connects, unless a connection exists or is being established.
    pub fn connect(&self, port: u16) {
        if self.inner.borrow().socket.is_some() {
            return;
        }
        let connection = {
            let mut inner = self.inner.borrow_mut();
            inner.connection += 1;
            inner.port = port;
            inner.connection
        };
        self.status.set(Status::Connecting);
        let link = self.clone();
        let url = format!("ws://127.0.0.1:{port}{HELPER_PATH}");
        let socket = Socket::open(&url, move |event| link.handle_event(connection, event));
        if socket.is_none() {
            self.status.set(Status::Blocked);
            return;
        }
        self.inner.borrow_mut().socket = socket;
        let link = self.clone();
        spawn_local(async move {
            TimeoutFuture::new(PROMPT_AFTER_MS).await;
            let still_trying = link.status.get_untracked() == Status::Connecting;
            if link.inner.borrow().connection == connection && still_trying {
                link.status.set(Status::Prompting);
            }
        });
    }

    /// Queues a request. The receiver yields `None` if the connection is lost first.
    pub fn send(&self, operation: Operation) -> Receiver<Reply> {
        let (sender, reply) = oneshot::channel();
        let connected = self.inner.borrow().socket.is_some();
        if connected {
            self.inner.borrow_mut().queue.push_back((operation, sender));
            if self.status.with_untracked(Status::is_ready) {
                self.send_next();
            }
        }
        reply
    }

    fn handle_event(&self, connection: u32, event: SocketEvent) {
        if self.inner.borrow().connection != connection {
            return;
        }
        match event {
            SocketEvent::Open => self.greet(),
            SocketEvent::Text(text) => match serde_json::from_str(&text) {
                Ok(message) => self.handle_message(message),
                Err(_) => self.close(Status::OtherVersion {
                    message: "The helper sent an unknown message. Update the helper, then reload the page.".to_owned(),
                }),
            },
            SocketEvent::Closed => self.handle_closed(),
        }
    }

    fn greet(&self) {
        let link = self.clone();
        let hello = link.send_first(Operation::Hello {
            protocol: HELPER_PROTOCOL,
        });
        spawn_local(async move {
            match hello.await {
                Some(Ok(Answer::Hello { version, demo, .. })) => {
                    link.inner.borrow_mut().pause = 0;
                    link.list_cards(version, demo).await;
                }
                Some(Err(HelperError {
                    code: HelperErrorCode::Version,
                    message,
                })) => link.close(Status::OtherVersion { message }),
                Some(_) => link.close(Status::OtherVersion {
                    message: "The helper sent an unknown greeting. Update the helper, then reload the page.".to_owned(),
                }),
                // The connection was lost; `handle_closed` reports that.
                None => {}
            }
        });
    }

    async fn list_cards(&self, version: String, demo: bool) {
        if let Some(Ok(Answer::Cards { readers })) = self.send_first(Operation::ListCards).await {
            self.status.set(Status::Ready {
                version,
                demo,
                readers,
            });
            self.send_next();
        }
    }

    fn handle_message(&self, message: Message) {
        match message {
            Message::Reply { id, result } => {
                let pending = self
                    .inner
                    .borrow_mut()
                    .pending
                    .take_if(|(pending, _)| *pending == id);
                if let Some((_, sender)) = pending {
                    self.step.set(None);
                    sender.send(result);
                    if self.status.with_untracked(Status::is_ready) {
                        self.send_next();
                    }
                }
            }
            Message::Progress { step, .. } => self.step.set(Some(step)),
            Message::CardsChanged => {
                let status = self.status.get_untracked();
                if let Status::Ready { version, demo, .. } = status {
                    let link = self.clone();
                    spawn_local(async move { link.list_cards(version, demo).await });
                }
            }
        }
    }

    /// Sends a request before all queued ones.
    fn send_first(&self, operation: Operation) -> Receiver<Reply> {
        let (sender, reply) = oneshot::channel();
        self.inner
            .borrow_mut()
            .queue
            .push_front((operation, sender));
        self.send_next();
        reply
    }

    fn send_next(&self) {
        let mut inner = self.inner.borrow_mut();
        if inner.pending.is_some() {
            return;
        }
        let Some((operation, sender)) = inner.queue.pop_front() else {
            return;
        };
        inner.next_id += 1;
        let id = inner.next_id;
        let request = Request { id, operation };
        if let (Some(socket), Ok(text)) = (&inner.socket, serde_json::to_string(&request)) {
            socket.send(&text);
            inner.pending = Some((id, sender));
        }
    }

    fn handle_closed(&self) {
        match self.status.get_untracked() {
            Status::Ready { .. } => self.close(Status::Lost),
            // The user was prompted and denied the permission or did not decide.
            Status::Prompting => self.close(Status::Denied),
            _ => {
                self.close(Status::NotRunning);
                let link = self.clone();
                spawn_local(async move {
                    let denied = browser::loopback_denied().await == Some(true);
                    if denied && link.status.get_untracked() == Status::NotRunning {
                        link.status.set(Status::Blocked);
                    }
                });
            }
        }
    }

    fn close(&self, status: Status) {
        let dropped = {
            let mut inner = self.inner.borrow_mut();
            inner.connection += 1;
            let queued = std::mem::take(&mut inner.queue);
            (inner.socket.take(), inner.pending.take(), queued)
        };
        self.step.set(None);
        self.status.set(status);
        // Dropping the senders wakes the waiting tasks, which then read the new status.
        drop(dropped);
        self.retry_later();
    }

    /// Retries after a pause, because the user may start the helper while the page is open.
    fn retry_later(&self) {
        let link = self.clone();
        let (connection, pause, port) = {
            let mut inner = self.inner.borrow_mut();
            inner.pause = (inner.pause * 2).clamp(FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
            (inner.connection, inner.pause, inner.port)
        };
        spawn_local(async move {
            TimeoutFuture::new(pause).await;
            let is_current = link.inner.borrow().connection == connection;
            if is_current && link.status.with_untracked(Status::may_retry) {
                link.connect(port);
            }
        });
    }
}

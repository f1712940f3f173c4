//! The connection itself: opening it, finding out why it fails, and one request after the other.

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
    later::{Later, Sender, later},
    socket::{Socket, SocketEvent},
};

/// A refused or answered connection on loopback takes milliseconds. What takes longer waits for a person.
const PATIENCE_MS: u32 = 1_500;
const FIRST_PAUSE_MS: u32 = 2_000;
/// Browsers slow down connections that fail in a row; pausing longer than they do keeps the measure above right.
const LONGEST_PAUSE_MS: u32 = 30_000;

type Reply = Result<Answer, HelperError>;

/// Shared by the callbacks of the socket and the tasks that wait.
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
    /// Counts connections, so that news of an earlier one is ignored.
    connection: u32,
    next_id: u64,
    /// The helper handles one request at a time.
    asked: Option<(u64, Sender<Reply>)>,
    waiting: VecDeque<(Operation, Sender<Reply>)>,
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

    /// Connects, unless there is a connection or one is being made.
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
        let socket = Socket::open(&url, move |event| link.event(connection, event));
        if socket.is_none() {
            self.status.set(Status::Blocked);
            return;
        }
        self.inner.borrow_mut().socket = socket;
        let link = self.clone();
        spawn_local(async move {
            TimeoutFuture::new(PATIENCE_MS).await;
            let still_trying = link.status.get_untracked() == Status::Connecting;
            if link.inner.borrow().connection == connection && still_trying {
                link.status.set(Status::Asking);
            }
        });
    }

    /// Queues a request. The answer is nothing if the connection is lost first.
    pub fn ask(&self, operation: Operation) -> Later<Reply> {
        let (sender, reply) = later();
        let connected = self.inner.borrow().socket.is_some();
        if connected {
            self.inner
                .borrow_mut()
                .waiting
                .push_back((operation, sender));
            if self.status.with_untracked(Status::is_ready) {
                self.send_next();
            }
        }
        reply
    }

    fn event(&self, connection: u32, event: SocketEvent) {
        if self.inner.borrow().connection != connection {
            return;
        }
        match event {
            SocketEvent::Open => self.greet(),
            SocketEvent::Text(text) => match serde_json::from_str(&text) {
                Ok(message) => self.message(message),
                Err(_) => self.close(Status::OtherVersion {
                    message: "The helper's message isn't understood.".to_owned(),
                }),
            },
            SocketEvent::Closed => self.closed(),
        }
    }

    fn greet(&self) {
        let link = self.clone();
        let hello = link.ask_first(Operation::Hello {
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
                    message: "The helper's greeting isn't understood.".to_owned(),
                }),
                // Lost, and reported already.
                None => {}
            }
        });
    }

    async fn list_cards(&self, version: String, demo: bool) {
        if let Some(Ok(Answer::Cards { readers })) = self.ask_first(Operation::ListCards).await {
            self.status.set(Status::Ready {
                version,
                demo,
                readers,
            });
            self.send_next();
        }
    }

    fn message(&self, message: Message) {
        match message {
            Message::Reply { id, result } => {
                let asked = self
                    .inner
                    .borrow_mut()
                    .asked
                    .take_if(|(asked, _)| *asked == id);
                if let Some((_, sender)) = asked {
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

    /// Before everything that waits.
    fn ask_first(&self, operation: Operation) -> Later<Reply> {
        let (sender, reply) = later();
        self.inner
            .borrow_mut()
            .waiting
            .push_front((operation, sender));
        self.send_next();
        reply
    }

    fn send_next(&self) {
        let mut inner = self.inner.borrow_mut();
        if inner.asked.is_some() {
            return;
        }
        let Some((operation, sender)) = inner.waiting.pop_front() else {
            return;
        };
        inner.next_id += 1;
        let id = inner.next_id;
        let request = Request { id, operation };
        if let (Some(socket), Ok(text)) = (&inner.socket, serde_json::to_string(&request)) {
            socket.send(&text);
            inner.asked = Some((id, sender));
        }
    }

    fn closed(&self) {
        match self.status.get_untracked() {
            Status::Ready { .. } => self.close(Status::Lost),
            // Somebody was asked, and said no or nothing.
            Status::Asking => self.close(Status::NotAllowed),
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
            let waiting = std::mem::take(&mut inner.waiting);
            (inner.socket.take(), inner.asked.take(), waiting)
        };
        self.step.set(None);
        self.status.set(status);
        // Whoever waits wakes up now, and finds the new status.
        drop(dropped);
        self.retry_later();
    }

    /// Helpers are started while the page is open.
    fn retry_later(&self) {
        let link = self.clone();
        let (connection, pause, port) = {
            let mut inner = self.inner.borrow_mut();
            inner.pause = (inner.pause * 2).clamp(FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
            (inner.connection, inner.pause, inner.port)
        };
        spawn_local(async move {
            TimeoutFuture::new(pause).await;
            let same = link.inner.borrow().connection == connection;
            if same && link.status.with_untracked(Status::may_retry) {
                link.connect(port);
            }
        });
    }
}

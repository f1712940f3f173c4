//! Ctrl-C and the signals that end a job or a login session. After the first one, the program cleans up and ends; the
//! second one ends it immediately.

mod signal;
mod source;

use std::{
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
};

use crate::{exit::Exit, progress};

pub use signal::Signal;

type Listener = Box<dyn Fn() + Send>;

/// Records whether Ctrl-C was pressed or an equivalent signal was received.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Shared>);

#[derive(Default)]
struct Shared {
    requested: AtomicBool,
    listener: Mutex<Option<Listener>>,
    /// While a command runs, signals go to it.
    command: Mutex<Option<Sender<Signal>>>,
}

impl Interrupt {
    /// Installs the signal handlers. If that fails, Ctrl-C ends the program as usual.
    pub fn install() -> Self {
        let interrupt = Self::default();
        let shared = interrupt.0.clone();
        if let Err(error) = source::listen(move |signal| shared.on_signal(signal)) {
            progress::line(&format!(
                "countersign: cannot install signal handlers, so Ctrl-C will not cancel the activation: {error}"
            ));
        }
        interrupt
    }

    pub fn is_requested(&self) -> bool {
        self.0.requested.load(Ordering::SeqCst)
    }

    /// Calls `listener` at the first signal, or immediately if there was one.
    pub fn on_request(&self, listener: Listener) {
        let mut current = lock(&self.0.listener);
        if self.is_requested() {
            listener();
        }
        *current = Some(listener);
    }

    /// Delivers all signals to the returned receiver until that is dropped, and to nothing else.
    pub fn command_signals(&self) -> CommandSignals<'_> {
        let (sender, signals) = channel();
        *lock(&self.0.command) = Some(sender);
        CommandSignals {
            shared: &self.0,
            signals,
        }
    }
}

impl Shared {
    fn on_signal(&self, signal: Signal) {
        if let Some(command) = lock(&self.command).as_ref() {
            // This cannot fail, because the receiver is dropped after the sender.
            let _ = command.send(signal);
            return;
        }
        if self.requested.swap(true, Ordering::SeqCst) {
            progress::line(
                "countersign: stopped immediately; `countersign activation list` shows activations that are still active",
            );
            process::exit(Exit::Stopped as i32);
        }
        if let Some(listener) = lock(&self.listener).as_ref() {
            listener();
        }
    }
}

/// Receives the signals while a command runs.
pub struct CommandSignals<'a> {
    shared: &'a Shared,
    pub signals: Receiver<Signal>,
}

impl Drop for CommandSignals<'_> {
    fn drop(&mut self) {
        *lock(&self.shared.command) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

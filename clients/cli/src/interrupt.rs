//! Ctrl-C, and the signals that end a job or a login: the first one is handled in order, the second one ends the program.

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

/// Whether Ctrl-C was pressed, or a signal came that means the same.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Shared>);

#[derive(Default)]
struct Shared {
    pressed: AtomicBool,
    listener: Mutex<Option<Listener>>,
    command: Mutex<Option<Sender<Signal>>>,
}

impl Interrupt {
    /// Takes over Ctrl-C. Where that is impossible, Ctrl-C ends the program as usual.
    pub fn install() -> Self {
        let interrupt = Self::default();
        let shared = interrupt.0.clone();
        if let Err(error) = source::listen(move |signal| shared.came(signal)) {
            progress::line(&format!(
                "countersign: Ctrl-C will not cancel the activation: {error}"
            ));
        }
        interrupt
    }

    /// Whether Ctrl-C was pressed.
    pub fn pressed(&self) -> bool {
        self.0.pressed.load(Ordering::SeqCst)
    }

    /// Calls `listener` when it is pressed, at once if it was.
    pub fn listen(&self, listener: Listener) {
        let mut place = lock(&self.0.listener);
        if self.pressed() {
            listener();
        }
        *place = Some(listener);
    }

    /// Until it is dropped, signals are for a command that runs, however many come: they do not end this program.
    pub fn for_command(&self) -> ForCommand<'_> {
        let (sender, signals) = channel();
        *lock(&self.0.command) = Some(sender);
        ForCommand {
            shared: &self.0,
            signals,
        }
    }
}

impl Shared {
    fn came(&self, signal: Signal) {
        if let Some(command) = lock(&self.command).as_ref() {
            // The receiver is dropped after the sender.
            let _ = command.send(signal);
            return;
        }
        if self.pressed.swap(true, Ordering::SeqCst) {
            progress::line(
                "countersign: stopped at once; `countersign activation list` shows what is still open",
            );
            process::exit(Exit::Stopped as i32);
        }
        if let Some(listener) = lock(&self.listener).as_ref() {
            listener();
        }
    }
}

/// Signals while a command runs.
pub struct ForCommand<'a> {
    shared: &'a Shared,
    /// As they come.
    pub signals: Receiver<Signal>,
}

impl Drop for ForCommand<'_> {
    fn drop(&mut self) {
        *lock(&self.shared.command) = None;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

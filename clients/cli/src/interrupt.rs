//! Ctrl-C, and the signals that end a job or a login: the first one is handled in order, the second one ends the program.

use std::{
    process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{exit::Exit, progress};

type Listener = Box<dyn Fn() + Send>;

/// Whether Ctrl-C was pressed, or a signal came that means the same.
#[derive(Clone, Default)]
pub struct Interrupt {
    pressed: Arc<AtomicBool>,
    listener: Arc<Mutex<Option<Listener>>>,
}

impl Interrupt {
    /// Takes over Ctrl-C. Where that is impossible, Ctrl-C ends the program as usual.
    pub fn install() -> Self {
        let interrupt = Self::default();
        let shared = interrupt.clone();
        #[cfg(unix)]
        let ignores_hangup = hangup::is_ignored();
        let installed = ctrlc::set_handler(move || {
            if shared.pressed.swap(true, Ordering::SeqCst) {
                progress::line(
                    "countersign: stopped at once; `countersign activation list` shows what is still open",
                );
                process::exit(Exit::Stopped as i32);
            }
            if let Some(listener) = shared
                .listener
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .as_ref()
            {
                listener();
            }
        });
        #[cfg(unix)]
        if ignores_hangup {
            hangup::ignore();
        }
        if let Err(error) = installed {
            progress::line(&format!(
                "countersign: Ctrl-C will not cancel the activation: {error}"
            ));
        }
        interrupt
    }

    /// Whether Ctrl-C was pressed.
    pub fn pressed(&self) -> bool {
        self.pressed.load(Ordering::SeqCst)
    }

    /// Calls `listener` when it is pressed, at once if it was.
    pub fn listen(&self, listener: Listener) {
        let mut place = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if self.pressed() {
            listener();
        }
        *place = Some(listener);
    }
}

/// `nohup` has programs outlive the login.
#[cfg(unix)]
mod hangup {
    #![expect(unsafe_code, reason = "signal actions have no safe interface")]

    pub fn is_ignored() -> bool {
        // SAFETY: all-zero bytes are a valid `sigaction`, and the pointer is to a live local variable.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(libc::SIGHUP, std::ptr::null(), &raw mut action) == 0
                && action.sa_sigaction == libc::SIG_IGN
        }
    }

    pub fn ignore() {
        // SAFETY: no handler of ours is named.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_IGN) };
    }
}

//! Signals, the terminal's width and other functions of the operating system. Except for [`crate::ffi`], this is the
//! only module with unsafe code.
#![expect(
    unsafe_code,
    reason = "signal handlers and ioctl have no safe interface"
)]

use std::{
    io::ErrorKind,
    sync::atomic::{AtomicBool, AtomicI32, Ordering},
};

/// The first signal that was received during a wait, or 0.
static CAUGHT: AtomicI32 = AtomicI32::new(0);
/// Whether a thread has installed the handlers.
static WATCHED: AtomicBool = AtomicBool::new(false);

const SIGNALS: [libc::c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// The handler, which stores the first signal. A second one has its default action.
extern "C" fn store(signal: libc::c_int) {
    if CAUGHT.swap(signal, Ordering::SeqCst) != 0 {
        // SAFETY: `signal` and `raise` may be called in a handler (POSIX, "Signal Concepts").
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
}

fn our_handler() -> libc::sighandler_t {
    store as extern "C" fn(libc::c_int) as libc::sighandler_t
}

/// While this exists, a signal that would end the program is stored instead. Signals that the program itself handles or
/// ignores are not changed.
pub struct Signals(Vec<(libc::c_int, libc::sigaction)>);

impl Signals {
    /// Installs the handlers, unless another thread has installed them already.
    pub fn watch() -> Self {
        let mut replaced = Vec::new();
        if WATCHED.swap(true, Ordering::SeqCst) {
            return Self(replaced);
        }
        CAUGHT.store(0, Ordering::SeqCst);
        for signal in SIGNALS {
            // SAFETY: all-zero bytes are a valid `sigaction`: no flags, empty mask, default action.
            let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
            // SAFETY: as above.
            let mut ours: libc::sigaction = unsafe { std::mem::zeroed() };
            ours.sa_sigaction = our_handler();
            // SAFETY: both pointers are to live local variables.
            unsafe {
                if libc::sigaction(signal, std::ptr::null(), &raw mut before) == 0
                    && before.sa_sigaction == libc::SIG_DFL
                    && libc::sigaction(signal, &raw const ours, std::ptr::null_mut()) == 0
                {
                    replaced.push((signal, before));
                }
            }
        }
        if replaced.is_empty() {
            WATCHED.store(false, Ordering::SeqCst);
        }
        Self(replaced)
    }

    /// The first signal that was received.
    pub fn caught(&self) -> Option<i32> {
        match CAUGHT.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(signal),
        }
    }
}

/// Restores the handlers that the program has not replaced meanwhile, and raises the stored signal, so that it has its
/// usual effect after the wait.
impl Drop for Signals {
    fn drop(&mut self) {
        if self.0.is_empty() {
            return;
        }
        for (signal, before) in &self.0 {
            // SAFETY: all-zero bytes are a valid `sigaction`.
            let mut current: libc::sigaction = unsafe { std::mem::zeroed() };
            // SAFETY: the pointers are to a live local variable and to a live value that `sigaction` wrote.
            unsafe {
                if libc::sigaction(*signal, before, &raw mut current) == 0
                    && current.sa_sigaction != our_handler()
                {
                    // The program has installed its own handler during the wait, which is put back. The handlers are
                    // exchanged instead of read first, so that none is lost that is installed between two calls.
                    libc::sigaction(*signal, &raw const current, std::ptr::null_mut());
                }
            }
        }
        let caught = self.caught();
        WATCHED.store(false, Ordering::SeqCst);
        if let Some(signal) = caught {
            // SAFETY: no preconditions.
            unsafe {
                libc::raise(signal);
            }
        }
    }
}

/// The number of columns of the terminal at standard error.
pub fn terminal_columns() -> Option<usize> {
    // SAFETY: all-zero bytes are a valid `winsize`.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: TIOCGWINSZ writes one `winsize` to the pointer, which is to a live local variable.
    let result = unsafe { libc::ioctl(libc::STDERR_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (result == 0 && size.ws_col > 0).then(|| usize::from(size.ws_col))
}

/// Whether p11-kit is loaded, which loads modules on behalf of programs.
pub fn is_p11_kit_loaded() -> bool {
    // SAFETY: the name ends with a zero byte. RTLD_NOLOAD loads nothing.
    let library = unsafe { libc::dlopen(c"libp11-kit.so.0".as_ptr(), LOADED) };
    if library.is_null() {
        return false;
    }
    // SAFETY: the handle is valid. The library stays loaded, because this only drops the reference that was just added.
    unsafe { libc::dlclose(library) };
    true
}

const LOADED: libc::c_int = libc::RTLD_LAZY | libc::RTLD_NOLOAD;

pub fn host_name() -> Option<String> {
    let mut buffer = [0_u8; 256];
    // SAFETY: the buffer is longer than the given length, so the last byte stays zero.
    let result = unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), buffer.len() - 1) };
    let name = buffer.split(|byte| *byte == 0).next()?;
    (result == 0 && !name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned())
}

/// Writes to standard error without a lock, because after a fork a lock may never be released.
pub fn write_stderr(text: &str) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        // SAFETY: pointer and length are those of a live slice.
        let written = unsafe { libc::write(libc::STDERR_FILENO, rest.as_ptr().cast(), rest.len()) };
        match usize::try_from(written) {
            Ok(written) if written > 0 => rest = rest.get(written..).unwrap_or_default(),
            // A signal interrupted the call, which is repeated for the rest of the text.
            Err(_) if std::io::Error::last_os_error().kind() == ErrorKind::Interrupted => {}
            // The failure is ignored, because it cannot be reported anywhere.
            _ => return,
        }
    }
}

/// Keeps other tests from watching signals, which belong to the process.
#[cfg(test)]
pub fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    extern "C" fn of_the_program(_: libc::c_int) {}

    fn handler(signal: libc::c_int) -> libc::sighandler_t {
        // SAFETY: all-zero bytes are a valid `sigaction`.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to a live local variable.
        unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
        action.sa_sigaction
    }

    #[test]
    fn a_handler_that_the_program_installs_during_the_wait_stays() {
        let program = of_the_program as extern "C" fn(libc::c_int) as libc::sighandler_t;
        let _alone = alone();
        let signals = Signals::watch();
        assert_eq!(handler(libc::SIGHUP), our_handler());
        // SAFETY: the handler does nothing.
        unsafe { libc::signal(libc::SIGHUP, program) };
        drop(signals);
        assert_eq!(handler(libc::SIGHUP), program);
        assert_eq!(handler(libc::SIGTERM), libc::SIG_DFL);
        // SAFETY: restores the action at the start of the test.
        unsafe { libc::signal(libc::SIGHUP, libc::SIG_DFL) };
    }
}

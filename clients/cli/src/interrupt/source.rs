//! Receives signals from the operating system.

use super::Signal;

/// Calls `handler` with every signal, in a thread of its own.
///
/// # Errors
/// The operating system refuses the handlers or the thread. Signals then act as usual.
#[cfg(unix)]
pub fn listen(handler: impl Fn(Signal) + Send + 'static) -> std::io::Result<()> {
    let numbers = Signal::ALL
        .into_iter()
        // An ignored SIGHUP stays ignored, because `nohup` lets a program outlive the login session.
        .filter(|signal| *signal != Signal::Hangup || !hangup_is_ignored())
        .map(Signal::number);
    let mut signals = signal_hook::iterator::Signals::new(numbers)?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            signals
                .forever()
                .filter_map(Signal::from_number)
                .for_each(handler);
        })?;
    Ok(())
}

#[cfg(unix)]
#[expect(unsafe_code, reason = "signal actions have no safe interface")]
fn hangup_is_ignored() -> bool {
    // SAFETY: all-zero bytes are a valid `sigaction`, and the pointer is to a live local variable.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGHUP, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

/// Calls `handler` at every Ctrl-C, in a thread of its own.
///
/// # Errors
/// The operating system refuses the handler or the thread. Ctrl-C then acts as usual.
#[cfg(not(unix))]
pub fn listen(handler: impl Fn(Signal) + Send + 'static) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || handler(Signal::Interrupt))
}

//! Where signals come from.

use super::Signal;

/// Calls `came` with every signal, in a thread of its own.
///
/// # Errors
/// The operating system's: signals act as usual.
#[cfg(unix)]
pub fn listen(came: impl Fn(Signal) + Send + 'static) -> std::io::Result<()> {
    let wanted = Signal::ALL
        .into_iter()
        // `nohup` has programs outlive the login.
        .filter(|signal| *signal != Signal::Hangup || !hangup_is_ignored())
        .map(Signal::number);
    let mut signals = signal_hook::iterator::Signals::new(wanted)?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            signals
                .forever()
                .filter_map(Signal::from_number)
                .for_each(came);
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

/// Calls `came` with every Ctrl-C, in a thread of its own.
///
/// # Errors
/// The operating system's: Ctrl-C acts as usual.
#[cfg(not(unix))]
pub fn listen(came: impl Fn(Signal) + Send + 'static) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || came(Signal::Interrupt))
}

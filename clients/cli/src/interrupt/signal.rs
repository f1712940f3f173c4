//! The signals that ask a program to end.

use std::process::{Child, ExitStatus};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "Windows reports Ctrl-C only"))]
pub enum Signal {
    /// The terminal was closed, or the login session ended.
    Hangup,
    /// Ctrl-C.
    Interrupt,
    Terminate,
}

#[cfg(unix)]
impl Signal {
    pub const ALL: [Self; 3] = [Self::Hangup, Self::Interrupt, Self::Terminate];

    pub const fn number(self) -> i32 {
        match self {
            Self::Hangup => libc::SIGHUP,
            Self::Interrupt => libc::SIGINT,
            Self::Terminate => libc::SIGTERM,
        }
    }

    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|signal| signal.number() == number)
    }

    /// The signal that ended a program, if it is one of these.
    pub fn of_status(status: ExitStatus) -> Option<Self> {
        use std::os::unix::process::ExitStatusExt;
        status.signal().and_then(Self::from_number)
    }

    /// Forwards the signal to a child process, except Ctrl-C, which the terminal sends to every process of the
    /// foreground.
    #[expect(unsafe_code, reason = "the standard library can send SIGKILL only")]
    pub fn forward(self, child: &Child) {
        if self == Self::Interrupt {
            return;
        }
        let Ok(pid) = libc::pid_t::try_from(child.id()) else {
            return;
        };
        // SAFETY: no memory is involved. The caller saw the child running and has not reaped it since, so the process
        // id is still the child's.
        unsafe { libc::kill(pid, self.number()) };
    }
}

#[cfg(not(unix))]
impl Signal {
    /// Signals do not end programs on this system.
    pub fn of_status(_: ExitStatus) -> Option<Self> {
        None
    }

    /// Does nothing, because the console sends Ctrl-C to every process.
    pub fn forward(self, _: &Child) {}
}

impl std::fmt::Display for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hangup => "SIGHUP",
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

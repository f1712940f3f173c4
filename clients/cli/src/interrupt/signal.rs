//! The signals that mean "stop".

use std::process::{Child, ExitStatus};

/// A signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(unix), expect(dead_code, reason = "consoles tell of Ctrl-C only"))]
pub enum Signal {
    /// The terminal is gone, or the login is over.
    Hangup,
    /// Ctrl-C.
    Interrupt,
    /// Somebody asks for the end.
    Terminate,
}

#[cfg(unix)]
impl Signal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hangup, Self::Interrupt, Self::Terminate];

    /// Its number.
    pub const fn number(self) -> i32 {
        match self {
            Self::Hangup => libc::SIGHUP,
            Self::Interrupt => libc::SIGINT,
            Self::Terminate => libc::SIGTERM,
        }
    }

    /// The one with this number.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|signal| signal.number() == number)
    }

    /// The one that ended a program.
    pub fn that_ended(status: ExitStatus) -> Option<Self> {
        use std::os::unix::process::ExitStatusExt;
        status.signal().and_then(Self::from_number)
    }

    /// Passes it on. Ctrl-C reaches every program of the terminal by itself.
    #[expect(unsafe_code, reason = "the standard library sends SIGKILL only")]
    pub fn pass_on(self, child: &Child) {
        if self == Self::Interrupt {
            return;
        }
        let Ok(pid) = libc::pid_t::try_from(child.id()) else {
            return;
        };
        // SAFETY: no memory is involved. The child was not waited for since it was seen to run: the number is still its own.
        unsafe { libc::kill(pid, self.number()) };
    }
}

#[cfg(not(unix))]
impl Signal {
    /// Programs do not end by signals here.
    pub fn that_ended(_: ExitStatus) -> Option<Self> {
        None
    }

    /// What comes from the console reaches every program there by itself.
    pub fn pass_on(self, _: &Child) {}
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

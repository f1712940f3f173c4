//! Exit codes.

use std::process::ExitCode;

use countersign_client::{ClientError, protocol::problem::ProblemCode};
use countersign_protocol::activation::EndReason;

use crate::interrupt::Signal;

/// As `--help` tells them.
pub const HELP: &str = "\
Exit codes:
  0  done
  1  error, or a signature that is wrong
  2  the command line makes no sense
  3  declined by custodians, cancelled, or locked by somebody
  4  expired without quorum, withdrawn as abandoned, or the lease's time or signatures are used up
  5  the server cannot be reached
  6  not approved: a digest is not in the manifest, or the activation is not open
  129, 130, 143  SIGHUP, SIGINT or SIGTERM came while the command of `record` ran

No token is taken on the command line, where every user of the machine could read it: put it into a file with
mode 600 and name that with --token-file, COUNTERSIGN_TOKEN_FILE or `token_file` in the configuration, or set
COUNTERSIGN_TOKEN.";

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Something failed.
    Error = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Somebody said no.
    Stopped = 3,
    /// Time or count is over.
    Expired = 4,
    /// No server.
    Unreachable = 5,
    /// Nobody approved this.
    NotApproved = 6,
    /// SIGHUP while a command ran: as shells tell it.
    Hangup = 129,
    /// SIGINT while a command ran.
    Interrupt = 130,
    /// SIGTERM while a command ran.
    Terminated = 143,
}

impl Exit {
    /// For the way an activation ended.
    pub const fn of_end(reason: &EndReason) -> Self {
        match reason {
            EndReason::Declined | EndReason::Cancelled { .. } | EndReason::Locked { .. } => {
                Self::Stopped
            }
            EndReason::Expired
            | EndReason::StillQueued
            | EndReason::Abandoned { .. }
            | EndReason::TimeUsed
            | EndReason::CountUsed => Self::Expired,
            EndReason::Completed
            | EndReason::HsmLost { .. }
            | EndReason::HsmRemoved { .. }
            | EndReason::Failed { .. }
            | EndReason::ServerRestarted => Self::Error,
        }
    }

    /// For the signal that ended a command.
    pub const fn of_signal(signal: Signal) -> Self {
        match signal {
            Signal::Hangup => Self::Hangup,
            Signal::Interrupt => Self::Interrupt,
            Signal::Terminate => Self::Terminated,
        }
    }

    /// For an error of the client.
    pub fn of_client(error: &ClientError) -> Self {
        match error.code() {
            Some(ProblemCode::NotOpen | ProblemCode::NotInManifest) => Self::NotApproved,
            _ if error.is_unreachable() => Self::Unreachable,
            _ => Self::Error,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

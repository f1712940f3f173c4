//! Exit codes.

use std::process::ExitCode;

use countersign_client::{ClientError, protocol::problem::ProblemCode};
use countersign_protocol::activation::EndReason;

use crate::interrupt::Signal;

/// The exit codes and the advice about tokens, for `--help`.
pub const HELP: &str = "\
Exit codes:
  0  success
  1  error, or an invalid signature
  2  usage error
  3  declined by custodians, cancelled or locked
  4  expired, abandoned, or the lease is used up
  5  server unreachable
  6  not approved: a digest is not in the manifest, or the activation is not open
  129, 130, 143  `record` received SIGHUP, SIGINT or SIGTERM while its command was running

Pass the token in a file or environment variable, not as an argument, because other users can see arguments. Write it to
a file with mode 600 and name the file with --token-file, COUNTERSIGN_TOKEN_FILE or `token_file` in the configuration, or
set COUNTERSIGN_TOKEN.";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Ok = 0,
    Error = 1,
    Usage = 2,
    /// A custodian declined, or the activation was cancelled or locked.
    Stopped = 3,
    /// The activation expired or was abandoned, or its lease is used up.
    Expired = 4,
    Unreachable = 5,
    NotApproved = 6,
    /// SIGHUP while a command was running. Like shells, this and the next two add 128 to the signal's number.
    Hangup = 129,
    /// SIGINT while a command was running.
    Interrupt = 130,
    /// SIGTERM while a command was running.
    Terminated = 143,
}

impl Exit {
    pub const fn of_end(reason: &EndReason) -> Self {
        match reason {
            EndReason::Declined
            | EndReason::Cancelled { .. }
            | EndReason::Locked { .. }
            | EndReason::AccessRevoked { .. } => Self::Stopped,
            EndReason::Expired
            | EndReason::ExpiredInQueue
            | EndReason::Abandoned { .. }
            | EndReason::LeaseExpired
            | EndReason::SignatureLimitReached => Self::Expired,
            EndReason::Completed
            | EndReason::HsmLost { .. }
            | EndReason::HsmRemoved { .. }
            | EndReason::Failed { .. }
            | EndReason::ServerRestarted => Self::Error,
        }
    }

    pub const fn of_signal(signal: Signal) -> Self {
        match signal {
            Signal::Hangup => Self::Hangup,
            Signal::Interrupt => Self::Interrupt,
            Signal::Terminate => Self::Terminated,
        }
    }

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

//! Lets the card driver use the card of a session.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use countersign_card::{ApduLimits, Atr, Locality, Transport, TransportError};
use countersign_ram::{Instruction, Outcome};

use super::{ending::Ending, session::RamSession};

/// Timeout of a signature. An RSA-4096 key takes a few seconds. An attacker on the way who holds the command back can use the open
/// HSM for this time before the lease ends.
const SIGN_TIMEOUT: Duration = Duration::from_secs(15);
/// Timeout of every other command that does not generate a key.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// Timeout of a command that generates a key.
const GENERATION_TIMEOUT: Duration = Duration::from_secs(300);
/// Time for everything that is done with a device before it is verified.
pub const EXAMINATION_TIMEOUT: Duration = Duration::from_secs(60);
/// Number of commands in one request. A client's answer must have less than 64 KiB, and a response has at most 4 KiB.
const BATCH: usize = 12;

/// The transport to the card of a session.
pub struct RemoteTransport {
    session: Arc<RamSession>,
    name: String,
    examination: Option<Examination>,
}

/// The time in which a device must be verified. It limits all commands together, because a client that is not verified could
/// otherwise keep a thread of the server busy with a short answer now and then.
#[derive(Clone, Copy)]
struct Examination {
    end: Instant,
    timeout: Duration,
}

impl RemoteTransport {
    pub fn new(session: Arc<RamSession>) -> Self {
        Self {
            name: format!("RAMOverHTTP client at {}", session.from()),
            session,
            examination: None,
        }
    }

    /// A transport for the examination of a device that is not verified yet, which ends after `timeout`.
    pub fn for_examination(session: Arc<RamSession>, timeout: Duration) -> Self {
        Self {
            examination: Some(Examination {
                end: Instant::now() + timeout,
                timeout,
            }),
            ..Self::new(session)
        }
    }

    fn execute(
        &self,
        instructions: Vec<Instruction>,
        timeout: Duration,
    ) -> Result<Vec<Outcome>, TransportError> {
        let timeout = self.remaining(timeout)?;
        let outcomes = self
            .session
            .execute(instructions, timeout)
            .map_err(|ending| TransportError::Disconnected(ending.why().to_owned()))?;
        if let Some(Outcome::Failed(why)) = outcomes.last() {
            let why = format!("the remote client lost its card: {why}");
            // The client's connection to the card ended, so the client must begin a new session.
            self.session.end(Ending::Aborted(why.clone()));
            return Err(TransportError::Disconnected(why));
        }
        Ok(outcomes)
    }

    /// The timeout of the next instructions: during an examination, at most the time that is left of it.
    fn remaining(&self, timeout: Duration) -> Result<Duration, TransportError> {
        let Some(examination) = self.examination else {
            return Ok(timeout);
        };
        let left = examination.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let why = format!(
                "the device could not be verified within {} s",
                examination.timeout.as_secs()
            );
            self.session.end(Ending::Lost(why.clone()));
            return Err(TransportError::Disconnected(why));
        }
        Ok(timeout.min(left))
    }

    /// Ends the session, because an outcome does not match its instruction.
    fn mismatch(&self) -> TransportError {
        let why = "the remote client's answer does not match its instructions";
        self.session.end(Ending::Refused(why.into()));
        TransportError::Disconnected(why.into())
    }

    fn commands(&self, commands: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, TransportError> {
        let timeout = commands.iter().map(|command| timeout(command)).sum();
        let commands = commands.iter().cloned().map(Instruction::Command);
        let outcomes = self.execute(commands.collect(), timeout)?;
        outcomes
            .into_iter()
            .map(|outcome| match outcome {
                Outcome::Response(response) => Ok(response),
                Outcome::Atr(_) | Outcome::Failed(_) => Err(self.mismatch()),
            })
            .collect()
    }
}

/// The timeout of a command, by its instruction byte, which secure messaging does not encrypt.
fn timeout(command: &[u8]) -> Duration {
    match command.get(1) {
        Some(0x46 | 0x48 | 0x50) => GENERATION_TIMEOUT,
        Some(0x68) => SIGN_TIMEOUT,
        _ => COMMAND_TIMEOUT,
    }
}

impl Transport for RemoteTransport {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let mut responses = self.commands(&[command.to_vec()])?;
        responses.pop().ok_or_else(|| self.mismatch())
    }

    fn transmit_all(&mut self, commands: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, TransportError> {
        let mut responses = Vec::with_capacity(commands.len());
        for batch in commands.chunks(BATCH) {
            responses.extend(self.commands(batch)?);
        }
        Ok(responses)
    }

    fn reset(&mut self) -> Result<Atr, TransportError> {
        match self
            .execute(vec![Instruction::Reset], COMMAND_TIMEOUT)?
            .pop()
        {
            Some(Outcome::Atr(atr)) => Ok(Atr(atr)),
            _ => Err(self.mismatch()),
        }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn locality(&self) -> Locality {
        Locality::Remote
    }

    fn limits(&self) -> ApduLimits {
        self.session.limits()
    }
}

//! A session as the driver's way to the card.

use std::{sync::Arc, time::Duration};

use countersign_card::{ApduLimits, Atr, Locality, Transport, TransportError};
use countersign_ram::{Instruction, Outcome};

use super::{ending::Ending, session::RamSession};

/// Longest that a card takes for anything but a new key.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest that a card takes for a new key.
const GENERATION: Duration = Duration::from_secs(300);
/// Commands in one request: a client's answer has to stay below 64 KiB, and a response has at most 4 KiB.
const TOGETHER: usize = 12;

/// A session as the driver's way to the card.
pub struct RemoteTransport {
    session: Arc<RamSession>,
    name: String,
}

impl RemoteTransport {
    /// The way to this session's card.
    pub fn new(session: Arc<RamSession>) -> Self {
        Self {
            name: format!("RAMOverHTTP client at {}", session.from()),
            session,
        }
    }

    fn ask(
        &self,
        instructions: Vec<Instruction>,
        patience: Duration,
    ) -> Result<Vec<Outcome>, TransportError> {
        let outcomes = self
            .session
            .ask(instructions, patience)
            .map_err(|ending| TransportError::Disconnected(ending.why().to_owned()))?;
        if let Some(Outcome::Failed(why)) = outcomes.last() {
            let why = format!("the client has lost the card: {why}");
            // Its connection to the card is dead: it has to begin anew.
            self.session.end(Ending::Aborted(why.clone()));
            return Err(TransportError::Disconnected(why));
        }
        Ok(outcomes)
    }

    fn confused(&self) -> TransportError {
        let why = "its answer does not fit what it was told to do";
        self.session.end(Ending::Refused(why.into()));
        TransportError::Disconnected(why.into())
    }

    fn commands(&self, commands: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, TransportError> {
        let patience = commands.iter().map(|command| patience(command)).sum();
        let commands = commands.iter().cloned().map(Instruction::Command);
        let outcomes = self.ask(commands.collect(), patience)?;
        outcomes
            .into_iter()
            .map(|outcome| match outcome {
                Outcome::Response(response) => Ok(response),
                Outcome::Atr(_) | Outcome::Failed(_) => Err(self.confused()),
            })
            .collect()
    }
}

/// How long a command may take: by its instruction, which is readable in secure messaging too.
fn patience(command: &[u8]) -> Duration {
    match command.get(1) {
        Some(0x46 | 0x48 | 0x50) => GENERATION,
        _ => PATIENCE,
    }
}

impl Transport for RemoteTransport {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let mut responses = self.commands(&[command.to_vec()])?;
        responses.pop().ok_or_else(|| self.confused())
    }

    fn transmit_all(&mut self, commands: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, TransportError> {
        let mut responses = Vec::with_capacity(commands.len());
        for together in commands.chunks(TOGETHER) {
            responses.extend(self.commands(together)?);
        }
        Ok(responses)
    }

    fn reset(&mut self) -> Result<Atr, TransportError> {
        match self.ask(vec![Instruction::Reset], PATIENCE)?.pop() {
            Some(Outcome::Atr(atr)) => Ok(Atr(atr)),
            _ => Err(self.confused()),
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

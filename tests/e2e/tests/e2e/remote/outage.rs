//! The ways in which the connection to an HSM is lost.

use std::{process::Command, time::Duration};

use anyhow::ensure;

use super::cable::Cable;

/// How long the server may take to notice a broken connection.
pub const NOTICE_LIMIT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// The program that attaches the HSM is killed.
    Killed,
    /// The connection is reset.
    Reset,
    /// The program that attaches the HSM is stopped, so the connection stays open and carries nothing.
    Silent,
}

impl Outage {
    /// Causes the outage for the connector with this process id.
    pub fn cause(self, cable: &Cable, connector: u32) -> anyhow::Result<()> {
        match self {
            Self::Killed => signal("KILL", connector),
            Self::Reset => {
                // The program must not reconnect before the test has seen the outage.
                signal("STOP", connector)?;
                cable.reset();
                Ok(())
            }
            Self::Silent => signal("STOP", connector),
        }
    }
}

/// Sends a signal to a process.
pub fn signal(name: &str, process: u32) -> anyhow::Result<()> {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &process.to_string()])
        .status()?;
    ensure!(status.success(), "kill -{name} failed");
    Ok(())
}

//! The ways in which the connection to an HSM is lost.

use std::{process::Command, time::Duration};

use anyhow::ensure;

use crate::cable::Cable;

/// How long a broken connection may go unnoticed.
pub const NOTICED: Duration = Duration::from_secs(5);

/// How the connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// The program with the HSM is killed.
    Killed,
    /// The connection is reset.
    Reset,
    /// The program with the HSM does not move.
    Silent,
}

impl Outage {
    /// Happens to the program with this process number.
    pub fn happen(self, cable: &Cable, connector: u32) -> anyhow::Result<()> {
        match self {
            Self::Killed => signal("KILL", connector),
            Self::Reset => {
                // The program must not be back before anybody has looked.
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

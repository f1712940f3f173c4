//! `countersign-helper connect`: an HSM at another place.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use countersign_protocol::cvc::DeviceId;
use countersign_simulator::Simulator;

use crate::program::{Program, built};

/// An HSM at another place.
#[derive(Clone, Debug)]
pub struct Connector {
    /// Its card file.
    pub card: PathBuf,
    /// Where its output goes.
    pub log: PathBuf,
    /// Whether the card takes as long as a real device.
    pub device_times: bool,
}

impl Connector {
    /// The HSM of this card file.
    pub fn new(card: &Path) -> Self {
        Self {
            card: card.to_owned(),
            log: card.with_extension("connect.log"),
            device_times: false,
        }
    }

    /// Its device.
    ///
    /// # Errors
    /// The card file's.
    pub fn device(&self) -> anyhow::Result<DeviceId> {
        Ok(DeviceId(Simulator::open(&self.card)?.device()))
    }

    /// Starts the program; it goes on by itself whatever happens to the connection.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&self, server: &str) -> anyhow::Result<Program> {
        let mut command = Command::new(built("countersign-helper")?);
        command
            .arg("connect")
            .arg(format!("{server}/rt/hsm"))
            .arg("--demo")
            .arg("--simulated-card")
            .arg(&self.card)
            .args(["--reader", "Simulated"]);
        if self.device_times {
            command.arg("--simulated-device-times");
        }
        Program::start("countersign-helper connect", command, &self.log)
    }
}

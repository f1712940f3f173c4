//! `countersign-helper connect`, which attaches a remote HSM to the server.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use countersign_protocol::cvc::DeviceId;
use countersign_simulator::Simulator;

use crate::program::{Program, built};

/// A remote HSM and how to attach it.
#[derive(Clone, Debug)]
pub struct Connector {
    /// File of the simulated card.
    pub card: PathBuf,
    /// File that receives the program's output.
    pub log: PathBuf,
    /// Whether the card takes as long as a real device.
    pub device_times: bool,
}

impl Connector {
    pub fn new(card: &Path) -> Self {
        Self {
            card: card.to_owned(),
            log: card.with_extension("connect.log"),
            device_times: false,
        }
    }

    /// Reads the device's id from the card file.
    pub fn device(&self) -> anyhow::Result<DeviceId> {
        Ok(DeviceId(Simulator::open(&self.card)?.device()))
    }

    /// Starts the program. It reconnects automatically whenever the connection is lost.
    pub fn start(&self, server: &str) -> anyhow::Result<Program> {
        let mut command = Command::new(built("countersign-helper")?);
        command
            .arg("connect")
            .arg(format!("{server}/rt/hsm"))
            .arg("--demo")
            .arg("--simulated-card")
            .arg(&self.card)
            // The server initialises the HSM.
            .args(["--reader", "Simulated", "--allow-encrypted-pin-commands"]);
        if self.device_times {
            command.arg("--simulated-device-times");
        }
        Program::start("countersign-helper connect", command, &self.log)
    }
}

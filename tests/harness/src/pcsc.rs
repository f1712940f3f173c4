//! A real PC/SC service with two virtual readers, each with a simulated card.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, ensure};

use crate::program::{Program, built, free_port};

/// Debian's virtual reader.
const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
/// How the readers' names begin.
const NAME: &str = "Countersign virtual reader";

/// pcscd, its readers and their cards. Everything listens on loopback only: it is the driver that connects to the cards.
pub struct Readers {
    // Stopped in this order: the driver does not survive a card that goes away.
    pcscd: Program,
    cards: Vec<Program>,
}

impl Readers {
    /// Inserts two cards.
    ///
    /// # Errors
    /// Another pcscd runs, or the packages are missing.
    pub fn start(folder: &Path, cards: [&PathBuf; 2]) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        ensure!(
            !Path::new("/run/pcscd/pcscd.comm").exists(),
            "another pcscd runs on this machine (or left /run/pcscd/pcscd.comm behind): stop it for the PC/SC tests, for \
             example with `systemctl stop pcscd.socket pcscd.service`"
        );
        let first = two_free_ports()?;
        let config = folder.join("reader.conf.d");
        std::fs::create_dir_all(&config)?;
        let text = format!(
            "FRIENDLYNAME \"{NAME}\"\nDEVICENAME localhost:0x{first:04X}\nLIBPATH {DRIVER}\nCHANNELID 0x{first:04X}\n"
        );
        std::fs::write(config.join("vpcd"), text)?;
        let cards = cards
            .into_iter()
            .zip(first..)
            .map(|(card, port)| {
                let mut command = Command::new(built("countersign-simulator")?);
                command
                    .arg("run")
                    .arg(card)
                    .args(["--listen", &format!("127.0.0.1:{port}")]);
                let log = folder.join(format!("card-{port}.log"));
                let mut program = Program::start("countersign-simulator", command, &log)?;
                program.wait_for(|line| line.contains("waits for its reader").then_some(()))?;
                Ok(program)
            })
            .collect::<anyhow::Result<_>>()?;
        let mut pcscd = Command::new("pcscd");
        pcscd.arg("--foreground").arg("--config").arg(&config);
        let path = std::env::var("PATH").unwrap_or_default();
        pcscd.env("PATH", format!("{path}:/usr/sbin"));
        let pcscd = Program::start("pcscd", pcscd, &folder.join("pcscd.log"))
            .context("is pcscd installed?")?;
        let readers = Self { pcscd, cards };
        crate::stage::wait(|| {
            let output = Command::new("opensc-tool").arg("--list-readers").output()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok((text.matches(NAME).count() == 2 && text.matches("Yes").count() == 2).then_some(()))
        })
        .context("the virtual readers did not appear")?;
        Ok(readers)
    }

    /// Name of the reader with this card.
    pub fn name(&self, card: usize) -> String {
        format!("{NAME} 00 {card:02}")
    }

    /// Stops everything.
    ///
    /// # Errors
    /// pcscd did not end.
    pub fn stop(self) -> anyhow::Result<()> {
        self.pcscd.terminate()?;
        drop(self.cards);
        // The next service must find its socket's place free.
        std::thread::sleep(Duration::from_millis(200));
        Ok(())
    }
}

fn two_free_ports() -> anyhow::Result<u16> {
    loop {
        let port = free_port()?;
        if port < u16::MAX && std::net::TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return Ok(port);
        }
    }
}

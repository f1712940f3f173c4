//! A real PC/SC service with two virtual readers, each with a simulated card.

use std::{
    os::{fd::OwnedFd, unix::net::UnixListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};

use crate::{
    ports::consecutive_free_ports,
    program::{Program, built},
    wait::wait_for,
};

/// Debian's driver for virtual readers.
pub const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
/// Prefix of the readers' names.
const NAME: &str = "Countersign virtual reader";
/// Environment variable with the socket of the PC/SC service that a program uses.
pub const SOCKET: &str = "PCSCLITE_CSOCK_NAME";
/// pcscd accepts a listening socket as file descriptor 3 if `LISTEN_PID` is its own process id, so a shell sets that
/// variable and then becomes pcscd.
const START_WITH_SOCKET: &str =
    "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec pcscd --foreground --config \"$0\"";

/// Which programs use the PC/SC service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Every program of the machine. A machine has only one such service.
    Machine,
    /// Only programs that were prepared with [`Readers::show_to`].
    Private,
}

/// How fast the cards are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speed {
    /// As fast as the computer that simulates them.
    Computer,
    /// As fast as a real device.
    Device,
}

/// pcscd, its virtual readers and their cards; dropping it stops them. The cards listen on loopback and the driver connects
/// to them.
pub struct Readers {
    pcscd: Option<Program>,
    /// Stopped after pcscd, because the driver crashes when a card disappears.
    _cards: Vec<Program>,
    socket: Option<PathBuf>,
}

impl Readers {
    /// Inserts two cards into readers of the machine's PC/SC service.
    ///
    /// # Errors
    /// Another pcscd runs, or Debian's packages are missing.
    pub fn start(folder: &Path, cards: [&PathBuf; 2]) -> anyhow::Result<Self> {
        Self::start_with(folder, cards, Reach::Machine, Speed::Computer)
    }

    /// Inserts two cards.
    ///
    /// # Errors
    /// Debian's packages are missing, or another pcscd runs and the service would be the machine's.
    pub fn start_with(
        folder: &Path,
        cards: [&PathBuf; 2],
        reach: Reach,
        speed: Speed,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let first = consecutive_free_ports(2)?;
        let config = folder.join("reader.conf.d");
        std::fs::create_dir_all(&config)?;
        let text = format!(
            "FRIENDLYNAME \"{NAME}\"\nDEVICENAME localhost:0x{first:04X}\nLIBPATH {DRIVER}\nCHANNELID 0x{first:04X}\n"
        );
        std::fs::write(config.join("vpcd"), text)?;
        let cards = cards
            .into_iter()
            .zip(first..)
            .map(|(card, port)| insert(folder, card, port, speed))
            .collect::<anyhow::Result<_>>()?;
        let log = folder.join("pcscd.log");
        let (pcscd, socket) = match reach {
            Reach::Machine => (machine_service(&config, &log)?, None),
            Reach::Private => {
                let socket = folder.join("pcscd.comm");
                (private_service(&config, &log, &socket)?, Some(socket))
            }
        };
        let readers = Self {
            pcscd: Some(pcscd),
            _cards: cards,
            socket,
        };
        wait_for(|| {
            let mut command = Command::new("opensc-tool");
            readers.show_to(&mut command);
            let output = command.arg("--list-readers").output()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok((text.matches(NAME).count() == 2 && text.matches("Yes").count() == 2).then_some(()))
        })
        .context("the virtual readers did not appear")?;
        Ok(readers)
    }

    /// Socket of a private service.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// Makes a program use these readers.
    pub fn show_to(&self, command: &mut Command) {
        if let Some(socket) = &self.socket {
            command.env(SOCKET, socket);
        }
    }

    /// Name of the reader that holds this card.
    pub fn name(&self, card: usize) -> String {
        format!("{NAME} 00 {card:02}")
    }

    /// Stops pcscd and removes the cards.
    ///
    /// # Errors
    /// pcscd ignored SIGTERM.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.stop_service()
    }

    fn stop_service(&mut self) -> anyhow::Result<()> {
        let Some(pcscd) = self.pcscd.take() else {
            return Ok(());
        };
        pcscd.terminate()?;
        match &self.socket {
            Some(socket) => std::fs::remove_file(socket)?,
            // The next service can only start after the socket is gone.
            None => std::thread::sleep(Duration::from_millis(200)),
        }
        Ok(())
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        let _ = self.stop_service();
    }
}

/// Starts a simulated card to which the driver connects at `port`.
fn insert(folder: &Path, card: &Path, port: u16, speed: Speed) -> anyhow::Result<Program> {
    let mut command = Command::new(built("countersign-simulator")?);
    command
        .arg("run")
        .arg(card)
        .args(["--listen", &format!("127.0.0.1:{port}")]);
    if speed == Speed::Device {
        command.args(["--latency", "realistic"]);
    }
    let log = folder.join(format!("card-{port}.log"));
    let mut program = Program::start("countersign-simulator", command, &log)?;
    program.wait_for(|line| line.contains("waits at").then_some(()))?;
    Ok(program)
}

fn machine_service(config: &Path, log: &Path) -> anyhow::Result<Program> {
    ensure!(
        !Path::new("/run/pcscd/pcscd.comm").exists(),
        "another pcscd runs on this machine, or has left /run/pcscd/pcscd.comm behind: stop it for the PC/SC tests, for \
         example with `systemctl stop pcscd.socket pcscd.service`"
    );
    let mut pcscd = Command::new("pcscd");
    pcscd.arg("--foreground").arg("--config").arg(config);
    with_system_programs(&mut pcscd);
    Program::start("pcscd", pcscd, log).context("is pcscd installed?")
}

/// Starts a PC/SC service of its own, with the readers of the folder `config`, which listens at `socket`.
///
/// # Errors
/// pcscd is not installed, or the socket cannot be created.
pub fn private_service(config: &Path, log: &Path, socket: &Path) -> anyhow::Result<Program> {
    // A service that was killed leaves its socket behind.
    let _ = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket)
        .with_context(|| format!("cannot listen at {}", socket.display()))?;
    let mut pcscd = Command::new("sh");
    pcscd.args(["-c", START_WITH_SOCKET]).arg(config);
    with_system_programs(&mut pcscd);
    Program::start_with_input("pcscd", pcscd, log, Stdio::from(OwnedFd::from(listener)))
        .context("is pcscd installed?")
}

/// Extends the path, because pcscd is installed in /usr/sbin.
fn with_system_programs(command: &mut Command) {
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin"));
}

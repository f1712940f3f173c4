//! A real PC/SC service with two virtual readers, each with a simulated card.

use std::{
    os::{fd::OwnedFd, unix::net::UnixListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};

use crate::program::{Program, built, free_port};

/// Debian's virtual reader.
const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
/// How the readers' names begin.
const NAME: &str = "Countersign virtual reader";
/// Tells PC/SC programs where their service listens.
pub(crate) const SOCKET: &str = "PCSCLITE_CSOCK_NAME";
/// pcscd takes its socket from whoever starts it as file descriptor 3, and only by its process id.
const TAKE_SOCKET: &str =
    "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec pcscd --foreground --config \"$0\"";

/// Who finds the service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Every program of the machine; there can be only one such service.
    Machine,
    /// Programs that [`Readers::show_to`] tells of it. Others do not notice.
    Told,
}

/// How fast the cards are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speed {
    /// As the computer that plays them.
    Computer,
    /// As a real device.
    Device,
}

/// pcscd, its readers and their cards. Everything listens on loopback only: it is the driver that connects to the cards.
pub struct Readers {
    // Stopped in this order: the driver does not survive a card that goes away.
    pcscd: Program,
    cards: Vec<Program>,
    socket: Option<PathBuf>,
}

impl Readers {
    /// Inserts two cards into readers that every program finds.
    ///
    /// # Errors
    /// Another pcscd runs, or the packages are missing.
    pub fn start(folder: &Path, cards: [&PathBuf; 2]) -> anyhow::Result<Self> {
        Self::start_with(folder, cards, Reach::Machine, Speed::Computer)
    }

    /// Inserts two cards.
    ///
    /// # Errors
    /// As [`Self::start`]; where the service is not for the machine, others may run.
    pub fn start_with(
        folder: &Path,
        cards: [&PathBuf; 2],
        reach: Reach,
        speed: Speed,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
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
            .map(|(card, port)| insert(folder, card, port, speed))
            .collect::<anyhow::Result<_>>()?;
        let log = folder.join("pcscd.log");
        let (pcscd, socket) = match reach {
            Reach::Machine => (machine_service(&config, &log)?, None),
            Reach::Told => {
                let socket = folder.join("pcscd.comm");
                (own_service(&config, &log, &socket)?, Some(socket))
            }
        };
        let readers = Self {
            pcscd,
            cards,
            socket,
        };
        crate::stage::wait(|| {
            let mut command = Command::new("opensc-tool");
            readers.show_to(&mut command);
            let output = command.arg("--list-readers").output()?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok((text.matches(NAME).count() == 2 && text.matches("Yes").count() == 2).then_some(()))
        })
        .context("the virtual readers did not appear")?;
        Ok(readers)
    }

    /// Where the service listens, if not every program finds it.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// Lets a program find these readers.
    pub fn show_to(&self, command: &mut Command) {
        if let Some(socket) = &self.socket {
            command.env(SOCKET, socket);
        }
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
        match self.socket {
            Some(socket) => std::fs::remove_file(socket)?,
            // The next service must find its socket's place free.
            None => std::thread::sleep(Duration::from_millis(200)),
        }
        Ok(())
    }
}

/// A card that waits for the driver at `port`.
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
        "another pcscd runs on this machine (or left /run/pcscd/pcscd.comm behind): stop it for the PC/SC tests, for \
         example with `systemctl stop pcscd.socket pcscd.service`"
    );
    let mut pcscd = Command::new("pcscd");
    pcscd.arg("--foreground").arg("--config").arg(config);
    with_system_programs(&mut pcscd);
    Program::start("pcscd", pcscd, log).context("is pcscd installed?")
}

fn own_service(config: &Path, log: &Path, socket: &Path) -> anyhow::Result<Program> {
    // Left behind by one that was killed.
    let _ = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket)
        .with_context(|| format!("cannot listen at {}", socket.display()))?;
    let mut pcscd = Command::new("sh");
    pcscd.args(["-c", TAKE_SOCKET]).arg(config);
    with_system_programs(&mut pcscd);
    Program::start_with_input("pcscd", pcscd, log, Stdio::from(OwnedFd::from(listener)))
        .context("is pcscd installed?")
}

/// pcscd is where users do not look for programs.
fn with_system_programs(command: &mut Command) {
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin"));
}

fn two_free_ports() -> anyhow::Result<u16> {
    loop {
        let port = free_port()?;
        if port < u16::MAX && std::net::TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return Ok(port);
        }
    }
}

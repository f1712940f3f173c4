//! The server program.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use countersign_client::{Client, Options, ServerUrl, Token};

use crate::{
    connector::Connector,
    ports::free_port,
    program::{Program, built},
};

/// How to start the server.
pub struct ServerSetup {
    /// Data directory. A server that is started again continues with it.
    pub data: PathBuf,
    /// Signing HSMs of the configuration file.
    pub hsms: Vec<HsmSetup>,
    /// Port on which the portal looks for the helper.
    pub helper_port: u16,
    pub port: u16,
    /// Socket of a private PC/SC service; `None` leaves the server with the machine's service.
    pub pcsc_socket: Option<PathBuf>,
    /// Files for TLS; `None` makes the server speak plain HTTP.
    pub tls: Option<Tls>,
}

/// PEM files of a server that speaks TLS.
#[derive(Clone)]
pub struct Tls {
    /// Certificate for `localhost`.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Certificate of the issuing CA, which clients must trust.
    pub authority: PathBuf,
}

/// One signing HSM of the configuration.
pub struct HsmSetup {
    pub id: String,
    pub attachment: Attachment,
}

/// How a signing HSM is attached.
pub enum Attachment {
    /// A simulated card in the server's process.
    Simulator(PathBuf),
    /// The card in the PC/SC reader with this name.
    Reader(String),
    /// A simulated card that `countersign-helper connect` attaches.
    Remote(Connector),
}

impl ServerSetup {
    /// A new server in `data` on a free port.
    pub fn new(data: &Path, hsms: Vec<HsmSetup>) -> anyhow::Result<Self> {
        Ok(Self {
            data: data.to_owned(),
            hsms,
            helper_port: free_port()?,
            port: free_port()?,
            pcsc_socket: None,
            tls: None,
        })
    }

    /// The portal's origin.
    pub fn origin(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.port)
    }

    /// A client that trusts this server.
    pub fn client(&self, token: Option<Token>) -> anyhow::Result<Client> {
        let options = Options {
            ca_file: self.tls.as_ref().map(|tls| tls.authority.clone()),
            ..Options::default()
        };
        let server = ServerUrl::parse(&self.origin())?;
        Ok(Client::new(server, token, &options)?)
    }

    /// Starts the program and waits until it listens.
    ///
    /// # Errors
    /// The server did not start; the message quotes its output.
    pub fn start(&self) -> anyhow::Result<Server> {
        std::fs::create_dir_all(&self.data)?;
        let config = self.data.join("server.toml");
        std::fs::write(&config, self.config()?)?;
        let mut command = Command::new(built("countersign-server")?);
        command
            .args(["serve", "--demo", "--name", "Countersign demo"])
            .arg("--config")
            .arg(&config)
            .arg("--data-dir")
            .arg(&self.data)
            .args(["--listen", &format!("127.0.0.1:{}", self.port)])
            .args(["--public-origin", &self.origin()])
            .args(["--helper-port", &self.helper_port.to_string()]);
        if let Some(socket) = &self.pcsc_socket {
            command.env(crate::pcsc::SOCKET, socket);
        }
        let mut program =
            Program::start("countersign-server", command, &self.data.join("server.log"))?;
        program.wait_for(|line| line.contains("Listening on").then_some(()))?;
        let file = self.data.join("bootstrap-code");
        let bootstrap_code = match std::fs::read_to_string(&file) {
            Ok(code) => Some(code.trim().to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Server {
            program,
            origin: self.origin(),
            bootstrap_code,
        })
    }

    /// Deposits the SO-PIN of an HSM for one initialisation, as its operator does at the machine.
    ///
    /// # Errors
    /// The program failed; the message quotes its output.
    pub fn deposit_so_pin(&self, hsm: &str, so_pin: &str) -> anyhow::Result<()> {
        let mut child = Command::new(built("countersign-server")?)
            .args(["so-pin", hsm, "--demo", "--config"])
            .arg(self.data.join("server.toml"))
            .arg("--data-dir")
            .arg(&self.data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().context("no standard input")?;
        writeln!(input, "{so_pin}")?;
        drop(input);
        let output = child.wait_with_output()?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    fn config(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        for hsm in &self.hsms {
            let attachment = match &hsm.attachment {
                Attachment::Simulator(path) => {
                    format!("simulator = {:?}", path.display().to_string())
                }
                Attachment::Reader(reader) => format!("reader = {reader:?}"),
                Attachment::Remote(connector) => {
                    format!("remote = true\ndevice = {:?}", connector.device()?.as_str())
                }
            };
            text.push_str(&format!("[[hsm]]\nid = {:?}\n{attachment}\n\n", hsm.id,));
        }
        if let Some(tls) = &self.tls {
            text.push_str(&format!(
                "[tls]\ncertificate_file = {:?}\nkey_file = {:?}\nclient_certificates = true\n",
                tls.certificate, tls.key
            ));
        }
        Ok(text)
    }
}

/// A running server.
pub struct Server {
    pub program: Program,
    /// The portal's origin.
    pub origin: String,
    /// One-time code that the server writes to a file at its first start.
    pub bootstrap_code: Option<String>,
}

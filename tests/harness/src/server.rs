//! The server program.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use countersign_client::{Client, Options, ServerUrl, Token};

use crate::{
    connector::Connector,
    program::{Program, built, free_port},
};

/// What to start.
pub struct ServerSetup {
    /// Data folder; an existing one is continued with.
    pub data: PathBuf,
    /// Signing HSMs as they stand in the configuration file.
    pub hsms: Vec<HsmSetup>,
    /// Port on which the portal looks for the helper.
    pub helper_port: u16,
    /// Own port.
    pub port: u16,
    /// Socket of a PC/SC service of its own.
    pub pcsc_socket: Option<PathBuf>,
    /// With what the server speaks TLS; `None`: it does not.
    pub tls: Option<Tls>,
}

/// PEM files of a server that speaks TLS.
#[derive(Clone)]
pub struct Tls {
    /// Its certificate, for `localhost`.
    pub certificate: PathBuf,
    /// The certificate's key.
    pub key: PathBuf,
    /// Who issued it: what clients have to trust.
    pub authority: PathBuf,
}

/// One signing HSM of the configuration.
pub struct HsmSetup {
    /// Id.
    pub id: String,
    /// How it is attached.
    pub attachment: Attachment,
    /// File with the SO-PIN: the administrator's part of an initialisation.
    pub so_pin_file: PathBuf,
}

/// How a signing HSM is attached.
pub enum Attachment {
    /// A simulated card in the server's process.
    Simulator(PathBuf),
    /// A PC/SC reader.
    Reader(String),
    /// A simulated card that another program attaches.
    Remote(Connector),
}

impl ServerSetup {
    /// A fresh server in `data` on a free port.
    ///
    /// # Errors
    /// No free port.
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
    ///
    /// # Errors
    /// The authority's file cannot be read.
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
    /// It did not start; the message quotes its output.
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
        let bootstrap_code = program.log().lines().rev().find_map(|line| {
            let (_, rest) = line.split_once("One-time code:")?;
            rest.split_whitespace().next().map(str::to_owned)
        });
        Ok(Server {
            program,
            origin: self.origin(),
            bootstrap_code,
        })
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
            text.push_str(&format!(
                "[[hsm]]\nid = {:?}\n{attachment}\nso_pin_file = {:?}\n\n",
                hsm.id,
                hsm.so_pin_file.display().to_string(),
            ));
        }
        if let Some(tls) = &self.tls {
            text.push_str(&format!(
                "[tls]\ncertificate_file = {:?}\nkey_file = {:?}\n",
                tls.certificate, tls.key
            ));
        }
        Ok(text)
    }
}

/// A running server.
pub struct Server {
    /// The program.
    pub program: Program,
    /// The portal's origin.
    pub origin: String,
    /// The code that a first start prints.
    pub bootstrap_code: Option<String>,
}

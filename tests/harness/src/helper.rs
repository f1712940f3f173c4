//! The helper program, and a portal's connection to it.

use std::{
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, anyhow, bail};
use countersign_protocol::{
    about::HELPER_PATH,
    helper::{
        Answer, CardState, CardView, HELPER_PROTOCOL, HelperError, Message, Operation, Request,
        Step,
    },
};
use tungstenite::{WebSocket, client::IntoClientRequest};

use crate::{
    pinentry::{BEHAVIOUR, Behaviour},
    program::{Program, built},
};

/// PIN of every card that the harness makes.
pub const PIN: &str = "648219";

/// What to start.
pub struct HelperSetup {
    /// Configuration folder.
    pub config: PathBuf,
    /// Port; the one that the server tells the portal.
    pub port: u16,
    /// Simulated cards; without any the helper looks for PC/SC readers only.
    pub cards: Vec<PathBuf>,
}

impl HelperSetup {
    /// The command line up to the prompts.
    ///
    /// # Errors
    /// The helper was not built.
    pub fn command(&self) -> anyhow::Result<Command> {
        std::fs::create_dir_all(&self.config)?;
        let mut command = Command::new(built("countersign-helper")?);
        command
            .args(["run", "--demo", "--port", &self.port.to_string()])
            .arg("--config-dir")
            .arg(&self.config);
        for card in &self.cards {
            command.arg("--simulated-card").arg(card);
        }
        Ok(command)
    }

    /// Starts the helper with played prompts that approve everything.
    ///
    /// # Errors
    /// It did not start; the message quotes its output.
    pub fn start(&self) -> anyhow::Result<Helper> {
        std::fs::create_dir_all(&self.config)?;
        let behaviour_file = self.config.join("played-pinentry.json");
        let behaviour = Behaviour {
            consent: true,
            pin: Some(PIN.to_owned()),
            shown: self.config.join("played-prompts.jsonl"),
        };
        behaviour.write(&behaviour_file)?;
        let mut command = self.command()?;
        command
            .arg("--pinentry")
            .arg(built("countersign-played-pinentry")?)
            // Played prompts agree to everything: no other page on this machine may ask.
            .arg("--no-web-client")
            .env(BEHAVIOUR, &behaviour_file);
        let mut program = Program::start(
            "countersign-helper",
            command,
            &self.config.join("helper.log"),
        )?;
        program.wait_for(|line| line.contains("listening on 127.0.0.1:").then_some(()))?;
        Ok(Helper {
            program,
            port: self.port,
            behaviour,
            behaviour_file,
        })
    }
}

/// A running helper with played prompts.
pub struct Helper {
    /// The program.
    pub program: Program,
    /// Its port.
    pub port: u16,
    behaviour: Behaviour,
    behaviour_file: PathBuf,
}

impl Helper {
    /// Changes how the played custodian answers from now on.
    ///
    /// # Errors
    /// File system's.
    pub fn behave(&mut self, change: impl FnOnce(&mut Behaviour)) -> anyhow::Result<()> {
        change(&mut self.behaviour);
        self.behaviour.write(&self.behaviour_file)
    }

    /// The played custodian, with everything that was shown so far.
    pub fn behaviour(&self) -> &Behaviour {
        &self.behaviour
    }

    /// Folder of the logs.
    pub fn folder(&self) -> &Path {
        self.behaviour_file
            .parent()
            .expect("the file is in the configuration folder")
    }

    /// Connects as the portal of `origin` does.
    ///
    /// # Errors
    /// Refused, or another version.
    pub fn connect(&self, origin: &str) -> anyhow::Result<HelperConnection> {
        HelperConnection::open(self.port, origin)
    }
}

/// The portal's side of the loopback WebSocket.
pub struct HelperConnection {
    socket: WebSocket<TcpStream>,
    next: u64,
    /// Steps that the helper reported for the last request.
    pub steps: Vec<Step>,
}

impl HelperConnection {
    /// Connects and says hello.
    ///
    /// # Errors
    /// Refused, or another version.
    pub fn open(port: u16, origin: &str) -> anyhow::Result<Self> {
        let mut request = format!("ws://127.0.0.1:{port}{HELPER_PATH}").into_client_request()?;
        request.headers_mut().insert("origin", origin.parse()?);
        let stream =
            TcpStream::connect(("127.0.0.1", port)).context("the helper is not running")?;
        let (socket, _) = tungstenite::client::client(request, stream)
            .map_err(|error| anyhow!("the helper refused {origin}: {error}"))?;
        let mut connection = Self {
            socket,
            next: 1,
            steps: Vec::new(),
        };
        match connection.ask(Operation::Hello {
            protocol: HELPER_PROTOCOL,
        })? {
            Answer::Hello { .. } => Ok(connection),
            other => bail!("unexpected answer to hello: {other:?}"),
        }
    }

    /// Sends one request and waits for its reply.
    ///
    /// # Errors
    /// The connection's; the helper's own refusal is a [`HelperError`] inside.
    pub fn ask(&mut self, operation: Operation) -> anyhow::Result<Answer> {
        let id = self.next;
        self.next += 1;
        self.steps.clear();
        let text = serde_json::to_string(&Request { id, operation })?;
        self.socket.send(tungstenite::Message::text(text))?;
        loop {
            let message = self.socket.read()?;
            if !message.is_text() {
                continue;
            }
            match serde_json::from_str(message.to_text()?)? {
                Message::Reply { id: of, result } if of == id => {
                    return result.map_err(|error: HelperError| error.into());
                }
                Message::Progress { id: of, step } if of == id => self.steps.push(step),
                _ => {}
            }
        }
    }

    /// Cards that are ready.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn cards(&mut self) -> anyhow::Result<Vec<CardView>> {
        match self.ask(Operation::ListCards)? {
            Answer::Cards { readers } => Ok(readers
                .into_iter()
                .filter_map(|reader| match reader.card {
                    CardState::Ready(card) => Some(card),
                    CardState::Empty | CardState::Unusable { .. } => None,
                })
                .collect()),
            other => bail!("unexpected answer: {other:?}"),
        }
    }
}

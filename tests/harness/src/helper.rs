//! The helper program, and the portal's connection to it.

use std::{net::TcpStream, path::PathBuf, process::Command};

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
    pinentry::{SCRIPT, ScriptedPrompt, ShownPrompt},
    program::{Program, built},
};

/// PIN of every card that the harness creates.
pub const PIN: &str = "648219";

/// How to start the helper.
pub struct HelperSetup {
    /// Configuration folder.
    pub config: PathBuf,
    /// Port on which the server tells the portal to find the helper.
    pub port: u16,
    /// Files of simulated cards. Readers of the machine's PC/SC service are used as well.
    pub cards: Vec<PathBuf>,
}

impl HelperSetup {
    /// The command line without the options that choose how the helper prompts.
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

    /// Starts the helper with scripted prompts that consent to everything.
    ///
    /// # Errors
    /// The helper did not start; the message quotes its output.
    pub fn start(&self) -> anyhow::Result<Helper> {
        std::fs::create_dir_all(&self.config)?;
        let script_file = self.config.join("scripted-pinentry.json");
        let script = ScriptedPrompt {
            consent: true,
            pin: Some(PIN.to_owned()),
            shown: self.config.join("shown-prompts.jsonl"),
        };
        script.write(&script_file)?;
        let mut command = self.command()?;
        command
            .arg("--pinentry")
            .arg(built("countersign-scripted-pinentry")?)
            .env(SCRIPT, &script_file);
        let mut program = Program::start(
            "countersign-helper",
            command,
            &self.config.join("helper.log"),
        )?;
        program.wait_for(|line| line.contains("listening on 127.0.0.1:").then_some(()))?;
        Ok(Helper {
            program,
            port: self.port,
            script,
            script_file,
        })
    }
}

/// A running helper with scripted prompts.
pub struct Helper {
    pub program: Program,
    pub port: u16,
    script: ScriptedPrompt,
    script_file: PathBuf,
}

impl Helper {
    /// All prompts that the helper has shown so far.
    pub fn prompts(&self) -> Vec<ShownPrompt> {
        self.script.prompts()
    }

    /// From now on, the simulated people consent to everything, or to nothing.
    ///
    /// # Errors
    /// The script cannot be written.
    pub fn set_consent(&self, consent: bool) -> anyhow::Result<()> {
        let script = ScriptedPrompt {
            consent,
            ..self.script.clone()
        };
        script.write(&self.script_file)
    }

    /// Connects as the portal at `origin` does.
    ///
    /// # Errors
    /// The helper rejected the origin, or speaks another version of the protocol.
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
    /// Connects and negotiates the version.
    ///
    /// # Errors
    /// The helper rejected the origin, or speaks another version of the protocol.
    pub fn open(port: u16, origin: &str) -> anyhow::Result<Self> {
        let mut request = format!("ws://127.0.0.1:{port}{HELPER_PATH}").into_client_request()?;
        request.headers_mut().insert("origin", origin.parse()?);
        let stream =
            TcpStream::connect(("127.0.0.1", port)).context("the helper is not running")?;
        let (socket, _) = tungstenite::client::client(request, stream)
            .map_err(|error| anyhow!("the helper rejected {origin}: {error}"))?;
        let mut connection = Self {
            socket,
            next: 1,
            steps: Vec::new(),
        };
        match connection.request(Operation::Hello {
            protocol: HELPER_PROTOCOL,
        })? {
            Answer::Hello { .. } => Ok(connection),
            other => bail!("unexpected answer to hello: {other:?}"),
        }
    }

    /// Sends one request and waits for its reply.
    ///
    /// # Errors
    /// The connection was lost, or the helper answered with a [`HelperError`], which the error contains.
    pub fn request(&mut self, operation: Operation) -> anyhow::Result<Answer> {
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

    /// Lists the cards that are ready.
    pub fn cards(&mut self) -> anyhow::Result<Vec<CardView>> {
        match self.request(Operation::ListCards)? {
            Answer::Cards { readers } => Ok(readers
                .into_iter()
                .filter_map(|reader| match reader.card {
                    CardState::Ready(card) => Some(card),
                    CardState::Empty | CardState::Unusable { .. } => None,
                })
                .collect()),
            other => bail!("unexpected answer to a list of cards: {other:?}"),
        }
    }
}

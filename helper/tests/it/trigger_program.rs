//! The trigger in the real program.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use countersign_simulator::{NewCard, Profile, Simulator};

/// A pinentry that confirms everything.
const PINENTRY: &str = "#!/bin/sh\necho OK\nwhile IFS= read -r line; do echo OK; done\n";

struct Program {
    child: Child,
    /// The port of the WebSocket.
    port: u16,
    _directory: tempfile::TempDir,
}

impl Program {
    /// Starts the program with one simulated card.
    fn start(trigger_port: u16) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let pinentry = directory.path().join("pinentry");
        std::fs::write(&pinentry, PINENTRY).unwrap();
        std::fs::set_permissions(&pinentry, std::fs::Permissions::from_mode(0o755)).unwrap();
        let card = directory.path().join("anna.card");
        let new = NewCard {
            serial: "000009".to_owned(),
            label: "program".to_owned(),
            profile: Profile::VENDOR,
            user_pin: Some("648219".to_owned()),
        };
        Simulator::create(&card, &new).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_countersign-helper"))
            .args(["--demo", "--port", "0", "--web-client-port"])
            .arg(trigger_port.to_string())
            .arg("--simulated-card")
            .arg(&card)
            .arg("--pinentry")
            .arg(&pinentry)
            .arg("--config-dir")
            .arg(directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(':').next().unwrap().parse().unwrap();
        Self {
            child,
            port,
            _directory: directory,
        }
    }

    /// The first line of the log that contains this text.
    fn log_line(&mut self, text: &str) -> String {
        let stderr = BufReader::new(self.child.stderr.as_mut().unwrap());
        let mut lines = stderr.lines().map(Result::unwrap);
        lines
            .find(|line| line.contains(text))
            .expect("not in the log")
    }

    fn is_serving(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_helper_serves_pages_even_if_the_web_client_port_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let mut program = Program::start(port);
    program.log_line(&port.to_string());
    assert!(program.is_serving());
}

#[test]
fn the_program_exits_promptly_while_a_server_delays_its_answer() {
    let mut program = Program::start(0);
    let line = program.log_line("web client: listening on port");
    let port: u16 = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/rt/hsm", server.local_addr().unwrap());
    let mut page = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(
        page,
        "GET /?url={url} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"
    )
    .unwrap();
    let (mut session, _) = server.accept().unwrap();
    session.read_exact(&mut [0; 4]).unwrap();

    let ending = Instant::now();
    let id = program.child.id().to_string();
    let status = Command::new("kill").arg(id).status().unwrap();
    assert!(status.success());
    assert!(program.child.wait().unwrap().success());
    assert!(ending.elapsed() < Duration::from_secs(15));
}

//! A RAMOverHTTP client that writes its requests byte for byte as CardContact's client does. An interceptor can change commands.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use countersign_card::{Transport, TransportError};
use countersign_ram::{Answer, Initiation, Instruction, Outcome, Request};

/// Passes a command to the card, or changes or drops it.
pub type Interceptor =
    Box<dyn FnMut(&mut dyn Transport, &[u8]) -> Result<Vec<u8>, TransportError> + Send>;

/// An interceptor that passes every command to the card.
pub fn pass_through() -> Interceptor {
    Box::new(|card, command| card.transmit(command))
}

/// A connection to a server, with the session's cookie.
pub struct Wire {
    reader: BufReader<TcpStream>,
    port: u16,
    path: String,
    cookie: Option<String>,
    /// Header lines that a proxy adds.
    added: String,
}

impl Wire {
    pub fn connect(server: SocketAddr, path: &str) -> Self {
        let stream = TcpStream::connect(server).expect("connects");
        Self {
            reader: BufReader::new(stream),
            port: server.port(),
            path: path.to_owned(),
            cookie: None,
            added: String::new(),
        }
    }

    /// A handle with which a test can break the connection.
    pub fn stream(&self) -> TcpStream {
        self.reader.get_ref().try_clone().expect("a handle")
    }

    /// Posts a message, and returns the status, the `Set-Cookie` header and the body.
    pub fn post(&mut self, body: &[u8]) -> std::io::Result<(u16, Option<String>, Vec<u8>)> {
        let cookie = self
            .cookie
            .as_ref()
            .map_or(String::new(), |cookie| format!("Cookie: {cookie}\r\n"));
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{cookie}{}Content-Type: {}\r\nAccept: */*\r\n{}: {}\r\nContent-Length: {}\r\n\r\n",
            self.path,
            self.port,
            self.added,
            countersign_ram::http::CLIENT_CONTENT_TYPE,
            countersign_ram::http::PROTOCOL_HEADER,
            countersign_ram::http::PROTOCOL,
            body.len()
        );
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        self.reader.get_mut().write_all(&bytes)?;
        let mut line = || {
            let mut line = String::new();
            match self.reader.read_line(&mut line)? {
                0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
                _ => Ok::<_, std::io::Error>(line.trim_end().to_owned()),
            }
        };
        let status = line()?[9..12].parse().expect("a status");
        let (mut length, mut set_cookie) = (None, None);
        loop {
            let header = line()?;
            if header.is_empty() {
                break;
            }
            let (name, value) = header.split_once(": ").expect("a header");
            match name {
                "content-length" => length = Some(value.parse().expect("a length")),
                "set-cookie" => set_cookie = Some(value.to_owned()),
                "transfer-encoding" => panic!("some clients cannot read {value}"),
                _ => {}
            }
        }
        if let Some(value) = &set_cookie {
            assert!(self.cookie.is_none(), "set once, with the first answer");
            self.cookie = value.split(';').next().map(str::to_owned);
        }
        let mut body = vec![0; length.expect("every client needs the length")];
        self.reader.read_exact(&mut body)?;
        Ok((status, set_cookie, body))
    }
}

/// A client that runs in its own thread.
pub struct Client {
    stream: TcpStream,
    notifications: Arc<Mutex<Vec<(i32, String)>>>,
    thread: JoinHandle<Option<u16>>,
}

impl Client {
    /// Attaches a card.
    pub fn attach(
        server: SocketAddr,
        path: &str,
        card: impl Transport + 'static,
        interceptor: Interceptor,
    ) -> Self {
        Self::attach_with(server, path, "", card, interceptor)
    }

    /// Attaches a card through a proxy that adds these headers.
    pub fn attach_with(
        server: SocketAddr,
        path: &str,
        added: &str,
        card: impl Transport + 'static,
        interceptor: Interceptor,
    ) -> Self {
        let mut wire = Wire::connect(server, path);
        added.clone_into(&mut wire.added);
        let stream = wire.stream();
        let notifications = Arc::<Mutex<Vec<_>>>::default();
        let sink = notifications.clone();
        let thread = std::thread::spawn(move || run(wire, Box::new(card), interceptor, &sink));
        Self {
            stream,
            notifications,
            thread,
        }
    }

    /// The notifications for the person at the card, each with its number.
    pub fn notifications(&self) -> Vec<(i32, String)> {
        self.notifications.lock().expect("not poisoned").clone()
    }

    /// Breaks the connection, which the client notices as well.
    pub fn pull(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Waits until the client ends, and returns the last status, or `None` if the connection broke.
    pub fn ended(self) -> Option<u16> {
        self.thread.join().expect("the client panicked")
    }
}

fn run(
    mut wire: Wire,
    mut card: Box<dyn Transport>,
    mut interceptor: Interceptor,
    notifications: &Mutex<Vec<(i32, String)>>,
) -> Option<u16> {
    let atr = card.reset().expect("a card").0;
    let first = Initiation {
        atr,
        max_command: None,
        max_response: None,
    };
    let mut body = first.encode().expect("a message");
    loop {
        let (status, _, request) = wire.post(&body).ok()?;
        if status != 200 {
            return Some(status);
        }
        let request = Request::parse(&request).expect("a request");
        let mut answer = Answer::default();
        for instruction in request.instructions {
            let outcome = match instruction {
                Instruction::Command(command) => {
                    answer.executed += 1;
                    interceptor(&mut *card, &command).map(Outcome::Response)
                }
                Instruction::Reset => card.reset().map(|atr| Outcome::Atr(atr.0)),
                Instruction::Notify(notification) => {
                    let last = notification.id < 0;
                    notifications
                        .lock()
                        .expect("not poisoned")
                        .push((notification.id, notification.text));
                    // Existing clients do not connect again after this notification.
                    if last {
                        return Some(status);
                    }
                    continue;
                }
                Instruction::Close(why) => panic!("{why}: some clients do not know this"),
            };
            match outcome {
                Ok(outcome) => answer.outcomes.push(outcome),
                Err(error) => {
                    answer.outcomes.push(Outcome::Failed(error.to_string()));
                    break;
                }
            }
        }
        body = answer.encode().expect("a message");
    }
}

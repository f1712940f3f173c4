//! A RAMOverHTTP server that sends scripted answers and records what it receives.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
};

/// A POST that was received.
#[derive(Debug, PartialEq, Eq)]
pub struct ReceivedPost {
    /// The number of the connection, from 1.
    pub connection: usize,
    /// The request line.
    pub line: String,
    /// The headers, with names in lowercase.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl ReceivedPost {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// One answer of the server.
pub enum ServerReply {
    /// The status with its reason, further header lines, and the body.
    Status(&'static str, &'static str, Vec<u8>),
    /// Status 200 with this body.
    Instructions(Vec<u8>),
    /// Status 200 with this body in chunks, after which the connection is closed.
    Chunked(Vec<u8>),
    /// The connection is closed without an answer.
    HangUp,
}

/// A server that accepts as many POSTs as it has answers.
pub struct Server {
    pub address: String,
    received: Receiver<ReceivedPost>,
    thread: JoinHandle<()>,
}

impl Server {
    pub fn answering(answers: Vec<ServerReply>) -> Self {
        Self::answering_at(0, answers)
    }

    /// Uses this port, or any port for 0.
    pub fn answering_at(port: u16, answers: Vec<ServerReply>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port");
        let address = format!(
            "http://127.0.0.1:{}/rt/hsm?session=42",
            listener.local_addr().expect("an address").port()
        );
        let (sender, received) = channel();
        let thread = std::thread::spawn(move || serve(&listener, answers, &sender));
        Self {
            address,
            received,
            thread,
        }
    }

    /// All received POSTs, after all answers were sent.
    pub fn received(self) -> Vec<ReceivedPost> {
        self.thread.join().expect("the server panicked");
        self.received.into_iter().collect()
    }
}

fn serve(listener: &TcpListener, answers: Vec<ServerReply>, received: &Sender<ReceivedPost>) {
    let mut open: Option<BufReader<TcpStream>> = None;
    let mut connection = 0;
    for answer in answers {
        let post = loop {
            if let Some(reader) = &mut open
                && let Some(post) = read(reader, connection)
            {
                break post;
            }
            connection += 1;
            open = Some(BufReader::new(listener.accept().expect("a client").0));
        };
        let reader = open.as_mut().expect("a connection");
        received.send(post).expect("the test receives");
        let stream = reader.get_mut();
        match answer {
            ServerReply::Status(status, headers, body) => {
                write(stream, status, headers, &body);
            }
            ServerReply::Instructions(body) => write(stream, "200 OK", "", &body),
            ServerReply::Chunked(body) => {
                let head =
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
                stream.write_all(head.as_bytes()).expect("sent");
                for chunk in body.chunks(7) {
                    write!(stream, "{:x}\r\n", chunk.len()).expect("sent");
                    stream.write_all(chunk).expect("sent");
                    stream.write_all(b"\r\n").expect("sent");
                }
                stream.write_all(b"0\r\n\r\n").expect("sent");
                open = None;
            }
            ServerReply::HangUp => open = None,
        }
    }
}

fn write(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    // A response with status 204 has neither body nor length.
    let head = if status.starts_with("204") {
        format!("HTTP/1.1 {status}\r\n{headers}\r\n")
    } else {
        head
    };
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(body).expect("sent");
}

fn read(reader: &mut BufReader<TcpStream>, connection: usize) -> Option<ReceivedPost> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim_end();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length")?;
    let mut body = vec![0; length.1.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(ReceivedPost {
        connection,
        line: line.trim_end().to_owned(),
        headers,
        body,
    })
}

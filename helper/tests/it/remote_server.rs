//! A RAMOverHTTP server that says what the test wants it to say, and keeps what it hears.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
};

/// A POST as it came.
#[derive(Debug, PartialEq, Eq)]
pub struct Heard {
    /// Number of the connection.
    pub connection: usize,
    /// First line.
    pub line: String,
    /// Headers, names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Heard {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// What is answered next.
pub enum Say {
    /// A status line's number and reason, further header lines, and the body.
    Status(&'static str, &'static str, Vec<u8>),
    /// 200 with this body.
    Work(Vec<u8>),
    /// 200, in chunks, and the connection is closed.
    Chunked(Vec<u8>),
    /// Nothing: the connection is closed.
    HangUp,
}

/// A server for as many POSTs as it has answers.
pub struct Server {
    pub address: String,
    heard: Receiver<Heard>,
    thread: JoinHandle<()>,
}

impl Server {
    pub fn saying(answers: Vec<Say>) -> Self {
        Self::saying_at(0, answers)
    }

    /// 0: any port.
    pub fn saying_at(port: u16, answers: Vec<Say>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a port");
        let address = format!(
            "http://127.0.0.1:{}/rt/hsm?session=42",
            listener.local_addr().expect("an address").port()
        );
        let (sender, heard) = channel();
        let thread = std::thread::spawn(move || serve(&listener, answers, &sender));
        Self {
            address,
            heard,
            thread,
        }
    }

    /// All that was heard, once everything was said.
    pub fn heard(self) -> Vec<Heard> {
        self.thread.join().expect("the server panicked");
        self.heard.into_iter().collect()
    }
}

fn serve(listener: &TcpListener, answers: Vec<Say>, heard: &Sender<Heard>) {
    let mut open: Option<BufReader<TcpStream>> = None;
    let mut connection = 0;
    for say in answers {
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
        heard.send(post).expect("the test listens");
        let stream = reader.get_mut();
        match say {
            Say::Status(status, headers, body) => {
                write(stream, status, headers, &body);
            }
            Say::Work(body) => write(stream, "200 OK", "", &body),
            Say::Chunked(body) => {
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
            Say::HangUp => open = None,
        }
    }
}

fn write(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    // 204 has no body, and no length.
    let head = if status.starts_with("204") {
        format!("HTTP/1.1 {status}\r\n{headers}\r\n")
    } else {
        head
    };
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(body).expect("sent");
}

fn read(reader: &mut BufReader<TcpStream>, connection: usize) -> Option<Heard> {
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
    Some(Heard {
        connection,
        line: line.trim_end().to_owned(),
        headers,
        body,
    })
}

//! A server on loopback that answers what it is told, one connection per request.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

/// What happens to one request.
pub enum Canned {
    /// The connection breaks before an answer.
    Drop,
    /// The connection breaks within the answer.
    Cut,
    /// The connection stays, and nothing comes.
    Silence,
    /// Status, further header lines, body.
    Answer(u16, &'static str, String),
}

/// A request as it came.
#[derive(Debug)]
pub struct Seen {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

pub struct Server {
    pub url: String,
    seen: Receiver<Seen>,
}

impl Server {
    pub fn start(script: Vec<Canned>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, seen) = channel();
        std::thread::spawn(move || {
            for canned in script {
                let (stream, _) = listener.accept().unwrap();
                let request = read(&stream);
                if sender.send(request).is_err() {
                    return;
                }
                answer(stream, canned);
            }
        });
        Self { url, seen }
    }

    pub fn next(&self) -> Seen {
        self.seen
            .recv_timeout(Duration::from_secs(10))
            .expect("a request should have come")
    }

    pub fn is_quiet(&self) -> bool {
        self.seen.recv_timeout(Duration::from_millis(200)).is_err()
    }
}

fn read(stream: &TcpStream) -> Seen {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut seen = Seen {
        line: line.trim().to_owned(),
        headers,
        body: String::new(),
    };
    let length = seen
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    seen.body = String::from_utf8(body).unwrap();
    seen
}

fn answer(mut stream: TcpStream, canned: Canned) {
    let text = match canned {
        Canned::Drop => return,
        // Dropped, it would be closed.
        Canned::Silence => return std::mem::forget(stream),
        Canned::Cut => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_owned(),
        Canned::Answer(status, headers, body) => format!(
            "HTTP/1.1 {status} Whatever\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        ),
    };
    stream.write_all(text.as_bytes()).unwrap();
}

//! A loopback server that gives canned responses and accepts one connection per request.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

/// The response to one request.
pub enum Canned {
    /// The connection closes before a response.
    Close,
    /// The connection closes in the middle of the response.
    Truncate,
    /// The connection stays open without a response.
    Hang,
    /// Status, additional header lines and body.
    Respond(u16, &'static str, String),
}

#[derive(Debug)]
pub struct ReceivedRequest {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl ReceivedRequest {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

pub struct Server {
    pub url: String,
    received: Receiver<ReceivedRequest>,
}

impl Server {
    pub fn start(script: Vec<Canned>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, received) = channel();
        std::thread::spawn(move || {
            for canned in script {
                let (stream, _) = listener.accept().unwrap();
                let request = read(&stream);
                if sender.send(request).is_err() {
                    return;
                }
                respond(stream, canned);
            }
        });
        Self { url, received }
    }

    pub fn next(&self) -> ReceivedRequest {
        self.received
            .recv_timeout(Duration::from_secs(10))
            .expect("the client sends a request")
    }

    pub fn receives_nothing(&self) -> bool {
        self.received
            .recv_timeout(Duration::from_millis(200))
            .is_err()
    }
}

fn read(stream: &TcpStream) -> ReceivedRequest {
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
    let mut request = ReceivedRequest {
        line: line.trim().to_owned(),
        headers,
        body: String::new(),
    };
    let length = request
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request.body = String::from_utf8(body).unwrap();
    request
}

fn respond(mut stream: TcpStream, canned: Canned) {
    let text = match canned {
        Canned::Close => return,
        // Forgotten, because dropping the stream would close it.
        Canned::Hang => return std::mem::forget(stream),
        Canned::Truncate => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_owned(),
        Canned::Respond(status, headers, body) => format!(
            "HTTP/1.1 {status} Whatever\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        ),
    };
    stream.write_all(text.as_bytes()).unwrap();
}

//! A server that shows one HSM with one key, opens it for everyone, and signs every digest with a known key.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use countersign_cvc::{Curve, EcSecretKey};
use countersign_protocol::{encoding::Base64, signature::SignRequest};
use serde_json::{Value, json};

/// A token in the form that clients demand.
pub const TOKEN: &str = "cs_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Longest body that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// Serves the module of this process, in threads that end with it.
pub fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(&stream));
        }
    });
    address
}

fn serve(stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    while let Some((path, body)) = read(&mut reader) {
        let (status, answer) = answer(&path, &body);
        let body = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = stream;
        if stream
            .write_all(&[head.as_bytes(), body.as_bytes()].concat())
            .is_err()
        {
            return;
        }
    }
}

/// Method and path of a request, and its body.
fn read(reader: &mut BufReader<&TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let path = first.rsplit_once(' ')?.0.to_owned();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value
                .trim()
                .parse()
                .ok()
                .filter(|length| *length < LONGEST)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, body))
}

fn answer(request: &str, body: &[u8]) -> (u16, Value) {
    let (method, path) = request.split_once(' ').unwrap_or((request, ""));
    let path = path.split('?').next().unwrap_or_default();
    match (method, path) {
        ("GET", "/api/v1/hsms") => (200, json!([example("HsmView")])),
        ("GET", "/api/v1/keys") => (200, json!([example("SigningKeyView")])),
        ("GET", "/api/v1/about") => (200, example("About")),
        ("GET", "/api/v1/session") => (200, example("SessionView")),
        ("POST", "/api/v1/activations") => (201, activation()),
        ("POST", path) if path.ends_with("/signatures") => signature(body),
        ("GET", path) if path.starts_with("/api/v1/activations/") => (200, activation()),
        _ => (
            404,
            json!({ "type": "about:blank", "title": "Not found", "status": 404, "code": "not-found", "detail": "no" }),
        ),
    }
}

/// An example of the API's documentation.
fn example(name: &str) -> Value {
    let examples = include_str!("../../../../../backend/src/http/openapi/examples.json");
    let examples: Value = serde_json::from_str(examples).expect("examples");
    examples.get(name).cloned().unwrap_or_default()
}

fn activation() -> Value {
    let mut view = example("ActivationView");
    view["state"] = json!({
        "type": "open", "since": "2026-11-28T09:14:00Z", "until": "2096-11-28T09:14:00Z", "left": 1000,
    });
    view["terms"]["expiresAt"] = json!("2096-11-29T09:10:00Z");
    view["terms"]["purpose"]["scope"] = json!({ "type": "open" });
    view
}

/// A signature by the key of the examples, whose public point is the curve's generator.
fn signature(body: &[u8]) -> (u16, Value) {
    let Ok(request) = serde_json::from_slice::<SignRequest>(body) else {
        return (
            400,
            json!({ "status": 400, "code": "malformed", "detail": "no" }),
        );
    };
    let mut one = [0; 32];
    one[31] = 1;
    let key = EcSecretKey::from_bytes(Curve::Secp256r1, &one).expect("a scalar");
    let mut digest = request.digest.clone();
    digest.resize(32, 0);
    let signature = key.sign_prehash(&digest).expect("a signature");
    let mut view = example("SignatureView");
    view["digest"] = json!(hex::encode(&request.digest));
    view["mechanism"] = json!(request.mechanism);
    view["signature"] = json!(Base64(signature.to_der()));
    (201, view)
}

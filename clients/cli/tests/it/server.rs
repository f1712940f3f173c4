//! A simulated server with one activation, which signs with a key in memory.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use countersign_protocol::{
    cvc::{Curve, EcSecretKey, PublicKey},
    encoding::Base64,
    problem::{Problem, ProblemCode},
};
use serde_json::{Value, json};

pub const ID: &str = "8K3F";

#[derive(Clone, Default)]
pub struct Behaviour {
    /// The activation exists already.
    pub joined: bool,
    /// The custodians do not decide.
    pub undecided: bool,
    /// The activation ends for this reason instead of opening.
    pub end: Option<Value>,
    /// Limit of signatures under the lease.
    pub limit: Option<usize>,
    /// Signatures are made of a different digest.
    pub wrong_signatures: bool,
}

pub struct Server {
    pub url: String,
    state: Arc<Mutex<State>>,
}

struct State {
    behaviour: Behaviour,
    key: EcSecretKey,
    activation_request: Value,
    activation: Option<Value>,
    signatures: Vec<Value>,
    requests: Vec<String>,
}

impl Server {
    pub fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let key = EcSecretKey::from_bytes(Curve::Secp384r1, &[7; 48]).unwrap();
        let state = State {
            behaviour,
            key,
            activation_request: Value::Null,
            activation: None,
            signatures: Vec::new(),
            requests: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream.unwrap(), &shared));
            }
        });
        Self { url, state }
    }

    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.state.lock().unwrap().behaviour = behaviour;
    }

    pub fn public_key(&self) -> PublicKey {
        self.state.lock().unwrap().key.public_key()
    }

    /// Number of received requests that begin with this method and path.
    pub fn count(&self, prefix: &str) -> usize {
        let state = self.state.lock().unwrap();
        state
            .requests
            .iter()
            .filter(|request| request.starts_with(prefix))
            .count()
    }

    /// The body of the last request for an activation.
    pub fn activation_request(&self) -> Value {
        self.state.lock().unwrap().activation_request.clone()
    }

    /// The terms of the activation.
    pub fn terms(&self) -> Value {
        self.state.lock().unwrap().activation.as_ref().unwrap()["terms"].clone()
    }

    pub fn set_activation_state(&self, activation_state: Value) {
        self.state.lock().unwrap().change(activation_state);
    }
}

fn serve(stream: TcpStream, shared: &Mutex<State>) {
    let mut reader = BufReader::new(&stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim().split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut words = line.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let path = path.strip_prefix("/api/v1").unwrap();
    if path.contains("after=") {
        // A long poll takes time, during which the state is not locked.
        std::thread::sleep(Duration::from_millis(50));
    }
    let (status, response) = shared.lock().unwrap().respond(method, path, &body);
    let response = response.to_string();
    let head = format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        response.len()
    );
    let _ = (&stream).write_all(format!("{head}{response}").as_bytes());
}

fn problem(code: ProblemCode) -> (u16, Value) {
    (
        code.status(),
        json!(Problem::new(code, "the detail of the server")),
    )
}

impl State {
    fn respond(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.requests.push(format!("{method} {path}"));
        let activation = format!("/activations/{ID}");
        match (method, path) {
            ("GET", "/keys") => (200, json!([self.key_view()])),
            ("GET", "/hsms") => (200, json!([hsm_without_keys()])),
            ("PUT", _) if path.ends_with("/certificate") => (204, Value::Null),
            ("GET", "/session") => (200, json!({ "person": person(), "roles": [], "key": null })),
            ("GET", "/activations?state=active" | "/activations?state=all") => {
                (200, json!(self.activation.as_slice()))
            }
            ("POST", "/activations") => {
                let status = if self.behaviour.joined { 200 } else { 201 };
                self.activation_request = body.clone();
                if self.activation.is_none() {
                    self.activation = Some(self.new_activation(body));
                }
                (status, self.view())
            }
            ("GET", _) if path == activation && self.activation.is_none() => {
                problem(ProblemCode::NotFound)
            }
            ("GET", _) if path.starts_with(&format!("{activation}?after")) => {
                self.decide();
                (200, self.view())
            }
            ("GET", _) if path == activation => (200, self.view()),
            ("POST", _) if path == format!("{activation}/lock") => {
                self.change(ended(json!({ "type": "cancelled", "by": person() })));
                (200, self.view())
            }
            ("GET", _) if path == format!("{activation}/signatures") => {
                (200, json!(self.signatures))
            }
            ("POST", _) if path == format!("{activation}/signatures") => self.sign(body),
            _ => problem(ProblemCode::NotFound),
        }
    }

    fn view(&self) -> Value {
        let mut view = self.activation.clone().unwrap();
        view["signatures"] = json!(self.signatures.len());
        view
    }

    fn key_name(&self) -> Value {
        json!({ "label": "release", "fingerprint": self.key.public_key().fingerprint() })
    }

    fn key_view(&self) -> Value {
        let key = self.key.public_key();
        json!({
            "hsm": "hsm-1", "label": "release", "fingerprint": key.fingerprint(), "id": "01", "publicKey": key,
            "certificate": null,
            "kind": key.kind(), "mechanisms": ["ecdsa-sha256", "ecdsa-sha384"],
            "usesLeft": null, "attested": true
        })
    }

    fn new_activation(&self, body: &Value) -> Value {
        let custodian = |id: &str, name: &str, decision: Value| {
            json!({
                "person": { "id": id, "name": name }, "key": "22".repeat(32),
                "chr": "UTANNA00001", "decision": decision
            })
        };
        json!({
            "terms": {
                "id": ID,
                "hsm": { "id": "hsm-1", "device": "UTHSM000001" },
                "purpose": { "type": "sign", "keys": [self.key_name()], "scope": body["purpose"]["scope"] },
                "requester": person(),
                "reason": body["reason"],
                "lease": body["lease"].as_object().map_or(
                    json!({ "seconds": 3600, "signatures": 2 }),
                    |lease| json!(lease)
                ),
                "quorum": { "required": 2, "total": 3 },
                "requestedAt": "2026-01-01T00:00:00Z",
                "expiresAt": "2026-01-02T00:00:00Z"
            },
            "revision": 1,
            "state": { "type": "awaiting-approvals" },
            "custodians": [
                custodian("o1", "Anna", json!({ "type": "approved", "at": "2026-01-01T00:01:00Z" })),
                custodian("o2", "Bob", json!({ "type": "pending" })),
                custodian("o3", "Carol\u{1b}[2J", json!({ "type": "pending" }))
            ],
            "approvals": 1,
            "signatures": 0,
            "notice": null,
            "url": "https://sign.example.org/a/8K3F"
        })
    }

    fn change(&mut self, state: Value) {
        let activation = self.activation.as_mut().unwrap();
        activation["state"] = state;
        activation["revision"] = json!(activation["revision"].as_u64().unwrap() + 1);
    }

    fn decide(&mut self) {
        let state = &self.activation.as_ref().unwrap()["state"]["type"];
        if state != "awaiting-approvals" || self.behaviour.undecided {
            return;
        }
        match self.behaviour.end.clone() {
            Some(reason) => {
                if reason["type"] == "declined" {
                    let why = json!({
                        "type": "declined", "at": "2026-01-01T00:02:00Z", "reason": "not\u{1b}[2J today"
                    });
                    if let Some(activation) = &mut self.activation {
                        activation["custodians"][1]["decision"] = why;
                    }
                }
                self.change(ended(reason));
            }
            None => self.change(open()),
        }
    }

    fn sign(&mut self, body: &Value) -> (u16, Value) {
        if self.activation.as_ref().unwrap()["state"]["type"] != "open" {
            return problem(ProblemCode::NotOpen);
        }
        if self
            .behaviour
            .limit
            .is_some_and(|limit| self.signatures.len() >= limit)
        {
            self.change(ended(json!({ "type": "signature-limit-reached" })));
            return problem(ProblemCode::ActivationEnded);
        }
        let mut digest = hex::decode(body["digest"].as_str().unwrap()).unwrap();
        if self.behaviour.wrong_signatures {
            digest.reverse();
        }
        let signature = self.key.sign_prehash(&digest).unwrap().to_der();
        let made = json!({
            "id": format!("s{}", self.signatures.len()), "activation": ID,
            "key": self.key.public_key().fingerprint(), "mechanism": body["mechanism"],
            "digest": body["digest"], "name": null, "signature": Base64(signature),
            "madeAt": "2026-01-01T00:02:00Z"
        });
        self.signatures.push(made.clone());
        (200, made)
    }
}

pub fn open() -> Value {
    json!({ "type": "open", "since": "2026-01-01T00:00:00Z", "until": "2026-01-01T01:00:00Z", "left": 2 })
}

pub fn ended(reason: Value) -> Value {
    json!({ "type": "ended", "reason": reason, "at": "2026-01-01T00:03:00Z" })
}

fn hsm_without_keys() -> Value {
    json!({
        "id": "hsm-2", "transport": "simulator", "state": { "type": "locked" }, "device": null, "pka": null,
        "keys": [], "custodians": [], "warnings": [], "removable": false
    })
}

fn person() -> Value {
    json!({ "id": "o9", "name": "Build" })
}

//! An Assuan pinentry that answers without a person, for tests and the unattended demo.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "only tests and the demo run it"
)]

use std::io::{BufRead, Write};

use countersign_harness::pinentry::{SCRIPT, ScriptedPrompt, ShownPrompt};

fn main() {
    let mut out = std::io::stdout().lock();
    let mut say = |line: &str| {
        writeln!(out, "{line}").unwrap();
        out.flush().unwrap();
    };
    let mut description = String::new();
    say("OK ready");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
        match command {
            "SETDESC" => {
                description = unescape(argument);
                say("OK");
            }
            "CONFIRM" | "GETPIN" => {
                let path = std::env::var_os(SCRIPT).expect("the harness sets the variable");
                let script: ScriptedPrompt =
                    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
                let shown = ShownPrompt {
                    command: command.to_owned(),
                    text: description.clone(),
                };
                let mut file = std::fs::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(&script.shown)
                    .unwrap();
                writeln!(file, "{}", serde_json::to_string(&shown).unwrap()).unwrap();
                match (command, script.consent, script.pin) {
                    ("CONFIRM", true, _) => say("OK"),
                    ("GETPIN", _, Some(pin)) => {
                        say(&format!("D {pin}"));
                        say("OK");
                    }
                    _ => say("ERR 83886179 Operation cancelled"),
                }
            }
            "BYE" => {
                say("OK closing connection");
                return;
            }
            _ => say("OK"),
        }
    }
}

fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%')
            .then(|| bytes.get(at + 1..at + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match escaped {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

//! Requests as the cloud service's own documentation and tests make them.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::credentials::Credentials;

/// curl with these credentials.
pub struct Curl(pub Credentials);

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub media_type: String,
    pub json: Value,
}

impl Reply {
    /// The body of a successful reply.
    pub fn ok(self) -> anyhow::Result<Value> {
        ensure!(
            self.status == 200 && self.media_type == "application/json",
            "{self:?}"
        );
        Ok(self.json)
    }

    /// Checks that the reply is a problem with this status and code, and returns its detail.
    pub fn problem(self, status: u16, code: &str) -> anyhow::Result<String> {
        let detail = self.json["detail"].as_str().unwrap_or_default();
        ensure!(
            self.status == status
                && self.media_type == "application/problem+json"
                && self.json["type"] == format!("urn:countersign:problem:{code}")
                && !detail.is_empty(),
            "expected {status} {code}: {self:?}"
        );
        Ok(detail.to_owned())
    }
}

impl Curl {
    pub fn get(&self, path: &str) -> anyhow::Result<Reply> {
        self.run(&["--header", "Accept: application/json"], path, b"")
    }

    pub fn method(&self, method: &str, path: &str) -> anyhow::Result<Reply> {
        self.run(&["--request", method], path, b"")
    }

    /// `POST {key}/signhash`.
    pub fn sign_hash(&self, key: &str, algorithm: &str, hash: &[u8]) -> anyhow::Result<Reply> {
        let body = serde_json::json!({"hash": hex::encode_upper(hash), "algo": algorithm});
        self.post(key, body.to_string().as_bytes())
    }

    /// `POST {key}/signhash` with any body.
    pub fn post(&self, key: &str, body: &[u8]) -> anyhow::Result<Reply> {
        self.run(&["--json", "@-"], &format!("{key}/signhash"), body)
    }

    fn run(&self, arguments: &[&str], path: &str, input: &[u8]) -> anyhow::Result<Reply> {
        let Credentials {
            base,
            arguments: who,
        } = &self.0;
        let mut child = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "60"])
            .args(["--write-out", "\n%{http_code} %{content_type}"])
            .args(who)
            .args(arguments)
            .arg(format!("{base}{path}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run curl")?;
        let mut stdin = child.stdin.take().context("curl has a standard input")?;
        stdin.write_all(input)?;
        drop(stdin);
        let output = child.wait_with_output()?;
        ensure!(
            output.status.success(),
            "curl {path}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout)?;
        let (body, summary) = text
            .rsplit_once('\n')
            .context("curl did not print the status")?;
        let (status, media_type) = summary
            .split_once(' ')
            .context("curl did not print the media type")?;
        Ok(Reply {
            status: status.parse()?,
            media_type: media_type.to_owned(),
            json: serde_json::from_str(body).with_context(|| format!("{path}: {body}"))?,
        })
    }
}

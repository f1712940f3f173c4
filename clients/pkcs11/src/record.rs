//! Recording mode: digests are recorded, and placeholder bytes are returned that cannot be mistaken for a signature.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use countersign_client::recording::Recorded;
use countersign_protocol::{cvc::PublicKey, hsm::SigningKeyView, signature::SignRequest};
use cryptoki_sys as ck;

use crate::{
    report,
    rv::{Result, Rv},
    sign::Hasher,
};

pub use countersign_client::recording::RECORD_ENV;

/// The text that is repeated in the place of a signature.
const PLACEHOLDER: &[u8] = b"RECORDED BY COUNTERSIGN - NOT A SIGNATURE - ";
/// Larger files are recorded by name, but not hashed to find out whether the program signs them.
const MAX_HASHED_FILE: u64 = 1 << 30;

/// Appends signature requests to the recording.
pub struct Recorder(PathBuf);

impl Recorder {
    /// Returns a recorder if `COUNTERSIGN_RECORD` is set.
    pub fn from_environment() -> Option<Self> {
        std::env::var_os(RECORD_ENV)
            .filter(|file| !file.is_empty())
            .map(|file| Self(file.into()))
    }

    /// Reports that nothing is signed, so that a variable that was set by mistake is noticed immediately.
    pub fn announce(&self) {
        report::line(&format!(
            "recording to {}, nothing is signed",
            self.0.display()
        ));
    }

    /// Records the request, and returns a placeholder with the length of a signature.
    ///
    /// # Errors
    /// The recording cannot be written.
    pub fn sign(&self, key: &SigningKeyView, request: &SignRequest) -> Result<Vec<u8>> {
        let recorded = Recorded {
            hsm: key.hsm.clone(),
            key: key.fingerprint,
            label: key.label.clone(),
            request: request.clone(),
            program: program(),
            files: files(),
            file: files().into_iter().find(|file| is_digest_of(file, request)),
        };
        self.append(&recorded).map_err(|error| {
            report::line(&format!(
                "cannot write the recording {}: {error}",
                self.0.display()
            ));
            Rv(ck::CKR_FUNCTION_FAILED)
        })?;
        let length = match &key.public_key {
            PublicKey::Ec(key) => 2 * key.curve().field_len(),
            PublicKey::Rsa(key) => key.modulus().len(),
        };
        // The first byte is 0, because some programs reject a number greater than the modulus.
        Ok(std::iter::once(0)
            .chain(PLACEHOLDER.iter().copied().cycle())
            .take(length)
            .collect())
    }

    /// Appends a line with a single write, because several processes write to one file.
    fn append(&self, recorded: &Recorded) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(recorded)?;
        line.push(b'\n');
        let mut file = OpenOptions::new().append(true).open(&self.0)?;
        file.write_all(&line)
    }
}

pub fn arguments() -> Vec<String> {
    // The arguments are read from /proc, because a language's runtime may hide them from libraries.
    let command = std::fs::read("/proc/self/cmdline").unwrap_or_default();
    let words = command.split(|byte| *byte == 0);
    words
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

fn program() -> String {
    let arguments = arguments();
    let program = arguments.first().map_or("", String::as_str);
    Path::new(program)
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The program's arguments that are files. Other arguments are not recorded, because a PIN may be among them.
fn files() -> Vec<String> {
    arguments()
        .into_iter()
        .skip(1)
        .filter(|argument| Path::new(argument).is_file())
        .collect()
}

/// The name of this program and its arguments that are files.
pub fn program_and_files() -> String {
    let files = files();
    let program = program();
    if files.is_empty() {
        program
    } else {
        format!("{program} {}", files.join(" "))
    }
}

/// Whether the request is for the digest of this file.
fn is_digest_of(file: &str, request: &SignRequest) -> bool {
    let hash = |mut hasher: Hasher| -> std::io::Result<Vec<u8>> {
        let mut file = File::open(file)?;
        if file.metadata()?.len() > MAX_HASHED_FILE {
            return Ok(Vec::new());
        }
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = std::io::Read::read(&mut file, &mut buffer)?;
            if count == 0 {
                return Ok(hasher.finish());
            }
            hasher.update(buffer.get(..count).unwrap_or_default());
        }
    };
    let hasher = request.mechanism.hash().map(Hasher::new);
    hasher.is_some_and(|hasher| hash(hasher).is_ok_and(|digest| digest == request.digest))
}

//! Recording: digests are written down, and what is answered can be taken for no signature.

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

/// What stands in the place of a signature, as often as it takes.
const MARK: &[u8] = b"RECORDED BY COUNTERSIGN - NOT A SIGNATURE - ";
/// Files that are larger are named, but not compared.
const LARGEST_FILE: u64 = 1 << 30;

/// Writes down what a program has signed.
pub struct Recorder(PathBuf);

impl Recorder {
    /// The recorder that the environment names.
    pub fn from_environment() -> Option<Self> {
        std::env::var_os(RECORD_ENV)
            .filter(|file| !file.is_empty())
            .map(|file| Self(file.into()))
    }

    /// Says that nothing is signed: whoever set the variable by mistake must not find out later.
    pub fn announce(&self) {
        report::line(&format!(
            "recording to {}: nothing is signed",
            self.0.display()
        ));
    }

    /// Writes the request down; answers bytes as long as a signature.
    ///
    /// # Errors
    /// `CKR_FUNCTION_FAILED`: the file cannot be written.
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
                "the recording {} cannot be written: {error}",
                self.0.display()
            ));
            Rv(ck::CKR_FUNCTION_FAILED)
        })?;
        let length = match &key.public_key {
            PublicKey::Ec(key) => 2 * key.curve().field_len(),
            PublicKey::Rsa(key) => key.modulus().len(),
        };
        // Some programs refuse a number larger than the modulus.
        Ok(std::iter::once(0)
            .chain(MARK.iter().copied().cycle())
            .take(length)
            .collect())
    }

    /// One line per request; several processes write to one file.
    fn append(&self, recorded: &Recorded) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(recorded)?;
        line.push(b'\n');
        let mut file = OpenOptions::new().append(true).open(&self.0)?;
        file.write_all(&line)
    }
}

fn arguments() -> Vec<String> {
    // The program's own arguments, which its language may hide from libraries.
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

/// Arguments that are files. No others are written down: a PIN may be among them.
fn files() -> Vec<String> {
    arguments()
        .into_iter()
        .skip(1)
        .filter(|argument| Path::new(argument).is_file())
        .collect()
}

/// Program and files of this process, in words.
pub fn origin() -> String {
    let files = files();
    let program = program();
    if files.is_empty() {
        program
    } else {
        format!("{program} {}", files.join(" "))
    }
}

/// Whether the program signs this very file.
fn is_digest_of(file: &str, request: &SignRequest) -> bool {
    let hash = |mut hasher: Hasher| -> std::io::Result<Vec<u8>> {
        let mut file = File::open(file)?;
        if file.metadata()?.len() > LARGEST_FILE {
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

//! What the PKCS#11 module writes down in recording mode, one JSON object a line.

use countersign_protocol::{cvc::Fingerprint, id::HsmId, signature::SignRequest};
use serde::{Deserialize, Serialize};

/// The file that the module writes to. Where it is set, nothing is really signed.
pub const RECORD_ENV: &str = "COUNTERSIGN_RECORD";

/// One request for a signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recorded {
    /// The HSM.
    pub hsm: HsmId,
    /// The key.
    pub key: Fingerprint,
    /// Its label.
    pub label: String,
    /// What would have been signed.
    pub request: SignRequest,
    /// Name of the program.
    pub program: String,
    /// Its arguments that are files.
    pub files: Vec<String>,
    /// The file whose digest it is, if it is one of those.
    pub file: Option<String>,
}

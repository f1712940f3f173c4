//! The recording that the PKCS#11 module writes in recording mode, with one JSON object per line.

use countersign_protocol::{cvc::Fingerprint, id::HsmId, signature::SignRequest};
use serde::{Deserialize, Serialize};

/// Path of the recording. While it is set, the module signs nothing.
pub const RECORD_ENV: &str = "COUNTERSIGN_RECORD";

/// One recorded signature request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recorded {
    pub hsm: HsmId,
    pub key: Fingerprint,
    /// The label of the key.
    pub label: String,
    pub request: SignRequest,
    /// Name of the program that requested the signature.
    pub program: String,
    /// Arguments of the program that are existing files.
    pub files: Vec<String>,
    /// The one of these files whose digest the program signs, if there is one.
    pub file: Option<String>,
}

//! The bounds of a lease.

use serde::{Deserialize, Serialize};

/// How long, and for how many signatures, an opened HSM may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeaseLimits {
    /// Time from the moment of opening, in seconds.
    pub seconds: u32,
    /// Number of signatures.
    pub signatures: u32,
}

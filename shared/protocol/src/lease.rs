//! The limits of a lease.

use serde::{Deserialize, Serialize};

/// The time and the number of signatures for which an open HSM may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeaseLimits {
    /// The time in seconds, which begins when the HSM opens.
    pub seconds: u32,
    /// The number of signatures.
    pub signatures: u32,
}

//! Devices that are attached from afar and wait to be accepted.

use countersign_cvc::DeviceId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::HsmId;

/// A genuine device that nobody has accepted yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingDevice {
    /// CHR of its certificate.
    pub device: DeviceId,
    /// Path of its certificates.
    pub path: String,
    /// Name of the trust anchor that it goes back to.
    pub anchor: String,
    /// What its owner called it.
    pub label: Option<String>,
    /// Firmware version, such as "3.5".
    pub version: Option<String>,
    /// Address of the client that attaches it.
    pub from: String,
    /// When it came.
    pub since: Timestamp,
}

/// Body of `POST /devices/{device}/accept`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AcceptDevice {
    /// What the HSM will be called.
    pub hsm: HsmId,
}

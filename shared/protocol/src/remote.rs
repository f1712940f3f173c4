//! Remote devices that wait for an admin to accept them.

use countersign_cvc::DeviceId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::HsmId;

/// A genuine remote device that no admin has accepted yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WaitingDevice {
    /// The CHR of the device certificate.
    pub device: DeviceId,
    /// The path of the certificates, beginning with the root.
    pub path: String,
    /// The name of the trust anchor that certifies the device.
    pub anchor: String,
    /// The label, as the device reports it.
    pub label: Option<String>,
    /// The version of the firmware, such as "3.5".
    pub version: Option<String>,
    /// The address of the client that connects the device.
    pub from: String,
    /// The time at which the device was connected.
    pub since: Timestamp,
}

/// The act that accepts a remote device as a signing HSM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AcceptDevice {
    /// The device.
    pub device: DeviceId,
    /// The name that the HSM will have.
    pub hsm: HsmId,
}

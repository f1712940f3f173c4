//! The state and the notices that an HSM's thread reports.

use std::sync::Arc;

use countersign_card::{
    KeyDomain, KeyInfo, TokenInfo,
    pka::{ChallengeBehaviour, PkaStatus},
};
use countersign_protocol::{
    Timestamp,
    activation::Quorum,
    cvc::{DeviceId, VerifiedDevice},
    hsm::PkaView,
};

use super::LeaseHandle;

/// The state of an HSM.
#[derive(Clone, Debug)]
pub enum Snapshot {
    /// The HSM is not connected.
    Absent {
        since: Timestamp,
        /// The reason, shown to people.
        why: String,
    },
    /// The device was rejected and is not used.
    Refused {
        /// The reason and what to do, shown to people.
        why: String,
    },
    /// The device returned an invalid signature, and is not used until an admin ends its quarantine.
    Quarantined {
        device: DeviceId,
        /// The reason and what to do, shown to people.
        why: String,
        since: Timestamp,
    },
    /// The device is verified and was proven locked when it was attached.
    Ready(Arc<Device>),
}

/// A verified device.
#[derive(Debug)]
pub struct Device {
    pub verified: VerifiedDevice,
    pub info: TokenInfo,
    /// Firmware version.
    pub version: Option<String>,
    /// Whether commands are protected by a secure channel.
    pub secure_channel: bool,
    /// Whether the HSM is plugged into another machine.
    pub remote: bool,
    /// The state of the quorum; `None` if public key authentication is not set up.
    pub pka: Option<PkaStatus>,
    pub keys: Vec<KeyInfo>,
    /// Key domains, as they were when the device was attached.
    pub key_domains: Vec<KeyDomain>,
    /// Problems that an admin should look at, as sentences.
    pub warnings: Vec<String>,
}

impl Device {
    pub fn id(&self) -> &DeviceId {
        self.verified.id()
    }

    /// The key's PKCS#15 identifier, which other software also shows; if that is empty or ambiguous, the key reference.
    pub fn key_id(&self, key: &KeyInfo) -> String {
        let same = self.keys.iter().filter(|other| other.id == key.id);
        if key.id.is_empty() || same.count() > 1 {
            hex::encode([key.reference])
        } else {
            hex::encode(&key.id)
        }
    }

    /// The quorum that the device requires.
    pub fn quorum(&self) -> Option<Quorum> {
        self.pka.map(|pka| Quorum {
            required: pka.required,
            total: pka.total,
        })
    }

    pub fn pka_view(&self) -> Option<PkaView> {
        self.pka.map(|pka| PkaView {
            quorum: Quorum {
                required: pka.required,
                total: pka.total,
            },
            missing: pka.missing,
            authenticated: pka.authenticated,
        })
    }
}

impl Snapshot {
    /// The device, if it is usable.
    pub fn device(&self) -> Option<&Arc<Device>> {
        match self {
            Self::Ready(device) => Some(device),
            Self::Absent { .. } | Self::Refused { .. } | Self::Quarantined { .. } => None,
        }
    }
}

/// An event that an HSM's thread reports unprompted.
#[derive(Clone, Debug)]
pub enum Notice {
    /// The device was attached, verified and proven locked.
    Attached {
        device: DeviceId,
        /// How long the device's challenges stay valid, as far as observed.
        behaviour: ChallengeBehaviour,
        proof: String,
    },
    /// The device is disconnected, or has lost its approvals.
    Lost {
        /// The lease that was open. If none was, custodians who have approved must approve again.
        lease: Option<LeaseHandle>,
        why: String,
    },
    /// The device was rejected.
    Refused { why: String },
    /// The lease expired, and the device was locked.
    LeaseEnded { lease: LeaseHandle, proof: String },
}

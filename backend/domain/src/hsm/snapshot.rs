//! What an HSM's thread tells of its HSM.

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

/// Where an HSM stands, as its thread sees it.
#[derive(Clone, Debug)]
pub enum Snapshot {
    /// Not connected.
    Absent {
        /// Since when.
        since: Timestamp,
        /// Why, in words.
        why: String,
    },
    /// Refused; never used.
    Refused {
        /// Why, and what to do.
        why: String,
    },
    /// Verified, and found locked.
    Ready(Arc<Device>),
}

/// A verified device.
#[derive(Debug)]
pub struct Device {
    /// The device.
    pub verified: VerifiedDevice,
    /// What the device tells of itself.
    pub info: TokenInfo,
    /// Firmware version.
    pub version: Option<String>,
    /// Whether commands travel inside the secure channel.
    pub secure_channel: bool,
    /// The quorum; `None`: not set up.
    pub pka: Option<PkaStatus>,
    /// Keys.
    pub keys: Vec<KeyInfo>,
    /// Key domains, as they were when the device was attached.
    pub key_domains: Vec<KeyDomain>,
    /// Things that an admin should look at.
    pub warnings: Vec<String>,
}

impl Device {
    /// CHR of the device certificate.
    pub fn id(&self) -> &DeviceId {
        self.verified.id()
    }

    /// The identifier that other software on the device sees too, as long as it tells keys apart.
    pub fn key_id(&self, key: &KeyInfo) -> String {
        let same = self.keys.iter().filter(|other| other.id == key.id);
        if key.id.is_empty() || same.count() > 1 {
            hex::encode([key.reference])
        } else {
            hex::encode(&key.id)
        }
    }

    /// The quorum that the device demands.
    pub fn quorum(&self) -> Option<Quorum> {
        self.pka.map(|pka| Quorum {
            required: pka.required,
            total: pka.total,
        })
    }

    /// The quorum as people see it.
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
    /// The device, if it can be used.
    pub fn device(&self) -> Option<&Arc<Device>> {
        match self {
            Self::Ready(device) => Some(device),
            Self::Absent { .. } | Self::Refused { .. } => None,
        }
    }
}

/// Something that an HSM's thread noticed by itself.
#[derive(Clone, Debug)]
pub enum Notice {
    /// Attached, verified, found locked.
    Attached {
        /// The device.
        device: DeviceId,
        /// How its challenges live, as known by now.
        behaviour: ChallengeBehaviour,
        /// How the lock was proven.
        proof: String,
    },
    /// Gone, or it has forgotten who was authenticated.
    Lost {
        /// The lease that was open; without one, whoever had authenticated must do so again.
        lease: Option<LeaseHandle>,
        /// What happened.
        why: String,
    },
    /// Refused.
    Refused {
        /// Why.
        why: String,
    },
    /// The lease's time was over: locked.
    LeaseOver {
        /// Which lease.
        lease: LeaseHandle,
        /// How the lock was proven.
        proof: String,
    },
}

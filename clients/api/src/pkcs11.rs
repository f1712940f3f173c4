//! What the PKCS#11 module and those who explain it have in common.

use countersign_protocol::{digest::Sha256Digest, id::HsmId};

/// File name of the module.
pub const MODULE: &str = "libcountersign_pkcs11.so";

/// Number of an HSM's slot. Java takes up to 2^31 - 1, and people write it into files: it must not depend on what other
/// HSMs there are.
pub fn slot_number(hsm: &HsmId) -> u32 {
    let digest = Sha256Digest::of(format!("countersign slot {hsm}").as_bytes());
    let bytes = std::array::from_fn(|index| digest.as_bytes()[index]);
    (u32::from_be_bytes(bytes) >> 2) + 1
}

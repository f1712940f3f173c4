//! Facts that the PKCS#11 module and the command line share.

use countersign_protocol::{digest::Sha256Digest, id::HsmId};

/// File name of the PKCS#11 module.
pub const MODULE: &str = "libcountersign_pkcs11.so";

/// The slot number of an HSM. It depends on the HSM's name alone, because people write it into configuration files, and
/// is less than 2^31, which is the limit of Java.
pub fn slot_number(hsm: &HsmId) -> u32 {
    let digest = Sha256Digest::of(format!("countersign slot {hsm}").as_bytes());
    let bytes = std::array::from_fn(|index| digest.as_bytes()[index]);
    (u32::from_be_bytes(bytes) >> 2) + 1
}

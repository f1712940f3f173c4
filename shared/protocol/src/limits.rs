//! Limits that several programs check, or mention to people.

use std::ops::RangeInclusive;

use crate::text::Longest;

/// Why an activation is requested or declined: custodians read all of it.
pub const REASON: Longest = Longest::Bytes(500);
/// The label of a key that is generated on a card or an HSM.
pub const KEY_LABEL: Longest = Longest::Bytes(64);
/// The label of an API token.
pub const TOKEN_LABEL: Longest = Longest::Bytes(100);
/// The name of a person.
pub const PERSON_NAME: Longest = Longest::Characters(80);
/// The name of a file in a manifest.
pub const FILE_NAME: Longest = Longest::Bytes(1024);
/// The idempotency key of a signature.
pub const IDEMPOTENCY_KEY: Longest = Longest::Bytes(200);
/// The lifetime of an API token, in days.
pub const TOKEN_DAYS: RangeInclusive<u16> = 1..=366;
/// The most files in one manifest, because people have to approve them and one request has to carry them.
pub const MAX_FILES: usize = 20_000;
/// The most keys in one activation, because custodians have to read them all.
pub const MAX_KEYS: usize = 16;
/// The most HSMs in a pool, because custodians approve each of them.
pub const MAX_POOL: usize = 16;
/// The largest manifest in bytes of its canonical JSON. What is made of it has to fit into [`MESSAGE_BYTES`].
pub const MANIFEST_BYTES: usize = 5 << 20;
/// The largest message between portal, server and helper in bytes: the body of a request, or a message to the helper.
pub const MESSAGE_BYTES: usize = 8 << 20;

/// Everything beside the manifest in a task or in a signed approval: certificates, names of keys, HSMs and custodians, reason,
/// signatures.
const BESIDE_THE_MANIFEST: usize = 256 << 10;
/// The statement spells a file's digest as `"digest":{"sha256":"..."}`, with this many bytes more than the manifest.
const MORE_FOR_EACH_FILE: usize = 16;

// The task and the signed approval carry the manifest in base64. If they did not fit, a request could wait for approvals that
// nobody can give.
const _: () = assert!(
    (MANIFEST_BYTES + MAX_FILES * MORE_FOR_EACH_FILE + BESIDE_THE_MANIFEST).div_ceil(3) * 4
        + BESIDE_THE_MANIFEST
        <= MESSAGE_BYTES
);

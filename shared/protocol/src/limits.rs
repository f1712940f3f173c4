//! Limits that several programs check, or mention to people.

use std::ops::RangeInclusive;

use crate::text::Longest;

/// Why an activation is requested or declined: custodians read all of it.
pub const REASON: Longest = Longest::Bytes(500);
/// The label of a key that is generated on a card or an HSM.
pub const KEY_LABEL: Longest = Longest::Bytes(64);
/// The label of an API token.
pub const TOKEN_LABEL: Longest = Longest::Bytes(100);
/// An email address.
pub const MAIL: Longest = Longest::Bytes(254);
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
/// The largest number of keys that a token can be limited to.
pub const MAX_TOKEN_KEYS: usize = 64;
/// The label or fingerprint of a key, as a request names it.
pub const KEY_REFERENCE: Longest = Longest::Bytes(128);
/// The most HSMs in a pool, because custodians approve each of them.
pub const MAX_POOL: usize = 16;

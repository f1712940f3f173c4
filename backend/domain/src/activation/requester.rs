//! The requester of signatures or keys, with their permissions.

use countersign_protocol::{audit::Actor, operator::Person, purpose::Purpose};

#[derive(Clone, Debug)]
pub struct Requester<'a> {
    pub person: &'a Person,
    /// The actor in the audit log, which can be an API token.
    pub actor: &'a Actor,
    pub may_sign: bool,
    pub may_generate: bool,
    /// Labels or fingerprints of the keys that the requester may use; if empty, every key.
    pub keys: &'a [String],
}

impl Requester<'_> {
    pub fn may_use(&self, label: &str, fingerprint: &str) -> bool {
        self.keys.is_empty()
            || self
                .keys
                .iter()
                .any(|key| key == label || key == fingerprint)
    }

    /// Whether the requester may see an activation for this purpose. A requester who is limited to some keys sees neither
    /// activations for other keys nor those that generate a key.
    pub fn may_use_all_of(&self, purpose: &Purpose) -> bool {
        match purpose {
            Purpose::Sign { keys, .. } => keys
                .iter()
                .all(|key| self.may_use(&key.label, &key.fingerprint.to_hex())),
            Purpose::GenerateKey { .. } => self.keys.is_empty(),
        }
    }
}

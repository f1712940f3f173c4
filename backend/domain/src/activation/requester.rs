//! Who requests signatures or keys.

use countersign_protocol::{audit::Actor, operator::Person, purpose::Purpose};

#[derive(Clone, Debug)]
pub struct Requester<'a> {
    pub person: &'a Person,
    /// As the audit log names them.
    pub actor: &'a Actor,
    /// Whether they may request signatures.
    pub may_sign: bool,
    /// Whether they may request new keys.
    pub may_generate: bool,
    /// Labels or fingerprints of the keys that they may use; empty: every key.
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

    /// Whether an activation for this purpose is theirs to see. A requester that is limited to some keys has no part in other
    /// keys, nor in new ones.
    pub fn may_use_all_of(&self, purpose: &Purpose) -> bool {
        match purpose {
            Purpose::Sign { keys, .. } => keys
                .iter()
                .all(|key| self.may_use(&key.label, &key.fingerprint.to_hex())),
            Purpose::GenerateKey { .. } => self.keys.is_empty(),
        }
    }
}

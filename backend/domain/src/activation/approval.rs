//! Verifies custodians' approvals, and derives from a quorum of them what may be done.

use std::collections::BTreeMap;

use countersign_protocol::{
    Timestamp,
    activation::ActivationTerms,
    cvc::{Fingerprint, PublicKey},
    digest::Sha256Digest,
    dsse::Envelope,
    file_digest::FileDigest,
    lease::LeaseLimits,
    manifest::{Manifest, ManifestFile},
    purpose::{KeySet, NewKeyType},
    statement::{Approval, ApprovedPurpose},
};
use jiff::SignedDuration;

/// Largest accepted difference between the clocks of the server and a helper.
const MAX_CLOCK_DIFFERENCE: SignedDuration = SignedDuration::from_mins(10);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApprovedScope {
    /// Signatures of files with these digests; the values are the files' names.
    Files(BTreeMap<FileDigest, String>),
    /// Signatures of any content.
    Anything {
        /// The keys with which raw RSA is allowed too.
        raw_rsa: Vec<Fingerprint>,
    },
    GenerateKey {
        label: String,
        key_type: NewKeyType,
    },
}

/// What a quorum approved, according to the signed approvals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    pub scope: ApprovedScope,
    /// The keys that may be used; `None` if the activation generates a key.
    pub keys: Option<KeySet>,
    pub lease: LeaseLimits,
}

/// What an approval is checked against.
pub struct Expected<'a> {
    pub terms: &'a ActivationTerms,
    /// SHA-256 of the HSM's device certificate.
    pub device_certificate: Sha256Digest,
    /// Fingerprint of this server's identity key.
    pub server_key: Fingerprint,
}

impl Expected<'_> {
    /// Verifies a new approval, which must contain `challenge`.
    ///
    /// # Errors
    /// The reason for the rejection, as a text for the custodian.
    pub fn verify(
        &self,
        envelope: &Envelope,
        key: &PublicKey,
        challenge: &[u8],
        now: Timestamp,
    ) -> Result<(), String> {
        let approval: Approval = envelope.verify(key).map_err(|error| error.to_string())?;
        let at = approval.predicate.at;
        if now.duration_since(at).abs() > MAX_CLOCK_DIFFERENCE {
            return Err(format!(
                "its time, {at}, differs by more than 10 min from the server's time, {now}; set the clock of the \
                 custodian's computer"
            ));
        }
        let expected = Approval::new(
            self.terms,
            self.device_certificate,
            challenge,
            self.server_key,
            key.fingerprint(),
            at,
        );
        if approval == expected {
            Ok(())
        } else {
            Err("its terms, HSM, challenge or server key differ from those of this request; reload the page and approve \
                 again".into())
        }
    }

    /// Verifies stored approvals again, and derives from their signed contents what may be done.
    ///
    /// # Errors
    /// An approval is invalid or contradicts another one, or the quorum is incomplete. The text is shown to people.
    pub fn allowed(&self, approvals: &[(Envelope, PublicKey)]) -> Result<Allowed, String> {
        let mut result = None;
        let mut keys = std::collections::HashSet::new();
        for (envelope, key) in approvals {
            let approval: Approval = envelope.verify(key).map_err(|error| error.to_string())?;
            if approval.predicate.key != key.fingerprint() || !keys.insert(key.fingerprint()) {
                return Err("a stored approval is a duplicate, or names another key than the one that signed it".into());
            }
            if approval.predicate.terms.digest != self.terms.digest()
                || approval.predicate.terms.activation != self.terms.id
                || approval.predicate.device_certificate != self.device_certificate
                || approval.predicate.server_key != self.server_key
            {
                return Err("a stored approval does not match the stored request, so another program changed the database".into());
            }
            let allowed = allowed_by(&approval)?;
            match &result {
                None => result = Some(allowed),
                Some(before) if *before == allowed => {}
                Some(_) => return Err("the custodians approved different terms".into()),
            }
        }
        if approvals.len() < usize::from(self.terms.quorum.required) {
            return Err(format!(
                "the request has only {} of {} approvals",
                approvals.len(),
                self.terms.quorum.required
            ));
        }
        result.ok_or_else(|| "the request has no approvals".into())
    }
}

fn allowed_by(approval: &Approval) -> Result<Allowed, String> {
    let terms = &approval.predicate.terms;
    let (scope, keys) = match &terms.purpose {
        ApprovedPurpose::SignManifest { keys, manifest } => {
            let files = approval
                .subject
                .iter()
                .map(|subject| ManifestFile {
                    name: subject.name.clone(),
                    digest: subject.digest.clone(),
                })
                .collect::<Vec<_>>();
            // Approvals of stored activations can have names that are refused in new requests.
            let files = Manifest::try_from(files).map_err(|error| error.to_string())?;
            if files.digest() != *manifest {
                return Err(
                    "the files of an approval do not match the manifest digest that it contains"
                        .into(),
                );
            }
            let files = files
                .files()
                .iter()
                .map(|file| (file.digest.clone(), file.name.clone()))
                .collect();
            (ApprovedScope::Files(files), Some(keys.clone()))
        }
        ApprovedPurpose::SignAnything { keys } => {
            let raw_rsa = terms.raw_rsa.clone();
            (ApprovedScope::Anything { raw_rsa }, Some(keys.clone()))
        }
        ApprovedPurpose::GenerateKey { label, key_type } => (
            ApprovedScope::GenerateKey {
                label: label.clone(),
                key_type: *key_type,
            },
            None,
        ),
    };
    Ok(Allowed {
        scope,
        keys,
        lease: terms.lease,
    })
}

//! Public keys with which a card verifies certificates and requests.

use countersign_cvc::{Chr, PublicKey, Role, issue::CvcSigner, split_certificates};

use crate::{card::Card, key::Secret, pki};

/// A public key that the card trusts.
#[derive(Clone)]
pub struct KnownKey {
    /// Name of the holder.
    pub name: Chr,
    pub key: PublicKey,
    /// Whether the holder may issue certificates. Devices may not.
    pub issuer: bool,
}

impl KnownKey {
    /// Whether a holder of this role may issue certificates.
    pub const fn may_issue(role: Option<Role>) -> bool {
        matches!(role, Some(Role::Root | Role::Issuer))
    }
}

/// Finds a trusted key: of the simulated root or issuer, in the card's own certificates, or among the certificates that were
/// verified in this session.
pub fn find(card: &Card, name: &Chr) -> Option<KnownKey> {
    let simulated = pki::known_key(name).map(|key| KnownKey {
        name: name.clone(),
        key,
        issuer: true,
    });
    simulated
        .or_else(|| own_certificate(card, name))
        .or_else(|| {
            card.session
                .verified
                .iter()
                .find(|known| known.name == *name)
                .cloned()
        })
}

fn own_certificate(card: &Card, name: &Chr) -> Option<KnownKey> {
    // These certificates inherit the curve parameters of their root. It is the same curve as that of the device key.
    let device = Secret::try_from(&card.data.device_key).ok()?.public_key();
    let stored = hex::decode(&card.data.certificates).ok()?;
    let certificates = split_certificates(&stored).ok()?;
    let certificate = certificates.iter().find(|one| one.chr() == name)?;
    Some(KnownKey {
        name: name.clone(),
        key: certificate.key().resolve(device.curve()).ok()?,
        issuer: KnownKey::may_issue(certificate.role()),
    })
}

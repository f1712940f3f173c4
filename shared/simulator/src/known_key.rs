//! Keys with which a card verifies certificates and requests.

use countersign_cvc::{Chr, PublicKey, Role, issue::CvcSigner, split_certificates};

use crate::{card::Card, key::Secret, pki};

/// A key that the card takes for genuine.
#[derive(Clone)]
pub struct KnownKey {
    /// Name of the holder.
    pub name: Chr,
    /// Key.
    pub key: PublicKey,
    /// The holder may issue certificates; devices may not.
    pub issuer: bool,
}

impl KnownKey {
    /// Whether a holder of this role may issue certificates.
    pub const fn may_issue(role: Option<Role>) -> bool {
        matches!(role, Some(Role::Root | Role::Issuer))
    }
}

/// Simulated root and issuer, the card's own certificates, and what was verified in this session.
pub fn find(card: &Card, name: &Chr) -> Option<KnownKey> {
    let simulated = pki::known_key(name).map(|key| KnownKey {
        name: name.clone(),
        key,
        issuer: true,
    });
    simulated.or_else(|| own(card, name)).or_else(|| {
        card.session
            .verified
            .iter()
            .find(|known| known.name == *name)
            .cloned()
    })
}

fn own(card: &Card, name: &Chr) -> Option<KnownKey> {
    // Their curve is the device key's: it is written in the root only.
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

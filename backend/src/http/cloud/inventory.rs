//! The HSMs that are online, the keys on them that a program may use, and the leases under which it can use them now.

use std::sync::Arc;

use countersign_card::{KeyDomain, KeyInfo};
use countersign_protocol::{
    cvc::{Fingerprint, PublicKey},
    id::HsmId,
};

use crate::{
    activation::{Lease, OpenLeases, Requester},
    hsm::{Device, Hsms},
    http::problem::ApiError,
    signing,
    views::Views,
};

pub struct Inventory {
    /// The HSMs, ordered by their names.
    pub hsms: Vec<Hsm>,
    /// Whether responses state for each key and HSM if it is open.
    pub marked: bool,
}

/// An HSM that is online.
pub struct Hsm {
    /// Path of its device certificate, separated by dots.
    pub id: String,
    /// Domain of the keys that belong to no other one: the x coordinate of the device's public key.
    pub default_key_domain: String,
    /// Index on the device and identifier of each domain.
    pub key_domains: Vec<(u8, String)>,
    pub keys: Vec<Key>,
}

/// A key that can sign.
pub struct Key {
    /// PKCS#15 identifier in upper-case hex.
    pub id: String,
    /// Description by the card.
    pub info: KeyInfo,
    pub public_key: PublicKey,
    pub fingerprint: Fingerprint,
    /// X.509 certificate in DER, or the card-verifiable certificate request that the card made with the key.
    pub certificate: Option<Vec<u8>>,
    /// Identifier of its key domain.
    pub key_domain: String,
    /// Name of its HSM at this server.
    pub hsm: HsmId,
    /// Open leases under which this program may sign with the key.
    pub leases: Vec<Arc<Lease>>,
}

impl Key {
    /// Whether the program can sign with the key now.
    pub fn is_open(&self) -> bool {
        !self.leases.is_empty()
    }
}

impl Hsm {
    /// Whether the program can sign with any key of the HSM now.
    pub fn is_open(&self) -> bool {
        self.keys.iter().any(Key::is_open)
    }
}

impl Inventory {
    /// Everything that this requester may use.
    pub fn of(hsms: &Hsms, leases: &OpenLeases, requester: &Requester<'_>) -> Self {
        let leases: Vec<_> = leases
            .open()
            .into_iter()
            .filter(|lease| signing::allowed(requester, &lease.terms).is_ok())
            .collect();
        let hsms = hsms.all().into_iter().filter_map(|hsm| {
            let device = hsm.device().ok()?;
            Some(read(hsm.id(), &device, requester, &leases))
        });
        Self {
            // A token that is limited to some keys must not reveal HSMs without these keys.
            hsms: hsms
                .filter(|hsm| !hsm.keys.is_empty() || requester.keys.is_empty())
                .collect(),
            marked: false,
        }
    }

    /// Removes locked keys and HSMs.
    pub fn only_open(mut self) -> Self {
        for hsm in &mut self.hsms {
            hsm.keys.retain(Key::is_open);
        }
        self.hsms.retain(Hsm::is_open);
        self
    }

    /// Makes responses state for each key and HSM if it is open.
    pub fn marked(self) -> Self {
        Self {
            marked: true,
            ..self
        }
    }

    /// Adds the certificates stored on the server to keys without an X.509 certificate on their device.
    pub async fn with_certificates(mut self, views: &Views) -> Result<Self, ApiError> {
        let keys = self.hsms.iter_mut().flat_map(|hsm| &mut hsm.keys);
        for key in keys.filter(|key| key.info.x509.is_none()) {
            if let Some(stored) = views.certificate(&key.fingerprint).await? {
                key.certificate = Some(stored);
            }
        }
        Ok(self)
    }
}

fn read(id: &HsmId, device: &Device, requester: &Requester<'_>, leases: &[Arc<Lease>]) -> Hsm {
    let default_key_domain = default_key_domain(device.verified.public_key());
    let key_domains: Vec<_> = device
        .key_domains
        .iter()
        .filter_map(|domain| Some((domain.index, identifier(domain)?)))
        .collect();
    let domain_of = |key: &KeyInfo| {
        let named = key_domains
            .iter()
            .find(|(index, _)| Some(*index) == key.domain);
        named.map_or(&default_key_domain, |(_, id)| id).clone()
    };
    let keys = device.keys.iter().filter_map(|info| {
        let public_key = info.public_key.clone()?;
        let fingerprint = public_key.fingerprint();
        let opens =
            |lease: &&Arc<Lease>| lease.hsm.id() == id && lease.key(Some(&fingerprint)).is_some();
        let request = || Some(info.request.as_ref()?.raw().to_vec());
        requester
            .may_use(&info.label, &fingerprint.to_hex())
            .then(|| Key {
                id: device.key_id(info).to_uppercase(),
                key_domain: domain_of(info),
                certificate: info.x509.clone().or_else(request),
                leases: leases.iter().filter(opens).cloned().collect(),
                hsm: id.clone(),
                info: info.clone(),
                public_key,
                fingerprint,
            })
    });
    Hsm {
        id: dotted(device.verified.path()),
        keys: keys.collect(),
        default_key_domain,
        key_domains,
    }
}

/// `/ROOT/ISSUER/DEVICE` becomes `ROOT.ISSUER.DEVICE`.
fn dotted(path: &str) -> String {
    path.trim_start_matches('/').replace('/', ".")
}

fn default_key_domain(device: &PublicKey) -> String {
    match device {
        PublicKey::Ec(key) => {
            // The point is `04 || x || y`.
            let x = key.point().iter().skip(1).take(key.curve().field_len());
            hex::encode_upper(x.copied().collect::<Vec<_>>())
        }
        // No known device has an RSA key; the fingerprint would identify it as well.
        PublicKey::Rsa(_) => device.fingerprint().to_hex().to_uppercase(),
    }
}

/// The identifier of a key domain; `None` if the domain has no key yet, so that no device can share it.
fn identifier(domain: &KeyDomain) -> Option<String> {
    match (&domain.uid, domain.kcv) {
        (Some(uid), _) => Some(hex::encode_upper(uid)),
        (None, kcv) => kcv.map(hex::encode_upper),
    }
}

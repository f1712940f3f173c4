//! JSON resources of the interface, with the names of its OpenAPI document.

use std::collections::HashMap;

use countersign_protocol::{
    cvc::{Fingerprint, PublicKey},
    encoding::Base64,
};
use serde::Serialize;

use super::{
    algorithm,
    inventory::{Hsm, Inventory, Key},
};

/// A key. The list that contains the key determines which of the optional fields are present.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyResource {
    /// PKCS#15 identifier in hex.
    pub id: String,
    label: String,
    r#type: &'static str,
    /// Size in bits.
    size: usize,
    /// Remaining uses, if the key has a use counter.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_use_counter: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    algorithms: Option<Vec<&'static str>>,
    /// X.509 certificate or card-verifiable certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    cert: Option<Base64>,
    /// SubjectPublicKeyInfo in DER.
    pubkey: Base64,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_domain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hsms: Option<Vec<String>>,
    /// Present only if locked keys are listed as well. The cloud service has no such field.
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<bool>,
    /// Distinguishes keys with the same id.
    #[serde(skip)]
    pub key: Fingerprint,
}

/// A key domain in the list of an HSM.
#[derive(Serialize)]
pub struct KeyDomainStatus {
    id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HsmResource {
    /// Path of its device certificate, separated by dots.
    pub id: String,
    default_key_domain: String,
    key_domains: Vec<KeyDomainStatus>,
    pub keys: Vec<KeyResource>,
    /// See `KeyResource::open`.
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<bool>,
}

/// A key domain with all HSMs that share it.
#[derive(Serialize)]
pub struct KeyDomainResource {
    /// Identifier in hex.
    pub id: String,
    hsms: Vec<String>,
    pub keys: Vec<KeyResource>,
}

fn describe(key: &Key) -> KeyResource {
    KeyResource {
        id: key.id.clone(),
        label: key.info.label.clone(),
        r#type: match key.public_key {
            PublicKey::Ec(_) => "EC",
            PublicKey::Rsa(_) => "RSA",
        },
        size: key.public_key.bits(),
        key_use_counter: key.info.uses_left,
        algorithms: key.info.algorithms.as_deref().map(algorithm::names),
        cert: key.certificate.clone().map(Base64),
        pubkey: Base64(key.public_key.to_spki_der()),
        key_domain: None,
        hsms: None,
        open: None,
        key: key.fingerprint,
    }
}

/// Adds a key to a list. A key that is on several HSMs is listed once, with all of them.
fn merge(list: &mut Vec<KeyResource>, hsm: &Hsm, key: &Key, new: impl FnOnce() -> KeyResource) {
    let place = list
        .iter()
        .position(|there| there.key == key.fingerprint && there.id == key.id);
    let there = match place {
        Some(place) => &mut list[place],
        None => {
            list.push(new());
            let last = list.len() - 1;
            &mut list[last]
        }
    };
    there.hsms.get_or_insert_with(Vec::new).push(hsm.id.clone());
    there.open = there.open.map(|open| open || key.is_open());
}

impl Inventory {
    /// `/hsms`.
    pub fn hsms(&self) -> Vec<HsmResource> {
        let hsms = self.hsms.iter();
        hsms.map(|hsm| HsmResource {
            id: hsm.id.clone(),
            default_key_domain: hsm.default_key_domain.clone(),
            key_domains: hsm
                .key_domains
                .iter()
                .map(|(_, id)| KeyDomainStatus { id: id.clone() })
                .collect(),
            keys: hsm
                .keys
                .iter()
                .map(|key| KeyResource {
                    key_domain: Some(key.key_domain.clone()),
                    ..self.mark(describe(key), key)
                })
                .collect(),
            open: self.marked.then(|| hsm.is_open()),
        })
        .collect()
    }

    /// `/keys`.
    pub fn keys(&self) -> Vec<KeyResource> {
        let mut list = Vec::new();
        for hsm in &self.hsms {
            for key in &hsm.keys {
                merge(&mut list, hsm, key, || KeyResource {
                    key_domain: Some(key.key_domain.clone()),
                    ..self.mark(describe(key), key)
                });
            }
        }
        list
    }

    /// `/keydomains`.
    pub fn key_domains(&self) -> Vec<KeyDomainResource> {
        let mut list: Vec<KeyDomainResource> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for hsm in &self.hsms {
            let own = hsm.key_domains.iter().map(|(_, id)| id);
            for id in std::iter::once(&hsm.default_key_domain).chain(own) {
                let place = *places.entry(id.clone()).or_insert_with(|| {
                    list.push(KeyDomainResource {
                        id: id.clone(),
                        hsms: Vec::new(),
                        keys: Vec::new(),
                    });
                    list.len() - 1
                });
                list[place].hsms.push(hsm.id.clone());
            }
            for key in &hsm.keys {
                if let Some(place) = places.get(&key.key_domain) {
                    merge(&mut list[*place].keys, hsm, key, || {
                        self.mark(describe(key), key)
                    });
                }
            }
        }
        list
    }

    fn mark(&self, resource: KeyResource, key: &Key) -> KeyResource {
        KeyResource {
            open: self.marked.then(|| key.is_open()),
            ..resource
        }
    }
}

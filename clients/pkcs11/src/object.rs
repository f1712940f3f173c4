//! Objects of a token and their attributes (PKCS#11 v2.40, section 4). Attributes whose value is unknown are left out.

use std::collections::BTreeMap;

use countersign_protocol::{
    cvc::{Fingerprint, PublicKey},
    hsm::SigningKeyView,
    id::HsmId,
};
use cryptoki_sys as ck;
use cryptoki_sys::{CK_ATTRIBUTE_TYPE, CK_OBJECT_CLASS, CK_OBJECT_HANDLE, CK_ULONG};
use sha2::{Digest, Sha256};
use x509_cert::{
    Certificate,
    der::{Decode, Encode},
};

use crate::mechanism;

/// Attributes with parts of the private key. They exist, but cannot be read.
const SECRET: [CK_ATTRIBUTE_TYPE; 7] = [
    ck::CKA_VALUE,
    ck::CKA_PRIVATE_EXPONENT,
    ck::CKA_PRIME_1,
    ck::CKA_PRIME_2,
    ck::CKA_EXPONENT_1,
    ck::CKA_EXPONENT_2,
    ck::CKA_COEFFICIENT,
];

/// The value of an attribute.
#[derive(Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Bytes(&'a [u8]),
    /// The attribute exists, but cannot be read.
    Sensitive,
    /// The object does not have the attribute.
    None,
}

#[derive(Debug)]
pub struct Object {
    /// The handle, which is the same in every session of this process.
    pub handle: CK_OBJECT_HANDLE,
    pub class: CK_OBJECT_CLASS,
    /// The key that the object belongs to.
    pub key: Fingerprint,
    /// Whether the object is visible only after a login.
    pub private: bool,
    attributes: BTreeMap<CK_ATTRIBUTE_TYPE, Vec<u8>>,
}

impl Object {
    pub fn attribute(&self, attribute: CK_ATTRIBUTE_TYPE) -> Value<'_> {
        if self.class == ck::CKO_PRIVATE_KEY && SECRET.contains(&attribute) {
            return Value::Sensitive;
        }
        self.attributes
            .get(&attribute)
            .map_or(Value::None, |value| Value::Bytes(value))
    }

    /// Whether the object has every attribute of the template with exactly this value.
    pub fn matches(&self, template: &[(CK_ATTRIBUTE_TYPE, Vec<u8>)]) -> bool {
        template
            .iter()
            .all(|(attribute, value)| self.attribute(*attribute) == Value::Bytes(value))
    }

    /// The total length of the attributes in bytes, for `C_GetObjectSize`.
    pub fn size(&self) -> usize {
        self.attributes.values().map(Vec::len).sum()
    }
}

/// Encodes a number as PKCS#11 stores it in an attribute.
fn number(value: CK_ULONG) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}

struct Builder(BTreeMap<CK_ATTRIBUTE_TYPE, Vec<u8>>);

impl Builder {
    fn new(hsm: &HsmId, key: &SigningKeyView, class: CK_OBJECT_CLASS, private: bool) -> Self {
        let id = hex::decode(&key.id).unwrap_or_default();
        let unique = format!("{hsm}/{}/{class}", key.fingerprint.to_hex());
        Self(BTreeMap::new())
            .with(ck::CKA_CLASS, number(class))
            .flags(&[
                (ck::CKA_TOKEN, true),
                (ck::CKA_PRIVATE, private),
                (ck::CKA_MODIFIABLE, false),
                (ck::CKA_COPYABLE, false),
                (ck::CKA_DESTROYABLE, false),
            ])
            .with(ck::CKA_LABEL, key.label.as_bytes().to_vec())
            .with(ck::CKA_ID, id)
            .with(
                ck::CKA_UNIQUE_ID,
                hex::encode(Sha256::digest(unique)).into_bytes(),
            )
    }

    fn with(mut self, name: CK_ATTRIBUTE_TYPE, value: Vec<u8>) -> Self {
        self.0.insert(name, value);
        self
    }

    fn flags(mut self, flags: &[(CK_ATTRIBUTE_TYPE, bool)]) -> Self {
        for (name, value) in flags {
            self.0.insert(*name, vec![u8::from(*value)]);
        }
        self
    }

    /// Adds the attributes that a private and a public key have in common.
    fn key(self, key: &SigningKeyView) -> Self {
        let (key_type, generation) = match &key.public_key {
            PublicKey::Rsa(_) => (ck::CKK_RSA, ck::CKM_RSA_PKCS_KEY_PAIR_GEN),
            PublicKey::Ec(_) => (ck::CKK_EC, ck::CKM_EC_KEY_PAIR_GEN),
        };
        let subject = certificate(key).and_then(|(_, certificate)| {
            let subject = certificate.tbs_certificate().subject();
            subject.to_der().ok()
        });
        let mut builder = self
            .with(ck::CKA_KEY_TYPE, number(key_type))
            .with(ck::CKA_START_DATE, Vec::new())
            .with(ck::CKA_END_DATE, Vec::new())
            .with(ck::CKA_SUBJECT, subject.unwrap_or_default())
            .with(ck::CKA_PUBLIC_KEY_INFO, key.public_key.to_spki_der())
            .flags(&[(ck::CKA_DERIVE, false)]);
        if key.attested {
            // The device attests that it generated the key.
            builder = builder
                .flags(&[(ck::CKA_LOCAL, true)])
                .with(ck::CKA_KEY_GEN_MECHANISM, number(generation));
        }
        match &key.public_key {
            PublicKey::Rsa(rsa) => builder
                .with(ck::CKA_MODULUS, rsa.modulus().to_vec())
                .with(ck::CKA_PUBLIC_EXPONENT, rsa.exponent().to_vec())
                .with(
                    ck::CKA_MODULUS_BITS,
                    number(CK_ULONG::try_from(rsa.bits()).unwrap_or(0)),
                ),
            PublicKey::Ec(ec) => builder
                .with(ck::CKA_EC_PARAMS, der(0x06, ec.curve().oid()))
                .with(ck::CKA_EC_POINT, der(0x04, ec.point())),
        }
    }

    fn build(self, handle: CK_OBJECT_HANDLE, class: CK_OBJECT_CLASS, key: Fingerprint) -> Object {
        let private = self
            .0
            .get(&ck::CKA_PRIVATE)
            .is_some_and(|flag| *flag == [1]);
        Object {
            handle,
            class,
            key,
            private,
            attributes: self.0,
        }
    }
}

/// Encodes a DER value with a tag of one byte.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    countersign_protocol::cvc::tlv::encode(countersign_protocol::cvc::tlv::Tag(tag.into()), content)
}

fn certificate(key: &SigningKeyView) -> Option<(Vec<u8>, Certificate)> {
    let der = key.certificate.as_ref()?.der.as_bytes();
    Some((der.to_vec(), Certificate::from_der(der).ok()?))
}

/// Returns the objects of one key. With `login_required`, the private key is visible only after a login.
pub fn objects(
    hsm: &HsmId,
    key: &SigningKeyView,
    login_required: bool,
    mut handle: impl FnMut(CK_OBJECT_CLASS) -> CK_OBJECT_HANDLE,
) -> Vec<Object> {
    let mut objects = vec![
        private_key(hsm, key, login_required, handle(ck::CKO_PRIVATE_KEY)),
        public_key(hsm, key, handle(ck::CKO_PUBLIC_KEY)),
    ];
    if let Some((der, certificate)) = certificate(key) {
        let handle = handle(ck::CKO_CERTIFICATE);
        objects.push(certificate_object(hsm, key, der, &certificate, handle));
    }
    objects
}

fn private_key(
    hsm: &HsmId,
    key: &SigningKeyView,
    login_required: bool,
    handle: CK_OBJECT_HANDLE,
) -> Object {
    let class = ck::CKO_PRIVATE_KEY;
    let allowed = mechanism::of_key(key)
        .into_iter()
        .flat_map(|offered| offered.mechanism.to_ne_bytes())
        .collect();
    let builder = Builder::new(hsm, key, class, login_required)
        .key(key)
        .with(ck::CKA_ALLOWED_MECHANISMS, allowed)
        .flags(&[
            (ck::CKA_SENSITIVE, true),
            (ck::CKA_EXTRACTABLE, false),
            (ck::CKA_SIGN, true),
            (ck::CKA_SIGN_RECOVER, false),
            (ck::CKA_DECRYPT, false),
            (ck::CKA_UNWRAP, false),
            (ck::CKA_ALWAYS_AUTHENTICATE, false),
        ]);
    let builder = if key.attested {
        builder.flags(&[
            (ck::CKA_ALWAYS_SENSITIVE, true),
            (ck::CKA_NEVER_EXTRACTABLE, true),
        ])
    } else {
        builder
    };
    builder.build(handle, class, key.fingerprint)
}

fn public_key(hsm: &HsmId, key: &SigningKeyView, handle: CK_OBJECT_HANDLE) -> Object {
    let class = ck::CKO_PUBLIC_KEY;
    Builder::new(hsm, key, class, false)
        .key(key)
        .flags(&[
            (ck::CKA_VERIFY, true),
            (ck::CKA_VERIFY_RECOVER, false),
            (ck::CKA_ENCRYPT, false),
            (ck::CKA_WRAP, false),
            (ck::CKA_TRUSTED, false),
        ])
        .build(handle, class, key.fingerprint)
}

fn certificate_object(
    hsm: &HsmId,
    key: &SigningKeyView,
    value: Vec<u8>,
    certificate: &Certificate,
    handle: CK_OBJECT_HANDLE,
) -> Object {
    let class = ck::CKO_CERTIFICATE;
    let tbs = certificate.tbs_certificate();
    let mut builder = Builder::new(hsm, key, class, false)
        .with(ck::CKA_CERTIFICATE_TYPE, number(ck::CKC_X_509))
        .with(ck::CKA_CERTIFICATE_CATEGORY, number(0))
        .with(ck::CKA_VALUE, value)
        .with(ck::CKA_PUBLIC_KEY_INFO, key.public_key.to_spki_der())
        .flags(&[(ck::CKA_TRUSTED, false)]);
    let fields = [
        (ck::CKA_SUBJECT, tbs.subject().to_der()),
        (ck::CKA_ISSUER, tbs.issuer().to_der()),
        (ck::CKA_SERIAL_NUMBER, tbs.serial_number().to_der()),
    ];
    for (name, value) in fields {
        if let Ok(value) = value {
            builder = builder.with(name, value);
        }
    }
    builder.build(handle, class, key.fingerprint)
}

//! The private key that signs, and its public key for verification.

use countersign_cvc::{
    Curve, EcPublicKey, EcSignature, HashAlgorithm, PublicKey, RsaPublicKey,
    tlv::{self, Tag},
};
use cryptoki::{
    object::{Attribute, AttributeType, ObjectClass, ObjectHandle},
    session::Session,
};

use crate::{Algorithm, LoadError, algorithm::DIGEST};

/// A key pair on a token.
pub(crate) struct KeyPair {
    algorithm: Algorithm,
    private: ObjectHandle,
    public: PublicKey,
}

impl KeyPair {
    /// Finds the private key by its label, and the public key with the same identifier.
    pub(crate) fn find(
        session: &Session,
        algorithm: Algorithm,
        label: &str,
    ) -> Result<Self, LoadError> {
        let one = |class, kind, name| {
            let template = [
                Attribute::Class(class),
                Attribute::KeyType(algorithm.key_type()),
                name,
            ];
            let found = session
                .find_objects(&template)
                .map_err(LoadError::refused("find the key"))?;
            match found.as_slice() {
                [key] => Ok(*key),
                _ => Err(LoadError::KeyLabel {
                    kind,
                    label: label.to_owned(),
                    found: found.len(),
                }),
            }
        };
        let name = Attribute::Label(label.as_bytes().to_vec());
        let private = one(ObjectClass::PRIVATE_KEY, "private", name)?;
        let id = session
            .get_attributes(private, &[AttributeType::Id])
            .map_err(LoadError::refused("read the key's identifier"))?
            .pop()
            .ok_or_else(|| LoadError::PublicKey("the private key has no identifier".into()))?;
        let public = one(ObjectClass::PUBLIC_KEY, "public", id)?;
        let public = match algorithm {
            Algorithm::Ecdsa => PublicKey::Ec(ec_key(session, public)?),
            Algorithm::RsaPkcs | Algorithm::RsaPss => PublicKey::Rsa(rsa_key(session, public)?),
        };
        Ok(Self {
            algorithm,
            private,
            public,
        })
    }

    /// Signs with the module and checks the length of the signature.
    pub(crate) fn sign(
        &self,
        session: &Session,
        digest: &[u8; DIGEST],
    ) -> Result<Vec<u8>, LoadError> {
        let input = self.algorithm.input(digest);
        let signature = session
            .sign(&self.algorithm.mechanism(), self.private, &input)
            .map_err(LoadError::refused("sign"))?;
        let wanted = match &self.public {
            PublicKey::Ec(key) => 2 * key.curve().field_len(),
            PublicKey::Rsa(key) => key.modulus().len(),
        };
        if signature.len() == wanted {
            Ok(signature)
        } else {
            Err(LoadError::Length {
                wanted,
                found: signature.len(),
            })
        }
    }

    /// Verifies a signature without the module.
    pub(crate) fn verify(&self, digest: &[u8; DIGEST], signature: &[u8]) -> Result<(), LoadError> {
        match (&self.public, self.algorithm) {
            (PublicKey::Ec(key), _) => EcSignature::from_plain(signature, key.curve())
                .and_then(|signature| key.verify_prehash(digest, &signature)),
            (PublicKey::Rsa(key), Algorithm::RsaPss) => {
                key.verify_pss(HashAlgorithm::Sha256, DIGEST, digest, signature)
            }
            (PublicKey::Rsa(key), _) => key.verify_pkcs1(HashAlgorithm::Sha256, digest, signature),
        }
        .map_err(|_| LoadError::WrongSignature)
    }
}

fn ec_key(session: &Session, key: ObjectHandle) -> Result<EcPublicKey, LoadError> {
    let wanted = [AttributeType::EcParams, AttributeType::EcPoint];
    let attributes = session
        .get_attributes(key, &wanted)
        .map_err(LoadError::refused("read the public key"))?;
    let [Attribute::EcParams(parameters), Attribute::EcPoint(point)] = attributes.as_slice() else {
        return Err(LoadError::PublicKey(
            "CKA_EC_PARAMS or CKA_EC_POINT is missing".into(),
        ));
    };
    let named = |curve: &Curve| tlv::encode(Tag::OID, curve.oid()) == *parameters;
    let curve = Curve::ALL
        .into_iter()
        .find(named)
        .ok_or_else(|| LoadError::PublicKey("unknown curve".into()))?;
    let point = tlv::parse_exact(point).map_err(|error| LoadError::PublicKey(error.to_string()))?;
    EcPublicKey::new(curve, point.value).map_err(|error| LoadError::PublicKey(error.to_string()))
}

fn rsa_key(session: &Session, key: ObjectHandle) -> Result<RsaPublicKey, LoadError> {
    let wanted = [AttributeType::Modulus, AttributeType::PublicExponent];
    let attributes = session
        .get_attributes(key, &wanted)
        .map_err(LoadError::refused("read the public key"))?;
    let [
        Attribute::Modulus(modulus),
        Attribute::PublicExponent(exponent),
    ] = attributes.as_slice()
    else {
        return Err(LoadError::PublicKey(
            "CKA_MODULUS or CKA_PUBLIC_EXPONENT is missing".into(),
        ));
    };
    RsaPublicKey::new(modulus, exponent).map_err(|error| LoadError::PublicKey(error.to_string()))
}

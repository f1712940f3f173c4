//! ECDSA keys and signatures on the curves with maintained arithmetic.
//!
//! One macro dispatches from [`Curve`] to the RustCrypto type of that curve; everything else here is independent of it.

use ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use zeroize::Zeroizing;

use crate::{
    curve::{Curve, UnsupportedCurve},
    tlv::{self, Tag, TlvWriter},
};

const SEQUENCE: Tag = Tag(0x30);
const INTEGER: Tag = Tag(0x02);

/// Evaluates an expression with `$C` as the RustCrypto curve; the fallback where there is none.
macro_rules! with_curve {
    ($curve:expr, $C:ident => $body:expr, $unsupported:expr) => {
        match $curve {
            Curve::Secp256r1 => {
                type $C = p256::NistP256;
                $body
            }
            Curve::Secp384r1 => {
                type $C = p384::NistP384;
                $body
            }
            Curve::Secp521r1 => {
                type $C = p521::NistP521;
                $body
            }
            Curve::Secp256k1 => {
                type $C = k256::Secp256k1;
                $body
            }
            Curve::BrainpoolP256r1 => {
                type $C = bp256::BrainpoolP256r1;
                $body
            }
            Curve::BrainpoolP384r1 | Curve::BrainpoolP512r1 => $unsupported,
        }
    };
}

/// Why bytes are not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The point is not on the curve, not uncompressed, or at infinity.
    #[error("the public key is not a point of {0}")]
    NotOnCurve(Curve),
    /// The scalar is zero or not below the order.
    #[error("the private key is not a scalar of {0}")]
    BadScalar(Curve),
    /// No arithmetic.
    #[error(transparent)]
    Unsupported(#[from] UnsupportedCurve),
}

/// Why a signature was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not two numbers of the right size.
    #[error("the signature is malformed for {0}")]
    Malformed(Curve),
    /// It does not verify.
    #[error("the signature is wrong")]
    Wrong,
    /// The key and the signature scheme do not fit.
    #[error("the key cannot make a signature of this kind")]
    WrongKeyType,
    /// No arithmetic.
    #[error(transparent)]
    Unsupported(#[from] UnsupportedCurve),
}

/// A public key: a point that is on its curve.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct EcPublicKey {
    curve: Curve,
    point: Vec<u8>,
}

impl EcPublicKey {
    /// Checks an uncompressed point, `04 || x || y`. On a curve without arithmetic only its length is checked, and
    /// nothing verifies with it.
    ///
    /// # Errors
    /// [`KeyError::NotOnCurve`].
    pub fn new(curve: Curve, point: &[u8]) -> Result<Self, KeyError> {
        let uncompressed = point.len() == 1 + 2 * curve.field_len() && point.first() == Some(&4);
        let valid = with_curve!(
            curve,
            C => ecdsa::VerifyingKey::<C>::from_sec1_bytes(point).is_ok(),
            true
        );
        if uncompressed && valid {
            Ok(Self {
                curve,
                point: point.to_vec(),
            })
        } else {
            Err(KeyError::NotOnCurve(curve))
        }
    }

    /// The curve.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The point, `04 || x || y`.
    pub fn point(&self) -> &[u8] {
        &self.point
    }

    /// Verifies a signature over a digest. A digest that is longer than the curve is cut, as ECDSA prescribes.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify_prehash(
        &self,
        digest: &[u8],
        signature: &EcSignature,
    ) -> Result<(), SignatureError> {
        if signature.curve != self.curve {
            return Err(SignatureError::Malformed(self.curve));
        }
        with_curve!(
            self.curve,
            C => {
                let key = ecdsa::VerifyingKey::<C>::from_sec1_bytes(&self.point)
                    .map_err(|_| SignatureError::Wrong)?;
                let signature = ecdsa::Signature::<C>::from_slice(&signature.plain)
                    .map_err(|_| SignatureError::Malformed(self.curve))?;
                // (r, n - s) verifies too; the library takes only the smaller of the two on secp256k1.
                key.verify_prehash(&padded(self.curve, digest), &signature.normalize_s())
                    .map_err(|_| SignatureError::Wrong)
            },
            Err(UnsupportedCurve(self.curve).into())
        )
    }
}

/// ECDSA reads a short digest as a number; the library wants at least half a field element of bytes.
fn padded(curve: Curve, digest: &[u8]) -> Vec<u8> {
    let least = curve.field_len().div_ceil(2);
    let mut out = vec![0; least.saturating_sub(digest.len())];
    out.extend_from_slice(digest);
    out
}

/// A signature `(r, s)` with both numbers in `1..n`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EcSignature {
    curve: Curve,
    plain: Vec<u8>,
}

impl EcSignature {
    /// Reads `r || s`, each as long as a field element.
    ///
    /// # Errors
    /// [`SignatureError::Malformed`].
    pub fn from_plain(plain: &[u8], curve: Curve) -> Result<Self, SignatureError> {
        let size = curve.field_len();
        let order = curve.domain_parameters().n;
        let in_range = |number: &[u8]| number.iter().any(|byte| *byte != 0) && number < order;
        if plain.len() == 2 * size && in_range(&plain[..size]) && in_range(&plain[size..]) {
            Ok(Self {
                curve,
                plain: plain.to_vec(),
            })
        } else {
            Err(SignatureError::Malformed(curve))
        }
    }

    /// Reads `SEQUENCE { INTEGER r, INTEGER s }`. Superfluous leading zeros, as some cards send them, are tolerated.
    ///
    /// # Errors
    /// [`SignatureError::Malformed`].
    pub fn from_der(der: &[u8], curve: Curve) -> Result<Self, SignatureError> {
        let malformed = SignatureError::Malformed(curve);
        let sequence = tlv::parse_exact(der).map_err(|_| malformed)?;
        let numbers = tlv::parse_all(sequence.value).map_err(|_| malformed)?;
        let [r, s] = numbers.as_slice() else {
            return Err(malformed);
        };
        if sequence.tag != SEQUENCE || r.tag != INTEGER || s.tag != INTEGER {
            return Err(malformed);
        }
        let size = curve.field_len();
        let mut plain = Vec::with_capacity(2 * size);
        for number in [r.value, s.value] {
            let zeros = number.iter().take_while(|byte| **byte == 0).count();
            let significant = &number[zeros..];
            let missing = size.checked_sub(significant.len()).ok_or(malformed)?;
            plain.resize(plain.len() + missing, 0);
            plain.extend_from_slice(significant);
        }
        Self::from_plain(&plain, curve)
    }

    /// The curve.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// `r || s`.
    pub fn to_plain(&self) -> Vec<u8> {
        self.plain.clone()
    }

    /// DER `SEQUENCE { INTEGER r, INTEGER s }`.
    pub fn to_der(&self) -> Vec<u8> {
        let (r, s) = self.plain.split_at(self.curve.field_len());
        TlvWriter::new()
            .with(INTEGER, &integer(r))
            .with(INTEGER, &integer(s))
            .wrap(SEQUENCE)
    }
}

/// Content of a DER INTEGER for an unsigned number.
pub(crate) fn integer(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let significant = &number[zeros..];
    let mut out = Vec::with_capacity(significant.len() + 1);
    if significant.first().is_none_or(|byte| byte & 0x80 != 0) {
        out.push(0);
    }
    out.extend_from_slice(significant);
    out
}

/// A private key in software: of the simulator, of a channel's ephemeral pair, of the server's identity. Never of a real
/// card. Wiped when dropped.
#[derive(Clone)]
pub struct EcSecretKey {
    curve: Curve,
    scalar: Zeroizing<Vec<u8>>,
    public: EcPublicKey,
}

impl EcSecretKey {
    /// Takes a scalar, big endian, as long as a field element.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_bytes(curve: Curve, scalar: &[u8]) -> Result<Self, KeyError> {
        let point = with_curve!(
            curve,
            C => {
                let key = ecdsa::SigningKey::<C>::from_slice(scalar)
                    .map_err(|_| KeyError::BadScalar(curve))?;
                ecdsa::VerifyingKey::<C>::from(&key).to_sec1_point(false).as_bytes().to_vec()
            },
            return Err(UnsupportedCurve(curve).into())
        );
        let public = EcPublicKey { curve, point };
        Ok(Self {
            curve,
            scalar: Zeroizing::new(scalar.to_vec()),
            public,
        })
    }

    /// The curve.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The scalar, for the one who has to store it.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.scalar.clone()
    }

    /// The public key.
    pub fn ec_public_key(&self) -> &EcPublicKey {
        &self.public
    }

    /// The public key.
    pub fn public_key(&self) -> crate::PublicKey {
        crate::PublicKey::Ec(self.public.clone())
    }

    /// Signs a digest; deterministic (RFC 6979).
    ///
    /// # Errors
    /// [`KeyError`], which a key that was made by [`Self::from_bytes`] does not give.
    pub fn sign_prehash(&self, digest: &[u8]) -> Result<EcSignature, KeyError> {
        let curve = self.curve;
        let plain = with_curve!(
            curve,
            C => {
                let key = ecdsa::SigningKey::<C>::from_slice(&self.scalar)
                    .map_err(|_| KeyError::BadScalar(curve))?;
                let signature: ecdsa::Signature<C> = key
                    .sign_prehash(&padded(curve, digest))
                    .map_err(|_| KeyError::BadScalar(curve))?;
                signature.to_bytes().to_vec()
            },
            return Err(UnsupportedCurve(curve).into())
        );
        Ok(EcSignature { curve, plain })
    }

    /// Diffie-Hellman: the x coordinate of the product, as long as a field element.
    ///
    /// # Errors
    /// [`KeyError::NotOnCurve`] if the peer's point is on another curve.
    pub fn ecdh(&self, peer: &EcPublicKey) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let curve = self.curve;
        if peer.curve != curve {
            return Err(KeyError::NotOnCurve(curve));
        }
        with_curve!(
            curve,
            C => {
                let key = ecdsa::SigningKey::<C>::from_slice(&self.scalar)
                    .map_err(|_| KeyError::BadScalar(curve))?;
                let peer = ecdsa::VerifyingKey::<C>::from_sec1_bytes(&peer.point)
                    .map_err(|_| KeyError::NotOnCurve(curve))?;
                let shared = ecdsa::elliptic_curve::ecdh::diffie_hellman::<C>(
                    key.as_nonzero_scalar(),
                    peer.as_affine(),
                );
                Ok(Zeroizing::new(shared.raw_secret_bytes().to_vec()))
            },
            Err(UnsupportedCurve(curve).into())
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;

    const SUPPORTED: [Curve; 5] = [
        Curve::Secp256r1,
        Curve::Secp384r1,
        Curve::Secp521r1,
        Curve::Secp256k1,
        Curve::BrainpoolP256r1,
    ];

    fn key(curve: Curve, seed: u8) -> EcSecretKey {
        let mut scalar = vec![seed; curve.field_len()];
        scalar[0] = 0;
        EcSecretKey::from_bytes(curve, &scalar).expect("a valid scalar")
    }

    #[test]
    fn signs_and_verifies_on_every_supported_curve() {
        let digest = Sha256::digest(b"message");
        for curve in SUPPORTED {
            let signature = key(curve, 3).sign_prehash(&digest).expect("signs");
            let public = key(curve, 3).ec_public_key().clone();
            assert_eq!(
                public.verify_prehash(&digest, &signature),
                Ok(()),
                "{curve}"
            );
            let other = Sha256::digest(b"other message");
            assert_eq!(
                public.verify_prehash(&other, &signature),
                Err(SignatureError::Wrong)
            );
            let der = EcSignature::from_der(&signature.to_der(), curve);
            assert_eq!(der, Ok(signature));
        }
    }

    #[test]
    fn both_sides_of_a_key_agreement_get_the_same_secret() {
        for curve in SUPPORTED {
            let (one, two) = (key(curve, 3), key(curve, 4));
            assert_eq!(one.ecdh(two.ec_public_key()), two.ecdh(one.ec_public_key()));
        }
    }

    #[test]
    fn curves_without_arithmetic_say_so() {
        let curve = Curve::BrainpoolP384r1;
        let parameters = curve.domain_parameters();
        let public = EcPublicKey::new(curve, parameters.g).expect("recognised");
        let mut plain = vec![0; 96];
        plain[47] = 1;
        plain[95] = 1;
        let signature = EcSignature::from_plain(&plain, curve).expect("in range");
        assert_eq!(
            public.verify_prehash(&[0; 32], &signature),
            Err(SignatureError::Unsupported(UnsupportedCurve(curve)))
        );
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let curve = Curve::BrainpoolP256r1;
        let order = curve.domain_parameters().n;
        let one = [[0; 31].as_slice(), &[1]].concat();
        for (r, s) in [
            (&[0; 32][..], &one[..]),
            (&one, &[0; 32]),
            (order, &one),
            (&one, order),
        ] {
            assert!(EcSignature::from_plain(&[r, s].concat(), curve).is_err());
        }
    }

    #[test]
    fn a_point_off_the_curve_is_refused() {
        let mut point = key(Curve::BrainpoolP256r1, 3)
            .ec_public_key()
            .point()
            .to_vec();
        point[64] ^= 1;
        assert!(EcPublicKey::new(Curve::BrainpoolP256r1, &point).is_err());
    }

    #[test]
    fn over_long_integers_are_read() {
        let signature = key(Curve::BrainpoolP256r1, 3)
            .sign_prehash(&[1; 32])
            .expect("signs");
        let (r, s) = signature.plain.split_at(32);
        let long = |number: &[u8]| [&[0, 0], number].concat();
        let der = TlvWriter::new()
            .with(INTEGER, &long(r))
            .with(INTEGER, &long(s))
            .wrap(SEQUENCE);
        assert_eq!(
            EcSignature::from_der(&der, Curve::BrainpoolP256r1),
            Ok(signature)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for curve in Curve::ALL {
                let _ = EcSignature::from_der(&bytes, curve);
                let _ = EcSignature::from_plain(&bytes, curve);
                let _ = EcPublicKey::new(curve, &bytes);
                let _ = EcSecretKey::from_bytes(curve, &bytes);
            }
        }
    }
}

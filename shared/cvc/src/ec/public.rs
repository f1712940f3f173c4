//! EC public keys.

use ecdsa::signature::hazmat::PrehashVerifier;

use super::{EcSignature, KeyError, SignatureError, padded};
use crate::curve::{Curve, UnsupportedCurve};

/// An EC public key: a point on its curve.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct EcPublicKey {
    curve: Curve,
    point: Vec<u8>,
}

impl EcPublicKey {
    /// Checks an uncompressed point, `04 || x || y`. On an unsupported curve only the length is checked, because no signature
    /// verifies with such a key.
    ///
    /// # Errors
    /// [`KeyError::NotOnCurve`] if it is not an uncompressed point on the curve.
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

    /// The curve of the key.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The uncompressed point, `04 || x || y`.
    pub fn point(&self) -> &[u8] {
        &self.point
    }

    /// Verifies an ECDSA signature over a digest. A digest longer than the order of the curve is truncated (FIPS 186-5,
    /// section 6.4.2).
    ///
    /// # Errors
    /// The signature belongs to another curve or does not verify, or the curve is not supported.
    pub fn verify_prehash(
        &self,
        digest: &[u8],
        signature: &EcSignature,
    ) -> Result<(), SignatureError> {
        if signature.curve() != self.curve {
            return Err(SignatureError::Malformed(self.curve));
        }
        with_curve!(
            self.curve,
            C => {
                let key = ecdsa::VerifyingKey::<C>::from_sec1_bytes(&self.point)
                    .map_err(|_| SignatureError::Wrong)?;
                let signature = ecdsa::Signature::<C>::from_slice(signature.plain())
                    .map_err(|_| SignatureError::Malformed(self.curve))?;
                // Both (r, s) and (r, n - s) are valid, but on secp256k1 the library accepts only the smaller s.
                key.verify_prehash(&padded(self.curve, digest), &signature.normalize_s())
                    .map_err(|_| SignatureError::Wrong)
            },
            Err(UnsupportedCurve(self.curve).into())
        )
    }
}

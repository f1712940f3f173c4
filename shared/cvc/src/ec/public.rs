//! Public keys.

use ecdsa::signature::hazmat::PrehashVerifier;

use super::{EcSignature, KeyError, SignatureError, padded};
use crate::curve::{Curve, UnsupportedCurve};

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
                // (r, n - s) verifies too; the library takes only the smaller of the two on secp256k1.
                key.verify_prehash(&padded(self.curve, digest), &signature.normalize_s())
                    .map_err(|_| SignatureError::Wrong)
            },
            Err(UnsupportedCurve(self.curve).into())
        )
    }
}

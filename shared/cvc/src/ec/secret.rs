//! EC private keys in software.

use ecdsa::{elliptic_curve::sec1::ToSec1Point, signature::hazmat::PrehashSigner};
use zeroize::Zeroizing;

use super::{EcPublicKey, EcSignature, KeyError, padded};
use crate::curve::{Curve, UnsupportedCurve};

/// An EC private key in software, such as the server's identity key, an ephemeral key of a secure channel, or a key of the
/// simulator. A real card never exports its keys. The scalar is wiped when the value is dropped.
#[derive(Clone)]
pub struct EcSecretKey {
    curve: Curve,
    scalar: Zeroizing<Vec<u8>>,
    public: EcPublicKey,
}

impl EcSecretKey {
    /// Creates the key with a big-endian scalar of the length of a field element.
    ///
    /// # Errors
    /// [`KeyError::BadScalar`] if the scalar has another length or is out of range; [`KeyError::Unsupported`] if no library
    /// implements the curve.
    pub fn from_bytes(curve: Curve, scalar: &[u8]) -> Result<Self, KeyError> {
        // The library would accept shorter scalars too.
        if scalar.len() != curve.field_len() {
            return Err(KeyError::BadScalar(curve));
        }
        let point = with_curve!(
            curve,
            C => {
                let key = ecdsa::SigningKey::<C>::from_slice(scalar)
                    .map_err(|_| KeyError::BadScalar(curve))?;
                ecdsa::VerifyingKey::<C>::from(&key).to_sec1_point(false).as_bytes().to_vec()
            },
            return Err(UnsupportedCurve(curve).into())
        );
        let public = EcPublicKey::new(curve, &point)?;
        Ok(Self {
            curve,
            scalar: Zeroizing::new(scalar.to_vec()),
            public,
        })
    }

    /// The curve of the key.
    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The scalar, for storage: big endian, of the length of a field element.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.scalar.clone()
    }

    /// The public key as an EC key.
    pub fn ec_public_key(&self) -> &EcPublicKey {
        &self.public
    }

    /// The public key as a key of any kind.
    pub fn public_key(&self) -> crate::PublicKey {
        crate::PublicKey::Ec(self.public.clone())
    }

    /// Signs a digest with deterministic ECDSA (RFC 6979).
    ///
    /// # Errors
    /// The library rejects the key, which does not happen after [`Self::from_bytes`] has accepted it.
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
        EcSignature::from_plain(&plain, curve).map_err(|_| KeyError::BadScalar(curve))
    }

    /// Computes the ECDH shared secret: the x coordinate, of the length of a field element.
    ///
    /// # Errors
    /// [`KeyError::NotOnCurve`] if the peer's key is on another curve.
    pub fn ecdh(&self, peer: &EcPublicKey) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let point = self.ecdh_point(peer)?;
        Ok(Zeroizing::new(point[1..=point.len() / 2].to_vec()))
    }

    /// Computes the whole ECDH point, `04 || x || y`, as a card returns it.
    ///
    /// # Errors
    /// [`KeyError::NotOnCurve`] if the peer's key is on another curve.
    pub fn ecdh_point(&self, peer: &EcPublicKey) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let curve = self.curve;
        if peer.curve() != curve {
            return Err(KeyError::NotOnCurve(curve));
        }
        with_curve!(
            curve,
            C => {
                let key = ecdsa::SigningKey::<C>::from_slice(&self.scalar)
                    .map_err(|_| KeyError::BadScalar(curve))?;
                let peer = ecdsa::VerifyingKey::<C>::from_sec1_bytes(peer.point())
                    .map_err(|_| KeyError::NotOnCurve(curve))?;
                let peer = ecdsa::elliptic_curve::ProjectivePoint::<C>::from(*peer.as_affine());
                let product = (peer * **key.as_nonzero_scalar()).to_affine();
                Ok(Zeroizing::new(product.to_sec1_point(false).as_bytes().to_vec()))
            },
            Err(UnsupportedCurve(curve).into())
        )
    }
}

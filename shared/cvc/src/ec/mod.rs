//! ECDSA keys and signatures on the curves with maintained arithmetic.
//!
//! One macro dispatches from [`Curve`] to the RustCrypto type of that curve. The rest of the module does not depend on it.

use crate::curve::{Curve, UnsupportedCurve};

/// Evaluates an expression with `$C` as the RustCrypto curve, or the fallback for a curve that has none.
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

// These modules use the macro, so they must follow it.
mod public;
mod secret;
mod signature;

pub use public::EcPublicKey;
pub use secret::EcSecretKey;
pub use signature::EcSignature;
pub(crate) use signature::integer;

/// The reason why bytes are not accepted as a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The point is not on the curve, is compressed, or is at infinity.
    #[error("the public key is not a point on {0}: it is damaged or forged")]
    NotOnCurve(Curve),
    /// The scalar has a wrong length, is zero, or is not less than the order of the curve.
    #[error("the private key is not valid for {0}")]
    BadScalar(Curve),
    /// No library implements the curve.
    #[error(transparent)]
    Unsupported(#[from] UnsupportedCurve),
}

/// The reason why a signature was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The signature is not a pair of numbers in the range of the curve.
    #[error("the signature is not a valid encoding for {0}")]
    Malformed(Curve),
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Wrong,
    /// The signature scheme does not suit the key.
    #[error("the key cannot produce a signature of this kind")]
    WrongKeyType,
    /// No library implements the curve.
    #[error(transparent)]
    Unsupported(#[from] UnsupportedCurve),
}

/// Pads a short digest with leading zeros, which do not change its value: the library requires at least half the length of a
/// field element.
fn padded(curve: Curve, digest: &[u8]) -> Vec<u8> {
    let least = curve.field_len().div_ceil(2);
    let mut out = vec![0; least.saturating_sub(digest.len())];
    out.extend_from_slice(digest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::tlv::{Tag, TlvWriter};

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
    fn both_sides_of_a_key_agreement_derive_the_same_secret() {
        for curve in SUPPORTED {
            let (one, two) = (key(curve, 3), key(curve, 4));
            let secret = one.ecdh(two.ec_public_key()).expect("agrees");
            assert_eq!(two.ecdh(one.ec_public_key()), Ok(secret.clone()));
            let point = one.ecdh_point(two.ec_public_key()).expect("agrees");
            let point = EcPublicKey::new(curve, &point).expect("a point of the curve");
            assert_eq!(point.point()[1..=secret.len()], **secret);
        }
    }

    #[test]
    fn an_unsupported_curve_is_reported_on_verification() {
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
    fn the_normalised_signature_is_the_smaller_of_both_and_verifies() {
        for curve in SUPPORTED {
            for seed in 1..8 {
                let digest = Sha256::digest([seed]);
                let signature = key(curve, 3).sign_prehash(&digest).expect("signs");
                let small = signature.normalised();
                assert_eq!(small.normalised(), small);
                let public = key(curve, 3).ec_public_key().clone();
                assert_eq!(public.verify_prehash(&digest, &small), Ok(()), "{curve}");
                let (_, s) = small.plain().split_at(curve.field_len());
                let order = curve.domain_parameters().n;
                assert!(s[0] <= order[0] / 2 + 1, "{curve}");
            }
        }
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
    fn integers_with_superfluous_zeros_are_read() {
        let signature = key(Curve::BrainpoolP256r1, 3)
            .sign_prehash(&[1; 32])
            .expect("signs");
        let (r, s) = signature.plain().split_at(32);
        let long = |number: &[u8]| [&[0, 0], number].concat();
        let der = TlvWriter::new()
            .with(Tag::INTEGER, &long(r))
            .with(Tag::INTEGER, &long(s))
            .wrap(Tag::SEQUENCE);
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

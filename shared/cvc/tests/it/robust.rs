//! Damaged data: no parser panics, and no damaged file is accepted.

use countersign_cvc::{
    AuthenticatedRequest, Certificate, Curve, DeviceChain, EcPublicKey, EcSignature, PkaFile,
    PublicKey, attestation, split_certificates,
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::pki::*;

fn parse_as_everything(bytes: &[u8]) {
    let _ = Certificate::parse(bytes);
    let _ = split_certificates(bytes);
    let _ = AuthenticatedRequest::parse(bytes);
    let _ = PkaFile::parse(bytes);
    let _ = DeviceChain::from_ef(bytes).map(|chain| chain.verify(&anchors()));
    let _ = PublicKey::from_spki_der(bytes);
}

/// Changes, removes and inserts some bytes.
fn mutated(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
    let inserted = (
        any::<prop::sample::Index>(),
        proptest::collection::vec(any::<u8>(), 0..8),
    );
    (Just(valid), changes, inserted, 0usize..4).prop_map(|(mut data, changes, inserted, cut)| {
        for (at, byte) in changes {
            let at = at.index(data.len());
            data[at] = byte;
        }
        data.truncate(data.len() - cut);
        let at = inserted.0.index(data.len());
        data.splice(at..at, inserted.1);
        data
    })
}

fn valid() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![
        ROOT.to_vec(),
        [DEVICE_1, ISSUER].concat(),
        REQUEST.to_vec(),
        good_file(),
        PkaFile::parse(&good_file()).expect("reads").to_new_format(),
        key(CUSTODIAN_KEY).public_key().to_spki_der(),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        parse_as_everything(&bytes);
    }

    #[test]
    fn damaged_data_never_panics(bytes in valid().prop_flat_map(mutated)) {
        parse_as_everything(&bytes);
    }

    #[test]
    fn a_file_with_a_changed_byte_is_never_attested(position in 0usize..961, change in 1u8..) {
        let mut file = good_file();
        file[position] ^= change;
        if let Ok(parsed) = PkaFile::parse(&file) {
            prop_assert!(attestation::verify(&parsed, &anchors()).is_err());
        }
    }

    #[test]
    fn signatures_verify_with_the_public_key(scalar in proptest::array::uniform32(1u8..0x7F), message: Vec<u8>) {
        let secret = key(scalar);
        let digest = Sha256::digest(&message);
        let signature = secret.sign_prehash(&digest).expect("signs");
        let point = EcPublicKey::new(Curve::BrainpoolP256r1, secret.ec_public_key().point()).expect("a point");
        prop_assert!(point.verify_prehash(&digest, &signature).is_ok());
        prop_assert_eq!(EcSignature::from_plain(&signature.to_plain(), Curve::BrainpoolP256r1), Ok(signature.clone()));
        prop_assert_eq!(EcSignature::from_der(&signature.to_der(), Curve::BrainpoolP256r1), Ok(signature));
    }
}

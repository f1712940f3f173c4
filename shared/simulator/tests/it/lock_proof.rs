//! The proof that a card is locked holds for cards that answer unsuitable commands in different ways.

use countersign_card::{
    KeyInfo, KeyKind, LockCheck, LockProof, SignAlgorithm, SmartCardHsm,
    apdu::StatusWord,
    pka::{ChallengeBehaviour, Round},
};
use countersign_cvc::{Curve, VerifiedDevice};
use countersign_simulator::{Profile, Simulator};

use crate::support::{hsm, open, spec, unlock};

const RSA: KeyKind = KeyKind::Rsa(2048);
const EC: KeyKind = KeyKind::Ec(Curve::Secp256r1);
const REFUSED: LockCheck =
    LockCheck::Locked(LockProof::SignatureRefused(StatusWord::NOT_AUTHENTICATED));

/// Profiles that differ in what they answer to an algorithm of another kind of key.
const PROFILES: [Profile; 4] = [
    Profile::VENDOR,
    Profile {
        wrong_key_type_sw: 0x6400,
        ..Profile::VENDOR
    },
    Profile {
        checks_key_type_first: true,
        ..Profile::VENDOR
    },
    Profile {
        wrong_key_type_sw: 0x6400,
        ..Profile::PICO
    },
];

/// An HSM with these keys that its quorum has opened.
fn opened(profile: Profile, kinds: &[KeyKind]) -> (Simulator, SmartCardHsm, VerifiedDevice) {
    let (simulator, mut card, device, mut custodians) = hsm(profile);
    let mut round = Round::new(device.id().clone(), ChallengeBehaviour::Unknown);
    unlock(&mut round, &mut card, &device, &mut custodians);
    for (number, kind) in kinds.iter().enumerate() {
        card.generate_key(&spec(*kind, &format!("ZZSIGN0000{number}")))
            .expect("a key");
    }
    (simulator, card, device)
}

fn log_out(card: &mut SmartCardHsm, device: &VerifiedDevice) {
    card.logout().expect("selects");
    card.open_secure_channel(device).expect("a channel");
}

#[test]
fn an_open_card_is_never_proven_to_be_locked() {
    for profile in PROFILES {
        for kinds in [[RSA, EC], [EC, RSA]] {
            let profile = Profile {
                swallows_logout: true,
                ..profile
            };
            let (simulator, mut card, device) = opened(profile, &kinds);
            let keys = card.list_keys().expect("a list");
            assert_eq!(card.prove_locked(&keys), Ok(LockCheck::Open), "{profile:?}");
            log_out(&mut card, &device);
            assert!(simulator.is_open(), "the logout was swallowed");
            assert_eq!(card.prove_locked(&keys), Ok(LockCheck::Open), "{profile:?}");
            card.reset().expect("resets");
            card.open_secure_channel(&device).expect("a channel");
            assert!(!simulator.is_open(), "the reset was not swallowed");
            assert_eq!(card.prove_locked(&keys), Ok(REFUSED), "{profile:?}");
        }
    }
}

#[test]
fn a_locked_card_is_proven_to_be_locked_whatever_it_checks_first() {
    for profile in PROFILES {
        for kinds in [&[RSA][..], &[EC], &[RSA, EC]] {
            let (_, mut card, device) = opened(profile, kinds);
            let keys = card.list_keys().expect("a list");
            log_out(&mut card, &device);
            assert_eq!(card.prove_locked(&keys), Ok(REFUSED), "{profile:?}");
        }
    }
}

/// The list of keys is out of date or wrong, so the probe does not fit the key.
#[test]
fn an_error_in_the_card_proves_nothing() {
    let profile = Profile {
        wrong_key_type_sw: 0x6400,
        ..Profile::VENDOR
    };
    let (_, mut card, _) = opened(profile, &[RSA, EC]);
    let [rsa, ec] = <[KeyInfo; 2]>::try_from(card.list_keys().expect("a list")).expect("two keys");
    let disguised = KeyInfo {
        public_key: ec.public_key,
        ..rsa
    };
    let refused = card.prove_locked(&[disguised]);
    let error = StatusWord::EXECUTION_ERROR;
    assert_eq!(refused, Ok(LockCheck::Unclear(error)));
}

#[test]
fn a_key_of_unknown_kind_is_skipped() {
    let profile = Profile {
        checks_key_type_first: true,
        ..Profile::VENDOR
    };
    let (simulator, mut card, device) = opened(profile, &[RSA, EC]);
    let mut keys = card.list_keys().expect("a list");
    log_out(&mut card, &device);
    keys[0].public_key = None;
    simulator.reset_counts();
    assert_eq!(card.prove_locked(&keys), Ok(REFUSED));
    assert_eq!(simulator.apdu_counts().sign(), 1);
    // With no suitable key left, the generation of a key is tried.
    keys[1].public_key = None;
    let proof = LockProof::GenerationRefused(StatusWord::NOT_AUTHENTICATED);
    assert_eq!(card.prove_locked(&keys), Ok(LockCheck::Locked(proof)));
}

#[test]
fn a_key_with_a_use_counter_is_tried_last() {
    let (_, mut card, device) = opened(Profile::VENDOR, &[]);
    let mut counted = spec(EC, "ZZSIGN00001");
    counted.use_counter = Some(1);
    let (reference, _) = card.generate_key(&counted).expect("a key");
    card.generate_key(&spec(RSA, "ZZSIGN00002")).expect("a key");
    let keys = card.list_keys().expect("a list");
    assert_eq!(card.prove_locked(&keys), Ok(LockCheck::Open));
    card.sign(reference, SignAlgorithm::Ecdsa, &[5; 32])
        .expect("the one use is left");
    // An open card refuses an exhausted key, too.
    let exhausted = &card.list_keys().expect("a list")[..1];
    assert_eq!(exhausted[0].uses_left, Some(0));
    log_out(&mut card, &device);
    let proof = LockProof::GenerationRefused(StatusWord::NOT_AUTHENTICATED);
    assert_eq!(card.prove_locked(exhausted), Ok(LockCheck::Locked(proof)));
}

#[test]
fn an_algorithm_that_the_key_does_not_allow_is_not_tried() {
    let profile = Profile {
        wrong_key_type_sw: 0x6400,
        swallows_logout: true,
        ..Profile::VENDOR
    };
    let (simulator, mut card, _) = opened(profile, &[]);
    let mut limited = spec(RSA, "ZZSIGN00001");
    limited.algorithms = Some(vec![SignAlgorithm::RsaPss as u8]);
    card.generate_key(&limited).expect("a key");
    let keys = card.list_keys().expect("a list");
    simulator.reset_counts();
    assert_eq!(card.prove_locked(&keys), Ok(LockCheck::Open));
    assert_eq!(simulator.apdu_counts().sign(), 1);
    drop(card);
    simulator.reset();
    let (mut card, _) = open(&simulator);
    assert_eq!(card.prove_locked(&keys), Ok(REFUSED));
}

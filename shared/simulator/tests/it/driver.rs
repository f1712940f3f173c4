//! The driver with the simulated card: initialisation, registration, authentication, signing, locking.

use crate::support::{
    Custodian, PIN, anchors, authenticate, hsm, new_card, open, pin, so_pin, spec, unlock,
};
use countersign_card::{
    CardError, InitializeOptions, KeyKind, KeySpec, PinKind, PinStatus, PkaOptions, SignAlgorithm,
    SmartCardHsm, SoPin, TransportError,
    pka::{ChallengeBehaviour, PkaResponse, RespondOutcome, Round},
};
use countersign_cvc::{Curve, EcSignature, TrustAnchors};
use countersign_simulator::{Fault, NewCard, Profile, Simulator, simulated_anchor};
use sha2::{Digest, Sha256};

#[test]
fn two_of_three_custodians_open_the_card_with_every_challenge_behaviour() {
    for (profile, detected) in [
        (Profile::VENDOR, ChallengeBehaviour::SingleUse),
        (
            Profile {
                challenge_single_use: false,
                ..Profile::VENDOR
            },
            ChallengeBehaviour::Kept,
        ),
        (Profile::PICO, ChallengeBehaviour::Kept),
    ] {
        let (_, mut card, device, mut custodians) = hsm(profile);
        let mut round = Round::new(device.id().clone(), ChallengeBehaviour::Unknown);
        assert!(
            card.prove_locked(&[]).expect("answers").is_locked(),
            "locked before"
        );

        authenticate(&mut round, &mut card, &device, &mut custodians[0]);
        assert!(
            card.prove_locked(&[]).expect("answers").is_locked(),
            "locked with 1 of 3"
        );
        assert_eq!(
            card.pka_status()
                .expect("a status")
                .expect("set up")
                .authenticated,
            1
        );

        authenticate(&mut round, &mut card, &device, &mut custodians[2]);
        assert_eq!(round.behaviour(), detected);

        let (reference, request) = card
            .generate_key(&spec(KeyKind::Ec(Curve::Secp256r1), "ZZSIGN00001"))
            .expect("the card is open");
        let digest = Sha256::digest(b"a file");
        let der = card
            .sign(reference, SignAlgorithm::Ecdsa, &digest)
            .expect("signs");
        let signature = EcSignature::from_der(&der, Curve::Secp256r1).expect("a signature");
        assert!(
            request
                .public_key()
                .verify_prehash(&digest, &signature)
                .is_ok()
        );

        let keys = card.list_keys().expect("a list");
        card.logout().expect("selects");
        card.open_secure_channel(&device).expect("a channel");
        assert!(
            card.prove_locked(&keys).expect("answers").is_locked(),
            "locked after"
        );
        assert_eq!(
            card.sign(reference, SignAlgorithm::Ecdsa, &digest),
            Err(CardError::NotAuthenticated(
                countersign_card::apdu::StatusWord::NOT_AUTHENTICATED
            ))
        );
    }
}

#[test]
fn a_known_single_use_card_accepts_every_first_response() {
    let (_, mut card, device, mut custodians) = hsm(Profile::VENDOR);
    let mut round = Round::new(device.id().clone(), ChallengeBehaviour::SingleUse);
    for custodian in &mut custodians[..2] {
        assert_eq!(authenticate(&mut round, &mut card, &device, custodian), 1);
    }
}

#[test]
fn a_wrong_response_never_reaches_the_card() {
    let (simulator, mut card, device, mut custodians) = hsm(Profile::VENDOR);
    let mut round = Round::new(device.id().clone(), ChallengeBehaviour::Unknown);
    let challenge = round.challenge(&mut card).expect("a challenge");
    let signature = custodians[0].sign(&[7; 32]);
    simulator.reset_counts();
    let response = PkaResponse {
        name: &custodians[0].name,
        key: custodians[0].file.request.public_key(),
        challenge: &challenge,
        signature: &signature,
    };
    assert_eq!(
        round.respond(&mut card, &response),
        Ok(RespondOutcome::WrongSignature)
    );
    assert_eq!(simulator.apdu_counts().total, 0);
}

#[test]
fn a_custodian_is_counted_once() {
    let (_, mut card, device, mut custodians) = hsm(Profile::PICO);
    let mut round = Round::new(device.id().clone(), ChallengeBehaviour::Unknown);
    authenticate(&mut round, &mut card, &device, &mut custodians[0]);
    let challenge = round.challenge(&mut card).expect("a challenge");
    let signature = custodians[0].sign(&challenge.digest(device.id()));
    let response = PkaResponse {
        name: &custodians[0].name,
        key: custodians[0].file.request.public_key(),
        challenge: &challenge,
        signature: &signature,
    };
    assert!(
        matches!(round.respond(&mut card, &response), Ok(RespondOutcome::AlreadyCounted(status)) if status.authenticated == 1)
    );
}

#[test]
fn a_reset_ends_all_authentications() {
    let (simulator, mut card, device, mut custodians) = hsm(Profile::VENDOR);
    let mut round = Round::new(device.id().clone(), ChallengeBehaviour::Unknown);
    unlock(&mut round, &mut card, &device, &mut custodians);
    simulator.reset_by_other();
    assert_eq!(
        card.pka_status(),
        Err(CardError::Transport(TransportError::ResetByOther))
    );
    let (mut card, _) = open(&simulator);
    assert_eq!(
        card.pka_status()
            .expect("a status")
            .expect("set up")
            .authenticated,
        0
    );
    assert!(card.prove_locked(&[]).expect("answers").is_locked());
}

#[test]
fn a_selection_by_another_program_breaks_the_channel_and_the_quorum() {
    let (simulator, mut card, device, mut custodians) = hsm(Profile::VENDOR);
    let mut round = Round::new(device.id().clone(), ChallengeBehaviour::Unknown);
    unlock(&mut round, &mut card, &device, &mut custodians);
    simulator.select_by_other();
    assert_eq!(card.pka_status(), Err(CardError::ChannelLost));
    assert_eq!(
        card.pka_status(),
        Err(CardError::ChannelLost),
        "the driver never falls back to plain commands"
    );
}

#[test]
fn a_damaged_answer_breaks_the_channel() {
    let simulator = new_card("DAMAGE", Profile::VENDOR, Some(PIN));
    let (mut card, _) = open(&simulator);
    simulator.inject(Fault::DamagedAnswer);
    assert_eq!(card.pin_status(PinKind::User), Err(CardError::ChannelLost));
}

#[test]
fn wrong_pins_use_up_the_tries_and_block_the_pin() {
    let simulator = new_card("PINPIN", Profile::VENDOR, Some(PIN));
    let (mut card, _) = open(&simulator);
    assert_eq!(
        card.pin_status(PinKind::User),
        Ok(PinStatus::NotVerified { tries: 3 })
    );
    for tries_left in [2, 1] {
        assert_eq!(
            card.verify_pin(&pin("000000")),
            Err(CardError::WrongPin { tries_left })
        );
    }
    assert_eq!(card.verify_pin(&pin("000000")), Err(CardError::PinBlocked));
    assert_eq!(
        card.verify_pin(&pin(PIN)),
        Err(CardError::PinBlocked),
        "even the right PIN is refused"
    );
    card.reset_retry_counter(&so_pin(), &pin("123456"))
        .expect("unblocks");
    assert_eq!(card.verify_pin(&pin("123456")), Ok(()));
    assert_eq!(card.pin_status(PinKind::User), Ok(PinStatus::Verified));
}

#[test]
fn keys_cannot_be_generated_without_a_login() {
    let simulator = new_card("LOCKED", Profile::VENDOR, Some(PIN));
    let (mut card, _) = open(&simulator);
    let key = spec(KeyKind::Ec(Curve::Secp256r1), "ZZKEY00001");
    assert!(matches!(
        card.generate_key(&key),
        Err(CardError::NotAuthenticated(_))
    ));
    assert!(card.prove_locked(&[]).expect("answers").is_locked());
}

#[test]
fn pin_and_quorum_are_both_required_if_both_are_set() {
    let simulator = new_card("BOTH01", Profile::VENDOR, None);
    let (mut card, device) = open(&simulator);
    let pka = PkaOptions::new(1, 1, false).expect("a quorum");
    let user = pin(PIN);
    card.initialize(
        &InitializeOptions::QuorumAndPin {
            pka,
            pin: &user,
            retry_counter: 3,
        },
        &so_pin(),
    )
    .expect("initialises");
    card.open_secure_channel(&device).expect("a channel");
    let mut custodian = Custodian::new(9);
    card.register_custodian(&custodian.file).expect("registers");
    card.verify_pin(&user).expect("the PIN");
    assert!(
        card.prove_locked(&[]).expect("answers").is_locked(),
        "the PIN alone does not open"
    );
    let mut round = Round::new(device.id().clone(), ChallengeBehaviour::Unknown);
    authenticate(&mut round, &mut card, &device, &mut custodian);
    assert!(
        !card.prove_locked(&[]).expect("answers").is_locked(),
        "both open"
    );
}

#[test]
fn a_device_is_initialised_again_only_with_its_so_pin() {
    let (_, mut card, device, _) = hsm(Profile::VENDOR);
    let quorum = PkaOptions::new(1, 1, false).expect("a quorum");
    let wrong = SoPin::from_hex("0000000000000000").expect("16 hex digits");
    assert_eq!(
        card.initialize(&InitializeOptions::Quorum(quorum), &wrong),
        Err(CardError::WrongPin { tries_left: 14 })
    );
    card.initialize(&InitializeOptions::Quorum(quorum), &so_pin())
        .expect("initialises");
    card.open_secure_channel(&device).expect("a channel");
    assert_eq!(
        card.pka_status()
            .expect("a status")
            .expect("set up")
            .missing,
        1
    );
}

#[test]
fn a_key_is_registered_only_once() {
    let (_, mut card, _, custodians) = hsm(Profile::VENDOR);
    assert!(matches!(
        card.register_custodian(&custodians[0].file),
        Err(CardError::RegistrationRefused(_))
    ));
}

#[test]
fn a_key_with_an_exhausted_use_counter_is_refused() {
    let simulator = new_card("COUNTR", Profile::VENDOR, Some(PIN));
    let (mut card, _) = open(&simulator);
    card.verify_pin(&pin(PIN)).expect("the PIN");
    let key = KeySpec {
        use_counter: Some(2),
        ..spec(KeyKind::Ec(Curve::Secp256r1), "ZZKEY00001")
    };
    let (reference, _) = card.generate_key(&key).expect("a key");
    for left in [1, 0] {
        card.sign(reference, SignAlgorithm::Ecdsa, &[1; 32])
            .expect("signs");
        assert_eq!(card.list_keys().expect("keys")[0].uses_left, Some(left));
    }
    assert_eq!(
        card.sign(reference, SignAlgorithm::Ecdsa, &[1; 32]),
        Err(CardError::KeyUseCounterExhausted)
    );
}

#[test]
fn a_key_refuses_algorithms_that_are_not_in_its_list() {
    let simulator = new_card("ALGOR1", Profile::VENDOR, Some(PIN));
    let (mut card, _) = open(&simulator);
    card.verify_pin(&pin(PIN)).expect("the PIN");
    let key = KeySpec {
        algorithms: Some(vec![0x73]),
        ..spec(KeyKind::Ec(Curve::Secp256r1), "ZZKEY00001")
    };
    let (reference, _) = card.generate_key(&key).expect("a key");
    assert_eq!(
        card.sign(reference, SignAlgorithm::Ecdsa, &[1; 32]),
        Err(CardError::AlgorithmNotAllowed)
    );
    assert!(
        card.sign(reference, SignAlgorithm::EcdsaSha256, b"message")
            .is_ok()
    );
}

#[test]
fn an_rsa_key_signs_with_every_algorithm() {
    use countersign_cvc::{HashAlgorithm, PublicKey};
    let simulator = new_card("RSA001", Profile::VENDOR, Some(PIN));
    let (mut card, _) = open(&simulator);
    card.verify_pin(&pin(PIN)).expect("the PIN");
    let (reference, request) = card
        .generate_key(&spec(KeyKind::Rsa(2048), "ZZRSA00001"))
        .expect("a key");
    request.verify_inner().expect("signed by itself");
    let PublicKey::Rsa(key) = request.public_key() else {
        panic!("an RSA key")
    };
    let digest = Sha256::digest(b"message");
    let signature = card
        .sign(reference, SignAlgorithm::RsaPss, &digest)
        .expect("signs");
    assert!(
        key.verify_pss(HashAlgorithm::Sha256, 32, &digest, &signature)
            .is_ok()
    );
    let signature = card
        .sign(reference, SignAlgorithm::RsaPkcs1Sha256, b"message")
        .expect("signs");
    assert!(
        key.verify_pkcs1(HashAlgorithm::Sha256, &digest, &signature)
            .is_ok()
    );
    // DigestInfo of SHA-256, RFC 8017 section 9.2.
    let info = [
        hex_literal::hex!("3031300d060960864801650304020105000420").as_slice(),
        &digest,
    ]
    .concat();
    let signature = card
        .sign(reference, SignAlgorithm::RsaPkcs1, &info)
        .expect("signs");
    assert!(
        key.verify_pkcs1(HashAlgorithm::Sha256, &digest, &signature)
            .is_ok()
    );
    let mut block = vec![0, 1];
    block.resize(256 - info.len() - 1, 0xFF);
    block.push(0);
    block.extend_from_slice(&info);
    let signature = card
        .sign(reference, SignAlgorithm::RsaRaw, &block)
        .expect("signs");
    assert!(
        key.verify_pkcs1(HashAlgorithm::Sha256, &digest, &signature)
            .is_ok()
    );
}

#[test]
fn a_card_is_restored_from_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("card.json");
    let new = NewCard {
        serial: "FILE01".into(),
        label: "stored".into(),
        profile: Profile::VENDOR,
        user_pin: Some(PIN.into()),
    };
    let simulator = Simulator::create(&path, &new).expect("a card");
    let (mut card, device) = open(&simulator);
    assert!(card.verify_pin(&pin("000000")).is_err());
    drop((card, simulator));
    let (mut card, same) = open(&Simulator::open(&path).expect("opens"));
    assert_eq!(same.id(), device.id());
    assert_eq!(
        card.token_info().map(|info| info.label),
        Ok(Some("stored".into()))
    );
    assert_eq!(
        card.pin_status(PinKind::User),
        Ok(PinStatus::NotVerified { tries: 2 }),
        "the number of tries is stored"
    );
    assert!(
        Simulator::create(&path, &new).is_err(),
        "an existing card is never overwritten"
    );
}

#[test]
fn production_anchors_reject_a_simulated_card() {
    let simulator = new_card("PRODUC", Profile::VENDOR, None);
    let mut card = SmartCardHsm::open(simulator.connect()).expect("selects");
    let chain = card.device_chain().expect("certificates");
    let error = chain
        .verify(&TrustAnchors::production().with_test())
        .expect_err("refused");
    assert!(
        matches!(error, countersign_cvc::ChainError::SimulatedRoot(_)),
        "{error}"
    );
    assert!(
        TrustAnchors::production()
            .with(simulated_anchor().expect("an anchor"))
            .is_err()
    );
}

#[test]
fn a_card_without_secure_messaging_is_detected_when_the_channel_is_opened() {
    let simulator = new_card("PLAIN0", Profile::PICO_MEASURED, None);
    let mut card = SmartCardHsm::open(simulator.connect()).expect("selects");
    let chain = card.device_chain().expect("certificates");
    let device = chain.verify(&anchors()).expect("genuine");
    assert!(matches!(
        card.open_secure_channel(&device),
        Err(CardError::SecureChannelUnsupported(_))
    ));
    assert!(!card.has_secure_channel());
    // Plain commands still work.
    card.pka_status().expect("a status");
}

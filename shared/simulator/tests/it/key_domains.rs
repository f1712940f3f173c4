//! Key domains: which cards can export and import copies of a key.

use crate::support::{PIN, hsm, new_card, open, pin, so_pin, spec, unlock};
use countersign_card::{
    ApduLimits, Atr, CardError, DkekShare, InitializeOptions, KeyDomain, KeyDomainOptions, KeyInfo,
    KeyKind, KeySpec, Locality, SignAlgorithm, SmartCardHsm, Transport, TransportError, WrappedKey,
    pka::{ChallengeBehaviour, Round},
};
use countersign_cvc::{Curve, EcSignature, HashAlgorithm, PublicKey};
use countersign_simulator::{Profile, SimulatedTransport};
use sha2::{Digest, Sha256};

/// A logged-in card with a user PIN, whose shares are imported.
fn card(serial: &str, domains: KeyDomainOptions, shares: &[[u8; 32]]) -> SmartCardHsm {
    let simulator = new_card(serial, Profile::VENDOR, None);
    let (mut card, _) = open(&simulator);
    let user = pin(PIN);
    let options = InitializeOptions::Pin {
        pin: &user,
        retry_counter: 3,
    };
    card.initialize_with_domains(&options, domains, &so_pin())
        .expect("initialises");
    for share in shares {
        card.import_dkek_share(0, &DkekShare::new(*share))
            .expect("imports the share");
    }
    card.verify_pin(&user).expect("the PIN");
    card
}

/// A card with one domain, whose DKEK consists of two shares.
fn member(serial: &str) -> SmartCardHsm {
    let domains = KeyDomainOptions::Dkek { shares: 2 };
    card(serial, domains, &[[1; 32], [2; 32]])
}

fn only_key(card: &mut SmartCardHsm) -> KeyInfo {
    let mut keys = card.list_keys().expect("keys");
    assert_eq!(keys.len(), 1);
    keys.remove(0)
}

fn assert_signs(card: &mut SmartCardHsm, reference: u8, key: &PublicKey) {
    let digest = Sha256::digest(b"a file");
    match key {
        PublicKey::Ec(key) => {
            let der = card
                .sign(reference, SignAlgorithm::Ecdsa, &digest)
                .expect("signs");
            let signature = EcSignature::from_der(&der, key.curve()).expect("a signature");
            key.verify_prehash(&digest, &signature).expect("verifies");
        }
        PublicKey::Rsa(key) => {
            let signature = card
                .sign(reference, SignAlgorithm::RsaPkcs1Sha256, b"a file")
                .expect("signs");
            key.verify_pkcs1(HashAlgorithm::Sha256, &digest, &signature)
                .expect("verifies");
        }
    }
}

#[test]
fn a_copy_signs_like_the_original() {
    let (mut one, mut other) = (member("MEMBR1"), member("MEMBR2"));
    for kind in [
        KeyKind::Ec(Curve::Secp256r1),
        KeyKind::Ec(Curve::Secp521r1),
        KeyKind::Rsa(2048),
    ] {
        let (reference, request) = one.generate_key(&spec(kind, "ZZPOOL00001")).expect("a key");
        let wrapped = one.wrap_key(reference).expect("wraps");
        let wrapped = WrappedKey::parse(&wrapped.encode()).expect("reads its own file");
        let copy = other.unwrap_key(&wrapped).expect("unwraps");

        assert_signs(&mut other, copy, request.public_key());
        let (original, copied) = (only_key(&mut one), only_key(&mut other));
        assert_eq!(copied.label, original.label);
        assert_eq!(copied.id, original.id);
        assert_eq!(copied.public_key, original.public_key);
        assert_eq!(copied.domain, Some(0));
        for card in [&mut one, &mut other] {
            card.delete_key(1).expect("deletes");
        }
    }
}

/// A reader that supports only short commands.
struct ShortReader(SimulatedTransport);

impl Transport for ShortReader {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        assert!(command.len() <= self.limits().command);
        self.0.transmit(command)
    }

    fn reset(&mut self) -> Result<Atr, TransportError> {
        self.0.reset()
    }

    fn name(&self) -> &str {
        self.0.name()
    }

    fn locality(&self) -> Locality {
        self.0.locality()
    }

    fn limits(&self) -> ApduLimits {
        ApduLimits {
            command: 261,
            response: 258,
        }
    }
}

#[test]
fn a_copy_that_is_too_long_for_the_reader_is_sent_in_parts() {
    let mut one = member("MEMBR1");
    let key = spec(KeyKind::Rsa(2048), "ZZPOOL00001");
    let (reference, request) = one.generate_key(&key).expect("a key");
    let mut wrapped = one.wrap_key(reference).expect("wraps");

    let simulator = new_card("MEMBR2", Profile::VENDOR, Some(PIN));
    let mut other = SmartCardHsm::open(ShortReader(simulator.connect())).expect("selects");
    let user = pin(PIN);
    let options = InitializeOptions::Pin {
        pin: &user,
        retry_counter: 3,
    };
    let domains = KeyDomainOptions::Dkek { shares: 1 };
    other
        .initialize_with_domains(&options, domains, &so_pin())
        .expect("initialises");
    other
        .import_dkek_share(0, &DkekShare::new([3; 32]))
        .expect("imports the share");
    other.verify_pin(&user).expect("the PIN");
    assert_eq!(other.unwrap_key(&wrapped), Ok(1));
    assert_signs(&mut other, 1, request.public_key());
    // A copy that was damaged in transit.
    wrapped.key[100] ^= 1;
    assert_eq!(other.unwrap_key(&wrapped), Err(CardError::WrongDkek));
}

#[test]
fn the_same_shares_form_the_same_domain() {
    let domains = |card: &mut SmartCardHsm| card.key_domains().expect("domains");
    let one = domains(&mut member("MEMBR1"));
    let other = domains(&mut member("MEMBR2"));
    assert_eq!(one, other);
    // The first bytes of SHA-256 over the XOR of both shares.
    let kcv: [u8; 8] = Sha256::digest([3; 32])[..8].try_into().expect("8 bytes");
    let expected = KeyDomain {
        index: 0,
        total: 2,
        outstanding: 0,
        kcv: Some(kcv),
        uid: None,
    };
    assert_eq!(one, [expected]);

    let two_shares = KeyDomainOptions::Dkek { shares: 2 };
    let incomplete = domains(&mut card("MEMBR3", two_shares, &[[1; 32]]));
    assert_eq!((incomplete[0].outstanding, incomplete[0].kcv), (1, None));
}

#[test]
fn a_share_too_many_is_refused() {
    let mut card = member("MEMBR1");
    assert!(card.import_dkek_share(0, &DkekShare::new([3; 32])).is_err());
}

#[test]
fn a_card_with_another_dkek_refuses_a_copy() {
    let mut one = member("MEMBR1");
    let key = spec(KeyKind::Ec(Curve::Secp256r1), "ZZPOOL00001");
    let (reference, _) = one.generate_key(&key).expect("a key");
    let wrapped = one.wrap_key(reference).expect("wraps");
    let one_share = KeyDomainOptions::Dkek { shares: 1 };
    let mut other = card("OTHER1", one_share, &[[9; 32]]);
    assert_eq!(other.unwrap_key(&wrapped), Err(CardError::WrongDkek));
    assert_eq!(other.list_keys(), Ok(vec![]));
}

#[test]
fn without_key_domains_a_key_never_leaves_the_card() {
    let mut card = card("ALONE1", KeyDomainOptions::None, &[]);
    assert_eq!(card.key_domains(), Ok(vec![]));
    let key = spec(KeyKind::Ec(Curve::Secp256r1), "ZZALON00001");
    let (reference, _) = card.generate_key(&key).expect("a key");
    assert_eq!(card.wrap_key(reference), Err(CardError::NoKeyDomain));
    let nothing = WrappedKey {
        key: vec![0; 100],
        description: Vec::new(),
        certificate: Vec::new(),
    };
    assert_eq!(card.unwrap_key(&nothing), Err(CardError::NoKeyDomain));
}

#[test]
fn the_limits_of_a_key_restrict_its_copies() {
    let (mut one, mut other) = (member("MEMBR1"), member("MEMBR2"));
    let plain = spec(KeyKind::Ec(Curve::Secp256r1), "ZZPOOL00001");
    let only_signs = KeySpec {
        algorithms: Some(vec![0x70]),
        ..plain.clone()
    };
    let (reference, _) = one.generate_key(&only_signs).expect("a key");
    let refused = one.wrap_key(reference);
    assert_eq!(refused, Err(CardError::AlgorithmNotAllowed));

    let counted = KeySpec {
        use_counter: Some(5),
        ..plain.clone()
    };
    let (reference, _) = one.generate_key(&counted).expect("a key");
    assert!(
        one.wrap_key(reference).is_err(),
        "a copy would not have the counter"
    );

    let copied = KeySpec {
        algorithms: Some(vec![0x73, 0x92]),
        ..plain
    };
    let (reference, request) = one.generate_key(&copied).expect("a key");
    let wrapped = one.wrap_key(reference).expect("wraps");
    let copy = other.unwrap_key(&wrapped).expect("unwraps");
    // The copy has the same list of algorithms.
    let refused = other.sign(copy, SignAlgorithm::Ecdsa, &[1; 32]);
    assert_eq!(refused, Err(CardError::AlgorithmNotAllowed));
    let signed = other.sign(copy, SignAlgorithm::EcdsaSha256, b"a file");
    assert!(signed.is_ok());
    assert_eq!(
        only_key(&mut other).public_key.as_ref(),
        Some(request.public_key())
    );
}

#[test]
fn domains_are_created_and_deleted_in_their_slots() {
    let mut card = card("SLOTS1", KeyDomainOptions::Slots(2), &[]);
    assert_eq!(card.key_domains(), Ok(vec![]));
    let created = card.create_key_domain(1, 1).expect("creates a domain");
    assert_eq!((created.index, created.outstanding), (1, 1));
    assert!(
        card.create_key_domain(2, 1).is_err(),
        "slot 2 does not exist"
    );
    card.import_dkek_share(1, &DkekShare::new([7; 32]))
        .expect("imports the share");
    assert_eq!(card.key_domains().expect("domains").len(), 1);

    let key = spec(KeyKind::Ec(Curve::Secp256r1), "ZZPOOL00001");
    assert!(card.generate_key_in_domain(&key, 0).is_ok());
    let (reference, _) = card.generate_key_in_domain(&key, 1).expect("a key");
    let keys = card.list_keys().expect("keys");
    let domains: Vec<_> = keys.iter().map(|key| key.domain).collect();
    assert_eq!(domains, [Some(0), Some(1)]);
    assert!(card.wrap_key(reference).is_ok());

    assert!(
        card.delete_key_domain(1).is_err(),
        "the domain contains a key"
    );
    card.delete_key(reference).expect("deletes");
    card.delete_key_domain(1).expect("deletes");
    assert_eq!(card.key_domains(), Ok(vec![]));
    assert!(card.generate_key_in_domain(&key, 1).is_err());
}

#[test]
fn copies_require_the_quorum() {
    let (simulator, mut card, device, mut custodians) = hsm(Profile::VENDOR);
    card.import_dkek_share(0, &DkekShare::new([1; 32]))
        .expect("imports the share");
    let mut round = Round::new(device.id().clone(), ChallengeBehaviour::Unknown);
    unlock(&mut round, &mut card, &device, &mut custodians);
    let key = spec(KeyKind::Ec(Curve::Secp256r1), "ZZPOOL00001");
    let (reference, _) = card.generate_key(&key).expect("a key");
    let wrapped = card.wrap_key(reference).expect("wraps");

    drop(card);
    let (mut card, _) = open(&simulator);
    assert!(matches!(
        card.wrap_key(reference),
        Err(CardError::NotAuthenticated(_))
    ));
    assert!(matches!(
        card.unwrap_key(&wrapped),
        Err(CardError::NotAuthenticated(_))
    ));
    for refused in [
        card.create_key_domain(0, 1).map(|_| ()),
        card.delete_key_domain(0),
    ] {
        assert!(refused.is_err());
    }
    assert_eq!(card.list_keys().expect("keys").len(), 1);
}

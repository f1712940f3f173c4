//! Cards and custodians that the tests share.

use countersign_card::{
    DkekShare, InitializeOptions, KeyDomainOptions, KeyKind, KeySpec, Pin, PkaOptions,
    SignAlgorithm, SmartCardHsm, SoPin,
    apdu::{Command, Le},
    pka::{PkaResponse, RespondOutcome, Round},
};
use countersign_cvc::{
    Chr, Curve, EcSignature, PkaFile, TrustAnchors, VerifiedDevice, attestation,
};
use countersign_simulator::{NewCard, Profile, Simulator, simulated_anchor};
use zeroize::Zeroizing;

/// User PIN of every card that has one.
pub const PIN: &str = "648219";

pub fn pin(text: &str) -> Pin {
    Pin::new(Zeroizing::new(text.into())).expect("a PIN")
}

pub fn so_pin() -> SoPin {
    SoPin::from_hex("3537363231383830").expect("16 hex digits")
}

pub fn anchors() -> TrustAnchors {
    TrustAnchors::default()
        .with_simulated(simulated_anchor().expect("an anchor"))
        .expect("a simulated anchor")
}

pub fn new_card(serial: &str, profile: Profile, user_pin: Option<&str>) -> Simulator {
    Simulator::in_memory(&NewCard {
        serial: serial.into(),
        label: format!("card {serial}"),
        profile,
        user_pin: user_pin.map(str::to_owned),
    })
    .expect("a card")
}

pub fn open(simulator: &Simulator) -> (SmartCardHsm, VerifiedDevice) {
    let mut card = SmartCardHsm::open(simulator.connect()).expect("selects");
    let device = card
        .device_chain()
        .expect("certificates")
        .verify(&anchors())
        .expect("genuine");
    card.open_secure_channel(&device).expect("a channel");
    (card, device)
}

pub fn spec(kind: KeyKind, name: &str) -> KeySpec {
    KeySpec {
        kind,
        label: name.into(),
        chr: name.parse().expect("a name"),
        algorithms: None,
        use_counter: None,
    }
}

pub struct Custodian {
    pub card: SmartCardHsm,
    pub reference: u8,
    pub name: Chr,
    pub file: PkaFile,
}

impl Custodian {
    pub fn new(number: u8) -> Self {
        let simulator = new_card(&format!("CUST{number:02}"), Profile::VENDOR, Some(PIN));
        let (mut card, device) = open(&simulator);
        card.verify_pin(&pin(PIN)).expect("the PIN");
        let name: Chr = format!("ZZCUST{number:02}00001").parse().expect("a name");
        let key = spec(KeyKind::Ec(Curve::BrainpoolP256r1), name.as_str());
        let (reference, request) = card.generate_key(&key).expect("a key");
        let file = PkaFile {
            request,
            chain: device.chain().clone(),
        };
        let attested = attestation::verify(&file, &anchors()).expect("attested");
        assert_eq!(attested.chr(), &name);
        Self {
            card,
            reference,
            name,
            file,
        }
    }

    pub fn sign(&mut self, digest: &[u8]) -> EcSignature {
        let der = self
            .card
            .sign(self.reference, SignAlgorithm::Ecdsa, digest)
            .expect("signs");
        EcSignature::from_der(&der, Curve::BrainpoolP256r1).expect("a signature")
    }
}

/// A signing HSM with a quorum of 2 of 3.
pub fn hsm(profile: Profile) -> (Simulator, SmartCardHsm, VerifiedDevice, Vec<Custodian>) {
    let simulator = new_card("TARGET", profile, None);
    let (mut card, device) = open(&simulator);
    let quorum = PkaOptions::new(2, 3, false).expect("a quorum");
    let options = InitializeOptions::Quorum(quorum);
    let domains = KeyDomainOptions::Dkek { shares: 1 };
    card.initialize_with_domains(&options, domains, &so_pin())
        .expect("initialises");
    card.open_secure_channel(&device).expect("a channel");
    let custodians: Vec<_> = (1..=3).map(Custodian::new).collect();
    for (number, custodian) in custodians.iter().enumerate() {
        let status = card.register_custodian(&custodian.file).expect("registers");
        assert_eq!(usize::from(status.missing), 2 - number);
    }
    (simulator, card, device, custodians)
}

/// Lets a custodian respond until the card counts the authentication; returns the number of responses.
pub fn authenticate(
    round: &mut Round,
    card: &mut SmartCardHsm,
    device: &VerifiedDevice,
    custodian: &mut Custodian,
) -> u8 {
    for attempt in 1..=3 {
        let challenge = round.challenge(card).expect("a challenge");
        let signature = custodian.sign(&challenge.digest(device.id()));
        let response = PkaResponse {
            name: &custodian.name,
            key: custodian.file.request.public_key(),
            challenge: &challenge,
            signature: &signature,
        };
        match round.respond(card, &response).expect("an outcome") {
            RespondOutcome::Counted(_) => return attempt,
            RespondOutcome::NeedsFreshChallenge {
                others_forgotten: false,
                ..
            } => {}
            other => panic!("unexpected: {other:?}"),
        }
    }
    panic!("the card did not count the custodian");
}

pub fn unlock(
    round: &mut Round,
    card: &mut SmartCardHsm,
    device: &VerifiedDevice,
    custodians: &mut [Custodian],
) {
    for custodian in &mut custodians[..2] {
        authenticate(round, card, device, custodian);
    }
}

/// A logged-in card with keys of three kinds, and the wrapped copies of these keys.
pub fn card_with_keys() -> (Simulator, Vec<Vec<u8>>) {
    let simulator = new_card("FUZZED", Profile::VENDOR, None);
    let (mut card, _) = open(&simulator);
    let user = pin(PIN);
    let options = InitializeOptions::Pin {
        pin: &user,
        retry_counter: 3,
    };
    let domains = KeyDomainOptions::Dkek { shares: 1 };
    card.initialize_with_domains(&options, domains, &so_pin())
        .expect("initialises");
    card.import_dkek_share(0, &DkekShare::new([7; 32]))
        .expect("imports the share");
    card.verify_pin(&user).expect("the PIN");
    for (kind, name) in [
        (KeyKind::Ec(Curve::Secp256r1), "ZZFUZZ00001"),
        (KeyKind::Rsa(2048), "ZZFUZZ00002"),
    ] {
        card.generate_key(&spec(kind, name)).expect("a key");
    }
    drop(card);
    // Without the driver and in plain commands, as any program can send them.
    let plain = SmartCardHsm::open(simulator.connect()).expect("selects");
    drop(plain);
    let send = |command: Command| simulator.process(&command.encode()).expect("answers");
    let verify = Command::new(0x00, 0x20, 0x00, 0x81).with_data(PIN.as_bytes());
    assert_eq!(send(verify), [0x90, 0x00]);
    let aes = Command::new(0x00, 0x48, 3, 0xB2).with_data(hex_literal::hex!("91051011189299"));
    assert_eq!(send(aes), [0x90, 0x00]);
    let wrap = |reference| {
        let command = Command::new(0x80, 0x72, reference, 0x92);
        let mut answer = send(command.with_le(Le::Extended));
        assert_eq!(answer.split_off(answer.len() - 2), [0x90, 0x00]);
        answer
    };
    let wrapped = (1..=3).map(wrap).collect();
    (simulator, wrapped)
}

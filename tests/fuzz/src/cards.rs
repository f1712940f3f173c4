//! Simulated cards with keys, and what they vouch for.

use countersign_card::{KeyKind, KeySpec, Pin, SmartCardHsm};
use countersign_cvc::{Curve, PkaFile, TrustAnchors, VerifiedDevice};
use countersign_simulator::{NewCard, Profile, Simulator, simulated_anchor};
use zeroize::Zeroizing;

/// User PIN of every card here.
pub const PIN: &str = "648219";

/// Anchors that trust the simulator's root.
pub fn anchors() -> TrustAnchors {
    TrustAnchors::default()
        .with_simulated(simulated_anchor().expect("the simulator's root"))
        .expect("a simulated anchor")
}

pub fn new_card(serial: &str, profile: Profile) -> Simulator {
    Simulator::in_memory(&NewCard {
        serial: serial.into(),
        label: "Fuzzed".into(),
        profile,
        user_pin: Some(PIN.into()),
    })
    .expect("a simulated card")
}

/// The PIN as the driver takes it.
pub fn pin() -> Pin {
    Pin::new(Zeroizing::new(PIN.into())).expect("a PIN")
}

/// A driver with an open secure channel.
pub fn open(card: &Simulator) -> (SmartCardHsm, VerifiedDevice) {
    let mut driver = SmartCardHsm::open(card.connect()).expect("the application is there");
    let device = driver
        .device_chain()
        .expect("a chain")
        .verify(&anchors())
        .expect("a genuine device");
    driver.open_secure_channel(&device).expect("a channel");
    (driver, device)
}

/// A card with a key of this kind, and the key's `.pka` file.
pub fn card_with_key(serial: &str, profile: Profile, kind: KeyKind) -> (Simulator, PkaFile) {
    let card = new_card(serial, profile);
    let (mut driver, device) = open(&card);
    driver.verify_pin(&pin()).expect("the PIN");
    let spec = KeySpec {
        kind,
        label: "release".into(),
        chr: "DECUST0100001".parse().expect("a CHR"),
        algorithms: None,
        use_counter: None,
    };
    let (_, request) = driver.generate_key(&spec).expect("a key");
    driver.logout().expect("a logout");
    let file = PkaFile {
        request,
        chain: device.chain().clone(),
    };
    (card, file)
}

/// As [`card_with_key`], with the key that custodians have.
pub fn custodian() -> (Simulator, PkaFile) {
    card_with_key(
        "CUST01",
        Profile::VENDOR,
        KeyKind::Ec(Curve::BrainpoolP256r1),
    )
}

//! Commands that are sent together take one round trip, and the secure channel protects them as well as single commands.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::support::{PIN, anchors, new_card, pin, spec};
use countersign_card::{
    Atr, CardError, KeyKind, Locality, SmartCardHsm, Transport, TransportError,
};
use countersign_cvc::Curve;
use countersign_simulator::{Profile, Simulator};

/// A transport that counts the round trips and can exchange responses.
struct RemoteLink {
    card: Box<dyn Transport>,
    round_trips: Arc<AtomicUsize>,
    reorders: Arc<AtomicBool>,
}

impl Transport for RemoteLink {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        self.round_trips.fetch_add(1, Ordering::SeqCst);
        self.card.transmit(command)
    }

    fn transmit_all(&mut self, commands: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, TransportError> {
        self.round_trips.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.card.transmit_all(commands)?;
        if self.reorders.load(Ordering::SeqCst) && answers.len() > 2 {
            answers.swap(0, 1);
        }
        Ok(answers)
    }

    fn reset(&mut self) -> Result<Atr, TransportError> {
        self.card.reset()
    }

    fn name(&self) -> &str {
        "remote link"
    }

    fn locality(&self) -> Locality {
        Locality::Remote
    }
}

fn with_keys(count: u8) -> Simulator {
    let simulator = new_card("MANY00", Profile::VENDOR, Some(PIN));
    let mut card = SmartCardHsm::open(simulator.connect()).expect("selects");
    card.verify_pin(&pin(PIN)).expect("the PIN");
    for number in 0..count {
        let name = format!("ZZKEY{number:02}00001");
        card.generate_key(&spec(KeyKind::Ec(Curve::Secp256r1), &name))
            .expect("a key");
    }
    simulator
}

#[test]
fn many_keys_are_listed_in_few_round_trips() {
    let simulator = with_keys(20);
    let local = SmartCardHsm::open(simulator.connect())
        .expect("selects")
        .list_keys()
        .expect("keys");
    let round_trips = Arc::<AtomicUsize>::default();
    let reorders = Arc::<AtomicBool>::default();
    let link = RemoteLink {
        card: Box::new(simulator.connect()),
        round_trips: round_trips.clone(),
        reorders: reorders.clone(),
    };
    let mut card = SmartCardHsm::open(link).expect("selects");
    let chain = card.device_chain().expect("certificates");
    let device = chain.verify(&anchors()).expect("genuine");
    card.open_secure_channel(&device).expect("a channel");
    round_trips.store(0, Ordering::SeqCst);
    let remote = card.list_keys().expect("keys");
    assert_eq!(local, remote);
    assert_eq!(remote.len(), 20);
    let used = round_trips.load(Ordering::SeqCst);
    assert!(used < 10, "{used} round trips for 20 keys");
    // The channel can still be used.
    assert_eq!(card.list_keys().expect("keys"), remote);

    // Responses in another order are rejected.
    reorders.store(true, Ordering::SeqCst);
    assert_eq!(card.list_keys(), Err(CardError::ChannelLost));
    reorders.store(false, Ordering::SeqCst);
    assert_eq!(card.list_keys(), Err(CardError::ChannelLost));
}

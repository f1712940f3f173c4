//! Commands that are sent together: one trip over a long way, and no weaker a channel.

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

/// A long way: counts the trips, and may change what comes back.
struct LongWay {
    card: Box<dyn Transport>,
    trips: Arc<AtomicUsize>,
    altering: Arc<AtomicBool>,
}

impl Transport for LongWay {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        self.trips.fetch_add(1, Ordering::SeqCst);
        self.card.transmit(command)
    }

    fn transmit_all(&mut self, commands: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, TransportError> {
        self.trips.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.card.transmit_all(commands)?;
        if self.altering.load(Ordering::SeqCst) && answers.len() > 2 {
            answers.swap(0, 1);
        }
        Ok(answers)
    }

    fn reset(&mut self) -> Result<Atr, TransportError> {
        self.card.reset()
    }

    fn name(&self) -> &str {
        "a long way"
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
fn many_keys_are_read_in_few_trips() {
    let simulator = with_keys(20);
    let near = SmartCardHsm::open(simulator.connect())
        .expect("selects")
        .list_keys()
        .expect("keys");
    let trips = Arc::<AtomicUsize>::default();
    let altering = Arc::<AtomicBool>::default();
    let way = LongWay {
        card: Box::new(simulator.connect()),
        trips: trips.clone(),
        altering: altering.clone(),
    };
    let mut card = SmartCardHsm::open(way).expect("selects");
    let chain = card.device_chain().expect("certificates");
    let device = chain.verify(&anchors()).expect("genuine");
    card.open_secure_channel(&device).expect("a channel");
    trips.store(0, Ordering::SeqCst);
    let far = card.list_keys().expect("keys");
    assert_eq!(near, far);
    assert_eq!(far.len(), 20);
    let used = trips.load(Ordering::SeqCst);
    assert!(used < 10, "{used} trips for 20 keys");
    // The channel goes on as it should.
    assert_eq!(card.list_keys().expect("keys"), far);

    // Answers in another order are no answers.
    altering.store(true, Ordering::SeqCst);
    assert_eq!(card.list_keys(), Err(CardError::ChannelLost));
    altering.store(false, Ordering::SeqCst);
    assert_eq!(card.list_keys(), Err(CardError::ChannelLost));
}

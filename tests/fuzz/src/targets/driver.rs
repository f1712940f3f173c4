//! The driver at a card whose responses are changed on the way.
//!
//! The input is a script: first how the session begins (its lowest bit and the next one), then what happens to each response.

use std::{
    cell::RefCell,
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use countersign_card::{
    Atr, KeyKind, Locality, PinKind, SignAlgorithm, SmartCardHsm, Transport, TransportError,
};
use countersign_cvc::Curve;
use countersign_simulator::{Profile, SimulatedTransport, Simulator};

use crate::cards::{anchors, card_with_key, pin};

/// More commands than any script of one session needs, even if each file is read in the smallest pieces.
const MOST_COMMANDS: usize = 100_000;

/// More bytes than a session may collect from one command.
const LONGEST_RESPONSE: usize = 4096;

thread_local! {
    static CARD: RefCell<Simulator> = RefCell::new(
        card_with_key("FUZZ02", Profile::VENDOR, KeyKind::Ec(Curve::Secp256r1)).0,
    );
}

/// The driver returns from every call, is never fooled about which device it talks to, and never calls an open card locked.
pub fn run(data: &[u8]) {
    let Some((mode, script)) = data.split_first() else {
        return;
    };
    CARD.with_borrow(|card| {
        card.reset();
        let changes = Changes::default();
        let transport = Changed {
            inner: card.connect(),
            changes: changes.clone(),
        };
        // Half of the scripts begin with an unchanged log-in, so that they reach what follows it.
        if mode & 1 == 0 {
            changes.set(script);
        }
        let Ok(mut driver) = SmartCardHsm::open(transport) else {
            return;
        };
        // Without the secure channel, which rejects changed responses, they reach what reads their content.
        let channel_wanted = mode & 2 == 0;
        let opened = driver
            .device_chain()
            .ok()
            .and_then(|chain| chain.verify(&anchors()).ok())
            .filter(|_| channel_wanted)
            .map(|device| {
                assert_eq!(device.id().as_bytes(), card.device().as_bytes());
                driver.open_secure_channel(&device)
            });
        if mode & 1 == 1 {
            let _ = driver.verify_pin(&pin());
            changes.set(script);
        }
        let is_authentic = opened.is_some_and(|result| result.is_ok());
        use_everything(&mut driver, card, is_authentic);
        assert!(
            changes.commands.load(Ordering::Relaxed) < MOST_COMMANDS,
            "the driver sends commands without end"
        );
    });
}

fn use_everything(driver: &mut SmartCardHsm, card: &Simulator, is_authentic: bool) {
    let _ = driver.pka_status();
    let _ = driver.token_info();
    let _ = driver.pin_status(PinKind::User);
    let keys = driver.list_keys().unwrap_or_default();
    if let Ok(check) = driver.prove_locked(&keys)
        && is_authentic
    {
        assert!(
            !(check.is_locked() && card.is_open()),
            "an open card passed as locked"
        );
    }
    for key in keys.iter().take(3) {
        let _ = driver.sign(key.reference, SignAlgorithm::Ecdsa, &[1; 32]);
        let _ = driver.wrap_key(key.reference);
    }
    let _ = driver.key_domains();
    let _ = driver.get_challenge();
    let _ = driver.custodian_slot(0);
    let _ = driver.logout();
}

pub fn seeds() -> Vec<Vec<u8>> {
    // An unchanged session from the beginning, one after a log-in, and some with one change.
    let mut seeds = vec![vec![0], vec![1], vec![2], vec![3]];
    for mode in 0..4 {
        for at in 0..12 {
            for change in [4_u8, 5, 6, 7] {
                let mut script = vec![mode];
                script.extend(std::iter::repeat_n(0, at));
                script.extend([change, 3, 0xFF, 0x61, 0xFF]);
                seeds.push(script);
            }
        }
    }
    seeds
}

/// What happens to the responses that follow, shared between the transport and the target.
#[derive(Clone, Default)]
struct Changes {
    script: Arc<Mutex<VecDeque<u8>>>,
    commands: Arc<AtomicUsize>,
}

impl Changes {
    fn set(&self, script: &[u8]) {
        *self.lock() = script.iter().copied().collect();
    }

    fn next(&self) -> u8 {
        self.lock().pop_front().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The response as the script changes it. After its end, responses are unchanged.
    fn apply(&self, mut response: Vec<u8>) -> Vec<u8> {
        match self.next() & 7 {
            4 => {
                let (at, bits) = (usize::from(self.next()), self.next());
                let length = response.len().max(1);
                if let Some(byte) = response.get_mut(at % length) {
                    *byte ^= bits;
                }
            }
            5 => response.truncate(usize::from(self.next())),
            6 => {
                let length = usize::from(self.next());
                response = (0..length).map(|_| self.next()).collect();
            }
            // A long response that announces more.
            7 => {
                let byte = self.next();
                response = vec![byte; LONGEST_RESPONSE.min(usize::from(byte) * 16)];
                response.extend([0x61, self.next()]);
            }
            _ => {}
        }
        response
    }
}

struct Changed {
    inner: SimulatedTransport,
    changes: Changes,
}

impl Transport for Changed {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        if self.changes.commands.fetch_add(1, Ordering::Relaxed) > MOST_COMMANDS {
            return Err(TransportError::Timeout);
        }
        Ok(self.changes.apply(self.inner.transmit(command)?))
    }

    fn reset(&mut self) -> Result<Atr, TransportError> {
        self.inner.reset()
    }

    fn name(&self) -> &str {
        self.inner.name()
    }

    fn locality(&self) -> Locality {
        self.inner.locality()
    }
}

//! A simulated card as programs and tests hold it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use countersign_card::{
    apdu::{Command, StatusWord},
    transport::{ApduLimits, Atr, Locality, Transport, TransportError},
};
use countersign_cvc::{Chr, EcSecretKey};

use crate::{
    card::Card,
    describe::describe,
    file::{CardData, CardFileError, NewCard},
    latency::Latency,
    profile::Profile,
};

/// As a contact card answers.
const ATR: [u8; 24] = [
    0x3B, 0xFE, 0x18, 0x00, 0x00, 0x81, 0x31, 0xFE, 0x45, 0x80, 0x31, 0x81, 0x54, 0x48, 0x53, 0x4D,
    0x31, 0x73, 0x80, 0x21, 0x40, 0x81, 0x07, 0xFA,
];

/// The answer to reset of every simulated card.
pub(crate) fn atr() -> Atr {
    Atr(ATR.to_vec())
}

/// How many commands the card has processed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ApduCounts {
    /// All.
    pub total: u64,
    /// By instruction; of protected commands too.
    pub by_instruction: BTreeMap<u8, u64>,
    /// Signatures that were made, whoever received them.
    pub signatures: u64,
}

/// SIGN.
const SIGN: u8 = 0x68;

impl ApduCounts {
    /// SIGN commands.
    pub fn sign(&self) -> u64 {
        self.by_instruction.get(&SIGN).copied().unwrap_or(0)
    }
}

/// Something that goes wrong with the next command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The card executes it, and answers with a damaged last data byte.
    DamagedAnswer,
    /// The card does nothing and answers 6F00.
    CardError,
    /// The card executes it, and is removed before it answers.
    RemovedBeforeAnswer,
    /// The card executes it, and takes so much longer.
    Slow(Duration),
}

struct Inner {
    card: Card,
    path: Option<PathBuf>,
    inserted: bool,
    /// Goes up when the card is removed: who was connected to it then is not any more.
    insertion: u64,
    reset_by_other: bool,
    fault: Option<Fault>,
    latency: Latency,
    counts: ApduCounts,
}

/// A simulated card: a handle that can be cloned, and transports to it.
#[derive(Clone)]
pub struct Simulator {
    inner: Arc<Mutex<Inner>>,
    name: String,
}

impl Simulator {
    fn with(data: CardData, path: Option<PathBuf>) -> Self {
        let name = format!("Simulator {}", data.device.holder());
        let inner = Inner {
            card: Card::new(data),
            path,
            inserted: true,
            insertion: 0,
            reset_by_other: false,
            fault: None,
            latency: Latency::NONE,
            counts: ApduCounts::default(),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            name,
        }
    }

    /// Makes a card that lives in a new file.
    ///
    /// # Errors
    /// [`CardFileError`].
    pub fn create(path: &Path, new: &NewCard) -> Result<Self, CardFileError> {
        if path.exists() {
            return Err(CardFileError::Exists(path.to_owned()));
        }
        let data = CardData::new(new)?;
        data.save(path)?;
        Ok(Self::with(data, Some(path.to_owned())))
    }

    /// Takes a card out of its file.
    ///
    /// # Errors
    /// [`CardFileError`].
    pub fn open(path: &Path) -> Result<Self, CardFileError> {
        Ok(Self::with(CardData::load(path)?, Some(path.to_owned())))
    }

    /// Makes a card without a file.
    ///
    /// # Errors
    /// [`CardFileError`].
    pub fn in_memory(new: &NewCard) -> Result<Self, CardFileError> {
        Ok(Self::with(CardData::new(new)?, None))
    }

    /// A card without a file and with a given identity, for worked vectors.
    pub fn with_identity(
        profile: Profile,
        device: Chr,
        key: &EcSecretKey,
        certificates: Vec<u8>,
    ) -> Self {
        Self::with(
            CardData::with_device(profile, device, key, certificates),
            None,
        )
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves the card as it is: cards do not know of panics.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A way to the card. Several may exist; they share its state, as programs share a reader.
    pub fn connect(&self) -> SimulatedTransport {
        SimulatedTransport {
            insertion: self.lock().insertion,
            simulator: self.clone(),
        }
    }

    /// Name of the device certificate.
    pub fn device(&self) -> Chr {
        self.lock().card.data.device.clone()
    }

    /// What is on the card, in words, for people who look into a card file.
    pub fn describe(&self) -> String {
        describe(&self.lock().card.data)
    }

    /// Whether the next command may use a key, whatever the card's status bytes say.
    pub fn is_open(&self) -> bool {
        self.lock().card.demand_keys().is_ok()
    }

    /// Commands processed so far.
    pub fn apdu_counts(&self) -> ApduCounts {
        self.lock().counts.clone()
    }

    /// Counts from zero again.
    pub fn reset_counts(&self) {
        self.lock().counts = ApduCounts::default();
    }

    /// Sets artificial slowness.
    pub fn set_latency(&self, latency: Latency) {
        self.lock().latency = latency;
    }

    /// Pulls the card.
    pub fn remove(&self) {
        self.lock().remove();
    }

    /// Puts it back; it has forgotten everything. Transports from before stay without a card until they reset it.
    pub fn insert(&self) {
        let mut inner = self.lock();
        inner.inserted = true;
        inner.reset_by_other = false;
        inner.card.reset();
    }

    /// Another program resets the card: the next command is told so.
    pub fn reset_by_other(&self) {
        let mut inner = self.lock();
        inner.card.reset();
        inner.reset_by_other = true;
    }

    /// Another program selects the application: whoever had logged in is logged out, and nobody is told.
    pub fn select_by_other(&self) {
        let mut inner = self.lock();
        inner.card.session = crate::session::Session {
            selected: true,
            ..Default::default()
        };
    }

    /// Has the card draw these numbers, before random ones, for challenges and nonces: for worked vectors.
    pub fn foresee(&self, numbers: &[u8]) {
        self.lock().card.foreseen.extend(numbers);
    }

    /// Lets the next command go wrong.
    pub fn inject(&self, fault: Fault) {
        self.lock().fault = Some(fault);
    }

    /// Resets the card; it forgets everything. Who resets it is not told of an earlier reset by somebody else.
    pub fn reset(&self) -> Atr {
        let mut inner = self.lock();
        inner.card.reset();
        inner.reset_by_other = false;
        atr()
    }

    /// Processes one command.
    ///
    /// # Errors
    /// [`TransportError`]: removed, reset by somebody else, or the card file cannot be written.
    pub fn process(&self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let answered = self.lock().process(command)?;
        Ok(Self::wait(answered))
    }

    fn wait((answer, latency): (Vec<u8>, Duration)) -> Vec<u8> {
        // Nobody else has to wait for this card's slowness.
        if !latency.is_zero() {
            std::thread::sleep(latency);
        }
        answer
    }
}

impl Inner {
    fn remove(&mut self) {
        self.inserted = false;
        self.insertion += 1;
        self.card.reset();
    }

    fn process(&mut self, bytes: &[u8]) -> Result<(Vec<u8>, Duration), TransportError> {
        if !self.inserted {
            return Err(TransportError::Removed);
        }
        if std::mem::take(&mut self.reset_by_other) {
            return Err(TransportError::ResetByOther);
        }
        let command = Command::parse(bytes);
        self.counts.total += 1;
        if let Ok(command) = &command {
            *self.counts.by_instruction.entry(command.ins).or_default() += 1;
        }
        let fault = self.fault.take();
        if fault == Some(Fault::CardError) {
            let sw = StatusWord::ERROR.0.to_be_bytes();
            return Ok((sw.to_vec(), self.latency.other));
        }
        let mut answer = self.card.process(bytes);
        self.keep()?;
        let latency = match &command {
            Ok(command) if self.card.last.is_ok() => {
                self.counts.signatures += u64::from(command.ins == SIGN);
                self.latency.of(command)
            }
            // Refusals are fast.
            _ => self.latency.other,
        };
        match fault {
            Some(Fault::RemovedBeforeAnswer) => {
                self.remove();
                Err(TransportError::Removed)
            }
            Some(Fault::Slow(more)) => Ok((answer, latency + more)),
            Some(Fault::DamagedAnswer) => {
                if let [.., last, _, _] = answer.as_mut_slice() {
                    *last ^= 1;
                }
                Ok((answer, latency))
            }
            _ => Ok((answer, latency)),
        }
    }

    /// Saves what has changed. What cannot be kept did not happen: the card is then as its file says.
    fn keep(&mut self) -> Result<(), TransportError> {
        let changed = std::mem::take(&mut self.card.dirty);
        let Some(path) = self.path.as_ref().filter(|_| changed) else {
            return Ok(());
        };
        self.card.data.save(path).map_err(|error| {
            if let Ok(kept) = CardData::load(path) {
                self.card = Card::new(kept);
            }
            TransportError::Failed(error.to_string())
        })
    }
}

/// A way to a simulated card in this process.
pub struct SimulatedTransport {
    simulator: Simulator,
    insertion: u64,
}

impl Transport for SimulatedTransport {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let mut inner = self.simulator.lock();
        if inner.insertion != self.insertion {
            return Err(TransportError::Removed);
        }
        let answered = inner.process(command);
        drop(inner);
        answered.map(Simulator::wait)
    }

    fn reset(&mut self) -> Result<Atr, TransportError> {
        let (inserted, insertion) = {
            let inner = self.simulator.lock();
            (inner.inserted, inner.insertion)
        };
        if !inserted {
            return Err(TransportError::Removed);
        }
        self.insertion = insertion;
        Ok(self.simulator.reset())
    }

    fn name(&self) -> &str {
        &self.simulator.name
    }

    fn locality(&self) -> Locality {
        Locality::Local
    }

    fn limits(&self) -> ApduLimits {
        ApduLimits::USUAL
    }
}

//! The handle with which programs and tests control a simulated card.

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

/// Answer to reset of a contact card.
const ATR: [u8; 24] = [
    0x3B, 0xFE, 0x18, 0x00, 0x00, 0x81, 0x31, 0xFE, 0x45, 0x80, 0x31, 0x81, 0x54, 0x48, 0x53, 0x4D,
    0x31, 0x73, 0x80, 0x21, 0x40, 0x81, 0x07, 0xFA,
];

/// The answer to reset of every simulated card.
pub(crate) fn atr() -> Atr {
    Atr(ATR.to_vec())
}

/// Number of commands that a card has processed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ApduCounts {
    /// Number of all commands.
    pub total: u64,
    /// Number of commands by instruction byte. Protected commands are included.
    pub by_instruction: BTreeMap<u8, u64>,
    /// Number of signatures that the card produced, even if the response was lost.
    pub signatures: u64,
}

/// Instruction of SIGN.
const SIGN: u8 = 0x68;

impl ApduCounts {
    /// Number of SIGN commands.
    pub fn sign(&self) -> u64 {
        self.by_instruction.get(&SIGN).copied().unwrap_or(0)
    }
}

/// A fault that affects the next command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The card executes the command, and the last byte of the response data is damaged.
    DamagedAnswer,
    /// The card does not execute the command and returns 6F00.
    CardError,
    /// The card executes the command and is removed before it responds.
    RemovedBeforeAnswer,
    /// The card executes the command and takes longer by this time.
    Slow(Duration),
}

struct Inner {
    card: Card,
    path: Option<PathBuf>,
    inserted: bool,
    /// Increases when the card is removed, so that earlier connections become invalid.
    insertion: u64,
    reset_by_other: bool,
    fault: Option<Fault>,
    /// A fault of the command after the next one with this instruction.
    fault_after: Option<(u8, Fault)>,
    latency: Latency,
    counts: ApduCounts,
}

/// A handle to a simulated card. Clones control the same card, and [`Simulator::connect`] opens transports to it.
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
            fault_after: None,
            latency: Latency::NONE,
            counts: ApduCounts::default(),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            name,
        }
    }

    /// Creates a card in a new card file.
    ///
    /// # Errors
    /// The file exists or cannot be written, or a parameter of the card is invalid.
    pub fn create(path: &Path, new: &NewCard) -> Result<Self, CardFileError> {
        if path.exists() {
            return Err(CardFileError::Exists(path.to_owned()));
        }
        let data = CardData::new(new)?;
        data.save(path)?;
        Ok(Self::with(data, Some(path.to_owned())))
    }

    /// Opens a card file.
    ///
    /// # Errors
    /// The file cannot be read or is not a card file.
    pub fn open(path: &Path) -> Result<Self, CardFileError> {
        Ok(Self::with(CardData::load(path)?, Some(path.to_owned())))
    }

    /// Creates a card without a card file.
    ///
    /// # Errors
    /// A parameter of the card is invalid.
    pub fn in_memory(new: &NewCard) -> Result<Self, CardFileError> {
        Ok(Self::with(CardData::new(new)?, None))
    }

    /// Creates a card without a card file and with a given identity, for tests with fixed vectors.
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
        // The state of the card remains valid after a panic in another thread.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a transport to the card. Several transports share the state of the card, as programs share a reader.
    pub fn connect(&self) -> SimulatedTransport {
        SimulatedTransport {
            insertion: self.lock().insertion,
            simulator: self.clone(),
        }
    }

    /// Holder reference of the device certificate.
    pub fn device(&self) -> Chr {
        self.lock().card.data.device.clone()
    }

    /// Describes the state of the card in lines of text.
    pub fn describe(&self) -> String {
        describe(&self.lock().card.data)
    }

    /// Whether the next command may use a key, whatever the card's status bytes say.
    pub fn is_open(&self) -> bool {
        self.lock().card.demand_keys().is_ok()
    }

    /// Makes the command after the next one with this instruction fail.
    pub fn inject_after(&self, ins: u8, fault: Fault) {
        self.lock().fault_after = Some((ins, fault));
    }

    /// Has the card return wrong signatures from now on, as a device does that claims a key that it does not have.
    pub fn forge_signatures(&self) {
        self.lock().card.forges = true;
    }

    /// Commands processed so far.
    pub fn apdu_counts(&self) -> ApduCounts {
        self.lock().counts.clone()
    }

    /// Sets the counts to zero.
    pub fn reset_counts(&self) {
        self.lock().counts = ApduCounts::default();
    }

    /// Sets the simulated latency.
    pub fn set_latency(&self, latency: Latency) {
        self.lock().latency = latency;
    }

    /// Removes the card from its reader.
    pub fn remove(&self) {
        self.lock().remove();
    }

    /// Inserts the card again, in a new session. Earlier transports report a removed card until they reset it.
    pub fn insert(&self) {
        let mut inner = self.lock();
        inner.inserted = true;
        inner.reset_by_other = false;
        inner.card.reset();
    }

    /// Resets the card as another program would. The next command fails with [`TransportError::ResetByOther`].
    pub fn reset_by_other(&self) {
        let mut inner = self.lock();
        inner.card.reset();
        inner.reset_by_other = true;
    }

    /// Selects the application as another program would. This ends every login, and no command reports it.
    pub fn select_by_other(&self) {
        let mut inner = self.lock();
        inner.card.session = crate::session::Session {
            selected: true,
            ..Default::default()
        };
    }

    /// Adds bytes that the card uses instead of random ones for challenges and nonces, for tests with fixed vectors.
    pub fn fix_random(&self, bytes: &[u8]) {
        self.lock().card.fixed_random.extend(bytes);
    }

    /// Injects a fault into the next command.
    pub fn inject(&self, fault: Fault) {
        self.lock().fault = Some(fault);
    }

    /// Resets the card, which ends its session. An earlier reset by another program is not reported afterwards.
    pub fn reset(&self) -> Atr {
        let mut inner = self.lock();
        inner.card.reset();
        inner.reset_by_other = false;
        atr()
    }

    /// Processes one command APDU and returns the response APDU.
    ///
    /// # Errors
    /// The card was removed or reset by another program, or the card file cannot be written.
    pub fn process(&self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let answered = self.lock().process(command)?;
        Ok(Self::wait(answered))
    }

    fn wait((answer, latency): (Vec<u8>, Duration)) -> Vec<u8> {
        // The card is not locked here, so that other threads need not wait.
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
        if let (Ok(command), Some((ins, next))) = (&command, self.fault_after)
            && command.ins == ins
        {
            self.fault = Some(next);
            self.fault_after = None;
        }
        if fault == Some(Fault::CardError) {
            let sw = StatusWord::ERROR.0.to_be_bytes();
            return Ok((sw.to_vec(), self.latency.other));
        }
        let mut answer = self.card.process(bytes);
        self.save_changes()?;
        let latency = match &command {
            Ok(command) if self.card.last.is_ok() => {
                self.counts.signatures += u64::from(command.ins == SIGN);
                self.latency.of(command)
            }
            // A refusal is fast.
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

    /// Saves changed data. If that fails, the card returns to the state in its file, so that the change did not happen.
    fn save_changes(&mut self) -> Result<(), TransportError> {
        let changed = std::mem::take(&mut self.card.dirty);
        let Some(path) = self.path.as_ref().filter(|_| changed) else {
            return Ok(());
        };
        self.card.data.save(path).map_err(|error| {
            if let Ok(saved) = CardData::load(path) {
                self.card = Card::new(saved);
            }
            TransportError::Failed(error.to_string())
        })
    }
}

/// A transport to a simulated card in the same process.
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

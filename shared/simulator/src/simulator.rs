//! A simulated card as programs and tests hold it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use countersign_card::{
    apdu::{Command, Response, StatusWord},
    transport::{ApduLimits, Atr, Locality, Transport, TransportError},
};
use countersign_cvc::{Chr, EcSecretKey};

use crate::{
    card::Card,
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
}

impl ApduCounts {
    /// SIGN commands.
    pub fn sign(&self) -> u64 {
        self.by_instruction.get(&0x68).copied().unwrap_or(0)
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
}

struct Inner {
    card: Card,
    path: Option<PathBuf>,
    inserted: bool,
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
            simulator: self.clone(),
        }
    }

    /// Name of the device certificate.
    pub fn device(&self) -> Chr {
        self.lock().card.data.device.clone()
    }

    /// The PIN's tries and the quorum, in words, for people who look into a card file.
    pub fn describe(&self) -> String {
        let inner = self.lock();
        let data = &inner.card.data;
        let pin = data
            .user_pin
            .as_ref()
            .map_or("none".to_owned(), |pin| format!("{} tries left", pin.tries));
        let pka = data.pka.as_ref().map_or("not set up".to_owned(), |pka| {
            format!(
                "{} of {}, {} registered",
                pka.required,
                pka.total,
                pka.keys.len()
            )
        });
        format!(
            "device    {}\nuser PIN  {pin}\nquorum    {pka}\nkeys      {}",
            data.device,
            data.keys.len()
        )
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
        let mut inner = self.lock();
        inner.inserted = false;
        inner.card.reset();
    }

    /// Puts it back; it has forgotten everything.
    pub fn insert(&self) {
        let mut inner = self.lock();
        inner.inserted = true;
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

    /// Lets the next command go wrong.
    pub fn inject(&self, fault: Fault) {
        self.lock().fault = Some(fault);
    }

    /// Resets the card; it forgets everything.
    pub fn reset(&self) -> Atr {
        self.lock().card.reset();
        atr()
    }

    /// Processes one command.
    pub fn process(&self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let (answer, latency) = {
            let mut inner = self.lock();
            inner.process(command)?
        };
        // Nobody else has to wait for this card's slowness.
        if !latency.is_zero() {
            std::thread::sleep(latency);
        }
        Ok(answer)
    }
}

impl Inner {
    fn process(&mut self, bytes: &[u8]) -> Result<(Vec<u8>, std::time::Duration), TransportError> {
        if !self.inserted {
            return Err(TransportError::Removed);
        }
        if std::mem::take(&mut self.reset_by_other) {
            return Err(TransportError::ResetByOther);
        }
        let command = Command::parse(bytes);
        let latency = command
            .as_ref()
            .map(|command| self.latency.of(command))
            .unwrap_or_default();
        self.counts.total += 1;
        if let Ok(command) = &command {
            *self.counts.by_instruction.entry(command.ins).or_default() += 1;
        }
        let fault = self.fault.take();
        if fault == Some(Fault::CardError) {
            return Ok((
                Response {
                    data: Vec::new(),
                    sw: StatusWord::ERROR,
                }
                .encode(),
                latency,
            ));
        }
        let mut answer = self.card.process(bytes);
        if std::mem::take(&mut self.card.dirty) {
            if let Some(path) = &self.path {
                // What cannot be kept did not happen.
                self.card
                    .data
                    .save(path)
                    .map_err(|error| TransportError::Failed(error.to_string()))?;
            }
        }
        match fault {
            Some(Fault::RemovedBeforeAnswer) => {
                self.inserted = false;
                self.card.reset();
                Err(TransportError::Removed)
            }
            Some(Fault::DamagedAnswer) => {
                if let [.., last, _, _] = answer.as_mut_slice() {
                    *last ^= 1;
                }
                Ok((answer, latency))
            }
            _ => Ok((answer, latency)),
        }
    }
}

/// A way to a simulated card in this process.
pub struct SimulatedTransport {
    simulator: Simulator,
}

impl Transport for SimulatedTransport {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        self.simulator.process(command)
    }

    fn reset(&mut self) -> Result<Atr, TransportError> {
        if self.simulator.lock().inserted {
            Ok(self.simulator.reset())
        } else {
            Err(TransportError::Removed)
        }
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

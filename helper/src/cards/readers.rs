//! All readers of the helper. Cards are opened one after the other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use countersign_card::{Pin, Transport, TransportError};
use countersign_protocol::{
    cvc::{DeviceId, Fingerprint, TrustAnchors},
    helper::{CardState, HelperError, ReaderView},
};

use super::{
    CardSource, FoundCard, FoundKey, PinSession, Reader,
    card::{Card, card_error},
    guarded_transport::GuardedTransport,
};
use crate::{advice, origin::Origin};

/// The index of a source, and the name of one of its readers.
type ReaderKey = (usize, String);

/// The readers that this helper uses.
pub struct CardReaders {
    sources: Vec<Arc<dyn CardSource>>,
    anchors: TrustAnchors,
    /// Locked during every access to a card.
    access: Mutex<()>,
    reserved: Arc<ReservedReaders>,
}

/// Readers whose card is in a PIN session or attached to a server, with the state to show for it. Such a card is not
/// inspected, because that would log it out.
#[derive(Default)]
pub(super) struct ReservedReaders(Mutex<HashMap<ReaderKey, Inspected>>);

type Inspected = Result<FoundCard, HelperError>;

/// Reserves a reader until it is dropped.
pub(super) struct Reservation {
    reserved: Arc<ReservedReaders>,
    reader: ReaderKey,
}

impl CardReaders {
    /// Uses the readers of these sources, and accepts devices of these roots.
    pub fn new(sources: Vec<Arc<dyn CardSource>>, anchors: TrustAnchors) -> Self {
        Self {
            sources,
            anchors,
            access: Mutex::default(),
            reserved: Arc::default(),
        }
    }

    /// The roots of genuine devices.
    pub fn anchors(&self) -> &TrustAnchors {
        &self.anchors
    }

    /// Readers and cards in the form that pages receive.
    pub fn list(&self) -> Vec<ReaderView> {
        let _access = self.lock_access();
        let mut views = Vec::new();
        for (source, reader) in self.readers() {
            let card = match self.inspect(source, &reader) {
                None => CardState::Empty,
                Some(Ok(card)) => CardState::Ready(card.view()),
                Some(Err(error)) => CardState::Unusable { why: error.message },
            };
            views.push(ReaderView {
                name: reader.name,
                card,
            });
        }
        views
    }

    /// Finds the card with this key, ignoring the device `except`.
    pub(crate) fn find_key(
        &self,
        key: &Fingerprint,
        except: Option<&DeviceId>,
    ) -> Result<FoundKey, HelperError> {
        let found = self.find(|card| {
            (Some(card.device.id()) != except)
                .then(|| card.key(key).ok())
                .flatten()
        });
        found.ok_or_else(|| advice::key_missing(key))
    }

    /// Finds the card with this identity.
    pub(crate) fn find_card(&self, device: &DeviceId) -> Result<FoundCard, HelperError> {
        let found = self.find(|card| (card.device.id() == device).then(|| card.clone()));
        found.ok_or_else(|| advice::card_missing(device))
    }

    /// Connects to a card that was found before and verifies the PIN, with exactly one try.
    pub(crate) fn unlock(&self, found: &FoundCard, pin: &Pin) -> Result<PinSession, HelperError> {
        let _access = self.lock_access();
        let reader = (found.source, found.reader.clone());
        if self.reserved.lock().contains_key(&reader) {
            return Err(advice::busy());
        }
        let mut card = self.open(found.source, &found.reader)?;
        let now = card.describe(found.source, &found.reader)?;
        // The prompt showed this card and its number of tries, so both must be unchanged.
        if now.device != found.device || now.pin != found.pin {
            return Err(advice::card_changed());
        }
        let reservation = self.reserve(reader, Ok(now));
        PinSession::open(card, pin, reservation)
    }

    /// The first unreserved reader that holds a card and whose name begins with `prefix`. The card is not accessed.
    pub(crate) fn free_reader(&self, prefix: &str) -> Option<String> {
        self.find_free(|name| name.starts_with(prefix))
            .map(|(_, reader)| reader)
    }

    /// Connects to a card for this server, and reserves its reader until the connection is dropped. `guard` is dropped
    /// at the same time.
    pub(crate) fn connect_for(
        &self,
        reader: &str,
        server: &Origin,
        guard: impl Send + 'static,
    ) -> Result<Box<dyn Transport>, HelperError> {
        let _access = self.lock_access();
        let removed = || card_error(TransportError::Removed.into());
        let reader = self.find_free(|name| name == reader).ok_or_else(removed)?;
        let source = self.sources.get(reader.0).ok_or_else(removed)?;
        let card = source.connect(&reader.1);
        let card = card.map_err(|error| card_error(error.into()))?;
        let reservation = self.reserve(reader, Err(advice::card_attached(server)));
        Ok(Box::new(GuardedTransport::new(card, (reservation, guard))))
    }

    fn find_free(&self, matches: impl Fn(&str) -> bool) -> Option<ReaderKey> {
        self.readers()
            .into_iter()
            .filter(|(_, reader)| reader.occupied && matches(&reader.name))
            .map(|(source, reader)| (source, reader.name))
            .find(|reader| !self.reserved.lock().contains_key(reader))
    }

    /// All usable cards.
    pub(crate) fn cards(&self) -> Vec<FoundCard> {
        let _access = self.lock_access();
        self.readers()
            .iter()
            .filter_map(|(source, reader)| self.inspect(*source, reader)?.ok())
            .collect()
    }

    fn find<T>(&self, select: impl Fn(&FoundCard) -> Option<T>) -> Option<T> {
        let _access = self.lock_access();
        self.readers()
            .iter()
            .filter_map(|(source, reader)| self.inspect(*source, reader)?.ok())
            .find_map(|card| select(&card))
    }

    fn readers(&self) -> Vec<(usize, Reader)> {
        let mut all = Vec::new();
        for (number, source) in self.sources.iter().enumerate() {
            match source.readers() {
                Ok(readers) => all.extend(readers.into_iter().map(|reader| (number, reader))),
                Err(error) => tracing::warn!("could not list readers: {error}"),
            }
        }
        all
    }

    /// Reads the card in a reader. Returns `None` if the reader is empty.
    fn inspect(&self, source: usize, reader: &Reader) -> Option<Inspected> {
        if !reader.occupied {
            return None;
        }
        let key = (source, reader.name.clone());
        if let Some(reserved) = self.reserved.lock().get(&key) {
            return Some(reserved.clone());
        }
        let card = self.open(source, &reader.name);
        Some(card.and_then(|mut card| card.describe(source, &reader.name)))
    }

    fn open(&self, source: usize, reader: &str) -> Result<Card, HelperError> {
        let removed = || card_error(TransportError::Removed.into());
        let transport = self
            .sources
            .get(source)
            .ok_or_else(removed)?
            .connect(reader);
        let transport = transport.map_err(|error| card_error(error.into()))?;
        Card::open(transport, &self.anchors)
    }

    fn reserve(&self, reader: ReaderKey, card: Inspected) -> Reservation {
        self.reserved.lock().insert(reader.clone(), card);
        Reservation {
            reserved: self.reserved.clone(),
            reader,
        }
    }

    fn lock_access(&self) -> MutexGuard<'_, ()> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReservedReaders {
    fn lock(&self) -> MutexGuard<'_, HashMap<ReaderKey, Inspected>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.reserved.lock().remove(&self.reader);
    }
}

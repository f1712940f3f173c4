//! All readers together; cards are opened one after the other.

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
    lent::Lent,
};
use crate::{advice, origin::Origin};

/// A reader of one of the sources.
type Place = (usize, String);

/// The readers that this helper uses.
pub struct CardDesk {
    sources: Vec<Arc<dyn CardSource>>,
    anchors: TrustAnchors,
    /// Held while any card is talked to.
    work: Mutex<()>,
    held: Arc<Held>,
}

/// Cards in open PIN sessions, as they were seen, and those that are lent: looking at them would log them out.
#[derive(Default)]
pub(super) struct Held(Mutex<HashMap<Place, Seen>>);

type Seen = Result<FoundCard, HelperError>;

/// Keeps a reader marked as held.
pub(super) struct Holding {
    held: Arc<Held>,
    place: Place,
}

impl CardDesk {
    /// A desk with these readers, accepting devices of these roots.
    pub fn new(sources: Vec<Arc<dyn CardSource>>, anchors: TrustAnchors) -> Self {
        Self {
            sources,
            anchors,
            work: Mutex::default(),
            held: Arc::default(),
        }
    }

    /// The roots of genuine devices.
    pub fn anchors(&self) -> &TrustAnchors {
        &self.anchors
    }

    /// Readers and cards as pages see them.
    pub fn list(&self) -> Vec<ReaderView> {
        let _work = self.work();
        let mut views = Vec::new();
        for (source, reader) in self.readers() {
            let card = match self.look(source, &reader) {
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

    /// The card with this key, other than `except`.
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

    /// The card with this identity.
    pub(crate) fn find_card(&self, device: &DeviceId) -> Result<FoundCard, HelperError> {
        let found = self.find(|card| (card.device.id() == device).then(|| card.clone()));
        found.ok_or_else(|| advice::card_missing(device))
    }

    /// Connects to a card that was found before and verifies the PIN: exactly one try.
    pub(crate) fn unlock(&self, found: &FoundCard, pin: &Pin) -> Result<PinSession, HelperError> {
        let _work = self.work();
        let place = (found.source, found.reader.clone());
        if self.held.lock().contains_key(&place) {
            return Err(advice::busy());
        }
        let mut card = self.open(found.source, &found.reader)?;
        let now = card.describe(found.source, &found.reader)?;
        // What the user saw must be what is there: the same card, with as many tries left.
        if now.device != found.device || now.pin != found.pin {
            return Err(advice::card_changed());
        }
        let holding = self.hold(place, Ok(now));
        PinSession::open(card, pin, holding)
    }

    /// The first reader with a card that nobody holds, and a name that begins so. Its card is not touched.
    pub(crate) fn free_reader(&self, wanted: &str) -> Option<String> {
        self.free_place(|name| name.starts_with(wanted))
            .map(|(_, reader)| reader)
    }

    /// Connects to a card in order to give it to this server; others see it as lent until the connection is dropped, and then
    /// `with` is dropped too.
    pub(crate) fn lend(
        &self,
        reader: &str,
        server: &Origin,
        with: impl Send + 'static,
    ) -> Result<Box<dyn Transport>, HelperError> {
        let _work = self.work();
        let gone = || card_error(TransportError::Removed.into());
        let place = self.free_place(|name| name == reader).ok_or_else(gone)?;
        let source = self.sources.get(place.0).ok_or_else(gone)?;
        let card = source.connect(&place.1);
        let card = card.map_err(|error| card_error(error.into()))?;
        let holding = self.hold(place, Err(advice::card_lent(server)));
        Ok(Box::new(Lent::new(card, (holding, with))))
    }

    fn free_place(&self, wanted: impl Fn(&str) -> bool) -> Option<Place> {
        self.readers()
            .into_iter()
            .filter(|(_, reader)| reader.occupied && wanted(&reader.name))
            .map(|(source, reader)| (source, reader.name))
            .find(|place| !self.held.lock().contains_key(place))
    }

    /// All usable cards.
    pub(crate) fn cards(&self) -> Vec<FoundCard> {
        let _work = self.work();
        self.readers()
            .iter()
            .filter_map(|(source, reader)| self.look(*source, reader)?.ok())
            .collect()
    }

    fn find<T>(&self, wanted: impl Fn(&FoundCard) -> Option<T>) -> Option<T> {
        let _work = self.work();
        self.readers()
            .iter()
            .filter_map(|(source, reader)| self.look(*source, reader)?.ok())
            .find_map(|card| wanted(&card))
    }

    fn readers(&self) -> Vec<(usize, Reader)> {
        let mut all = Vec::new();
        for (number, source) in self.sources.iter().enumerate() {
            match source.readers() {
                Ok(readers) => all.extend(readers.into_iter().map(|reader| (number, reader))),
                Err(error) => tracing::warn!("readers can't be listed: {error}"),
            }
        }
        all
    }

    fn look(&self, source: usize, reader: &Reader) -> Option<Result<FoundCard, HelperError>> {
        if !reader.occupied {
            return None;
        }
        let place = (source, reader.name.clone());
        if let Some(held) = self.held.lock().get(&place) {
            return Some(held.clone());
        }
        let seen = self.open(source, &reader.name);
        Some(seen.and_then(|mut card| card.describe(source, &reader.name)))
    }

    fn open(&self, source: usize, reader: &str) -> Result<Card, HelperError> {
        let gone = || card_error(TransportError::Removed.into());
        let transport = self.sources.get(source).ok_or_else(gone)?.connect(reader);
        let transport = transport.map_err(|error| card_error(error.into()))?;
        Card::open(transport, &self.anchors)
    }

    fn hold(&self, place: Place, card: Seen) -> Holding {
        self.held.lock().insert(place.clone(), card);
        Holding {
            held: self.held.clone(),
            place,
        }
    }

    fn work(&self) -> MutexGuard<'_, ()> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Seen>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.held.lock().remove(&self.place);
    }
}

//! Simulated cards, each in its own reader.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use countersign_card::{Transport, TransportError};
use countersign_simulator::{Latency, Simulator};

use super::{CardSource, Reader};

/// Simulated cards, which are always inserted.
pub struct SimulatedSource {
    cards: Vec<(String, Simulator)>,
}

impl SimulatedSource {
    /// Opens the card files.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn open(files: &[PathBuf]) -> anyhow::Result<Self> {
        let mut cards = Vec::new();
        for (number, file) in files.iter().enumerate() {
            let shown = file.display();
            let card = Simulator::open(file)
                .with_context(|| format!("cannot open simulated card {shown}"))?;
            cards.push((
                file.file_stem().map_or_else(
                    || number.to_string(),
                    |stem| stem.to_string_lossy().into_owned(),
                ),
                card,
            ));
        }
        Ok(Self::new(cards))
    }

    /// Makes the cards as slow as a real device.
    #[must_use]
    pub fn with_device_times(self) -> Self {
        for (_, card) in &self.cards {
            card.set_latency(Latency::REALISTIC);
        }
        self
    }

    /// Uses cards that are already open.
    pub fn new(cards: impl IntoIterator<Item = (String, Simulator)>) -> Self {
        let named = cards.into_iter().enumerate();
        let named = named.map(|(number, (name, card))| {
            (format!("Simulated reader {} ({name})", number + 1), card)
        });
        Self {
            cards: named.collect(),
        }
    }
}

impl CardSource for SimulatedSource {
    fn readers(&self) -> Result<Vec<Reader>, TransportError> {
        Ok(self
            .cards
            .iter()
            .map(|(name, _)| Reader {
                name: name.clone(),
                occupied: true,
            })
            .collect())
    }

    fn connect(&self, reader: &str) -> Result<Box<dyn Transport>, TransportError> {
        let found = self.cards.iter().find(|(name, _)| name == reader);
        let (_, card) = found
            .ok_or_else(|| TransportError::Unavailable(format!("no simulated card in {reader}")))?;
        Ok(Box::new(card.connect()))
    }

    fn watch(self: Arc<Self>, _: Box<dyn Fn() + Send>) {}
}

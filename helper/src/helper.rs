//! The helper as a whole: what all connections share.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use countersign_protocol::cvc::TrustAnchors;
use tokio::sync::broadcast;

use crate::{
    cards::{CardDesk, CardSource},
    origin::{Gate, Origin, OriginBook},
    prompt::{Prompt, PromptDesk},
    task::TaskGuard,
};

/// Consents that one page may raise within [`RATION_TIME`].
const RATION: usize = 30;
const RATION_TIME: Duration = Duration::from_secs(60);

/// What a helper is made of.
pub struct Setup {
    /// Folder of the origin book.
    pub config: PathBuf,
    /// How the user is asked.
    pub prompt: Arc<dyn Prompt>,
    /// Where cards are.
    pub sources: Vec<Arc<dyn CardSource>>,
    /// Which devices are genuine: own cards and signing HSMs alike.
    pub anchors: TrustAnchors,
    /// Simulated cards are in use.
    pub demo: bool,
}

/// A running helper.
pub struct Helper {
    pub(crate) book: OriginBook,
    pub(crate) prompts: Arc<PromptDesk>,
    pub(crate) cards: CardDesk,
    pub(crate) tasks: TaskGuard,
    pub(crate) demo: bool,
    gate: Gate,
    changes: broadcast::Sender<()>,
    rations: Mutex<HashMap<Origin, Vec<Instant>>>,
}

impl Helper {
    /// Puts a helper together and starts to watch for cards.
    pub fn new(setup: Setup) -> Arc<Self> {
        let book = OriginBook::new(&setup.config);
        let prompts = Arc::new(PromptDesk::new(setup.prompt));
        let (changes, _) = broadcast::channel(8);
        for source in &setup.sources {
            let changes = changes.clone();
            source.clone().watch(Box::new(move || {
                // Nobody connected: nobody to tell.
                let _ = changes.send(());
            }));
        }
        Arc::new(Self {
            gate: Gate::new(book.clone(), prompts.clone()),
            book,
            prompts,
            cards: CardDesk::new(setup.sources, setup.anchors),
            tasks: TaskGuard::default(),
            demo: setup.demo,
            changes,
            rations: Mutex::default(),
        })
    }

    /// Decides who may connect.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// News of inserted and removed cards.
    pub fn card_changes(&self) -> broadcast::Receiver<()> {
        self.changes.subscribe()
    }

    /// Whether this page, or server, may raise one more consent, or session with a card, now.
    pub(crate) fn may_ask(&self, origin: &Origin) -> bool {
        let mut rations = self.rations.lock().unwrap_or_else(PoisonError::into_inner);
        for asked in rations.values_mut() {
            asked.retain(|when| when.elapsed() < RATION_TIME);
        }
        rations.retain(|_, asked| !asked.is_empty());
        let asked = rations.entry(origin.clone()).or_default();
        let allowed = asked.len() < RATION;
        if allowed {
            asked.push(Instant::now());
        }
        allowed
    }
}

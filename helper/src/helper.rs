//! The state that all connections share.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use countersign_protocol::cvc::TrustAnchors;
use tokio::sync::broadcast;

use crate::{
    cards::{CardReaders, CardSource},
    origin::{Origin, OriginStore},
    origin_policy::OriginPolicy,
    prompt::{Prompt, Prompts},
    task::TaskGuard,
};

/// Consents, or sessions with a card, that one origin may start within [`RATE_PERIOD`].
const RATE_LIMIT: usize = 60;
/// Consents of one origin that the user may cancel within [`RATE_PERIOD`]. Nobody who cancels so often wants another one.
const CANCEL_LIMIT: usize = 5;
const RATE_PERIOD: Duration = Duration::from_secs(60);

/// What [`Helper::new`] needs.
pub struct Setup {
    /// Directory of the origin store.
    pub config: PathBuf,
    /// Asks the user for consent and PIN.
    pub prompt: Arc<dyn Prompt>,
    /// Readers and their cards.
    pub sources: Vec<Arc<dyn CardSource>>,
    /// The roots of genuine devices, for the user's own cards and signing HSMs alike.
    pub anchors: TrustAnchors,
    /// Simulated cards are in use.
    pub demo: bool,
}

/// A running helper.
pub struct Helper {
    pub(crate) origins: OriginStore,
    pub(crate) prompts: Arc<Prompts>,
    pub(crate) cards: CardReaders,
    pub(crate) tasks: TaskGuard,
    pub(crate) demo: bool,
    origin_policy: OriginPolicy,
    card_changes: broadcast::Sender<()>,
    recent_uses: Mutex<HashMap<Origin, RecentUses>>,
}

/// What one origin has done within [`RATE_PERIOD`].
#[derive(Default)]
struct RecentUses {
    started: Vec<Instant>,
    cancelled: Vec<Instant>,
}

impl RecentUses {
    fn forget_old(&mut self) {
        for uses in [&mut self.started, &mut self.cancelled] {
            uses.retain(|when| when.elapsed() < RATE_PERIOD);
        }
    }
}

impl Helper {
    /// Creates a helper and starts to watch its readers.
    pub fn new(setup: Setup) -> Arc<Self> {
        let origins = OriginStore::new(&setup.config);
        let prompts = Arc::new(Prompts::new(setup.prompt));
        let (card_changes, _) = broadcast::channel(8);
        for source in &setup.sources {
            let card_changes = card_changes.clone();
            source.clone().watch(Box::new(move || {
                // Sending fails while no page is connected, which is fine.
                let _ = card_changes.send(());
            }));
        }
        Arc::new(Self {
            origin_policy: OriginPolicy::new(origins.clone(), prompts.clone()),
            origins,
            prompts,
            cards: CardReaders::new(setup.sources, setup.anchors),
            tasks: TaskGuard::new(&setup.config),
            demo: setup.demo,
            card_changes,
            recent_uses: Mutex::default(),
        })
    }

    /// Decides which pages may connect or attach a card.
    pub fn origin_policy(&self) -> &OriginPolicy {
        &self.origin_policy
    }

    /// Notifies of inserted and removed cards.
    pub fn card_changes(&self) -> broadcast::Receiver<()> {
        self.card_changes.subscribe()
    }

    /// Counts one consent, or session with a card, of this page or server. Returns `false` if it has reached the rate
    /// limit.
    pub(crate) fn within_rate_limit(&self, origin: &Origin) -> bool {
        let mut recent = self.recent_uses();
        let uses = recent.entry(origin.clone()).or_default();
        let allowed = uses.started.len() < RATE_LIMIT && uses.cancelled.len() < CANCEL_LIMIT;
        if allowed {
            uses.started.push(Instant::now());
        }
        allowed
    }

    /// Counts a consent of this page that the user cancelled.
    pub(crate) fn note_cancelled(&self, origin: &Origin) {
        let mut recent = self.recent_uses();
        let uses = recent.entry(origin.clone()).or_default();
        uses.cancelled.push(Instant::now());
    }

    fn recent_uses(&self) -> MutexGuard<'_, HashMap<Origin, RecentUses>> {
        let mut recent = self
            .recent_uses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        recent.values_mut().for_each(RecentUses::forget_old);
        recent.retain(|_, uses| !uses.started.is_empty() || !uses.cancelled.is_empty());
        recent
    }
}

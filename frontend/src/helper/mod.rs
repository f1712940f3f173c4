//! The card helper on this machine: one connection, one request at a time, and what to tell people about it.

mod advice;
mod link;
mod status;

pub use advice::{advice, step_words};
pub use status::Status;

use countersign_protocol::{
    activation::ApprovalEvidence,
    cvc::{DeviceId, Fingerprint},
    dsse::Envelope,
    encoding::Base64,
    helper::{Answer, CardKeyView, CardState, CardView, EnrolKey, Operation, ReaderView, Step},
    problem::Problem,
};
use leptos::prelude::*;

use crate::portal::Portal;
use link::Link;

/// The helper, as pages use it.
#[derive(Clone, Copy)]
pub struct Helper {
    portal: Portal,
    /// Where the connection stands, and what cards there are.
    pub status: RwSignal<Status>,
    /// What the helper waits for; `None`: it handles no request of ours.
    pub step: RwSignal<Option<Step>>,
    link: StoredValue<Link, LocalStorage>,
}

impl Helper {
    /// Not connected yet: nobody is asked for anything before a page needs it.
    pub fn new(portal: Portal) -> Self {
        let status = RwSignal::new(Status::Unused);
        let step = RwSignal::new(None);
        Self {
            portal,
            status,
            step,
            link: StoredValue::new_local(Link::new(status, step)),
        }
    }

    /// The helper of this page.
    pub fn here() -> Self {
        use_context().unwrap_or_else(|| Self::new(Portal::here()))
    }

    /// Connects, unless that was done.
    pub fn connect(self) {
        if let Some(about) = self.portal.about.get_untracked() {
            self.link.with_value(|link| link.connect(about.helper_port));
        }
    }

    /// Cards that can be used.
    pub fn cards(self) -> Vec<CardView> {
        self.status.with(|status| match status {
            Status::Ready { readers, .. } => readers.iter().filter_map(ready).cloned().collect(),
            _ => Vec::new(),
        })
    }

    /// Keys that can be a custodian's, each with its card.
    pub fn keys(self) -> Vec<(CardView, CardKeyView)> {
        let cards = self.cards().into_iter();
        cards
            .flat_map(|card| {
                let keys = card.keys.clone();
                keys.into_iter().map(move |key| (card.clone(), key))
            })
            .filter(|(_, key)| key.unsuitable.is_none())
            .collect()
    }

    /// A log-in statement.
    ///
    /// # Errors
    /// What happened at the helper, and what to do.
    pub async fn log_in(self, task: Envelope, key: Fingerprint) -> Result<Envelope, Problem> {
        match self.ask(Operation::LogIn { task, key }).await? {
            Answer::Statement { statement } => Ok(statement),
            _ => Err(advice::unexpected()),
        }
    }

    /// The `.pka` triple of a key, and the statement that goes with it.
    ///
    /// # Errors
    /// As [`Self::log_in`].
    pub async fn enrol(
        self,
        task: Envelope,
        card: DeviceId,
        key: EnrolKey,
    ) -> Result<(Base64, Envelope), Problem> {
        match self.ask(Operation::Enrol { task, card, key }).await? {
            Answer::Enrolled { pka, statement } => Ok((pka, statement)),
            _ => Err(advice::unexpected()),
        }
    }

    /// An approval; `again` within the PIN session of the one before.
    ///
    /// # Errors
    /// As [`Self::log_in`].
    pub async fn approve(self, task: Envelope, again: bool) -> Result<ApprovalEvidence, Problem> {
        let operation = if again {
            Operation::ApproveAgain { task }
        } else {
            Operation::Approve { task }
        };
        match self.ask(operation).await? {
            Answer::Approved { evidence } => Ok(*evidence),
            _ => Err(advice::unexpected()),
        }
    }

    /// Ends the PIN session. Nothing depends on the answer: the helper ends it by itself after a minute.
    pub async fn finish(self) {
        let _ = self.ask(Operation::Finish).await;
    }

    async fn ask(self, operation: Operation) -> Result<Answer, Problem> {
        self.connect();
        let reply = self.link.with_value(|link| link.ask(operation));
        match reply.await {
            Some(result) => result.map_err(advice::refused),
            None => Err(advice::not_connected(&self.status.get_untracked())),
        }
    }
}

fn ready(reader: &ReaderView) -> Option<&CardView> {
    match &reader.card {
        CardState::Ready(card) => Some(card),
        CardState::Empty | CardState::Unusable { .. } => None,
    }
}

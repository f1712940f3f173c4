//! The card helper on the user's computer: one connection, one request at a time, and advice about its state.

mod advice;
mod link;
mod status;

pub use advice::{advice, step_text};
pub use status::Status;

use countersign_protocol::{
    activation::SignedApproval,
    cvc::{DeviceId, Fingerprint},
    dsse::Envelope,
    encoding::Base64,
    helper::{Answer, CardKeyView, CardState, CardView, EnrolKey, Operation, ReaderView, Step},
    problem::Problem,
};
use leptos::prelude::*;

use crate::portal::Portal;
use link::Link;

/// The connection to the card helper; a cheap handle.
#[derive(Clone, Copy)]
pub struct Helper {
    portal: Portal,
    /// State of the connection, with the readers and cards.
    pub status: RwSignal<Status>,
    /// The step of the current request; `None` without a request.
    pub step: RwSignal<Option<Step>>,
    link: StoredValue<Link, LocalStorage>,
}

impl Helper {
    /// Does not connect yet, so that the user is not prompted for a permission before a page needs the helper.
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

    /// The helper that the app provides.
    pub fn here() -> Self {
        use_context().unwrap_or_else(|| Self::new(Portal::here()))
    }

    /// Connects, unless a connection exists.
    pub fn connect(self) {
        if let Some(about) = self.portal.about.get_untracked() {
            self.link.with_value(|link| link.connect(about.helper_port));
        }
    }

    /// Usable cards.
    pub fn cards(self) -> Vec<CardView> {
        self.status.with(|status| match status {
            Status::Ready { readers, .. } => readers.iter().filter_map(ready).cloned().collect(),
            _ => Vec::new(),
        })
    }

    /// Keys that meet the requirements for enrolment, each with its card.
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

    /// Requests a log-in statement that the card signs.
    ///
    /// # Errors
    /// The helper is not connected, or the user or the card refused.
    pub async fn log_in(self, task: Envelope, key: Fingerprint) -> Result<Envelope, Problem> {
        match self.send(Operation::LogIn { task, key }).await? {
            Answer::Statement { statement } => Ok(statement),
            _ => Err(advice::unexpected()),
        }
    }

    /// Requests a signature of an act.
    ///
    /// # Errors
    /// The helper is not connected, or the user or the card refused.
    pub async fn sign_act(self, task: Envelope) -> Result<Envelope, Problem> {
        match self.send(Operation::SignAct { task }).await? {
            Answer::Statement { statement } => Ok(statement),
            _ => Err(advice::unexpected()),
        }
    }

    /// Enrols a key; returns its `.pka` triple and the signed statement.
    ///
    /// # Errors
    /// The helper is not connected, or the user or the card refused.
    pub async fn enrol(
        self,
        task: Envelope,
        card: DeviceId,
        key: EnrolKey,
    ) -> Result<(Base64, Envelope), Problem> {
        match self.send(Operation::Enrol { task, card, key }).await? {
            Answer::Enrolled { pka, statement } => Ok((pka, statement)),
            _ => Err(advice::unexpected()),
        }
    }

    /// Requests an approval that the card signs. `again` reuses the consent and the PIN session of the one before.
    ///
    /// # Errors
    /// The helper is not connected, or the user or the card refused.
    pub async fn approve(self, task: Envelope, again: bool) -> Result<SignedApproval, Problem> {
        let operation = if again {
            Operation::ApproveAgain { task }
        } else {
            Operation::Approve { task }
        };
        match self.send(operation).await? {
            Answer::Approved { approval } => Ok(*approval),
            _ => Err(advice::unexpected()),
        }
    }

    /// Ends the PIN session. The result does not matter, because the helper ends the session after 1 minute anyway.
    pub async fn finish(self) {
        let _ = self.send(Operation::Finish).await;
    }

    async fn send(self, operation: Operation) -> Result<Answer, Problem> {
        self.connect();
        let reply = self.link.with_value(|link| link.send(operation));
        match reply.await {
            Some(result) => result.map_err(advice::helper_problem),
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

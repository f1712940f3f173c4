//! A prompt without a user, for tests: it answers from a script and records what was shown.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use countersign_card::Pin;

use super::{
    AttachQuestion, ConsentText, Deadline, OriginAnswer, PinRequest, Prompt, PromptError, pin_from,
};
use crate::origin::Origin;

/// Answers every prompt from its script. It denies or cancels every prompt that the script does not cover.
#[derive(Default)]
pub struct ScriptedPrompt(Mutex<Script>);

#[derive(Default)]
struct Script {
    origin: Option<OriginAnswer>,
    next_consents: VecDeque<bool>,
    consent: bool,
    fails_from: Option<(usize, PromptError)>,
    next_pins: VecDeque<Option<String>>,
    pin: Option<String>,
    shown: Vec<Shown>,
    blocks: bool,
    unblocked: bool,
}

/// A prompt that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The question about this origin.
    Origin(String),
    /// The complete question about attaching a card.
    Attaching(String),
    /// The text of a notice.
    Notice(String),
    /// The complete text of a consent.
    Consent(String),
    /// The text of a PIN prompt.
    Pin(String),
}

impl ScriptedPrompt {
    /// A user who allows every page, consents to everything and enters this PIN.
    pub fn approving(pin: &str) -> Self {
        let prompt = Self::default();
        prompt.answer_origins(OriginAnswer::Always);
        prompt.answer_consents(true);
        prompt.enter_pin(Some(pin));
        prompt
    }

    /// Sets the answer to every question about a page or about attaching a card.
    pub fn answer_origins(&self, answer: OriginAnswer) {
        self.script().origin = Some(answer);
    }

    /// Sets the answer to every consent.
    pub fn answer_consents(&self, answer: bool) {
        self.script().consent = answer;
    }

    /// Queues the answer to one consent.
    pub fn answer_next_consent(&self, answer: bool) {
        self.script().next_consents.push_back(answer);
    }

    /// Makes the prompt with this number and all later ones fail.
    pub fn fail_from(&self, number: usize, error: PromptError) {
        self.script().fails_from = Some((number, error));
    }

    /// Sets the input for every PIN prompt; `None` cancels.
    pub fn enter_pin(&self, pin: Option<&str>) {
        self.script().pin = pin.map(str::to_owned);
    }

    /// Queues the input for one PIN prompt; `None` cancels.
    pub fn enter_next_pin(&self, pin: Option<&str>) {
        self.script().next_pins.push_back(pin.map(str::to_owned));
    }

    /// Makes the next consent wait until its deadline expires or [`Self::unblock`] is called.
    pub fn block_next_consent(&self) {
        self.script().blocks = true;
    }

    /// Answers the consent that waits.
    pub fn unblock(&self) {
        self.script().unblocked = true;
    }

    /// All prompts so far.
    pub fn shown(&self) -> Vec<Shown> {
        self.script().shown.clone()
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Script {
    fn show(&mut self, prompt: Shown) -> Result<(), PromptError> {
        self.shown.push(prompt);
        match &self.fails_from {
            Some((number, error)) if self.shown.len() >= *number => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

impl Prompt for ScriptedPrompt {
    fn allow_origin(&self, origin: &Origin, _: &Deadline) -> OriginAnswer {
        let mut script = self.script();
        script.shown.push(Shown::Origin(origin.to_string()));
        script.origin.unwrap_or(OriginAnswer::No)
    }

    fn allow_attaching(&self, question: &AttachQuestion, _: &Deadline) -> OriginAnswer {
        let mut script = self.script();
        script
            .shown
            .push(Shown::Attaching(question.text().unwrapped()));
        script.origin.unwrap_or(OriginAnswer::No)
    }

    fn notice(&self, text: &str, _: &Deadline) {
        self.script().shown.push(Shown::Notice(text.to_owned()));
    }

    fn consent(&self, text: &ConsentText, deadline: &Deadline) -> Result<bool, PromptError> {
        let blocks = {
            let mut script = self.script();
            script.show(Shown::Consent(text.unwrapped()))?;
            std::mem::take(&mut script.blocks)
        };
        while blocks && !deadline.is_expired() && !self.script().unblocked {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let mut script = self.script();
        Ok(script.next_consents.pop_front().unwrap_or(script.consent))
    }

    fn pin(&self, request: &PinRequest, _: &Deadline) -> Result<Option<Pin>, PromptError> {
        let mut script = self.script();
        script.show(Shown::Pin(request.text()))?;
        let pin = script
            .next_pins
            .pop_front()
            .unwrap_or_else(|| script.pin.clone());
        Ok(pin.and_then(|pin| pin_from(pin.as_bytes())))
    }
}

//! A user without a person, for tests: answers from a script and keeps what was shown.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use countersign_card::Pin;

use super::{
    AttachQuestion, ConsentText, OriginAnswer, Patience, PinRequest, Prompt, PromptError, pin_from,
};
use crate::origin::Origin;

/// Answers every question as scripted; whatever is not scripted is declined.
#[derive(Default)]
pub struct Played(Mutex<Script>);

#[derive(Default)]
struct Script {
    origin: Option<OriginAnswer>,
    consents: VecDeque<bool>,
    consent: bool,
    fails_at: Option<(usize, PromptError)>,
    pins: VecDeque<Option<String>>,
    pin: Option<String>,
    shown: Vec<Shown>,
    hesitates: bool,
    goes_on: bool,
}

/// A prompt that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// About a page.
    Origin(String),
    /// About a card for a server, complete.
    Attaching(String),
    /// Something to know.
    Notice(String),
    /// A consent, complete.
    Consent(String),
    /// For a PIN.
    Pin(String),
}

impl Played {
    /// A user who agrees to everything and types this PIN.
    pub fn agreeable(pin: &str) -> Self {
        let played = Self::default();
        played.origin(OriginAnswer::Always);
        played.consents(true);
        played.pins(Some(pin));
        played
    }

    /// Answer to every question about a page, or a card for a server.
    pub fn origin(&self, answer: OriginAnswer) {
        self.script().origin = Some(answer);
    }

    /// Answer to every consent.
    pub fn consents(&self, answer: bool) {
        self.script().consent = answer;
    }

    /// Answer to the next consent that has none yet.
    pub fn next_consent(&self, answer: bool) {
        self.script().consents.push_back(answer);
    }

    /// From the prompt with this number on, none can be answered.
    pub fn fails_at(&self, prompt: usize, error: PromptError) {
        self.script().fails_at = Some((prompt, error));
    }

    /// What is typed at every PIN prompt.
    pub fn pins(&self, pin: Option<&str>) {
        self.script().pin = pin.map(str::to_owned);
    }

    /// What is typed at the next PIN prompt that has nothing yet.
    pub fn next_pin(&self, pin: Option<&str>) {
        self.script().pins.push_back(pin.map(str::to_owned));
    }

    /// The next consent is answered only when nobody waits for it any more, or after [`Self::goes_on`].
    pub fn hesitates(&self) {
        self.script().hesitates = true;
    }

    /// Answers the consent that is open.
    pub fn goes_on(&self) {
        self.script().goes_on = true;
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
        match &self.fails_at {
            Some((number, error)) if self.shown.len() >= *number => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

impl Prompt for Played {
    fn allow_origin(&self, origin: &Origin, _: &Patience) -> OriginAnswer {
        let mut script = self.script();
        script.shown.push(Shown::Origin(origin.to_string()));
        script.origin.unwrap_or(OriginAnswer::No)
    }

    fn allow_attaching(&self, question: &AttachQuestion, _: &Patience) -> OriginAnswer {
        let mut script = self.script();
        script.shown.push(Shown::Attaching(question.text().full()));
        script.origin.unwrap_or(OriginAnswer::No)
    }

    fn notice(&self, text: &str, _: &Patience) {
        self.script().shown.push(Shown::Notice(text.to_owned()));
    }

    fn consent(&self, text: &ConsentText, patience: &Patience) -> Result<bool, PromptError> {
        let hesitates = {
            let mut script = self.script();
            script.show(Shown::Consent(text.full()))?;
            std::mem::take(&mut script.hesitates)
        };
        while hesitates && !patience.is_over() && !self.script().goes_on {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let mut script = self.script();
        Ok(script.consents.pop_front().unwrap_or(script.consent))
    }

    fn pin(&self, request: &PinRequest, _: &Patience) -> Result<Option<Pin>, PromptError> {
        let mut script = self.script();
        script.show(Shown::Pin(request.text()))?;
        let pin = script
            .pins
            .pop_front()
            .unwrap_or_else(|| script.pin.clone());
        Ok(pin.and_then(|pin| pin_from(pin.as_bytes())))
    }
}

//! First contact: may this page talk to the helper?

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{Origin, OriginBook};
use crate::prompt::{OriginAnswer, Patience, PromptDesk};

/// How long "no" stands without asking again.
const REFUSED_FOR: Duration = Duration::from_secs(60);
/// How long "this time" lets a page reconnect.
const THIS_TIME: Duration = Duration::from_secs(15 * 60);
/// At most so many questions within [`REFUSED_FOR`], whatever the number of origins.
const QUESTIONS: usize = 5;

/// Decides who may connect; asks the user about strangers.
pub struct Gate {
    book: OriginBook,
    desk: Arc<PromptDesk>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    refused: HashMap<Origin, Instant>,
    this_time: HashMap<Origin, Instant>,
    asked: Vec<Instant>,
}

impl Gate {
    /// A gate with this book and these prompts.
    pub fn new(book: OriginBook, desk: Arc<PromptDesk>) -> Self {
        Self {
            book,
            desk,
            memory: Mutex::default(),
        }
    }

    /// Whether `origin` may connect; blocks while the user is asked.
    pub fn admit(&self, origin: &Origin, patience: &Patience) -> bool {
        match self.book.find(origin) {
            Ok(Some(known)) if known.allowed => return true,
            Ok(_) => {}
            Err(error) => {
                tracing::error!("no page is let in: {error}");
                return false;
            }
        }
        if self.allowed_this_time(origin) {
            return true;
        }
        // One question at a time: a page that comes while a prompt is open is refused, not queued.
        let Some(seat) = self.desk.sit() else {
            tracing::warn!(%origin, "refused: another question is open");
            return false;
        };
        if !self.may_ask(origin) {
            tracing::warn!(%origin, "refused without asking: said no, or asked too often, a moment ago");
            return false;
        }
        match seat.allow_origin(origin, patience) {
            OriginAnswer::Always => self.remember_always(origin),
            OriginAnswer::ThisTime => {
                self.memory()
                    .this_time
                    .insert(origin.clone(), Instant::now());
                true
            }
            OriginAnswer::No => {
                self.memory().refused.insert(origin.clone(), Instant::now());
                false
            }
        }
    }

    fn remember_always(&self, origin: &Origin) -> bool {
        if let Err(error) = self.book.allow(origin) {
            tracing::error!("the permission could not be kept, it holds this time only: {error}");
            self.memory()
                .this_time
                .insert(origin.clone(), Instant::now());
        }
        true
    }

    fn allowed_this_time(&self, origin: &Origin) -> bool {
        let mut memory = self.memory();
        memory
            .this_time
            .retain(|_, since| since.elapsed() < THIS_TIME);
        memory.this_time.contains_key(origin)
    }

    fn may_ask(&self, origin: &Origin) -> bool {
        let mut memory = self.memory();
        memory
            .refused
            .retain(|_, since| since.elapsed() < REFUSED_FOR);
        memory.asked.retain(|when| when.elapsed() < REFUSED_FOR);
        if memory.refused.contains_key(origin) || memory.asked.len() >= QUESTIONS {
            return false;
        }
        memory.asked.push(Instant::now());
        true
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::played::Played;

    fn gate(folder: &std::path::Path, answer: OriginAnswer) -> (Gate, Arc<Played>) {
        let played = Arc::new(Played::default());
        played.origin(answer);
        let desk = Arc::new(PromptDesk::new(played.clone()));
        (Gate::new(OriginBook::new(folder), desk), played)
    }

    #[test]
    fn always_is_asked_once() {
        let folder = tempfile::tempdir().unwrap();
        let (gate, played) = gate(folder.path(), OriginAnswer::Always);
        let origin = "https://a.example".parse().unwrap();
        assert!(gate.admit(&origin, &Patience::minutes(1)));
        assert!(gate.admit(&origin, &Patience::minutes(1)));
        assert_eq!(played.shown().len(), 1);
        assert!(
            OriginBook::new(folder.path())
                .find(&origin)
                .unwrap()
                .unwrap()
                .allowed
        );
    }

    #[test]
    fn this_time_is_not_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let (gate, played) = gate(folder.path(), OriginAnswer::ThisTime);
        let origin = "https://a.example".parse().unwrap();
        assert!(gate.admit(&origin, &Patience::minutes(1)));
        assert!(gate.admit(&origin, &Patience::minutes(1)));
        assert_eq!(played.shown().len(), 1);
        assert_eq!(OriginBook::new(folder.path()).find(&origin).unwrap(), None);
    }

    #[test]
    fn no_is_remembered_and_questions_are_rationed() {
        let folder = tempfile::tempdir().unwrap();
        let (gate, played) = gate(folder.path(), OriginAnswer::No);
        for _ in 0..10 {
            assert!(!gate.admit(&"https://a.example".parse().unwrap(), &Patience::minutes(1)));
        }
        assert_eq!(played.shown().len(), 1);
        for number in 0..20 {
            let origin = format!("https://a{number}.example").parse().unwrap();
            assert!(!gate.admit(&origin, &Patience::minutes(1)));
        }
        assert_eq!(played.shown().len(), QUESTIONS);
    }

    #[test]
    fn a_second_page_is_refused_while_the_first_is_asked_about() {
        let folder = tempfile::tempdir().unwrap();
        let (gate, played) = gate(folder.path(), OriginAnswer::Always);
        let _open = gate.desk.sit().unwrap();
        assert!(!gate.admit(&"https://a.example".parse().unwrap(), &Patience::minutes(1)));
        assert!(played.shown().is_empty());
    }
}

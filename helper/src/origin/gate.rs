//! First contact: may this page talk to the helper, or have a card attached?

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{Attaching, BookError, Origin, OriginBook};
use crate::prompt::{AttachQuestion, OriginAnswer, Patience, PromptDesk, Seat};

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

/// What somebody wants.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Wish {
    Talk(Origin),
    Attach(Attaching),
}

impl std::fmt::Display for Wish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Talk(origin) => origin.fmt(f),
            Self::Attach(attaching) => attaching.fmt(f),
        }
    }
}

#[derive(Default)]
struct Memory {
    refused: HashMap<Wish, Instant>,
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
        match self.decide(Wish::Talk(origin.clone()), |seat| {
            seat.allow_origin(origin, patience)
        }) {
            Some(OriginAnswer::Always) => true,
            Some(OriginAnswer::ThisTime) => {
                self.memory()
                    .this_time
                    .insert(origin.clone(), Instant::now());
                true
            }
            Some(OriginAnswer::No) | None => false,
        }
    }

    /// Whether a card may be attached; blocks while the user is asked. Leave to talk is not leave to attach. "This time" is one
    /// session.
    pub fn admit_attaching(&self, question: &AttachQuestion, patience: &Patience) -> bool {
        let answer = self.decide(Wish::Attach(question.wish.clone()), |seat| {
            seat.allow_attaching(question, patience)
        });
        matches!(answer, Some(OriginAnswer::Always | OriginAnswer::ThisTime))
    }

    /// Refuses a wish without asking. Whether the user should be told why: not more often than they could be asked.
    pub fn turn_away(&self, wish: &Attaching) -> bool {
        let wish = Wish::Attach(wish.clone());
        let tell = self.may_ask(&wish);
        self.memory().refused.insert(wish, Instant::now());
        tell
    }

    /// The answer, from memory or from the user; `None`: nobody was asked.
    fn decide(
        &self,
        wish: Wish,
        ask: impl FnOnce(&Seat<'_>) -> OriginAnswer,
    ) -> Option<OriginAnswer> {
        match self.is_allowed(&wish) {
            Ok(true) => return Some(OriginAnswer::Always),
            Ok(false) => {}
            Err(error) => {
                tracing::error!("no page is let in: {error}");
                return None;
            }
        }
        // One question at a time: a page that comes while a prompt is open is refused, not queued.
        let Some(seat) = self.desk.sit() else {
            tracing::warn!("refused: {wish}: another question is open");
            return None;
        };
        if !self.may_ask(&wish) {
            tracing::warn!(
                "refused without asking: {wish}: said no, or asked too often, a moment ago"
            );
            return None;
        }
        match ask(&seat) {
            OriginAnswer::Always => Some(self.keep(&wish)),
            OriginAnswer::ThisTime => Some(OriginAnswer::ThisTime),
            OriginAnswer::No => {
                self.memory().refused.insert(wish, Instant::now());
                Some(OriginAnswer::No)
            }
        }
    }

    fn is_allowed(&self, wish: &Wish) -> Result<bool, BookError> {
        Ok(match wish {
            Wish::Talk(origin) => {
                let known = self.book.find(origin)?;
                known.is_some_and(|known| known.allowed) || self.allowed_this_time(origin)
            }
            Wish::Attach(Attaching { page, server }) => match (self.book.find(server)?, page) {
                (Some(known), Some(page)) => known.attached_by.contains(page),
                _ => false,
            },
        })
    }

    /// "Always", as far as it can be kept.
    fn keep(&self, wish: &Wish) -> OriginAnswer {
        let kept = match wish {
            Wish::Talk(origin) => self.book.allow(origin),
            Wish::Attach(Attaching {
                page: Some(page),
                server,
            }) => self.book.allow_attaching(page, server),
            // Any page can be one that says nothing.
            Wish::Attach(Attaching { page: None, .. }) => return OriginAnswer::ThisTime,
        };
        match kept {
            Ok(()) => OriginAnswer::Always,
            Err(error) => {
                tracing::error!(
                    "the permission could not be kept, it holds this time only: {error}"
                );
                OriginAnswer::ThisTime
            }
        }
    }

    fn allowed_this_time(&self, origin: &Origin) -> bool {
        let mut memory = self.memory();
        memory
            .this_time
            .retain(|_, since| since.elapsed() < THIS_TIME);
        memory.this_time.contains_key(origin)
    }

    fn may_ask(&self, wish: &Wish) -> bool {
        let mut memory = self.memory();
        memory
            .refused
            .retain(|_, since| since.elapsed() < REFUSED_FOR);
        memory.asked.retain(|when| when.elapsed() < REFUSED_FOR);
        if memory.refused.contains_key(wish) || memory.asked.len() >= QUESTIONS {
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

    fn attach(page: Option<&str>) -> AttachQuestion {
        AttachQuestion {
            wish: Attaching {
                page: page.map(|page| page.parse().unwrap()),
                server: "https://s.example".parse().unwrap(),
            },
            reader: None,
        }
    }

    #[test]
    fn leave_to_attach_is_for_one_page_and_one_server() {
        let folder = tempfile::tempdir().unwrap();
        let (gate, played) = gate(folder.path(), OriginAnswer::Always);
        let patience = Patience::minutes(1);
        let server = "https://s.example".parse().unwrap();
        // Leave to talk is something else.
        assert!(gate.admit(&server, &patience));
        assert!(gate.admit_attaching(&attach(Some("https://a.example")), &patience));
        assert!(gate.admit_attaching(&attach(Some("https://a.example")), &patience));
        assert_eq!(played.shown().len(), 2);
        assert!(gate.admit_attaching(&attach(Some("https://b.example")), &patience));
        assert_eq!(played.shown().len(), 3);
        assert!(gate.book.forget(&server).unwrap());
        assert!(gate.admit_attaching(&attach(Some("https://a.example")), &patience));
        assert_eq!(played.shown().len(), 4);
    }

    #[test]
    fn this_time_is_one_session_and_nobody_is_anybody() {
        let folder = tempfile::tempdir().unwrap();
        let patience = Patience::minutes(1);
        for (page, answer) in [
            (Some("https://a.example"), OriginAnswer::ThisTime),
            (None, OriginAnswer::Always),
        ] {
            let (gate, played) = gate(folder.path(), answer);
            assert!(gate.admit_attaching(&attach(page), &patience));
            assert!(gate.admit_attaching(&attach(page), &patience));
            assert_eq!(played.shown().len(), 2);
        }
        assert_eq!(OriginBook::new(folder.path()).list().unwrap(), []);
    }

    #[test]
    fn a_wish_that_is_turned_away_is_told_about_once() {
        let folder = tempfile::tempdir().unwrap();
        let (gate, played) = gate(folder.path(), OriginAnswer::Always);
        let wish = attach(Some("https://a.example"));
        assert!(gate.turn_away(&wish.wish));
        assert!(!gate.turn_away(&wish.wish));
        assert!(!gate.admit_attaching(&wish, &Patience::minutes(1)));
        assert!(played.shown().is_empty());
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

//! Decides whether a page may use the helper or have a card attached, and asks the user about unknown pages.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    origin::{AttachRequest, Origin, OriginStore, OriginStoreError},
    prompt::{AttachQuestion, Deadline, OriginAnswer, PromptGuard, Prompts},
};

/// How long "no" holds without asking again.
const DENIED_FOR: Duration = Duration::from_secs(60);
/// How long "this time" lets a page reconnect.
const ALLOWED_FOR: Duration = Duration::from_secs(15 * 60);
/// The most questions within [`DENIED_FOR`], regardless of the number of origins.
const MAX_QUESTIONS: usize = 5;

/// Decides about pages.
pub struct OriginPolicy {
    origins: OriginStore,
    prompts: Arc<Prompts>,
    recent: Mutex<RecentDecisions>,
}

/// What a page requests access to.
#[derive(Clone, PartialEq, Eq, Hash)]
enum AccessRequest {
    /// Use the helper.
    Connect(Origin),
    /// Attach a card to a server.
    Attach(AttachRequest),
}

impl std::fmt::Display for AccessRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(origin) => origin.fmt(f),
            Self::Attach(request) => request.fmt(f),
        }
    }
}

/// Decisions that are not stored.
#[derive(Default)]
struct RecentDecisions {
    denied: HashMap<AccessRequest, Instant>,
    allowed_this_time: HashMap<Origin, Instant>,
    questions: Vec<Instant>,
}

impl OriginPolicy {
    pub fn new(origins: OriginStore, prompts: Arc<Prompts>) -> Self {
        Self {
            origins,
            prompts,
            recent: Mutex::default(),
        }
    }

    /// Whether `origin` may use the helper. Blocks while the user decides.
    pub fn may_connect(&self, origin: &Origin, deadline: &Deadline) -> bool {
        match self.decide(AccessRequest::Connect(origin.clone()), |prompt| {
            prompt.allow_origin(origin, deadline)
        }) {
            Some(OriginAnswer::Always) => true,
            Some(OriginAnswer::ThisTime) => {
                self.recent()
                    .allowed_this_time
                    .insert(origin.clone(), Instant::now());
                true
            }
            Some(OriginAnswer::No) | None => false,
        }
    }

    /// Whether a card may be attached. Blocks while the user decides. The permission to use the helper does not include
    /// this one, and "this time" is valid for one session.
    pub fn may_attach(&self, question: &AttachQuestion, deadline: &Deadline) -> bool {
        let answer = self.decide(AccessRequest::Attach(question.request.clone()), |prompt| {
            prompt.allow_attaching(question, deadline)
        });
        matches!(answer, Some(OriginAnswer::Always | OriginAnswer::ThisTime))
    }

    /// Denies a request without asking. Returns whether the user should be notified, which happens no more often than
    /// a question would.
    pub fn deny(&self, request: &AttachRequest) -> bool {
        let request = AccessRequest::Attach(request.clone());
        let notify = self.may_ask(&request);
        self.recent().denied.insert(request, Instant::now());
        notify
    }

    /// Decides from the stored and recent decisions, or asks the user. Returns `None` if the request is denied without
    /// asking.
    fn decide(
        &self,
        request: AccessRequest,
        ask: impl FnOnce(&PromptGuard<'_>) -> OriginAnswer,
    ) -> Option<OriginAnswer> {
        match self.is_allowed(&request) {
            Ok(true) => return Some(OriginAnswer::Always),
            Ok(false) => {}
            Err(error) => {
                tracing::error!("could not read allowed origins: {error}");
                return None;
            }
        }
        // A request that arrives while a prompt is open is rejected, not queued.
        let Some(prompt) = self.prompts.try_acquire() else {
            tracing::warn!("rejected {request}: another prompt was open");
            return None;
        };
        if !self.may_ask(&request) {
            tracing::warn!(
                "rejected {request} without a prompt: denied or asked too often within 1 min"
            );
            return None;
        }
        match ask(&prompt) {
            OriginAnswer::Always => Some(self.store(&request)),
            OriginAnswer::ThisTime => Some(OriginAnswer::ThisTime),
            OriginAnswer::No => {
                self.recent().denied.insert(request, Instant::now());
                Some(OriginAnswer::No)
            }
        }
    }

    fn is_allowed(&self, request: &AccessRequest) -> Result<bool, OriginStoreError> {
        Ok(match request {
            AccessRequest::Connect(origin) => {
                let known = self.origins.find(origin)?;
                known.is_some_and(|known| known.allowed) || self.is_allowed_this_time(origin)
            }
            AccessRequest::Attach(AttachRequest { page, server }) => {
                match (self.origins.find(server)?, page) {
                    (Some(known), Some(page)) => known.attached_by.contains(page),
                    _ => false,
                }
            }
        })
    }

    /// Stores "always" if possible.
    fn store(&self, request: &AccessRequest) -> OriginAnswer {
        let stored = match request {
            AccessRequest::Connect(origin) => self.origins.allow(origin),
            AccessRequest::Attach(AttachRequest {
                page: Some(page),
                server,
            }) => self.origins.allow_attaching(page, server),
            // A request without a page can come from any page, so it is never stored.
            AccessRequest::Attach(AttachRequest { page: None, .. }) => {
                return OriginAnswer::ThisTime;
            }
        };
        match stored {
            Ok(()) => OriginAnswer::Always,
            Err(error) => {
                tracing::error!(
                    "could not store the permission, so it is valid this time only: {error}"
                );
                OriginAnswer::ThisTime
            }
        }
    }

    fn is_allowed_this_time(&self, origin: &Origin) -> bool {
        let mut recent = self.recent();
        recent
            .allowed_this_time
            .retain(|_, since| since.elapsed() < ALLOWED_FOR);
        recent.allowed_this_time.contains_key(origin)
    }

    fn may_ask(&self, request: &AccessRequest) -> bool {
        let mut recent = self.recent();
        recent
            .denied
            .retain(|_, since| since.elapsed() < DENIED_FOR);
        recent.questions.retain(|when| when.elapsed() < DENIED_FOR);
        if recent.denied.contains_key(request) || recent.questions.len() >= MAX_QUESTIONS {
            return false;
        }
        recent.questions.push(Instant::now());
        true
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, RecentDecisions> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::scripted::ScriptedPrompt;

    fn policy(
        directory: &std::path::Path,
        answer: OriginAnswer,
    ) -> (OriginPolicy, Arc<ScriptedPrompt>) {
        let user = Arc::new(ScriptedPrompt::default());
        user.answer_origins(answer);
        let prompts = Arc::new(Prompts::new(user.clone()));
        (
            OriginPolicy::new(OriginStore::new(directory), prompts),
            user,
        )
    }

    #[test]
    fn a_page_that_is_always_allowed_is_asked_about_once() {
        let directory = tempfile::tempdir().unwrap();
        let (policy, user) = policy(directory.path(), OriginAnswer::Always);
        let origin = "https://a.example".parse().unwrap();
        assert!(policy.may_connect(&origin, &Deadline::minutes(1)));
        assert!(policy.may_connect(&origin, &Deadline::minutes(1)));
        assert_eq!(user.shown().len(), 1);
        assert!(
            OriginStore::new(directory.path())
                .find(&origin)
                .unwrap()
                .unwrap()
                .allowed
        );
    }

    #[test]
    fn this_time_is_not_stored() {
        let directory = tempfile::tempdir().unwrap();
        let (policy, user) = policy(directory.path(), OriginAnswer::ThisTime);
        let origin = "https://a.example".parse().unwrap();
        assert!(policy.may_connect(&origin, &Deadline::minutes(1)));
        assert!(policy.may_connect(&origin, &Deadline::minutes(1)));
        assert_eq!(user.shown().len(), 1);
        assert_eq!(
            OriginStore::new(directory.path()).find(&origin).unwrap(),
            None
        );
    }

    #[test]
    fn no_holds_for_a_while_and_questions_are_rate_limited() {
        let directory = tempfile::tempdir().unwrap();
        let (policy, user) = policy(directory.path(), OriginAnswer::No);
        for _ in 0..10 {
            assert!(
                !policy.may_connect(&"https://a.example".parse().unwrap(), &Deadline::minutes(1))
            );
        }
        assert_eq!(user.shown().len(), 1);
        for number in 0..20 {
            let origin = format!("https://a{number}.example").parse().unwrap();
            assert!(!policy.may_connect(&origin, &Deadline::minutes(1)));
        }
        assert_eq!(user.shown().len(), MAX_QUESTIONS);
    }

    fn attach(page: Option<&str>) -> AttachQuestion {
        AttachQuestion {
            request: AttachRequest {
                page: page.map(|page| page.parse().unwrap()),
                server: "https://s.example".parse().unwrap(),
            },
            reader: None,
        }
    }

    #[test]
    fn permission_to_attach_is_for_one_page_and_one_server() {
        let directory = tempfile::tempdir().unwrap();
        let (policy, user) = policy(directory.path(), OriginAnswer::Always);
        let deadline = Deadline::minutes(1);
        let server = "https://s.example".parse().unwrap();
        // The permission to use the helper does not include attaching.
        assert!(policy.may_connect(&server, &deadline));
        assert!(policy.may_attach(&attach(Some("https://a.example")), &deadline));
        assert!(policy.may_attach(&attach(Some("https://a.example")), &deadline));
        assert_eq!(user.shown().len(), 2);
        assert!(policy.may_attach(&attach(Some("https://b.example")), &deadline));
        assert_eq!(user.shown().len(), 3);
        assert!(policy.origins.forget(&server).unwrap());
        assert!(policy.may_attach(&attach(Some("https://a.example")), &deadline));
        assert_eq!(user.shown().len(), 4);
    }

    #[test]
    fn attaching_is_asked_about_again_after_this_time_or_from_an_unknown_page() {
        let directory = tempfile::tempdir().unwrap();
        let deadline = Deadline::minutes(1);
        for (page, answer) in [
            (Some("https://a.example"), OriginAnswer::ThisTime),
            (None, OriginAnswer::Always),
        ] {
            let (policy, user) = policy(directory.path(), answer);
            assert!(policy.may_attach(&attach(page), &deadline));
            assert!(policy.may_attach(&attach(page), &deadline));
            assert_eq!(user.shown().len(), 2);
        }
        assert_eq!(OriginStore::new(directory.path()).list().unwrap(), []);
    }

    #[test]
    fn a_denied_request_is_notified_once() {
        let directory = tempfile::tempdir().unwrap();
        let (policy, user) = policy(directory.path(), OriginAnswer::Always);
        let question = attach(Some("https://a.example"));
        assert!(policy.deny(&question.request));
        assert!(!policy.deny(&question.request));
        assert!(!policy.may_attach(&question, &Deadline::minutes(1)));
        assert!(user.shown().is_empty());
    }

    #[test]
    fn a_second_page_is_rejected_while_a_prompt_is_open() {
        let directory = tempfile::tempdir().unwrap();
        let (policy, user) = policy(directory.path(), OriginAnswer::Always);
        let _open = policy.prompts.try_acquire().unwrap();
        assert!(!policy.may_connect(&"https://a.example".parse().unwrap(), &Deadline::minutes(1)));
        assert!(user.shown().is_empty());
    }
}

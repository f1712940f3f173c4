//! Checks tasks from servers: signed by the right key, for this page, not expired, and not used before.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use countersign_protocol::{
    Timestamp,
    cvc::Fingerprint,
    digest::Sha256Digest,
    dsse::{Envelope, EnvelopeError},
    helper::HelperError,
    task::{ServerTask, Task},
};

use crate::{
    advice,
    origin::{Origin, OriginStore},
};

/// The server that signed a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Display name, as the server states it.
    pub name: String,
    /// The page's origin, as the browser reports it.
    pub origin: Origin,
    pub key: Fingerprint,
    /// Whether the key is not pinned yet.
    pub first_contact: bool,
}

/// A task that passed all checks. Only `TaskGuard::check` creates one.
#[derive(Clone, Debug)]
pub struct CheckedTask {
    pub server: Server,
    pub task: Task,
    digest: Sha256Digest,
    expires_at: Timestamp,
}

/// Checks tasks and remembers the ones that the user has answered.
#[derive(Default)]
pub struct TaskGuard {
    answered: Mutex<HashMap<Sha256Digest, Timestamp>>,
}

impl TaskGuard {
    /// Checks everything that can be checked before a prompt. The cheapest and most specific checks come first.
    pub(crate) fn check(
        &self,
        envelope: &Envelope,
        origin: &Origin,
        origins: &OriginStore,
    ) -> Result<CheckedTask, HelperError> {
        // The payload names the key that verifies it. It is trusted only if it is the pinned one or the user accepts it.
        let claimed: ServerTask = envelope.peek().map_err(unreadable)?;
        let signed: ServerTask = envelope.verify(&claimed.server.key).map_err(unreadable)?;
        if signed.server.origin != origin.as_str() {
            return Err(advice::task_refused(format!(
                "This request was issued for {} but came from {origin}.",
                crate::prompt::text::printable(&signed.server.origin)
            )));
        }
        if signed.expires_at <= Timestamp::now() {
            return Err(advice::task_refused(
                "This request has expired. Reload the page; if it happens again, check this computer's clock.",
            ));
        }
        let key = signed.server.key.fingerprint();
        let pinned = origins
            .find(origin)
            .map_err(advice::internal)?
            .and_then(|known| known.server_key);
        let first_contact = match pinned {
            Some(pinned) if pinned == key => false,
            Some(pinned) => return Err(advice::server_key_changed(origin, &pinned, &key)),
            None if matches!(signed.task, Task::LogIn { .. } | Task::Enrol { .. }) => true,
            None => return Err(advice::server_unknown(origin)),
        };
        let digest = Sha256Digest::of(envelope.payload.as_bytes());
        if self.was_answered(&digest) {
            return Err(advice::task_refused(
                "This request was already answered. Reload the page to get a new one.",
            ));
        }
        Ok(CheckedTask {
            server: Server {
                name: signed.server.name,
                origin: origin.clone(),
                key,
                first_contact,
            },
            task: signed.task,
            digest,
            expires_at: signed.expires_at,
        })
    }

    /// Records that the user has answered, so that the same task never opens a prompt again.
    pub(crate) fn mark_answered(&self, task: &CheckedTask) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Timestamp::now();
        answered.retain(|_, expires_at| *expires_at > now);
        answered.insert(task.digest, task.expires_at);
    }

    fn was_answered(&self, digest: &Sha256Digest) -> bool {
        self.answered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(digest)
    }
}

fn unreadable(error: EnvelopeError) -> HelperError {
    match error {
        EnvelopeError::WrongSignature(_)
        | EnvelopeError::SignatureCount(_)
        | EnvelopeError::NotCanonical(_) => {
            advice::task_refused("This request isn't signed with the server key that it names.")
        }
        EnvelopeError::WrongType { .. } | EnvelopeError::Malformed(_) => {
            advice::task_refused(format!(
                "The helper can't read this request: {error}. Update the helper if the server is newer."
            ))
        }
    }
}

//! Tasks from servers: accepted only if signed by the right key, for this page, in time, and once.

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
    origin::{Origin, OriginBook},
};

/// The server that gave a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Name for people; the server's own words.
    pub name: String,
    /// The page's origin, as the browser told it.
    pub origin: Origin,
    /// Identity key.
    pub key: Fingerprint,
    /// The key is not pinned yet.
    pub first_contact: bool,
}

/// A task that was checked. Only [`TaskGuard::check`] makes one.
#[derive(Clone, Debug)]
pub struct CheckedTask {
    /// Who gave it.
    pub server: Server,
    /// What is to be done.
    pub task: Task,
    digest: Sha256Digest,
    expires_at: Timestamp,
}

/// Checks tasks and remembers those that were answered.
#[derive(Default)]
pub struct TaskGuard {
    answered: Mutex<HashMap<Sha256Digest, Timestamp>>,
}

impl TaskGuard {
    /// Everything that must hold before the user is asked. The cheapest and most telling checks come first.
    pub(crate) fn check(
        &self,
        envelope: &Envelope,
        origin: &Origin,
        book: &OriginBook,
    ) -> Result<CheckedTask, HelperError> {
        // Which key to verify with is in the payload: it counts only once it is the pinned one, or the user accepts it.
        let claimed: ServerTask = envelope.peek().map_err(unreadable)?;
        let signed: ServerTask = envelope.verify(&claimed.server.key).map_err(unreadable)?;
        if signed.server.origin != origin.as_str() {
            return Err(advice::task_refused(format!(
                "This request was made for {}, not for {origin}: a page is passing on what isn't its own.",
                crate::prompt::text::printable(&signed.server.origin)
            )));
        }
        if signed.expires_at <= Timestamp::now() {
            return Err(advice::task_refused(
                "This request is too old. Reload the page; if it happens again, check this computer's clock.",
            ));
        }
        let key = signed.server.key.fingerprint();
        let known = book
            .find(origin)
            .map_err(advice::internal)?
            .and_then(|known| known.server_key);
        let first_contact = match known {
            Some(known) if known == key => false,
            Some(known) => return Err(advice::server_key_changed(origin, &known, &key)),
            None if matches!(signed.task, Task::LogIn { .. } | Task::Enrol { .. }) => true,
            None => return Err(advice::server_unknown(origin)),
        };
        let digest = Sha256Digest::of(envelope.payload.as_bytes());
        if self.was_answered(&digest) {
            return Err(advice::task_refused(
                "This request was answered already. Reload the page to get a new one.",
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

    /// The user answered: the same task never raises a prompt again.
    pub(crate) fn answered(&self, task: &CheckedTask) {
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
        EnvelopeError::WrongSignature(_) | EnvelopeError::SignatureCount(_) => {
            advice::task_refused("This request isn't signed by the server that it names.")
        }
        EnvelopeError::WrongType { .. } | EnvelopeError::Malformed(_) => {
            advice::task_refused(format!(
                "The helper can't read this request ({error}). Update the helper if the server is newer."
            ))
        }
    }
}

//! What the user consented to. The text that is shown and the bytes that are signed come from the same value.

mod act;
mod approval;
mod enrolment;
mod login;
mod new_key;

use countersign_protocol::{
    Timestamp,
    cvc::{Chr, DeviceId, Fingerprint},
    helper::HelperError,
    words,
};

pub use act::ActRequest;
pub use approval::{ApprovalRequest, Elsewhere};
pub use enrolment::{EnrolmentRequest, KeyChoice};
pub use login::LoginRequest;
pub use new_key::NewKeyRequest;

use crate::{
    advice,
    prompt::{ConsentText, Deadline, PromptGuard},
    task::Server,
};

/// Something that needs the user's consent.
pub trait ConsentSubject {
    /// The text of the consent, with every fact that will be signed.
    fn text(&self) -> ConsentText;

    /// A consent that must be given first, if there is a reason to stop.
    fn before(&self) -> Option<ConsentText> {
        None
    }

    /// The error if the user cancels.
    fn cancelled(&self) -> HelperError {
        advice::cancelled()
    }
}

/// Proof that the user consented to exactly this subject. Only `Consent::obtain` and `Consent::again` create one.
#[derive(Debug)]
pub struct Consent<T>(T);

impl<T: ConsentSubject> Consent<T> {
    /// Shows the text and waits for the user's decision.
    pub(crate) fn obtain(
        subject: T,
        prompt: &PromptGuard<'_>,
        deadline: &Deadline,
    ) -> Result<Self, HelperError> {
        for text in subject.before().into_iter().chain([subject.text()]) {
            let consented = prompt.consent(&text, deadline);
            if !consented.map_err(advice::prompt_failed)? {
                return Err(subject.cancelled());
            }
        }
        Ok(Self(subject))
    }

    pub fn subject(&self) -> &T {
        &self.0
    }
}

/// The card and key that will sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    pub card: DeviceId,
    /// The card's label.
    pub label: String,
    pub key: Fingerprint,
    /// The key ID, if the card knows it.
    pub chr: Option<Chr>,
}

impl Signer {
    /// The key ID, or the beginning of the fingerprint if the card doesn't know the key ID.
    fn key_id(&self) -> String {
        match &self.chr {
            Some(chr) => chr.to_string(),
            None => self.key.short(),
        }
    }
}

impl std::fmt::Display for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (label, serial) = (&self.label, self.card.serial());
        write!(f, "\"{label}\", serial {serial}, key {}", self.key_id())
    }
}

/// A time to the minute.
fn minutes(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Adds the server and its key, with a warning if the key is going to be pinned.
fn with_server(text: ConsentText, server: &Server) -> ConsentText {
    let text = text
        .fact("Server", &format!("{} at {}", server.name, server.origin))
        .fact("Server key", &words::of_server_key(&server.key));
    if server.first_contact {
        text.warning(
            "First contact with this server. Compare the ten words of its key with those from your admin. If they match, \
             continue: the helper remembers this key and rejects any other key for this address.",
        )
    } else {
        text
    }
}

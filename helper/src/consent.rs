//! What the user agreed to. The text that is shown and the bytes that are signed come from the same value.

mod approval;
mod enrolment;
mod login;
mod new_key;

use countersign_protocol::{
    cvc::{Chr, DeviceId, Fingerprint},
    helper::HelperError,
};

pub use approval::ApprovalRequest;
pub use enrolment::{EnrolmentRequest, KeyChoice};
pub use login::LoginRequest;
pub use new_key::NewKeyRequest;

use crate::{
    advice,
    prompt::{ConsentText, Patience, Seat},
    task::Server,
};

/// Something that can be explained to the user.
pub trait Explained {
    /// The text of the consent, with every fact that will be signed.
    fn text(&self) -> ConsentText;
}

/// Proof that the user agreed to exactly this. Only [`Consent::ask`] (and [`Consent::again`]) make one.
#[derive(Debug)]
pub struct Consent<T>(T);

impl<T: Explained> Consent<T> {
    /// Shows the text and waits for the answer.
    pub(crate) fn ask(what: T, seat: &Seat<'_>, patience: &Patience) -> Result<Self, HelperError> {
        let agreed = seat.consent(&what.text(), patience);
        if agreed.map_err(advice::not_answered)? {
            Ok(Self(what))
        } else {
            Err(advice::declined())
        }
    }

    /// What was agreed to.
    pub fn what(&self) -> &T {
        &self.0
    }
}

/// The card and key that will sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The card.
    pub card: DeviceId,
    /// The card's label.
    pub label: String,
    /// The key's fingerprint.
    pub key: Fingerprint,
    /// The key's name.
    pub chr: Option<Chr>,
}

impl std::fmt::Display for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "card \"{}\" ({}), key ", self.label, self.card.serial())?;
        match &self.chr {
            Some(chr) => write!(f, "{chr}"),
            None => f.write_str(&self.key.short()),
        }
    }
}

/// Who asks: on first contact with the key that is going to be kept.
fn with_server(text: ConsentText, server: &Server) -> ConsentText {
    let text = text
        .fact("Server", &format!("{} at {}", server.name, server.origin))
        .fact("Server key", &server.key.words().join(" "));
    if server.first_contact {
        text.warning(
            "First contact: compare the six words of the server key with those that your admin gave you. \
             If you agree, the helper keeps this key and refuses any other for this address.",
        )
    } else {
        text
    }
}

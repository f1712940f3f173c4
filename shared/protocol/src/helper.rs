//! Messages between portal and helper: JSON text frames on a loopback WebSocket.
//!
//! The portal sends [`Request`]s; the helper answers each with one [`Message::Reply`] of the same `id` and may send
//! [`Message::Progress`] and [`Message::CardsChanged`] in between. Nothing here carries a PIN or a hash to be signed.

use countersign_cvc::{Chr, DeviceId, Fingerprint};
use serde::{Deserialize, Serialize};

use crate::{activation::ApprovalEvidence, dsse::Envelope, encoding::Base64};

/// Version of these messages. A helper answers [`Operation::Hello`] of another version with
/// [`HelperErrorCode::Version`].
pub const HELPER_PROTOCOL: u32 = 1;

/// Portal to helper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the portal; repeated in the reply.
    pub id: u64,
    /// What is asked.
    #[serde(flatten)]
    pub operation: Operation,
}

/// What a portal may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Operation {
    /// First message of every connection. Answer: [`Answer::Hello`].
    Hello {
        /// [`HELPER_PROTOCOL`].
        protocol: u32,
    },
    /// Cards and their keys. Answer: [`Answer::Cards`].
    ListCards,
    /// Sign a log-in statement. Answer: [`Answer::Statement`].
    LogIn {
        /// The server's [`crate::task::Task::LogIn`].
        task: Envelope,
        /// With which key.
        key: Fingerprint,
    },
    /// Enrol a key. Answer: [`Answer::Enrolled`].
    Enrol {
        /// The server's [`crate::task::Task::Enrol`].
        task: Envelope,
        /// On which card.
        card: DeviceId,
        /// Which key.
        key: EnrolKey,
    },
    /// Approve an activation: consent, PIN, approval statement, PKA response. Answer: [`Answer::Approved`].
    /// The PIN session stays for [`Operation::ApproveAgain`] until [`Operation::Finish`] or a minute has passed.
    Approve {
        /// The server's [`crate::task::Task::Approve`].
        task: Envelope,
    },
    /// The HSM wants a fresh challenge: the same terms once more, in the same PIN session and consent.
    /// Answer: [`Answer::Approved`].
    ApproveAgain {
        /// As before, with another challenge.
        task: Envelope,
    },
    /// End the PIN session. Answer: [`Answer::Finished`].
    Finish,
}

/// Which key is enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum EnrolKey {
    /// A key that is on the card.
    Existing {
        /// Which.
        fingerprint: Fingerprint,
    },
    /// A new key, brainpoolP256r1.
    Generate {
        /// Its label on the card.
        label: String,
        /// Its name; 2 letters country, 1 to 9 characters, 5 characters sequence.
        chr: Chr,
    },
}

/// Helper to portal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Message {
    /// The answer to a request.
    Reply {
        /// The request's id.
        id: u64,
        /// The result.
        result: Result<Answer, HelperError>,
    },
    /// What the helper is waiting for.
    Progress {
        /// The request's id.
        id: u64,
        /// The step.
        step: Step,
    },
    /// A card was inserted or removed: list again.
    CardsChanged,
}

/// Answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Operation::Hello`].
    Hello {
        /// Version of the helper program.
        version: String,
        /// [`HELPER_PROTOCOL`].
        protocol: u32,
        /// Simulated cards are in use.
        demo: bool,
    },
    /// To [`Operation::ListCards`].
    Cards {
        /// Readers; an empty list means that there is no reader.
        readers: Vec<ReaderView>,
    },
    /// To [`Operation::LogIn`].
    Statement {
        /// The signed statement.
        statement: Envelope,
    },
    /// To [`Operation::Enrol`].
    Enrolled {
        /// The `.pka` triple.
        pka: Base64,
        /// The signed [`crate::statement::EnrolmentStatement`].
        statement: Envelope,
    },
    /// To [`Operation::Approve`] and [`Operation::ApproveAgain`].
    Approved {
        /// What to send to the server.
        evidence: Box<ApprovalEvidence>,
    },
    /// To [`Operation::Finish`].
    Finished,
}

/// What the helper is doing for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The helper's consent window is open.
    WaitingForConsent,
    /// The PIN prompt is open.
    WaitingForPin,
    /// The card generates a key; may take a minute.
    GeneratingKey,
    /// The card signs.
    Signing,
}

/// A reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReaderView {
    /// Name.
    pub name: String,
    /// What is in it.
    pub card: CardState,
}

/// What is in a reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum CardState {
    /// Nothing.
    Empty,
    /// Not a SmartCard-HSM, or one that cannot be used.
    Unusable {
        /// Why, and what to do.
        why: String,
    },
    /// A verified SmartCard-HSM.
    Ready(CardView),
}

/// A verified card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CardView {
    /// CHR of its device certificate.
    pub device: DeviceId,
    /// Label.
    pub label: String,
    /// Name of the trust anchor.
    pub anchor: String,
    /// Firmware version.
    pub version: Option<String>,
    /// The PIN.
    pub pin: PinState,
    /// Keys on it.
    pub keys: Vec<CardKeyView>,
}

/// State of a card's PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum PinState {
    /// Usable.
    Ready {
        /// Tries left, if the card tells.
        tries: Option<u8>,
    },
    /// Blocked.
    Blocked,
    /// None set: initialise the card.
    NotSet,
    /// The initial PIN must be changed first.
    Transport,
}

/// A key on a card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CardKeyView {
    /// SHA-256 over the SubjectPublicKeyInfo.
    pub fingerprint: Fingerprint,
    /// Label.
    pub label: String,
    /// Name in its certificate request.
    pub chr: Option<Chr>,
    /// "EC brainpoolP256r1".
    pub kind: String,
    /// Why it can't be a custodian key; `None`: it can.
    pub unsuitable: Option<String>,
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct HelperError {
    /// For programs.
    pub code: HelperErrorCode,
    /// For people: what happened and what to do.
    pub message: String,
}

/// Kinds of [`HelperError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HelperErrorCode {
    /// Other protocol version, or no hello.
    Version,
    /// Message not understood.
    Invalid,
    /// The task is not signed by the pinned server, expired, or for another origin.
    TaskRefused,
    /// The user said no.
    Declined,
    /// The user could not be asked: the prompt program is missing or failed.
    PromptFailed,
    /// The user did not answer in time.
    Unanswered,
    /// The user closed the PIN prompt.
    PinCancelled,
    /// Wrong PIN.
    PinWrong,
    /// PIN blocked.
    PinBlocked,
    /// No such card or key here.
    CardMissing,
    /// The card or key can't do it.
    CardRefused,
    /// Card removed or reader failed.
    CardLost,
    /// Another request is being handled.
    Busy,
    /// The helper failed.
    Internal,
}

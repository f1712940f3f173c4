//! Messages between portal and helper: JSON in text frames of a loopback WebSocket.
//!
//! The portal sends [`Request`]s. The helper answers each with one [`Message::Reply`] of the same `id`, and may send
//! [`Message::Progress`] and [`Message::CardsChanged`] before that. No message carries a PIN or a hash to be signed.

use countersign_cvc::{Chr, DeviceId, Fingerprint};
use serde::{Deserialize, Serialize};

use crate::{activation::SignedApproval, dsse::Envelope, encoding::Base64};

/// The version of these messages. A helper answers [`Operation::Hello`] of another version with
/// [`HelperErrorCode::Version`].
pub const HELPER_PROTOCOL: u32 = 1;

/// A request of the portal to the helper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// A number that the portal chooses and the reply repeats.
    pub id: u64,
    /// The requested operation.
    #[serde(flatten)]
    pub operation: Operation,
}

/// The operations that a portal can request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Operation {
    /// Begins every connection. The answer is [`Answer::Hello`].
    Hello {
        /// The portal's [`HELPER_PROTOCOL`].
        protocol: u32,
    },
    /// Lists the cards and their keys. The answer is [`Answer::Cards`].
    ListCards,
    /// Signs a log-in statement. The answer is [`Answer::Statement`].
    LogIn {
        /// The server's [`crate::task::Task::LogIn`].
        task: Envelope,
        /// The key that signs.
        key: Fingerprint,
    },
    /// Enrols a key. The answer is [`Answer::Enrolled`].
    Enrol {
        /// The server's [`crate::task::Task::Enrol`].
        task: Envelope,
        /// The card that holds the key.
        card: DeviceId,
        /// The key to enrol.
        key: EnrolKey,
    },
    /// Signs an act. The answer is [`Answer::Statement`].
    SignAct {
        /// The server's [`crate::task::Task::SignAct`].
        task: Envelope,
    },
    /// Approves an activation: the user consents and enters the PIN, and the card signs the approval statement and the
    /// PKA response. The answer is [`Answer::Approved`]. The PIN session stays open for [`Operation::ApproveAgain`]
    /// until [`Operation::Finish`], for at most a minute.
    Approve {
        /// The server's [`crate::task::Task::Approve`].
        task: Envelope,
    },
    /// Approves once more under the same consent and in the same PIN session, because the HSM requires a fresh
    /// challenge or another HSM of the pool is to be opened. The answer is [`Answer::Approved`].
    ApproveAgain {
        /// A new [`crate::task::Task::Approve`] of the same request.
        task: Envelope,
    },
    /// Ends the PIN session. The answer is [`Answer::Finished`].
    Finish,
}

/// The key that is enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum EnrolKey {
    /// A key that is already on the card.
    Existing {
        /// The fingerprint of the key.
        fingerprint: Fingerprint,
    },
    /// A new key on brainpoolP256r1.
    Generate {
        /// The label of the key on the card.
        label: String,
        /// The name of the key: a country code of 2 letters, 1 to 9 characters, and a sequence number of 5 characters.
        chr: Chr,
    },
}

/// A message of the helper to the portal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Message {
    /// The answer to a request.
    Reply {
        /// The id of the request.
        id: u64,
        /// The result of the operation.
        result: Result<Answer, HelperError>,
    },
    /// A request has reached another step.
    Progress {
        /// The id of the request.
        id: u64,
        /// The current step.
        step: Step,
    },
    /// A card was inserted or removed, so the portal has to list the cards again.
    CardsChanged,
}

/// The results of the operations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Answer {
    /// The answer to [`Operation::Hello`].
    Hello {
        /// The version of the helper program.
        version: String,
        /// The helper's [`HELPER_PROTOCOL`].
        protocol: u32,
        /// Whether the helper uses simulated cards.
        demo: bool,
    },
    /// The answer to [`Operation::ListCards`].
    Cards {
        /// The readers. The list is empty if the computer has no reader.
        readers: Vec<ReaderView>,
    },
    /// The answer to [`Operation::LogIn`] and [`Operation::SignAct`].
    Statement {
        /// The signed statement.
        statement: Envelope,
    },
    /// The answer to [`Operation::Enrol`].
    Enrolled {
        /// The `.pka` file of the key.
        pka: Base64,
        /// The signed [`crate::statement::EnrolmentStatement`].
        statement: Envelope,
    },
    /// The answer to [`Operation::Approve`] and [`Operation::ApproveAgain`].
    Approved {
        /// What the portal sends to the server.
        approval: Box<SignedApproval>,
    },
    /// The answer to [`Operation::Finish`].
    Finished,
}

/// The step in which a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The consent window is open.
    WaitingForConsent,
    /// The PIN window is open.
    WaitingForPin,
    /// The card generates a key, which can take a minute.
    GeneratingKey,
    /// The card signs.
    Signing,
}

/// A card reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReaderView {
    /// The name of the reader.
    pub name: String,
    /// The card in the reader.
    pub card: CardState,
}

/// The state of a reader's slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum CardState {
    /// The reader is empty.
    Empty,
    /// The card is not a SmartCard-HSM, or it cannot be used.
    Unusable {
        /// The cause and what to do about it, in words.
        why: String,
    },
    /// The card is a verified SmartCard-HSM.
    Ready(CardView),
}

/// A verified card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CardView {
    /// The CHR of the device certificate.
    pub device: DeviceId,
    /// The label of the card.
    pub label: String,
    /// The name of the trust anchor that certifies the card.
    pub anchor: String,
    /// The version of the firmware.
    pub version: Option<String>,
    /// The state of the PIN.
    pub pin: PinState,
    /// The keys on the card.
    pub keys: Vec<CardKeyView>,
}

/// The state of a card's PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum PinState {
    /// The PIN can be used.
    Ready {
        /// The number of tries that are left, if the card reports it.
        tries: Option<u8>,
    },
    /// The PIN is blocked.
    Blocked,
    /// The card has no PIN and has to be initialised.
    NotSet,
    /// The card has a transport PIN, which has to be changed first.
    Transport,
}

/// A key on a card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CardKeyView {
    /// SHA-256 over the SubjectPublicKeyInfo.
    pub fingerprint: Fingerprint,
    /// The label of the key.
    pub label: String,
    /// The name of the key in its certificate request.
    pub chr: Option<Chr>,
    /// The type of the key, such as "EC brainpoolP256r1".
    pub kind: String,
    /// The reason why the key cannot be enrolled, or `None` if it can.
    pub unsuitable: Option<String>,
}

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct HelperError {
    /// The kind of the error, for programs.
    pub code: HelperErrorCode,
    /// What happened and what to do about it, for the user.
    pub message: String,
}

/// The kinds of [`HelperError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HelperErrorCode {
    /// The portal's protocol version is another one, or the connection did not begin with [`Operation::Hello`].
    Version,
    /// The message is malformed.
    Invalid,
    /// The task is not signed by the pinned server key, has expired, or belongs to another origin.
    TaskRejected,
    /// The user cancelled in the consent window.
    Cancelled,
    /// The prompt program is missing or failed.
    PromptFailed,
    /// The user did not answer in time.
    Unanswered,
    /// The user closed the PIN window.
    PinCancelled,
    /// The PIN is wrong.
    PinWrong,
    /// The PIN is blocked.
    PinBlocked,
    /// The card or the key is not connected to this computer.
    CardMissing,
    /// The card refused the operation, or the key is unsuitable.
    CardRefused,
    /// The card was removed, or the reader failed.
    CardLost,
    /// The helper is processing another request.
    Busy,
    /// The helper failed.
    Internal,
}

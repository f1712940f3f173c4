//! People, their roles, invitations, and their keys.

use countersign_cvc::{Chr, DeviceId, Fingerprint, PublicKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    dsse::Envelope,
    encoding::Base64,
    id::{InvitationId, OperatorId},
};

/// What an operator may do. One person may have several roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Invites people, confirms and registers keys, manages HSMs and tokens.
    Admin,
    /// Holds one of the keys that open a signing HSM.
    Custodian,
    /// Asks for activations and signs under them.
    Requester,
    /// Reads everything, changes nothing.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Custodian, Self::Requester, Self::Auditor];

    /// Name on the wire and for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Custodian => "custodian",
            Self::Requester => "requester",
            Self::Auditor => "auditor",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Not a role.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no role; roles are admin, custodian, requester and auditor")]
pub struct UnknownRole(String);

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// A person in a statement or a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Person {
    /// Id.
    pub id: OperatorId,
    /// Name.
    pub name: String,
}

/// An operator as admins see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperatorView {
    /// Who.
    #[serde(flatten)]
    pub person: Person,
    /// Mail address, if known.
    pub mail: Option<String>,
    /// Roles.
    pub roles: Vec<Role>,
    /// The enrolled key.
    pub key: EnrolledKey,
    /// Where the key stands.
    pub status: KeyStatus,
    /// When the person enrolled.
    pub enrolled_at: Timestamp,
}

/// Whether another admin has confirmed a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum KeyStatus {
    /// Attested, but nobody has compared the fingerprint yet: the key is good for nothing.
    AwaitingConfirmation,
    /// Confirmed.
    Confirmed {
        /// By whom; `None` for the first admin, whom nobody could confirm.
        by: Option<Person>,
        /// When.
        at: Timestamp,
    },
    /// Not usable any more.
    Revoked {
        /// By whom.
        by: Person,
        /// When.
        at: Timestamp,
    },
}

/// A key proven to live on a genuine card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnrolledKey {
    /// SHA-256 over the SubjectPublicKeyInfo.
    pub fingerprint: Fingerprint,
    /// The fingerprint as six words, to be read out over the phone.
    pub words: Vec<String>,
    /// Name of the key in its certificate request.
    pub chr: Chr,
    /// The key.
    pub public_key: PublicKey,
    /// The card it lives on.
    pub device: DeviceId,
    /// Name of the trust anchor that vouches for the card.
    pub anchor: String,
}

/// `POST /api/v1/invitations`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewInvitation {
    /// Name of the person.
    pub name: String,
    /// Mail address, for the admin's memory.
    #[serde(default)]
    pub mail: Option<String>,
    /// Roles that the person will have.
    pub roles: Vec<Role>,
}

/// Answer to [`NewInvitation`]: the only time the code is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedInvitation {
    /// The invitation.
    pub invitation: InvitationView,
    /// One-time link; the code stands behind `#`, so it reaches no server log.
    pub link: String,
}

/// An invitation as admins see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InvitationView {
    /// Id.
    pub id: InvitationId,
    /// Name of the person.
    pub name: String,
    /// Mail address.
    pub mail: Option<String>,
    /// Roles.
    pub roles: Vec<Role>,
    /// Where it stands.
    pub status: InvitationStatus,
    /// When the link stops working.
    pub expires_at: Timestamp,
}

/// Life of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InvitationStatus {
    /// Link handed out.
    Sent,
    /// Link opened.
    Opened,
    /// A key was enrolled.
    Accepted,
    /// Withdrawn by an admin.
    Revoked,
    /// Nobody came in time.
    Expired,
}

/// `POST /api/v1/bootstrap`: the first admin, with the code that the server printed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// One-time code.
    pub code: String,
    /// Name of the first admin.
    pub name: String,
    /// Mail address.
    #[serde(default)]
    pub mail: Option<String>,
}

/// `POST /api/v1/enrolment/open`: shows an invitation and asks for the task to sign.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenInvitation {
    /// The code behind `#` in the link.
    pub code: String,
}

/// Answer to [`OpenInvitation`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenedInvitation {
    /// The invitation.
    pub invitation: InvitationView,
    /// A [`crate::task::Task::Enrol`] for the helper.
    pub task: Envelope,
}

/// `POST /api/v1/enrolment`: the key and its evidence.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// The code of the invitation.
    pub code: String,
    /// The `.pka` triple, as made by the helper, Smart Card Shell or sc-hsm-tool.
    pub pka: Base64,
    /// [`crate::statement::EnrolmentStatement`]; without it (an uploaded file) a confirmation by an admin is
    /// always needed.
    #[serde(default)]
    pub statement: Option<Envelope>,
}

/// `POST /api/v1/operators/{id}/confirm`: the admin compared this fingerprint with the person.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmKey {
    /// The fingerprint that was compared.
    pub fingerprint: Fingerprint,
}

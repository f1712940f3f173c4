//! People, their roles, their keys, and invitations.

use countersign_cvc::{Chr, DeviceId, Fingerprint, PublicKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    dsse::Envelope,
    encoding::Base64,
    id::{InvitationId, OperatorId},
};

/// What a person may do. A person can have several roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Invites people, confirms and registers keys, and manages HSMs and tokens.
    Admin,
    /// Holds one of the keys that open a signing HSM.
    Custodian,
    /// Requests activations and signs under them.
    Requester,
    /// Reads everything and changes nothing.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Custodian, Self::Requester, Self::Auditor];

    /// The name on the wire and on screens.
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

/// A text that is not the name of a role.
#[derive(Debug, thiserror::Error)]
#[error("unknown role `{0}`: expected admin, custodian, requester or auditor")]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Person {
    /// The identifier of the person.
    pub id: OperatorId,
    /// The name of the person.
    pub name: String,
}

/// A person as admins see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OperatorView {
    /// The person.
    #[serde(flatten)]
    pub person: Person,
    /// The email address, if it is known.
    pub mail: Option<String>,
    /// The roles of the person.
    pub roles: Vec<Role>,
    /// The enrolled key.
    pub key: EnrolledKey,
    /// Whether the key can be used.
    pub status: KeyStatus,
    /// The time of the enrolment.
    pub enrolled_at: Timestamp,
}

/// Whether an admin has confirmed a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum KeyStatus {
    /// No admin has compared the fingerprint yet, so the key cannot be used.
    AwaitingConfirmation,
    /// The key is confirmed and can be used.
    Confirmed {
        /// The admin who confirmed the key. It is `None` for the first admin, because no other admin existed.
        by: Option<Person>,
        /// The time of the confirmation.
        at: Timestamp,
    },
    /// The key was revoked and cannot be used.
    Revoked {
        /// The admin who revoked the key.
        by: Person,
        /// The time of the revocation.
        at: Timestamp,
    },
}

/// An enrolled key, which is attested to be on a genuine card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct EnrolledKey {
    /// SHA-256 over the SubjectPublicKeyInfo.
    pub fingerprint: Fingerprint,
    /// The fingerprint as six words, which people compare by phone.
    pub words: Vec<String>,
    /// The name of the key in its certificate request.
    pub chr: Chr,
    /// The public key.
    pub public_key: PublicKey,
    /// The card that holds the key.
    pub device: DeviceId,
    /// The name of the trust anchor that certifies the card.
    pub anchor: String,
}

/// The act that invites a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewInvitation {
    /// The name of the person.
    pub name: String,
    /// The email address, which is only recorded: the server sends no email.
    #[serde(default)]
    pub mail: Option<String>,
    /// The roles that the person will have.
    pub roles: Vec<Role>,
}

/// The result of [`NewInvitation`], and the only message that contains the code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreatedInvitation {
    /// The invitation.
    pub invitation: InvitationView,
    /// The one-time link. The code follows the `#`, so that it does not reach server logs.
    pub link: String,
}

/// An invitation as admins see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct InvitationView {
    /// The identifier of the invitation.
    pub id: InvitationId,
    /// The name of the person.
    pub name: String,
    /// The email address, if one was recorded.
    pub mail: Option<String>,
    /// The roles that the person will have.
    pub roles: Vec<Role>,
    /// The current state.
    pub status: InvitationStatus,
    /// The time at which the link expires.
    pub expires_at: Timestamp,
}

/// The state of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum InvitationStatus {
    /// The link was created.
    Sent,
    /// The link was opened.
    Opened,
    /// The person enrolled a key.
    Accepted,
    /// An admin revoked the invitation.
    Revoked,
    /// The link expired before the person enrolled a key.
    Expired,
}

/// The body of `POST /api/v1/bootstrap`, which creates the first admin.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// The one-time code that the server printed.
    pub code: String,
    /// The name of the first admin.
    pub name: String,
    /// The email address, which is only recorded.
    #[serde(default)]
    pub mail: Option<String>,
}

/// The body of `POST /api/v1/enrolment/open`, which returns an invitation and the task to sign.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OpenInvitation {
    /// The code that follows the `#` in the link.
    pub code: String,
}

/// The response to [`OpenInvitation`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OpenedInvitation {
    /// The invitation.
    pub invitation: InvitationView,
    /// The task for the helper.
    pub task: Envelope,
}

/// The body of `POST /api/v1/enrolment`: the key and its attestation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// The code of the invitation.
    pub code: String,
    /// The `.pka` file, which the helper, Smart Card Shell or sc-hsm-tool creates.
    pub pka: Base64,
    /// The signed enrolment. Without it, as with an uploaded file, an admin always has to
    /// confirm the key.
    #[serde(default)]
    pub statement: Option<Envelope>,
}

/// The act that confirms a key after the comparison of its fingerprint.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ConfirmKey {
    /// The owner of the key.
    pub person: OperatorId,
    /// The fingerprint that the admin compared.
    pub fingerprint: Fingerprint,
}

//! Acts: changes that weaken what protects the signing keys. A session is not enough for them: the person's card signs each act,
//! and some acts need the cards of two admins.

use countersign_cvc::{DeviceId, Fingerprint};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    activation::{HsmName, Quorum},
    digest::Sha256Digest,
    dsse::{Envelope, canonical_digest},
    hsm::{InitialiseHsm, RegisterCustodian},
    id::{ActId, HsmId},
    operator::{ConfirmKey, CreatedInvitation, NewInvitation, Person, Role},
    purpose::KeyName,
    remote::AcceptDevice,
    text::{all_of, count},
    token::{CreatedToken, NewToken},
};

/// The body of `POST /api/v1/acts`. The server adds the facts that the signers have to know, and makes an [`Act`] of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum NewAct {
    /// Invite a person.
    InvitePerson(NewInvitation),
    /// Confirm an enrolled key after its fingerprint was compared.
    ConfirmKey(ConfirmKey),
    /// Register the confirmed key of a custodian in an HSM.
    RegisterCustodian(RegisterCustodian),
    /// Erase an HSM and set its quorum.
    InitialiseHsm(InitialiseHsm),
    /// Accept a device that is attached from afar as a signing HSM.
    AcceptDevice(AcceptDevice),
    /// Create an API token for the person who signs.
    CreateToken(NewToken),
    /// Let requesters use an RSA key without a hash or padding that the server could check.
    AllowRawRsa(AllowRawRsa),
}

/// The key for which [`NewAct::AllowRawRsa`] allows raw RSA.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AllowRawRsa {
    /// The signing key.
    pub key: Fingerprint,
}

/// An act with all facts that its signers see and sign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Act {
    /// Create a link with which somebody can enrol a key.
    InvitePerson {
        /// The name that the person will have.
        name: String,
        /// The roles that the person will have.
        roles: Vec<Role>,
    },
    /// Let a person use the key that they enrolled.
    ConfirmKey {
        /// The owner of the key.
        person: Person,
        /// The roles of the person.
        roles: Vec<Role>,
        /// The key.
        key: Fingerprint,
        /// The card that holds the key.
        device: DeviceId,
    },
    /// Register a custodian's key in an HSM.
    RegisterCustodian {
        /// The HSM.
        hsm: HsmName,
        /// The quorum of the HSM.
        quorum: Quorum,
        /// The custodian.
        person: Person,
        /// The key.
        key: Fingerprint,
    },
    /// Erase an HSM and set its quorum.
    #[serde(rename_all = "camelCase")]
    InitialiseHsm {
        /// The HSM.
        hsm: HsmName,
        /// The quorum that the HSM will have.
        quorum: Quorum,
        /// Whether registered keys can be replaced later.
        allow_replace: bool,
        /// The signing keys that the HSM holds, which are destroyed.
        destroys: Vec<HeldKey>,
    },
    /// Make a device that is attached from afar a signing HSM of this server.
    AcceptDevice {
        /// The device.
        device: DeviceId,
        /// The name that the HSM will have.
        hsm: HsmId,
    },
    /// Create an API token, with which programs can request signatures.
    CreateToken {
        /// The label of the token.
        label: String,
        /// The person for whom the token acts, who is also the one who signs.
        owner: Person,
        /// The labels or fingerprints of the keys that the token may request. An empty list means every key.
        keys: Vec<String>,
        /// The lifetime in days.
        days: u16,
        /// SHA-256 over the DER of the client certificate that can be used in place of the secret.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate: Option<Sha256Digest>,
    },
    /// Allow raw RSA with a key.
    AllowRawRsa {
        /// The key.
        key: KeyName,
    },
}

/// A signing key that an HSM holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct HeldKey {
    /// The label on the HSM.
    pub label: String,
    /// SHA-256 over the SubjectPublicKeyInfo, if the public key is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
}

impl Act {
    /// What is done, as the beginning of a sentence, such as "Invite Ben as custodian".
    pub fn in_words(&self) -> String {
        match self {
            Self::InvitePerson { name, roles } => format!("Invite {name} as {}", named(roles)),
            Self::ConfirmKey { person, roles, .. } => {
                format!("Confirm the key of {} ({})", person.name, named(roles))
            }
            Self::RegisterCustodian { hsm, person, .. } => {
                format!("Register the key of {} on HSM {}", person.name, hsm.id)
            }
            Self::InitialiseHsm { hsm, quorum, .. } => {
                format!("Erase HSM {} and set it up as {quorum}", hsm.id)
            }
            Self::AcceptDevice { device, hsm } => format!("Accept device {device} as HSM {hsm}"),
            Self::CreateToken { label, days, .. } => {
                format!(
                    "Create the API token \"{label}\" for {}",
                    count(*days, "day")
                )
            }
            Self::AllowRawRsa { key } => format!("Allow raw RSA with the key \"{}\"", key.label),
        }
    }

    /// What becomes possible or is lost, in one or two sentences.
    pub fn consequence(&self) -> String {
        match self {
            Self::InvitePerson { roles, .. } => {
                let needs = if roles.contains(&Role::Admin) {
                    "An admin can sign acts such as this one. "
                } else {
                    ""
                };
                format!(
                    "{needs}Whoever has the link can enrol a key under this name. An admin has to confirm that key before it can be used."
                )
            }
            Self::ConfirmKey { .. } => {
                "The holder of this card can then log in and use these roles.".to_owned()
            }
            Self::RegisterCustodian { quorum, .. } => format!(
                "The holder of this card is then one of the {} custodians, {} of whom open the HSM. The registration cannot be undone unless the HSM is erased.",
                quorum.total, quorum.required
            ),
            Self::InitialiseHsm {
                quorum, destroys, ..
            } => {
                let lost = if destroys.is_empty() {
                    "The HSM holds no signing keys.".to_owned()
                } else {
                    format!(
                        "This destroys {} for good.",
                        count(destroys.len(), "signing key")
                    )
                };
                let opens = match quorum.required {
                    1 => "any ONE of them opens it alone".to_owned(),
                    required => format!("{required} of them open it together"),
                };
                format!(
                    "{lost} Afterwards {} can be registered, and {opens}.",
                    count(quorum.total, "custodian")
                )
            }
            Self::AcceptDevice { .. } => {
                "Whoever holds the machine of this device can use its keys while the quorum has opened it.".to_owned()
            }
            Self::CreateToken { keys, .. } => {
                let which = if keys.is_empty() { "every key" } else { "these keys" };
                format!(
                    "Whoever has the token can request signatures with {which} in your name, which custodians have to approve."
                )
            }
            Self::AllowRawRsa { .. } => {
                "The server can no longer check what is signed with this key under an approval for any content.".to_owned()
            }
        }
    }

    /// The role that a signer needs.
    pub const fn signer_role(&self) -> Role {
        match self {
            Self::CreateToken { .. } => Role::Requester,
            _ => Role::Admin,
        }
    }

    /// Whether two admins have to sign, if there are two.
    pub fn needs_two(&self) -> bool {
        match self {
            Self::RegisterCustodian { .. }
            | Self::InitialiseHsm { .. }
            | Self::AcceptDevice { .. }
            | Self::AllowRawRsa { .. } => true,
            Self::ConfirmKey { roles, .. } => roles.contains(&Role::Admin),
            Self::InvitePerson { .. } | Self::CreateToken { .. } => false,
        }
    }
}

fn named(roles: &[Role]) -> String {
    let roles: Vec<_> = roles.iter().map(|role| role.as_str().to_owned()).collect();
    all_of(&roles)
}

/// An act as its signers sign it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ActTerms {
    /// The identifier of the act, which the server uses once.
    pub id: ActId,
    /// The act.
    pub act: Act,
    /// The person who proposed the act.
    pub proposer: Person,
    /// The number of people who have to sign: 1 or 2.
    pub signatures: u8,
    /// The time at which the act was proposed.
    pub proposed_at: Timestamp,
    /// The time after which the act can no longer be signed.
    pub expires_at: Timestamp,
}

impl ActTerms {
    /// SHA-256 over the canonical JSON.
    pub fn digest(&self) -> Sha256Digest {
        canonical_digest(self)
    }
}

/// An act as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ActView {
    /// The act with its facts.
    pub terms: ActTerms,
    /// The people who have signed, in this order.
    pub signed_by: Vec<ActSignature>,
    /// Whether signatures are missing, or what became of the act.
    pub state: ActState,
    /// Why the last attempt to carry out the act failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
}

/// A person's signature of an act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ActSignature {
    /// The person.
    pub person: Person,
    /// The key that signed.
    pub key: Fingerprint,
    /// The time at which the server received the signature.
    pub at: Timestamp,
}

/// The state of an act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ActState {
    /// Signatures are missing.
    AwaitingSignatures,
    /// The HSM carries out the act.
    CarryingOut,
    /// The act was carried out.
    CarriedOut,
    /// A person withdrew the act.
    Withdrawn {
        /// The person.
        by: Person,
    },
    /// The signatures were not complete in time.
    Expired,
    /// The server stopped while it carried out the act, so that nobody knows whether it was done.
    Interrupted,
}

impl ActState {
    /// Whether the act can no longer be signed or carried out.
    pub const fn has_ended(&self) -> bool {
        !matches!(self, Self::AwaitingSignatures | Self::CarryingOut)
    }
}

/// The response to [`NewAct`], and to `POST /api/v1/acts/{id}/task`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ActToSign {
    /// The act.
    pub act: ActView,
    /// The task for the helper of the person who asked.
    pub task: Envelope,
}

/// The body of `POST /api/v1/acts/{id}/signatures`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignedAct {
    /// The statement about the act, which the person's card signed.
    pub statement: Envelope,
}

/// The response to [`SignedAct`].
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ActOutcome {
    /// The act after the signature.
    pub act: ActView,
    /// What only the last signer receives, and only now.
    pub result: ActResult,
}

/// What an act returns to its last signer.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ActResult {
    /// Nothing, or signatures are still missing.
    Nothing,
    /// The invitation with its link.
    Invitation(CreatedInvitation),
    /// The API token with its secret.
    Token(CreatedToken),
}

//! Audit entries in words.

use countersign_protocol::{
    audit::{Actor, AuditEntry, AuditEvent},
    statement::ApprovedPurpose,
};

use super::{count, roles};
use crate::clock;

/// Who caused it.
pub fn actor(actor: &Actor) -> String {
    match actor {
        Actor::Server => "Server".to_owned(),
        Actor::Invited { name } => format!("{name} (invited)"),
        Actor::Operator { person } => person.name.clone(),
        Actor::Token { person, .. } => format!("{} (by token)", person.name),
    }
}

/// The wire's name of the event, such as `hsm-attached`.
pub fn event_name(event: &AuditEvent) -> String {
    serde_json::to_value(event)
        .ok()
        .and_then(|value| value.get("type")?.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// The entry as one sentence without its subject.
pub fn event_words(entry: &AuditEntry) -> String {
    match &entry.event {
        AuditEvent::ServerStarted { version } => {
            format!("started, version {version}; every HSM is locked first")
        }
        AuditEvent::Bootstrapped { name } => {
            format!("used the one-time code: {name} becomes the first admin")
        }
        AuditEvent::Invited {
            name,
            roles: as_roles,
            ..
        } => {
            format!("invited {name} as {}", roles(as_roles))
        }
        AuditEvent::InvitationRevoked { .. } => "withdrew an invitation".to_owned(),
        AuditEvent::KeyEnrolled {
            person,
            chr,
            device,
            anchor,
            ..
        } => format!(
            "enrolled the key {} of {} on card {device}, vouched for by {anchor}",
            chr.as_str(),
            person.name
        ),
        AuditEvent::EnrolmentRefused { name, why } => {
            format!("enrolment of {name} was refused: {why}")
        }
        AuditEvent::KeyConfirmed { person, .. } => {
            format!(
                "compared the fingerprint and confirmed the key of {}",
                person.name
            )
        }
        AuditEvent::KeyRevoked { person, .. } => format!("revoked the key of {}", person.name),
        AuditEvent::LoggedIn { .. } => "logged in".to_owned(),
        AuditEvent::LoggedOut => "logged out".to_owned(),
        AuditEvent::TokenCreated {
            label, certificate, ..
        } => match certificate {
            None => format!("made the token “{label}”"),
            Some(certificate) => format!(
                "made the token “{label}”, for which a client certificate stands (SHA-256 {})",
                certificate.short()
            ),
        },
        AuditEvent::TokenRevoked { .. } => "revoked a token".to_owned(),
        AuditEvent::HsmAttached { hsm, device } => {
            format!("HSM {hsm} attached: device {device}, verified and locked")
        }
        AuditEvent::HsmLost { hsm, why } => format!("HSM {hsm} was lost: {why}"),
        AuditEvent::RemoteHsmAccepted { hsm, device } => {
            format!("accepted the device {device}, attached from afar, as HSM {hsm}")
        }
        AuditEvent::RemoteHsmWithdrawn { hsm, device } => {
            format!("withdrew HSM {hsm}: the device {device} is not used any more")
        }
        AuditEvent::HsmRefused { hsm, why } => format!("HSM {hsm} was refused: {why}"),
        AuditEvent::HsmInitialised {
            hsm,
            quorum,
            allow_replace,
            ..
        } => format!(
            "initialised HSM {hsm}: everything erased, {quorum} custodians, keys {} be replaced later",
            if *allow_replace { "can" } else { "can't" }
        ),
        AuditEvent::CustodianRegistered { hsm, person, .. } => {
            format!("registered {}'s key in HSM {hsm}", person.name)
        }
        AuditEvent::ActivationRequested {
            activation,
            hsm,
            purpose,
            reason,
            lease,
            ..
        } => format!(
            "asked to {} on HSM {hsm} ({activation}), {} within {}: {reason}",
            approved(purpose),
            count(lease.signatures, "signature"),
            clock::length(lease.seconds)
        ),
        AuditEvent::Approved {
            activation,
            authenticated,
            ..
        } => format!(
            "approved {activation}; the HSM counts {}",
            count(*authenticated, "custodian")
        ),
        AuditEvent::Declined { activation, reason } => format!("declined {activation}: {reason}"),
        AuditEvent::CustodiansForgotten { activation, why } => {
            format!("the HSM forgot its custodians for {activation}: {why}")
        }
        AuditEvent::LeaseOpened { activation } => {
            format!("the quorum is met, the lease of {activation} is open")
        }
        AuditEvent::KeyGenerated {
            hsm,
            label,
            activation,
            ..
        } => {
            format!("generated the key “{label}” on HSM {hsm} ({activation})")
        }
        AuditEvent::Signed {
            mechanism,
            digest,
            activation,
            ..
        } => format!(
            "signed {} … with {mechanism} ({activation})",
            digest.get(..16).unwrap_or(digest)
        ),
        AuditEvent::CertificateStored { key, .. } => {
            format!("kept a certificate for the key {}", key.short())
        }
        AuditEvent::CertificateRemoved { key, .. } => {
            format!("removed the certificate of the key {}", key.short())
        }
        AuditEvent::KeySettingsChanged { key, settings } => format!(
            "{} raw RSA for the key {}",
            if settings.raw_rsa {
                "allowed"
            } else {
                "forbade"
            },
            key.short()
        ),
        AuditEvent::ActivationEnded {
            activation,
            reason,
            signatures,
        } => format!(
            "{activation} ended: {reason}; {}",
            count(*signatures, "signature")
        ),
        AuditEvent::HsmLocked { hsm, proof } => format!("HSM {hsm} is locked: {proof}"),
    }
}

fn approved(purpose: &ApprovedPurpose) -> String {
    purpose.in_words(|label, _| format!("“{label}”"))
}

//! Signing HSMs in words.

use countersign_protocol::{
    hsm::{CertificatePlace, CertificateView, HsmState},
    id::ActivationId,
};

use super::sentence;
use crate::clock;

/// The state as a label.
pub fn hsm_state_name(state: &HsmState) -> &'static str {
    match state {
        HsmState::Absent { .. } => "Disconnected",
        HsmState::Attached => "Verifying",
        HsmState::Uninitialised => "Uninitialised",
        HsmState::Registering => "Registering custodians",
        HsmState::Locked => "Locked",
        HsmState::AwaitingApprovals { .. } => "Waiting for approvals",
        HsmState::Open { .. } => "Open",
        HsmState::Quarantined { .. } => "In quarantine",
        HsmState::Failed { .. } => "Rejected",
    }
}

/// The server hides the id of an activation that the user must not see.
fn user(activation: Option<&ActivationId>) -> String {
    activation.map_or_else(
        || "another requester".to_owned(),
        |id| format!("activation {id}"),
    )
}

/// What the state means, and what to do.
pub fn hsm_state(state: &HsmState) -> String {
    match state {
        HsmState::Absent { .. } => {
            "Disconnected. Requests wait until it is connected again.".to_owned()
        }
        HsmState::Attached => "Connected. Its certificates are being verified.".to_owned(),
        HsmState::Uninitialised => {
            "Genuine, but without a quorum. Initialise it to begin.".to_owned()
        }
        HsmState::Registering => {
            "The quorum is set. Register the custodians' keys to complete it.".to_owned()
        }
        HsmState::Locked => "It opens when enough custodians approve.".to_owned(),
        HsmState::AwaitingApprovals { activation } => format!(
            "Locked. Waiting for approvals for {}.",
            user(activation.as_ref())
        ),
        HsmState::Open {
            activation, until, ..
        } => format!(
            "Open for {} until {}.",
            user(activation.as_ref()),
            clock::absolute(*until)
        ),
        HsmState::Quarantined { why, since } => {
            let (why, since) = (sentence(why), clock::absolute(*since));
            format!("In quarantine since {since}. {why}")
        }
        HsmState::Failed { why } => {
            let rejected = sentence(&format!("Rejected: {why}"));
            format!("{rejected} The server won't use this HSM.")
        }
    }
}

/// The certificate's subject, issuer, end of validity and place.
pub fn certificate(certificate: Option<&CertificateView>) -> String {
    let Some(certificate) = certificate else {
        return "No certificate yet. Java and some other programs need one to see the key."
            .to_owned();
    };
    let place = match certificate.place {
        CertificatePlace::Device => "on the device",
        CertificatePlace::Server => "on the server",
    };
    format!(
        "Certificate of {}, issued by {}, valid until {}, stored {place}.",
        certificate.subject,
        certificate.issuer,
        clock::date(certificate.not_after)
    )
}

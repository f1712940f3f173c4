//! Signing HSMs in words.

use countersign_protocol::{
    hsm::{CertificatePlace, CertificateView, HsmState},
    id::ActivationId,
};

/// One word, as stable as the wire's.
pub fn hsm_state_name(state: &HsmState) -> &'static str {
    match state {
        HsmState::Absent { .. } => "absent",
        HsmState::Attached => "attached",
        HsmState::Uninitialised => "uninitialised",
        HsmState::Registering => "registering",
        HsmState::Locked => "locked",
        HsmState::Collecting { .. } => "collecting",
        HsmState::Open { .. } => "open",
        HsmState::Failed { .. } => "failed",
    }
}

fn served(activation: Option<&ActivationId>) -> String {
    activation.map_or_else(
        || "somebody else's activation".to_owned(),
        |id| format!("activation {id}"),
    )
}

/// What the state means, and what to do.
pub fn hsm_state(state: &HsmState) -> String {
    match state {
        HsmState::Absent { .. } => {
            "Not connected. Requests wait until it is plugged in again.".to_owned()
        }
        HsmState::Attached => "Connected; its certificates are being verified.".to_owned(),
        HsmState::Uninitialised => {
            "A genuine device without a quorum. Initialise it to begin.".to_owned()
        }
        HsmState::Registering => {
            "The quorum is set. Register the custodians' keys to complete it.".to_owned()
        }
        HsmState::Locked => "Locked. It opens when enough custodians authenticate.".to_owned(),
        HsmState::Collecting { activation } => {
            format!(
                "Locked. Custodians are being asked for {}.",
                served(activation.as_ref())
            )
        }
        HsmState::Open { activation, .. } => format!("Open for {}.", served(activation.as_ref())),
        HsmState::Failed { why } => format!("Refused, never used: {why}"),
    }
}

/// Whom a key's certificate names, and until when.
pub fn certificate(certificate: Option<&CertificateView>) -> String {
    let Some(certificate) = certificate else {
        return "No certificate: Java and some others do not see the key.".to_owned();
    };
    let place = match certificate.place {
        CertificatePlace::Device => "on the device",
        CertificatePlace::Server => "kept by the server",
    };
    format!(
        "Certificate of {}, issued by {}, valid until {}, {place}.",
        certificate.subject,
        certificate.issuer,
        certificate.not_after.strftime("%Y-%m-%d")
    )
}

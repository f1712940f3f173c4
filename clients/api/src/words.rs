//! Texts about activations for terminals and build logs.

use std::{process::ExitStatus, time::Duration};

pub use countersign_protocol::text::{all_of, any_of, count, printable};
use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, ActivationView, Decision, EndReason},
    purpose::Purpose,
    text,
};

/// "45 s", "5 min", "6 min 30 s", "2 h", "1 h 30 min".
pub fn duration(duration: Duration) -> String {
    text::duration(duration.as_secs())
}

/// How a program ended: "exit code 3", or the signal that ended it.
pub fn exit_status(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string().replace(": ", " "),
    }
}

/// A time in UTC, to the second.
pub fn time(at: &Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The state of an activation in one line, such as "1 of 2 approvals; approved by Ben; waiting for Anna or Carla".
pub fn status(view: &ActivationView) -> String {
    let mut line = match &view.state {
        ActivationState::Queued => format!("Queued for HSM {}", view.terms.hsm_names()),
        ActivationState::AwaitingApprovals => approvals(view),
        ActivationState::Open { until, left, .. } => format!(
            "Open until {}, {} left",
            time(until),
            count(*left, "signature")
        ),
        ActivationState::Ended { reason, at } => {
            format!("Ended at {}: {}", time(at), end(view, reason))
        }
    };
    if let Some(notice) = &view.notice {
        line.push_str(&format!(". {}", printable(notice)));
    }
    line
}

fn approvals(view: &ActivationView) -> String {
    let required = count(view.terms.quorum.required, "approval");
    let mut line = format!("{} of {required}", view.approvals);
    let mut add = |introduction: &str, names: String| {
        if !names.is_empty() {
            line.push_str(&format!("; {introduction} {names}"));
        }
    };
    let approved = |decision: &Decision| matches!(decision, Decision::Approved { .. });
    add("approved by", all_of(&custodians(view, approved)));
    let missing = |decision: &Decision| matches!(decision, Decision::Pending);
    if view.approvals < view.terms.quorum.required {
        add("waiting for", any_of(&custodians(view, missing)));
    }
    let forgotten = |decision: &Decision| matches!(decision, Decision::ApprovalLost { .. });
    add("must approve again:", all_of(&custodians(view, forgotten)));
    let declined = |decision: &Decision| matches!(decision, Decision::Declined { .. });
    add("declined by", all_of(&custodians(view, declined)));
    line
}

fn custodians(view: &ActivationView, has: impl Fn(&Decision) -> bool) -> Vec<String> {
    view.custodians
        .iter()
        .filter(|custodian| has(&custodian.decision))
        .map(|custodian| printable(&custodian.person.name))
        .collect()
}

/// How an activation ended, to follow a colon: "cancelled by Doug".
pub fn end(view: &ActivationView, reason: &EndReason) -> String {
    match reason {
        EndReason::Completed => "completed".to_owned(),
        EndReason::LeaseExpired => "lease expired".to_owned(),
        EndReason::SignatureLimitReached => "signature limit reached".to_owned(),
        EndReason::Locked { by } => format!("locked by {}", printable(&by.name)),
        EndReason::Cancelled { by } => format!("cancelled by {}", printable(&by.name)),
        EndReason::Declined => declined(view),
        EndReason::Expired => expired(view),
        EndReason::ExpiredInQueue => format!(
            "expired while queued, because HSM {} was in use or disconnected",
            view.terms.hsm_names()
        ),
        EndReason::Abandoned { seconds } => format!(
            "abandoned, because the program that waited had not contacted the server for {}",
            duration(Duration::from_secs((*seconds).into()))
        ),
        EndReason::HsmLost { why } => format!("HSM lost ({})", printable(why)),
        EndReason::HsmRemoved { why } => {
            format!("HSM removed from the server ({})", printable(why))
        }
        EndReason::Failed { why } => format!("failed ({})", printable(why)),
        EndReason::AccessRevoked { why } => format!("access revoked ({})", printable(why)),
        EndReason::ServerRestarted => "server restarted".to_owned(),
    }
}

/// The same as a sentence: "activation 8K3F-92QD was cancelled by Doug".
pub fn end_sentence(view: &ActivationView, reason: &EndReason) -> String {
    let how = end(view, reason);
    let id = &view.id();
    match reason {
        EndReason::Completed
        | EndReason::Expired
        | EndReason::ExpiredInQueue
        | EndReason::Failed { .. } => format!("activation {id} {how}"),
        EndReason::Locked { .. }
        | EndReason::Cancelled { .. }
        | EndReason::Declined
        | EndReason::Abandoned { .. } => format!("activation {id} was {how}"),
        EndReason::LeaseExpired
        | EndReason::SignatureLimitReached
        | EndReason::HsmLost { .. }
        | EndReason::HsmRemoved { .. }
        | EndReason::AccessRevoked { .. }
        | EndReason::ServerRestarted => format!("activation {id} has ended: {how}"),
    }
}

fn declined(view: &ActivationView) -> String {
    let names: Vec<String> = view
        .custodians
        .iter()
        .filter_map(|custodian| match &custodian.decision {
            Decision::Declined { reason, .. } => Some(printable(&format!(
                "{} (\"{reason}\")",
                custodian.person.name
            ))),
            _ => None,
        })
        .collect();
    if names.is_empty() {
        "declined, because too few custodians are left to reach the quorum".to_owned()
    } else {
        format!("declined by {}", all_of(&names))
    }
}

fn expired(view: &ActivationView) -> String {
    let approved = |decision: &Decision| matches!(decision, Decision::Approved { .. });
    let approvals = custodians(view, approved).len();
    let required = usize::from(view.terms.quorum.required);
    if approvals < required {
        format!(
            "expired with {approvals} of {}",
            count(required, "approval")
        )
    } else {
        "expired before the quorum was reached".to_owned()
    }
}

/// The purpose of an activation, as an infinitive: `sign 3 files with key "firmware"`.
pub fn purpose(purpose: &Purpose) -> String {
    purpose.in_words(|label, _| format!("\"{}\"", printable(label)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration(Duration::from_millis(900)), "0 s");
        assert_eq!(duration(Duration::from_secs(390)), "6 min 30 s");
    }
}

//! Polls activations and formats them as text.

use std::{
    thread,
    time::{Duration, Instant},
};

pub use countersign_client::words::{purpose, status, time};
use countersign_client::{Client, ClientError, LONGEST_WAIT, words::duration};
use countersign_protocol::{
    activation::{ActivationState, ActivationView, Decision, EndReason, HsmName},
    id::ActivationId,
    purpose::{Purpose, Scope},
};

use crate::output::{count, printable, table};

/// Minimum time between two polls, in case the server answers a long poll early without a change.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Returns the activation after its next change, or unchanged after the server's time limit for a long poll.
pub fn poll(
    client: &Client,
    id: &ActivationId,
    revision: u64,
) -> Result<ActivationView, ClientError> {
    let start = Instant::now();
    let view = client.activation_after(id, revision, LONGEST_WAIT)?;
    if view.revision <= revision {
        thread::sleep(MIN_POLL_INTERVAL.saturating_sub(start.elapsed()));
    }
    Ok(view)
}

/// The state in one or a few words. For an ended activation, how it ended.
pub const fn state_name(state: &ActivationState) -> &'static str {
    let reason = match state {
        ActivationState::Queued => return "queued",
        ActivationState::AwaitingApprovals => return "waiting for approvals",
        ActivationState::Open { .. } => return "open",
        ActivationState::Ended { reason, .. } => reason,
    };
    match reason {
        EndReason::Completed => "completed",
        EndReason::LeaseExpired => "lease expired",
        EndReason::SignatureLimitReached => "signature limit reached",
        EndReason::Locked { .. } => "locked",
        EndReason::Cancelled { .. } => "cancelled",
        EndReason::Declined => "declined",
        EndReason::Expired => "expired",
        EndReason::ExpiredInQueue => "expired while queued",
        EndReason::Abandoned { .. } => "abandoned",
        EndReason::HsmLost { .. } => "HSM lost",
        EndReason::HsmRemoved { .. } => "HSM removed",
        EndReason::Failed { .. } => "failed",
        EndReason::AccessRevoked { .. } => "access revoked",
        EndReason::ServerRestarted => "server restarted",
    }
}

/// Everything about one activation.
pub fn details(view: &ActivationView) -> String {
    let terms = &view.terms;
    let mut out = format!(
        "Activation  {}\nState       {}\nPurpose     {}\nHSM         {}\nRequester   {}\nReason      {}\n\
         Lease       up to {}, {}\nQuorum      {}\nSignatures  {}\n",
        terms.id,
        status(view),
        purpose(&terms.purpose),
        hsms(view),
        printable(&terms.requester.name),
        printable(&terms.reason),
        count(terms.lease.signatures, "signature"),
        duration(Duration::from_secs(terms.lease.seconds.into())),
        terms.quorum,
        view.signatures,
    );
    if matches!(
        view.state,
        ActivationState::Queued | ActivationState::AwaitingApprovals
    ) {
        out.push_str(&format!("Approve by  {}\n", time(&terms.expires_at)));
    }
    out.push_str(&format!("Page        {}\n\n", printable(&view.url)));
    out.push_str(&decisions(view));
    if let Purpose::Sign {
        scope: Scope::Manifest { files },
        ..
    } = &terms.purpose
    {
        let rows: Vec<Vec<String>> = files
            .files()
            .iter()
            .map(|file| vec![file.digest.to_string(), printable(&file.name)])
            .collect();
        out.push_str(&format!("\nManifest digest  {}\n", files.digest()));
        out.push_str(&table(&["DIGEST", "FILE"], &rows));
    }
    out
}

/// Each HSM with its device, and with the state if the activation has several.
fn hsms(view: &ActivationView) -> String {
    let name = |hsm: &HsmName| format!("{} ({})", hsm.id, hsm.device);
    if view.members.is_empty() {
        return name(&view.terms.hsm);
    }
    let members = view.members.iter().map(|member| {
        format!(
            "{}: {}, {} of {}",
            name(&member.hsm),
            state_name(&member.state),
            member.approvals,
            count(member.quorum.required, "approval")
        )
    });
    members.collect::<Vec<_>>().join("\n            ")
}

/// A table of the custodians and their decisions.
fn decisions(view: &ActivationView) -> String {
    let rows: Vec<Vec<String>> = view
        .custodians
        .iter()
        .map(|custodian| {
            let decision = match &custodian.decision {
                Decision::Pending if view.state.is_ended() => "no response".to_owned(),
                Decision::Pending => "pending".to_owned(),
                Decision::Approved { at } => format!("approved {}", time(at)),
                Decision::ApprovalLost { why } => format!("must approve again: {}", printable(why)),
                Decision::Declined { at, reason } => {
                    format!("declined {}: {}", time(at), printable(reason))
                }
            };
            vec![printable(&custodian.person.name), decision]
        })
        .collect();
    table(&["CUSTODIAN", "DECISION"], &rows)
}

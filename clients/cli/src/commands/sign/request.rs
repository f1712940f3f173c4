//! Requests the activation.

use countersign_client::{ActivationFilter, Client, Requested};
use countersign_protocol::{
    activation::{ActivationState, ActivationView, Join, NewActivation, NewPurpose},
    lease::LeaseLimits,
    problem::ProblemCode,
    purpose::{Purpose, Scope},
};

use super::Plan;
use crate::{
    args::Sign,
    error::CliError,
    output::{count, printable},
    progress, wait,
};

/// The duration of a lease for which only the number of signatures is given. The server's default is the same.
const LEASE_SECONDS: u32 = 3600;

/// Requests an activation, checks that the server created what was requested, and prints where to approve it.
pub fn request_activation(
    client: &Client,
    args: &Sign,
    plan: &Plan,
    scope: Scope,
) -> Result<Requested, CliError> {
    let request = NewActivation {
        hsm: args.hsm.clone(),
        purpose: NewPurpose::Sign {
            keys: vec![plan.key.fingerprint.to_hex()],
            scope: scope.clone(),
        },
        reason: args.reason.clone().unwrap_or_else(|| reason(plan)),
        lease: lease(args, plan),
        approval_seconds: args.approval_seconds,
        abandoned_after_seconds: wait::abandoned_after(),
        join: Join::SamePurpose,
    };
    if args.replace {
        cancel_waiting(client, plan)?;
    }
    let requested = client.request_activation(&request)?;
    let terms = &requested.activation.terms;
    match &terms.purpose {
        Purpose::Sign {
            keys,
            scope: approved,
        } if keys
            .only()
            .is_some_and(|key| key.fingerprint == plan.key.fingerprint)
            && *approved == scope => {}
        _ => {
            return Err(CliError::Untrusted(format!(
                "the server returned activation {} for a different request: report this to an admin",
                terms.id
            )));
        }
    }
    wait::announce(&requested);
    Ok(requested)
}

/// Cancels the caller's own requests that wait for approvals on an HSM of the plan's key.
fn cancel_waiting(client: &Client, plan: &Plan) -> Result<(), CliError> {
    let own = client.session()?.person.id;
    let is_waiting = |view: &ActivationView| {
        let waits = matches!(
            view.state,
            ActivationState::Queued | ActivationState::AwaitingApprovals
        );
        let is_same_hsm = view.terms.hsm.id == plan.key.hsm
            || view
                .members
                .iter()
                .any(|member| member.hsm.id == plan.key.hsm);
        waits && is_same_hsm && view.terms.requester.id == own
    };
    // The newest one is first, so no queued one moves up before it is cancelled.
    for view in client.activations(ActivationFilter::Active)? {
        if !is_waiting(&view) {
            continue;
        }
        match client.lock(&view.id()) {
            Ok(_) => progress::line(&format!(
                "Cancelled activation {} (\"{}\")",
                view.id(),
                printable(&view.terms.reason)
            )),
            Err(error) if error.code() == Some(ProblemCode::ActivationEnded) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn lease(args: &Sign, plan: &Plan) -> Option<LeaseLimits> {
    if args.lease_seconds.is_none() && args.signatures.is_none() && !args.any_content {
        return None;
    }
    Some(LeaseLimits {
        seconds: args.lease_seconds.unwrap_or(LEASE_SECONDS),
        signatures: args
            .signatures
            .unwrap_or_else(|| u32::try_from(plan.files.len()).unwrap_or(u32::MAX)),
    })
}

/// A reason that depends on the files alone, so that a second run joins the activation of the first one.
fn reason(plan: &Plan) -> String {
    let first = plan
        .files
        .first()
        .map_or("", |file| file.input.name.as_str());
    match plan.files.len() {
        0 | 1 => format!("Sign {first}"),
        more => format!("Sign {first} and {}", count(more - 1, "more file")),
    }
}

//! Requests the activation.

use countersign_client::{Client, Requested};
use countersign_protocol::{
    activation::{Join, NewActivation, NewPurpose},
    lease::LeaseLimits,
    purpose::{Purpose, Scope},
};

use super::Plan;
use crate::{args::Sign, error::CliError, output::count, wait};

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

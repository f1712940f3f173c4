//! Asking the custodians.

use countersign_client::{Client, Requested};
use countersign_protocol::{
    activation::{Join, NewActivation, NewPurpose},
    lease::LeaseLimits,
    purpose::{Purpose, Scope},
};

use super::Plan;
use crate::{args::Sign, error::CliError, output::count, wait};

/// An hour is the server's usual lease; this is for where only the number of signatures was said.
const LEASE_SECONDS: u32 = 3600;

/// Posts the activation and says where it can be approved.
pub fn ask(client: &Client, args: &Sign, plan: &Plan, scope: Scope) -> Result<Requested, CliError> {
    let request = NewActivation {
        hsm: args.hsm.clone(),
        purpose: NewPurpose::Sign {
            keys: vec![plan.key.fingerprint.to_hex()],
            scope: scope.clone(),
        },
        reason: args.reason.clone().unwrap_or_else(|| reason(plan)),
        lease: lease(args, plan),
        collect_seconds: args.collect_seconds,
        abandoned_after_seconds: wait::abandoned_after(),
        join: Join::SamePurpose,
    };
    let asked = client.request_activation(&request)?;
    let terms = &asked.activation.terms;
    match &terms.purpose {
        Purpose::Sign {
            keys,
            scope: approved,
        } if keys
            .only()
            .is_some_and(|key| key.fingerprint == plan.key.fingerprint)
            && *approved == scope => {}
        _ => {
            return Err(CliError::Untrue(format!(
                "the server made activation {} for something else than was asked for: tell an admin",
                terms.id
            )));
        }
    }
    wait::announce(&asked);
    Ok(asked)
}

fn lease(args: &Sign, plan: &Plan) -> Option<LeaseLimits> {
    if args.lease_seconds.is_none() && args.signatures.is_none() && !args.open_scope {
        return None;
    }
    Some(LeaseLimits {
        seconds: args.lease_seconds.unwrap_or(LEASE_SECONDS),
        signatures: args
            .signatures
            .unwrap_or_else(|| u32::try_from(plan.files.len()).unwrap_or(u32::MAX)),
    })
}

/// The same for the same files, so that a second run joins the first one's activation.
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

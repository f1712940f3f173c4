//! `countersign record`: runs a command to record its digests, gets them approved, and runs the command again to sign.

mod plan;
mod program;

use countersign_client::{ActivationSettings, Client};
use countersign_protocol::{
    activation::{ActivationView, Join, NewActivation, NewPurpose},
    id::ActivationId,
    lease::LeaseLimits,
    purpose::Scope,
};
use serde_json::json;

use crate::{
    args::{Global, Record},
    connect,
    error::CliError,
    interrupt::Interrupt,
    output::{Output, count, printable},
    progress, wait,
};

use plan::Plan;
use program::Program;

pub fn run(args: &Record, global: &Global, output: Output) -> Result<(), CliError> {
    let settings = connect::settings(global)?;
    let defaults = settings.activation.clone();
    let client = connect::client_of(settings)?;
    // Fail before the recording, which may take long, if the server is unreachable or rejects the token.
    client.keys()?;
    let interrupt = Interrupt::install();
    let program = Program::new(&args.command, global);

    progress::line(&format!("Recording {program}"));
    let recorded = program.record(&interrupt)?;
    if interrupt.is_requested() {
        return Err(CliError::Interrupted(
            "interrupted; no approval was requested".into(),
        ));
    }
    let plan = Plan::new(recorded)?;
    progress::line(&format!(
        "Recorded {} for {}. The command's output does not contain signatures yet",
        count(plan.files.files().len(), "digest"),
        count(plan.signatures as usize, "signature")
    ));
    for file in plan.files.files() {
        progress::line(&format!("  {}  {}", file.digest, printable(&file.name)));
    }

    let activation = request_activation(&client, args, defaults, &program, &plan)?;
    let id = activation.id();
    if args.request_only {
        let command = program.signing_command_line(&id);
        output.result(
            &json!({ "activation": activation, "manifest": plan.files, "command": command }),
            || format!("Once the activation is open, sign with\n\n  {command}"),
        );
        return Ok(());
    }
    wait::until_open(&client, activation, true, &interrupt)?;
    progress::line(&format!("Signing with {program}"));
    let result = program.sign(&id, &interrupt);
    finish(&client, &id, &plan, output)?;
    result
}

fn request_activation(
    client: &Client,
    args: &Record,
    defaults: ActivationSettings,
    program: &Program,
    plan: &Plan,
) -> Result<ActivationView, CliError> {
    let requested = client.request_activation(&NewActivation {
        hsm: Some(plan.hsm.clone()),
        purpose: NewPurpose::Sign {
            keys: plan.keys.iter().map(|key| key.to_hex()).collect(),
            scope: Scope::Manifest {
                files: plan.files.clone(),
            },
        },
        reason: args
            .reason
            .clone()
            .or(defaults.reason)
            .unwrap_or_else(|| program.default_reason()),
        lease: Some(LeaseLimits {
            seconds: args.lease_seconds.unwrap_or(defaults.lease_seconds),
            signatures: plan.signatures,
        }),
        approval_seconds: args.approval_seconds.or(defaults.approval_seconds),
        abandoned_after_seconds: if args.request_only {
            // No program polls the activation until the command is run later.
            None
        } else {
            wait::abandoned_after()
        },
        join: Join::SamePurpose,
    })?;
    wait::announce(&requested);
    Ok(requested.activation)
}

/// Locks the HSM, whether or not the command succeeded, and prints the result.
fn finish(client: &Client, id: &ActivationId, plan: &Plan, output: Output) -> Result<(), CliError> {
    let mut view = client.activation(id)?;
    if !view.state.is_ended() {
        view = match client.lock(id) {
            Ok(view) => view,
            // It ended in the meantime.
            Err(_) => client.activation(id)?,
        };
    }
    let signatures = view.signatures;
    output.result(&json!({ "activation": view }), || {
        if signatures < plan.signatures {
            format!(
                "Only {signatures} of {} were made. Activation {id} has ended.",
                count(plan.signatures as usize, "recorded signature")
            )
        } else {
            format!(
                "Made {} under activation {id}, as recorded.",
                count(signatures as usize, "signature")
            )
        }
    });
    Ok(())
}

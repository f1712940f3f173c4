//! `countersign record`: record, seal, approve, sign.

mod plan;
mod program;

use countersign_client::{ActivationSettings, Client};
use countersign_protocol::{
    activation::{Join, NewActivation, NewPurpose},
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
    let usual = settings.activation.clone();
    let client = Client::from_settings(settings)?;
    // A server that cannot be asked later need not be recorded for.
    client.keys()?;
    let interrupt = Interrupt::install();
    let program = Program::new(&args.command, global);

    progress::line(&format!("Recording {program}"));
    let recorded = program.record(&interrupt)?;
    if interrupt.pressed() {
        return Err(CliError::Interrupted(
            "interrupted; nobody was asked".into(),
        ));
    }
    let plan = Plan::seal(recorded)?;
    progress::line(&format!(
        "Recorded {} of {}; what the command wrote has no signatures in it yet",
        count(plan.files.files().len(), "digest"),
        count(plan.signatures as usize, "signature")
    ));
    for file in plan.files.files() {
        progress::line(&format!("  {}  {}", file.digest, printable(&file.name)));
    }

    let asked = ask(&client, args, usual, &program, &plan)?;
    let id = asked.terms.id.clone();
    if args.ask_only {
        let command = program.for_real(&id);
        output.result(
            &json!({ "activation": asked, "manifest": plan.files, "command": command }),
            || format!("Once the quorum is there, sign with\n\n  {command}"),
        );
        return Ok(());
    }
    wait::until_open(&client, asked, true, &interrupt)?;
    progress::line(&format!("Signing: {program}"));
    let result = program.sign(&id, &interrupt);
    finish(&client, &id, &plan, output)?;
    result
}

fn ask(
    client: &Client,
    args: &Record,
    usual: ActivationSettings,
    program: &Program,
    plan: &Plan,
) -> Result<countersign_protocol::activation::ActivationView, CliError> {
    let asked = client.request_activation(&NewActivation {
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
            .or(usual.reason)
            .unwrap_or_else(|| program.reason()),
        lease: Some(LeaseLimits {
            seconds: args.lease_seconds.unwrap_or(usual.lease_seconds),
            signatures: plan.signatures,
        }),
        collect_seconds: args.collect_seconds.or(usual.collect_seconds),
        abandoned_after_seconds: if args.ask_only {
            // Whoever comes back later finds it.
            None
        } else {
            wait::abandoned_after()
        },
        join: Join::SamePurpose,
    })?;
    wait::announce(&asked);
    Ok(asked.activation)
}

/// Whatever happened, the HSM is not needed any more.
fn finish(client: &Client, id: &ActivationId, plan: &Plan, output: Output) -> Result<(), CliError> {
    let mut view = client.activation(id)?;
    if !view.state.is_ended() {
        view = match client.lock(id) {
            Ok(view) => view,
            // It ended by itself just now.
            Err(_) => client.activation(id)?,
        };
    }
    let signatures = view.signatures;
    output.result(&json!({ "activation": view }), || {
        let made = count(signatures as usize, "signature");
        if signatures < plan.signatures {
            format!(
                "{made} of the {} that were recorded; activation {id} is over",
                plan.signatures
            )
        } else {
            format!("{made} made under activation {id}: all that were recorded")
        }
    });
    Ok(())
}

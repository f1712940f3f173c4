//! `countersign activation`.

use countersign_client::{ActivationFilter, Client};
use countersign_protocol::{activation::ActivationView, id::ActivationId, problem::ProblemCode};
use serde_json::json;

use crate::{
    args::{Activation, Global},
    connect,
    error::CliError,
    output::{Output, printable, table},
    progress::Progress,
    status,
};

pub fn run(command: &Activation, global: &Global, output: Output) -> Result<(), CliError> {
    let client = connect::client(global)?;
    match command {
        Activation::List { state } => {
            let filter = (*state).into();
            let activations = client.activations(filter)?;
            output.result(&json!({ "activations": activations }), || {
                list(&activations, filter)
            });
        }
        Activation::Show { id, watch } => {
            let mut view = client.activation(id)?;
            if *watch {
                view = follow(&client, id, view)?;
            }
            output.result(&json!({ "activation": view }), || status::details(&view));
        }
        Activation::Lock { id: Some(id), .. } => {
            let view = client.lock(id)?;
            output.result(&json!({ "activation": view }), || status_line(&view));
        }
        Activation::Lock {
            id: None, reason, ..
        } => {
            let views = lock_own(&client, reason.as_deref())?;
            output.result(&json!({ "activations": views }), || {
                locked(&views, reason.as_deref())
            });
        }
    }
    Ok(())
}

fn status_line(view: &ActivationView) -> String {
    format!("{}: {}", view.id(), status::status(view))
}

fn locked(views: &[ActivationView], reason: Option<&str>) -> String {
    match reason {
        Some(reason) if views.is_empty() => {
            format!("You have no active activations with the reason \"{reason}\".")
        }
        None if views.is_empty() => "You have no active activations.".to_owned(),
        _ => views.iter().map(status_line).collect::<Vec<_>>().join("\n"),
    }
}

/// Ends the caller's activations, or those with this reason only. The newest one is ended first, so that no queued one
/// opens after another one has ended.
fn lock_own(client: &Client, reason: Option<&str>) -> Result<Vec<ActivationView>, CliError> {
    let own = client.session()?.person.id;
    let active = client.activations(ActivationFilter::Active)?;
    let own = active
        .into_iter()
        .filter(|view| view.terms.requester.id == own)
        .filter(|view| reason.is_none_or(|reason| view.terms.reason == reason));
    own.map(|view| match client.lock(&view.id()) {
        // It ended for another reason in the meantime.
        Err(error) if error.code() == Some(ProblemCode::ActivationEnded) => {
            Ok(client.activation(&view.id())?)
        }
        result => Ok(result?),
    })
    .collect()
}

fn list(activations: &[ActivationView], filter: ActivationFilter) -> String {
    if activations.is_empty() {
        return match filter {
            ActivationFilter::All => "No activations yet. `countersign sign` requests one.",
            ActivationFilter::Active => "No active activations. `countersign sign` requests one.",
            ActivationFilter::Ended => "No ended activations.",
        }
        .to_owned();
    }
    let rows: Vec<Vec<String>> = activations
        .iter()
        .map(|view| {
            vec![
                view.id().to_string(),
                status::state_name(&view.state).to_owned(),
                view.terms.hsm_names(),
                status::purpose(view),
                printable(&view.terms.requester.name),
                printable(&view.terms.reason),
                format!("{} of {}", view.approvals, view.terms.quorum.required),
            ]
        })
        .collect();
    table(
        &[
            "ID",
            "STATE",
            "HSM",
            "PURPOSE",
            "REQUESTER",
            "REASON",
            "APPROVALS",
        ],
        &rows,
    )
}

/// Shows every change until the activation has ended.
fn follow(
    client: &Client,
    id: &ActivationId,
    mut view: ActivationView,
) -> Result<ActivationView, CliError> {
    let progress = Progress::waiting();
    progress.status(&status::status(&view));
    while !view.state.is_ended() {
        view = status::poll(client, id, view.revision)?;
        progress.status(&status::status(&view));
    }
    Ok(view)
}

//! `countersign activation`.

use countersign_client::{ActivationFilter, Client};
use countersign_protocol::{
    activation::{ActivationState, ActivationView, EndReason},
    id::ActivationId,
    problem::ProblemCode,
};
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
            let activations = client.activations((*state).into())?;
            output.result(&json!({ "activations": activations }), || {
                list(&activations)
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
            output.result(&json!({ "activation": view }), || ended(&view));
        }
        Activation::Lock {
            id: None, reason, ..
        } => {
            let views = lock_own(&client, reason.as_deref())?;
            output.result(&json!({ "activations": views }), || {
                if views.is_empty() {
                    return "There is none.".to_owned();
                }
                let lines: Vec<String> = views.iter().map(ended).collect();
                lines.join("\n")
            });
        }
    }
    Ok(())
}

fn ended(view: &ActivationView) -> String {
    format!("{}: {}", view.terms.id, status::line(view))
}

/// Ends what the token's owner asked for, with this reason if there is one. Newest first: what is queued does not get its turn meanwhile.
fn lock_own(client: &Client, reason: Option<&str>) -> Result<Vec<ActivationView>, CliError> {
    let own = client.session()?.person.id;
    let active = client.activations(ActivationFilter::Active)?;
    let own = active
        .into_iter()
        .filter(|view| view.terms.requester.id == own)
        .filter(|view| reason.is_none_or(|reason| view.terms.reason == reason));
    own.map(|view| match client.lock(&view.terms.id) {
        // It ended by itself just now.
        Err(error) if error.code() == Some(ProblemCode::ActivationEnded) => {
            Ok(client.activation(&view.terms.id)?)
        }
        result => Ok(result?),
    })
    .collect()
}

/// One word; of what has ended, how.
const fn state(state: &ActivationState) -> &'static str {
    let ActivationState::Ended { reason, .. } = state else {
        return state.as_str();
    };
    match reason {
        EndReason::Completed => "completed",
        EndReason::TimeUsed => "time-used",
        EndReason::CountUsed => "count-used",
        EndReason::Locked { .. } => "locked",
        EndReason::Cancelled { .. } => "cancelled",
        EndReason::Declined => "declined",
        EndReason::Expired => "expired",
        EndReason::StillQueued => "still-queued",
        EndReason::Abandoned { .. } => "abandoned",
        EndReason::HsmLost { .. } => "hsm-lost",
        EndReason::HsmRemoved { .. } => "hsm-removed",
        EndReason::Failed { .. } => "failed",
        EndReason::ServerRestarted => "server-restarted",
    }
}

fn list(activations: &[ActivationView]) -> String {
    if activations.is_empty() {
        return "There is none.".to_owned();
    }
    let rows: Vec<Vec<String>> = activations
        .iter()
        .map(|view| {
            vec![
                view.terms.id.to_string(),
                state(&view.state).to_owned(),
                view.terms.hsm_names(),
                status::purpose(&view.terms.purpose),
                printable(&view.terms.requester.name),
                printable(&view.terms.reason),
                format!("{} of {}", view.authenticated, view.terms.quorum.required),
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
            "AUTHENTICATED",
        ],
        &rows,
    )
}

fn follow(
    client: &Client,
    id: &ActivationId,
    mut view: ActivationView,
) -> Result<ActivationView, CliError> {
    let progress = Progress::waiting();
    progress.status(&status::line(&view));
    while !view.state.is_ended() {
        view = status::next(client, id, view.revision)?;
        progress.status(&status::line(&view));
    }
    Ok(view)
}

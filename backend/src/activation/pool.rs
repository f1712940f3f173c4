//! One activation on several HSMs: custodians answer for each of them, one after the other, in one consent.

use std::time::Duration;

use countersign_protocol::{
    activation::{
        ActivationState, ActivationTerms, ActivationView, ApprovalEvidence, ApprovalOutcome,
        EndReason,
    },
    dsse::Envelope,
    id::{ActivationId, HsmId},
};

use tokio::time::timeout;

use super::{ActivationError, Custodian, by_id};
use crate::{app::App, hsm::HsmError};

/// How long one HSM of a pool may take to give its challenge.
const PATIENCE: Duration = Duration::from_secs(8);

/// The task for a custodian's helper: of the first HSM that lacks their answer.
///
/// # Errors
/// [`ActivationError`].
pub async fn task(
    app: &App,
    terms: &ActivationTerms,
    custodian: &Custodian,
) -> Result<Envelope, ActivationError> {
    let mut refused = None;
    for (id, hsm) in terms.members() {
        let task = app.activations.task(&hsm.id, id, custodian.clone());
        let task = if terms.pool.is_some() {
            // The others need not wait for an HSM that does not answer.
            let late = |_| HsmError::Unavailable(format!("HSM {} does not answer", hsm.id)).into();
            timeout(PATIENCE, task)
                .await
                .unwrap_or_else(|error| Err(late(error)))
        } else {
            task.await
        };
        match task {
            Ok(task) => return Ok(task),
            Err(error) => refused.get_or_insert(error),
        };
    }
    Err(refused.unwrap_or_else(|| ActivationError::NotFound(terms.id.clone())))
}

/// What a custodian's card has signed, for one HSM; the answer may be the task of the next.
///
/// # Errors
/// [`ActivationError`].
pub async fn approve(
    app: &App,
    terms: &ActivationTerms,
    custodian: &Custodian,
    evidence: ApprovalEvidence,
) -> Result<ApprovalOutcome, ActivationError> {
    let id = evidence.activation.clone();
    let members = terms.members();
    let Some((_, hsm)) = members.iter().find(|(member, _)| *member == id) else {
        return Err(ActivationError::Refused(format!(
            "it is about the activation {id}, not about {}",
            terms.id
        )));
    };
    let outcome = app
        .activations
        .approve(&hsm.id, id, custodian.clone(), evidence)
        .await?;
    if matches!(outcome, ApprovalOutcome::Counted { .. })
        && terms.pool.is_some()
        && let Ok(task) = task(app, terms, custodian).await
    {
        return Ok(ApprovalOutcome::SignAgain { task });
    }
    Ok(outcome)
}

/// A custodian declines, for every HSM.
///
/// # Errors
/// [`ActivationError`]: nobody was told then.
pub async fn decline(
    app: &App,
    terms: &ActivationTerms,
    custodian: &Custodian,
    reason: &str,
) -> Result<ActivationView, ActivationError> {
    let mut refused = None;
    let mut declined = false;
    for (id, hsm) in terms.members() {
        let answer = app
            .activations
            .decline(&hsm.id, id, custodian.clone(), reason.to_owned());
        match answer.await {
            Ok(_) => declined = true,
            Err(error) => {
                refused.get_or_insert(error);
            }
        }
    }
    match refused {
        Some(error) if !declined => Err(error),
        _ => {
            let mut connection = app.store.read().await?;
            by_id(&mut connection, app, &terms.id).await
        }
    }
}

/// Ends an activation's other HSMs, where one HSM's end is the end of all.
pub fn end_others(app: &App, terms: &ActivationTerms, reason: &EndReason) {
    let all = matches!(
        reason,
        EndReason::Completed | EndReason::CountUsed | EndReason::TimeUsed
    );
    if !all {
        return;
    }
    for (id, hsm) in terms.members() {
        if id == terms.id {
            continue;
        }
        end_soon(app, &hsm.id, id, reason.clone());
    }
}

/// One HSM is open: the desks of the others look how long they wait from now on. Nobody waits for them.
pub(super) fn wake_others(app: &App, terms: &ActivationTerms) {
    for (id, hsm) in terms.members() {
        if id == terms.id {
            continue;
        }
        let (app, hsm) = (app.clone(), hsm.id.clone());
        tokio::spawn(async move {
            if let Err(error) = app.activations.begin(&hsm).await {
                tracing::warn!("HSM {hsm}: {error}");
            }
        });
    }
}

/// Ends one HSM's part, without waiting for its desk: desks never wait for each other, nor for a signature that waits for them.
pub(crate) fn end_soon(app: &App, hsm: &HsmId, id: ActivationId, reason: EndReason) {
    let (app, hsm) = (app.clone(), hsm.clone());
    tokio::spawn(async move {
        if let Err(error) = app.activations.end(&hsm, id, reason).await {
            tracing::warn!("HSM {hsm}: {error}");
        }
    });
}

/// Where an activation stands, given where it stands on each HSM: as far as the one that is furthest.
pub(super) fn together(states: &[ActivationState], left: u32) -> Option<ActivationState> {
    let open = states.iter().filter_map(|state| match state {
        ActivationState::Open { since, until, .. } => Some((*since, *until)),
        _ => None,
    });
    if let Some((since, until)) = open.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) {
        return Some(ActivationState::Open { since, until, left });
    }
    let is = |wanted: &ActivationState| states.iter().find(|state| *state == wanted).cloned();
    let ended = states.iter().filter_map(|state| match state {
        ActivationState::Ended { at, .. } => Some((*at, state)),
        _ => None,
    });
    is(&ActivationState::Collecting)
        .or_else(|| is(&ActivationState::Queued))
        // What counts is how it went where it went furthest.
        .or_else(|| {
            ended
                .max_by_key(|(at, state)| (weight(state), *at))
                .map(|(_, state)| state.clone())
        })
}

/// Of several ends the one that says most.
fn weight(state: &ActivationState) -> u8 {
    match state {
        ActivationState::Ended { reason, .. } => match reason {
            EndReason::Completed => 4,
            EndReason::CountUsed | EndReason::TimeUsed => 3,
            EndReason::Locked { .. } | EndReason::Cancelled { .. } | EndReason::Declined => 2,
            // Custodians were asked for other HSMs.
            EndReason::StillQueued => 0,
            _ => 1,
        },
        _ => 0,
    }
}

/// Whether another HSM of the pool may do what this one did not.
pub(crate) fn elsewhere(error: &HsmError) -> bool {
    match error {
        HsmError::NotOpen | HsmError::Unavailable(_) | HsmError::Stopped => true,
        HsmError::Card(error) => {
            error.is_connection_lost()
                || matches!(
                    error,
                    countersign_card::CardError::Malformed { .. }
                        | countersign_card::CardError::NotAuthenticated(_)
                )
        }
        _ => false,
    }
}

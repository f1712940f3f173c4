//! The state of an activation on several HSMs.

use countersign_protocol::activation::{ActivationState, EndReason};

/// The state of an activation, given its state on each HSM: that of the HSM that has progressed furthest.
pub fn combined(states: &[ActivationState], left: u32) -> Option<ActivationState> {
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
        // All have ended: report the end of the HSM that progressed furthest.
        .or_else(|| {
            ended
                .max_by_key(|(at, state)| (weight(state), *at))
                .map(|(_, state)| state.clone())
        })
}

/// How much an end says of the activation: the largest is shown.
fn weight(state: &ActivationState) -> u8 {
    match state {
        ActivationState::Ended { reason, .. } => match reason {
            EndReason::Completed => 4,
            EndReason::CountUsed | EndReason::TimeUsed => 3,
            EndReason::Locked { .. } | EndReason::Cancelled { .. } | EndReason::Declined => 2,
            // Custodians could approve on other HSMs.
            EndReason::StillQueued => 0,
            _ => 1,
        },
        _ => 0,
    }
}

//! Combines the states of an activation on several HSMs.

use countersign_protocol::activation::{ActivationState, EndReason};

/// The state of an activation as a whole: that of the HSM that has progressed furthest.
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
    is(&ActivationState::AwaitingApprovals)
        .or_else(|| is(&ActivationState::Queued))
        // All members have ended, so report the end of the one that progressed furthest.
        .or_else(|| {
            ended
                .max_by_key(|(at, state)| (weight(state), *at))
                .map(|(_, state)| state.clone())
        })
}

/// How well an end on one HSM describes the end of the whole activation. The end with the largest weight is reported.
fn weight(state: &ActivationState) -> u8 {
    match state {
        ActivationState::Ended { reason, .. } => match reason {
            EndReason::Completed => 4,
            EndReason::SignatureLimitReached | EndReason::LeaseExpired => 3,
            EndReason::Locked { .. } | EndReason::Cancelled { .. } | EndReason::Declined => 2,
            // On the other HSMs, custodians could approve.
            EndReason::ExpiredInQueue => 0,
            _ => 1,
        },
        _ => 0,
    }
}

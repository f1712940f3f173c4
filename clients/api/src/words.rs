//! Activations in words, for terminals and build logs.

use std::time::Duration;

pub use countersign_protocol::text::{count, printable};
use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, ActivationView, Answer, EndReason},
    purpose::Purpose,
};

/// "1 second", "2 seconds".
pub fn seconds(duration: Duration) -> String {
    count(duration.as_secs(), "second")
}

/// To the second, UTC.
pub fn time(at: &Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// One line: state and who is missing.
pub fn line(view: &ActivationView) -> String {
    let mut line = match &view.state {
        ActivationState::Queued => {
            format!("Waiting for the HSM {}", view.terms.hsm_names())
        }
        ActivationState::Collecting => {
            let mut line = format!(
                "{} of {} authenticated",
                view.authenticated, view.terms.quorum.required
            );
            let mut list = |what: &str, wanted: fn(&Answer) -> bool| {
                let names = people(view, wanted);
                if !names.is_empty() {
                    line.push_str(&format!("; {what} {}", names.join(", ")));
                }
            };
            list("present:", |answer| {
                matches!(answer, Answer::Authenticated { .. })
            });
            list("missing:", |answer| matches!(answer, Answer::Missing));
            list("again needed:", |answer| {
                matches!(answer, Answer::Forgotten { .. })
            });
            list("declined:", |answer| {
                matches!(answer, Answer::Declined { .. })
            });
            line
        }
        ActivationState::Open { until, left, .. } => {
            format!(
                "Open until {}, {} left",
                time(until),
                count(*left, "signature")
            )
        }
        ActivationState::Ended { reason, at } => {
            format!("Over since {}: {}", time(at), ending(view, reason))
        }
    };
    if let Some(notice) = &view.notice {
        line.push_str(&format!(". {}", printable(notice)));
    }
    line
}

/// How the activation ended. Where custodians declined: who, and why.
pub fn ending(view: &ActivationView, reason: &EndReason) -> String {
    let declined: Vec<String> = view
        .custodians
        .iter()
        .filter_map(|custodian| match &custodian.answer {
            Answer::Declined { reason, .. } => {
                Some(printable(&format!("{}: {reason}", custodian.person.name)))
            }
            _ => None,
        })
        .collect();
    if *reason == EndReason::Declined && !declined.is_empty() {
        format!("declined by {}", declined.join("; "))
    } else {
        printable(&reason.to_string())
    }
}

fn people(view: &ActivationView, wanted: fn(&Answer) -> bool) -> Vec<String> {
    view.custodians
        .iter()
        .filter(|custodian| wanted(&custodian.answer))
        .map(|custodian| printable(&custodian.person.name))
        .collect()
}

/// What it is for.
pub fn purpose(purpose: &Purpose) -> String {
    purpose.in_words(|label, _| format!("\"{}\"", printable(label)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_second_is_no_plural() {
        assert_eq!(seconds(Duration::from_secs(1)), "1 second");
        assert_eq!(seconds(Duration::from_secs(300)), "300 seconds");
    }
}

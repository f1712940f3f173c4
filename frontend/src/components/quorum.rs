//! The quorum as seals.

use countersign_protocol::activation::{CustodianProgress, Decision};
use leptos::prelude::*;

/// One seal per registered custodian, stamped for an approval. Screen readers skip the seals, because the text beside them says
/// the same.
#[component]
pub fn QuorumSeals(
    /// Registered custodians and their decisions.
    custodians: Vec<CustodianProgress>,
) -> impl IntoView {
    let seals = custodians.into_iter().map(|custodian| {
        let class = match custodian.decision {
            Decision::Pending | Decision::ApprovalLost { .. } if custodian.revoked => {
                "seal declined"
            }
            Decision::Pending => "seal",
            Decision::Approved { .. } => "seal stamped",
            Decision::ApprovalLost { .. } => "seal lost",
            Decision::Declined { .. } => "seal declined",
        };
        view! { <span class=class>{initials(&custodian.person.name)}</span> }
    });
    view! { <div class="seals" aria-hidden="true">{seals.collect_view()}</div> }.into_any()
}

fn initials(name: &str) -> String {
    let words = name.split_whitespace();
    words
        .filter_map(|word| word.chars().next())
        .take(2)
        .collect()
}

//! The quorum as seals.

use countersign_protocol::activation::{Answer, CustodianProgress};
use leptos::prelude::*;

/// One seal per registered custodian, stamped for an approval. Screen readers skip the seals, because the text beside them says
/// the same.
#[component]
pub fn QuorumSeals(
    /// Registered custodians and their decisions.
    custodians: Vec<CustodianProgress>,
) -> impl IntoView {
    let seals = custodians.into_iter().map(|custodian| {
        let class = match custodian.answer {
            Answer::Missing | Answer::Forgotten { .. } if custodian.revoked => "seal declined",
            Answer::Missing => "seal",
            Answer::Authenticated { .. } => "seal stamped",
            Answer::Forgotten { .. } => "seal forgotten",
            Answer::Declined { .. } => "seal declined",
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

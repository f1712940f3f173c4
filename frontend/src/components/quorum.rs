//! The quorum as seals: one per registered custodian, stamped by who has authenticated.

use countersign_protocol::activation::{Answer, CustodianProgress};
use leptos::prelude::*;

/// A row of seals. Decoration: the same stands next to it in words.
#[component]
pub fn QuorumSeals(
    /// Registered custodians and their answers.
    custodians: Vec<CustodianProgress>,
) -> impl IntoView {
    let seals = custodians.into_iter().map(|custodian| {
        let class = match custodian.answer {
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

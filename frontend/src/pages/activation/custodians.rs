//! Who has authenticated, who is missing.

use countersign_protocol::activation::{Answer, CustodianProgress, Quorum};
use leptos::prelude::*;

use crate::{
    components::{Badge, QuorumSeals, When},
    words,
};

/// The quorum.
#[component]
pub fn Custodians(
    /// One per registered custodian.
    custodians: Vec<CustodianProgress>,
    /// As the card counts.
    authenticated: u8,
    /// What the HSM demands.
    quorum: Quorum,
) -> impl IntoView {
    let sentence = outlook(&custodians, authenticated, quorum);
    let rows = custodians.clone().into_iter().map(row).collect_view();
    view! {
        <section class="card" aria-labelledby="quorum">
            <h2 id="quorum">"Custodians"</h2>
            <p class="count" role="status">
                <strong data-testid="activation-count">
                    {format!("{authenticated} of {}", quorum.required)}
                </strong>
                {format!(" needed, {} registered", quorum.total)}
            </p>
            <QuorumSeals custodians=custodians />
            <p class="hint">{sentence}</p>
            <ul class="answers">{rows}</ul>
        </section>
    }
    .into_any()
}

fn row(custodian: CustodianProgress) -> AnyView {
    let (name, tone, word, more) = match custodian.answer {
        Answer::Missing => ("missing", "plain", "not yet", ().into_any()),
        Answer::Authenticated { at } => (
            "authenticated",
            "good",
            "authenticated",
            view! { <When at=at /> }.into_any(),
        ),
        Answer::Forgotten { why } => (
            "forgotten",
            "wait",
            "must authenticate again",
            view! { {why} }.into_any(),
        ),
        Answer::Declined { at, reason } => (
            "declined",
            "bad",
            "declined",
            view! { "“" {reason} "” " <When at=at /> }.into_any(),
        ),
    };
    view! {
        <li data-testid=format!("activation-custodian-{}", custodian.person.id) data-answer=name>
            <span class="answer-name">{custodian.person.name}</span>
            <Badge tone=tone text=word />
            <span class="quiet">{more}</span>
            <code class="quiet">{custodian.chr.as_str().to_owned()}</code>
        </li>
    }
    .into_any()
}

/// Who can still complete the quorum.
fn outlook(custodians: &[CustodianProgress], authenticated: u8, quorum: Quorum) -> String {
    let needed = quorum.required.saturating_sub(authenticated);
    if needed == 0 {
        return "The quorum is met.".to_owned();
    }
    let missing: Vec<_> = custodians
        .iter()
        .filter(|custodian| matches!(custodian.answer, Answer::Missing | Answer::Forgotten { .. }))
        .map(|custodian| custodian.person.name.clone())
        .collect();
    if missing.len() < usize::from(needed) {
        return "The quorum can't be met any more: too many have declined.".to_owned();
    }
    format!("{needed} more needed, from {}.", words::names(&missing))
}

//! The quorum: which custodians have decided, and whose approval is still needed.

use countersign_protocol::activation::{CustodianProgress, Decision, Quorum};
use leptos::prelude::*;

use crate::{
    components::{Badge, Prose, QuorumSeals, When},
    words,
};

/// The card with the quorum.
#[component]
pub fn Custodians(
    /// One per registered custodian.
    custodians: Vec<CustodianProgress>,
    /// Number of approvals as the HSM reports it.
    approvals: u8,
    quorum: Quorum,
    /// Whether the activation has ended.
    ended: bool,
) -> impl IntoView {
    let outlook = (!ended).then(|| outlook(&custodians, approvals, quorum));
    let rows = custodians
        .clone()
        .into_iter()
        .map(|custodian| row(custodian, ended, approvals >= quorum.required))
        .collect_view();
    view! {
        <section class="card" aria-labelledby="quorum">
            <h2 id="quorum">"Custodians"</h2>
            <p class="count" role="status">
                <strong data-testid="activation-count">{words::approvals(approvals, quorum)}</strong>
                {format!(" · {}", words::count(quorum.total, "custodian"))}
            </p>
            <QuorumSeals custodians=custodians />
            {outlook.map(|outlook| view! { <p class="hint">{outlook}</p> })}
            <ul class="answers">{rows}</ul>
        </section>
    }
    .into_any()
}

fn row(custodian: CustodianProgress, ended: bool, is_complete: bool) -> AnyView {
    let (name, tone, label, details) = match custodian.decision {
        Decision::Pending if custodian.revoked => ("pending", "bad", "Key revoked", ().into_any()),
        Decision::Pending if ended => ("pending", "plain", "No response", ().into_any()),
        Decision::Pending if is_complete => ("pending", "plain", "Not needed", ().into_any()),
        Decision::Pending => ("pending", "plain", "Pending", ().into_any()),
        Decision::Approved { at } => (
            "approved",
            "good",
            "Approved",
            view! { <When at=at /> }.into_any(),
        ),
        Decision::ApprovalLost { why } => (
            "approval-lost",
            "wait",
            match (custodian.revoked, ended) {
                (true, _) => "Key revoked",
                (false, true) => "Approval lost",
                (false, false) => "Must approve again",
            },
            view! { <Prose text=why /> }.into_any(),
        ),
        Decision::Declined { at, reason } => (
            "declined",
            "bad",
            "Declined",
            view! { "“" {reason} "” " <When at=at /> }.into_any(),
        ),
    };
    view! {
        <li data-testid=format!("activation-custodian-{}", custodian.person.id) data-decision=name>
            <span class="answer-name">{custodian.person.name}</span>
            <Badge tone=tone text=label />
            <span class="quiet">{details}</span>
            <code class="quiet">{custodian.chr.as_str().to_owned()}</code>
        </li>
    }
    .into_any()
}

/// The approvals that are still needed, and the custodians that can give them.
fn outlook(custodians: &[CustodianProgress], approvals: u8, quorum: Quorum) -> String {
    let missing = quorum.required.saturating_sub(approvals);
    if missing == 0 {
        return "Quorum reached.".to_owned();
    }
    let undecided: Vec<_> = custodians
        .iter()
        .filter(|custodian| !custodian.revoked)
        .filter(|custodian| {
            matches!(
                custodian.decision,
                Decision::Pending | Decision::ApprovalLost { .. }
            )
        })
        .map(|custodian| custodian.person.name.as_str())
        .collect();
    if undecided.len() < usize::from(missing) {
        return "Too few custodians are left to reach the quorum.".to_owned();
    }
    let needed = words::more_approvals(missing);
    if undecided.len() == usize::from(missing) {
        return format!("{needed} needed ({}).", words::all_of(&undecided));
    }
    format!("{needed} needed ({}).", words::any_of(&undecided))
}

//! The HSMs of a pool with their states.

use countersign_protocol::activation::{ActivationState, MemberView};
use leptos::prelude::*;

use crate::{
    components::{Badge, activation_tone},
    words,
};

/// One row per HSM.
#[component]
pub fn Members(members: Vec<MemberView>) -> impl IntoView {
    let rows = members.into_iter().map(row).collect_view();
    view! {
        <section class="card" aria-labelledby="members">
            <h2 id="members">"HSMs with these keys"</h2>
            <p class="hint">
                "One approval covers all of these HSMs. Any open HSM can sign; the limits apply to all of them together."
            </p>
            <ul class="answers">{rows}</ul>
        </section>
    }
    .into_any()
}

fn row(member: MemberView) -> AnyView {
    let testid = format!("activation-member-{}", member.hsm.id);
    let approvals = words::approvals(member.approvals, member.quorum);
    let end = match &member.state {
        ActivationState::Ended { reason, .. } => {
            Some(words::end_sentence(reason, Some(approvals.clone())))
        }
        _ => None,
    };
    view! {
        <li data-testid=testid data-state=member.state.as_str()>
            <span class="answer-name">{member.hsm.id.to_string()}</span>
            <Badge tone=activation_tone(&member.state) text=words::state_name(&member.state) />
            <span class="quiet">{approvals}</span>
            <span class="quiet">{words::count(member.signatures, "signature")}</span>
            {end.map(|end| view! { <span class="quiet">{end}</span> })}
        </li>
    }
    .into_any()
}

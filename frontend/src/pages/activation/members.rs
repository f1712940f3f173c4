//! The HSMs of a pool: where each one stands.

use countersign_protocol::activation::{ActivationState, MemberView};
use leptos::prelude::*;

use crate::{
    components::{Badge, activation_tone},
    words,
};

/// One row per HSM.
#[component]
pub fn Members(
    /// The HSMs.
    members: Vec<MemberView>,
) -> impl IntoView {
    let rows = members.into_iter().map(row).collect_view();
    view! {
        <section class="card" aria-labelledby="members">
            <h2 id="members">"HSMs with these keys"</h2>
            <p class="hint">
                "One consent is for all of them. Files are signed by whichever is open; the limits are those of all together."
            </p>
            <ul class="answers">{rows}</ul>
        </section>
    }
    .into_any()
}

fn row(member: MemberView) -> AnyView {
    let testid = format!("activation-member-{}", member.hsm.id);
    let count = format!("{} of {}", member.authenticated, member.quorum.required);
    let end = match &member.state {
        ActivationState::Ended { reason, .. } => Some(reason.to_string()),
        _ => None,
    };
    view! {
        <li data-testid=testid data-state=member.state.as_str()>
            <span class="answer-name">{member.hsm.id.to_string()}</span>
            <Badge tone=activation_tone(&member.state) text=words::state_name(&member.state) />
            <span class="quiet">{count}</span>
            <span class="quiet">{words::count(member.signatures, "signature")}</span>
            {end.map(|end| view! { <span class="quiet">{end}</span> })}
        </li>
    }
    .into_any()
}

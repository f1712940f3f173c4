//! An activation as one entry of a list.

use countersign_protocol::activation::{ActivationState, ActivationView};
use leptos::prelude::*;

use super::{Badge, QuorumSeals, When};
use crate::{
    clock::{self, Clock},
    words,
};

/// The entry; all of it is one link.
#[component]
pub fn ActivationRow(
    /// The activation.
    view: ActivationView,
    /// For tests.
    testid: String,
) -> impl IntoView {
    let terms = view.terms;
    let href = format!("/a/{}", terms.id);
    let clock = use_context::<Clock>();
    let where_it_stands = match view.state {
        ActivationState::Queued => "waits for the HSM".into_any(),
        ActivationState::Collecting => {
            let expires_at = terms.expires_at;
            let needed = terms.quorum.required;
            view! {
                {format!("{} of {needed} · expires ", view.authenticated)} <When at=expires_at />
            }
            .into_any()
        }
        ActivationState::Open { until, left, .. } => view! {
            {format!("{} left · ", words::count(left, "signature"))}
            {move || clock.map(|clock| clock::left(until, clock.now()))}
        }
        .into_any(),
        ActivationState::Ended { ref reason, at } => {
            view! { {reason.to_string()} " · " <When at=at /> }.into_any()
        }
    };
    let from = format!(
        "{} · HSM {} · {}",
        terms.requester.name,
        terms.hsm_names(),
        terms.id
    );
    view! {
        <li class="row">
            <a class="row-link" href=href data-testid=testid>
                <span class="row-title">{words::purpose(&terms.purpose)}</span>
                <span class="row-text">{terms.reason}</span>
                <span class="quiet">
                    {from}
                </span>
            </a>
            <div class="row-side">
                <Badge tone=tone(&view.state) text=words::state_name(&view.state) />
                {(!view.state.is_ended()).then(|| view! { <QuorumSeals custodians=view.custodians /> })}
                <span class="quiet">{where_it_stands}</span>
            </div>
        </li>
    }
    .into_any()
}

/// Colour of a state.
pub fn tone(state: &ActivationState) -> &'static str {
    match state {
        ActivationState::Queued => "plain",
        ActivationState::Collecting => "wait",
        ActivationState::Open { .. } => "good",
        ActivationState::Ended { .. } => "plain",
    }
}

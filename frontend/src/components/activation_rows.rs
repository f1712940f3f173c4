//! Lists of activations.

use countersign_protocol::activation::{ActivationState, ActivationView};
use leptos::prelude::*;

use super::{Badge, QuorumSeals, Rows, When};
use crate::{
    clock::{self, Clock},
    words,
};

/// Activations, one entry each.
#[component]
pub fn ActivationRows(
    #[prop(into)] views: Signal<Vec<ActivationView>>,
    /// Test id; the activation's id is appended.
    testid: &'static str,
) -> impl IntoView {
    view! {
        <Rows items=views key=|view| view.id().to_string() row=move |view| row(view, testid) />
    }
    .into_any()
}

/// Activations under a heading. An empty section is not shown.
#[component]
pub fn ActivationSection(
    title: &'static str,
    views: Memo<Vec<ActivationView>>,
    /// Test id; the activation's id is appended.
    testid: &'static str,
) -> impl IntoView {
    let any = Memo::new(move |_| !views.with(Vec::is_empty));
    view! {
        {move || {
            any.get()
                .then(|| {
                    view! {
                        <section aria-label=title>
                            <h2>{title}</h2>
                            <ul class="rows">
                                <ActivationRows views=views testid=testid />
                            </ul>
                        </section>
                    }
                })
        }}
    }
    .into_any()
}

/// One entry. All of it is one link.
fn row(view: Memo<ActivationView>, testid: &str) -> AnyView {
    let (terms, omitted) = view.with_untracked(|view| (view.terms.clone(), view.omitted_files));
    let purpose = words::purpose(&terms.purpose, omitted);
    let origin = format!(
        "{} · HSM {} · {}",
        terms.requester.name,
        terms.hsm_names(),
        terms.id
    );
    view! {
        <li class="row">
            <a
                class="row-link"
                href=format!("/a/{}", terms.id)
                data-testid=format!("{testid}-{}", terms.id)
            >
                <span class="row-title">{terms.reason}</span>
                <span class="row-text">{purpose}</span>
                <span class="quiet">{origin}</span>
            </a>
            <div class="row-side">{move || view.with(side)}</div>
        </li>
    }
    .into_any()
}

fn side(view: &ActivationView) -> AnyView {
    let clock = use_context::<Clock>();
    let approvals = words::approvals(view.approvals, view.terms.quorum);
    let details = match view.state {
        ActivationState::Queued => "Starts when the HSM is connected and free".into_any(),
        ActivationState::AwaitingApprovals => {
            let expires_at = view.terms.expires_at;
            view! { {format!("{approvals} · expires ")} <When at=expires_at /> }.into_any()
        }
        ActivationState::Open { until, left, .. } => view! {
            {format!("{} left · ", words::count(left, "signature"))}
            {move || clock.map(|clock| clock::left(until, clock.now()))}
        }
        .into_any(),
        ActivationState::Ended { ref reason, at } => {
            view! { {words::end_sentence(reason, Some(approvals))} " " <When at=at /> }.into_any()
        }
    };
    let seals = (!view.state.is_ended()).then(|| view.custodians.clone());
    view! {
        <Badge tone=tone(&view.state) text=words::state_name(&view.state) />
        {seals.map(|custodians| view! { <QuorumSeals custodians=custodians /> })}
        <span class="quiet">{details}</span>
    }
    .into_any()
}

/// Class of the badge for a state.
pub fn tone(state: &ActivationState) -> &'static str {
    match state {
        ActivationState::Queued => "plain",
        ActivationState::AwaitingApprovals => "wait",
        ActivationState::Open { .. } => "good",
        ActivationState::Ended { .. } => "plain",
    }
}
